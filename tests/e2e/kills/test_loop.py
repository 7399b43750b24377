"""Processes killed with SIGKILL while weeks are backfilled and models retrained: all is as if nobody had died.

``SNOWMAKER_KILL_SEED`` chooses who dies when, and a failing test tells it; ``SNOWMAKER_KILLS``: how many die in the
long test.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread

import pytest
from running_demo import until
from snowflake.connector.errors import Error

from snowmaker.exceptions import WarehouseError
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.snowflake.identifiers import QualifiedName

from .deployment import IN_TASK, SERVERS, VICTIMS, Deployment
from .loop import Loop
from .loop_truth import Truth

# The connector's own threads raise where Snowflake dies while they ask it to end a statement.
pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")]

SEED = os.environ.get("SNOWMAKER_KILL_SEED", "1")
MANY = int(os.environ.get("SNOWMAKER_KILLS", "100"))
# The shortest and the longest time between one kill's repair and the next kill.
PAUSE_SECONDS = (0.5, 7.0)
# Far longer than it takes on an idle machine: what is late is no fault here.
PATIENCE_SECONDS = 600
# Those whose death is noticed at once, not by heartbeats that are missing.
FEW = ("task", "snowflake", "triggerer", "sandbox", "task", "aws")


@dataclass(frozen=True)
class Kill:
    """Who dies, so long after the last one is up again."""

    number: int
    victim: str
    pause: float

    def __str__(self) -> str:
        return f"{self.number}: {self.victim} after {self.pause:.1f} s"


def kills(victims: Sequence[str]) -> Iterator[Kill]:
    """Yield kills without end, by the seed: each victim once, in any order, then each again."""
    moments = random.Random(f"{SEED}/{victims}")  # noqa: S311
    for number in count():
        if number % len(victims) == 0:
            order = moments.sample(victims, len(victims))
        yield Kill(number, order[number % len(victims)], moments.uniform(*PAUSE_SECONDS))


class Reader(Thread):
    """Somebody who asks for the champion all the time, and remembers what was answered."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(daemon=True)
        self._loop = loop
        self._ended = Event()
        self.champions: list[str] = []
        self.answers = 0
        self.fault: Exception | None = None

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._loop.connect() as connection:
                    self._read(WarehouseSession(connection, "reader"))
            except (Error, OSError, WarehouseError):
                self._ended.wait(0.5)  # dead just now
            except Exception as error:
                self.fault = error
                raise

    def stop(self) -> None:
        self._ended.set()
        self.join(60)

    def _read(self, session: WarehouseSession) -> None:
        model = QualifiedName.parse("ML.MORTGAGE.LOOP")
        while not self._ended.wait(0.2):
            champion = read_state(session, model).champion
            self.answers += champion is not None
            assert champion or not self.champions, "a champion, then none"
            if champion and champion.name not in self.champions[-1:]:
                self.champions.append(champion.name)


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_few_deaths_change_nothing(deployment: Deployment, weekly_loop: Loop) -> None:
    play(deployment, weekly_loop, FEW, len(FEW), weeks=3, retrainings=1)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_deaths_change_nothing(deployment: Deployment, weekly_loop: Loop) -> None:
    play(deployment, weekly_loop, (*VICTIMS, *SERVERS), MANY, weeks=8, retrainings=1000)


def play(deployment: Deployment, loop: Loop, victims: Sequence[str], number: int, **asked: int) -> None:
    """Keep the loop at work, kill so many, and judge what has happened."""
    started, reader, killed = time.monotonic(), Reader(loop), Counter[str]()
    print(f"seed {SEED}")
    loop.keep_busy(**asked)
    reader.start()
    for kill in kills(victims):
        time.sleep(kill.pause)
        if strike(deployment, kill.victim):
            killed[kill.victim] += 1
            print(f"{time.monotonic() - started:6.1f} s {kill}", flush=True)
        if killed.total() == number:
            break
        loop.keep_busy(**asked)

    while not loop.is_backfilled():
        loop.keep_busy(**asked)
        loop.wait(PATIENCE_SECONDS)
    loop.wait(PATIENCE_SECONDS)
    story = f"seed {SEED}, {killed.total()} killed {dict(killed)} in {time.monotonic() - started:.0f} s"
    reader.stop()
    truth = Truth(loop)
    print(f"{story}; {truth.check()}; {reader.answers} answers")
    assert reader.fault is None, story
    told = iter(truth.champions())
    assert all(champion in told for champion in reader.champions), (story, reader.champions, truth.champions())
    until(lambda: not deployment.workers() and not deployment.scripts(), 60, f"nobody at work after {story}")
    deployment.bury_orphans()


def strike(deployment: Deployment, victim: str) -> bool:
    """Kill a victim, waiting for one if need be, and wait until it is up again; False if there was none."""
    deadline = time.monotonic() + 10
    while not deployment.kill(victim):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    if victim not in IN_TASK:
        deployment.start_what_ended()
        deployment.wait_until_healthy(PATIENCE_SECONDS)
    return True
