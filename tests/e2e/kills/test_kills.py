"""Processes killed with SIGKILL at random moments: a run has one job, whoever dies, and none is left running."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass

import pytest
from running_demo import until

from .bundle import DEFERRING, TASK, WAITING
from .deployment import IN_TASK, VICTIMS, Deployment, Run, assert_one_after_the_other

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SEED = os.environ.get("SNOWMAKER_KILL_SEED", "1")
# From before the job is submitted to after the task has ended, on an idle machine.
SPAN_SECONDS = 9.0
# Within a task's process: from its start to its end.
TASK_SPAN_SECONDS = 4.0
# Whose death is no reason to stop or to repeat a job.
HARMLESS = ("task", "supervisor", "worker", "machine", "triggerer")


@dataclass(frozen=True)
class Round:
    """A run, and who is killed at which moment of it."""

    number: int
    victim: str
    dag_id: str

    @property
    def moment(self) -> float:
        """Where in the span of its victim the kill comes, from 0 to 1."""
        return random.Random(f"{SEED}/{self}").random()  # noqa: S311

    def __str__(self) -> str:
        return f"{self.number:02}-{self.victim}-{self.dag_id}"


def rounds(count: int) -> list[Round]:
    modes = (WAITING, DEFERRING)
    return [Round(i, VICTIMS[i // 2 % len(VICTIMS)], modes[i % 2]) for i in range(count)]


FEW = [
    Round(0, "task", WAITING),
    Round(1, "task", DEFERRING),
    Round(2, "triggerer", DEFERRING),
    Round(3, "sandbox", WAITING),
]


@pytest.mark.parametrize("one", FEW, ids=str)
def test_a_run_has_one_job_whoever_dies(deployment: Deployment, one: Round) -> None:
    play(deployment, one)


@pytest.mark.slow
@pytest.mark.parametrize("one", rounds(50), ids=str)
def test_fifty_runs_have_one_job_each_whoever_dies(deployment: Deployment, one: Round) -> None:
    play(deployment, one)


def play(deployment: Deployment, one: Round) -> None:
    """Run a round, and judge the jobs that it has made."""
    deployment.wait_until_healthy()
    started = time.monotonic()
    run = deployment.trigger(one.dag_id)
    killed = kill_at_the_moment(deployment, one, run)
    ended = deployment.wait(run)
    attempts = deployment.attempts(run)
    story = (
        f"seed {SEED}, round {one}, moment {one.moment:.2f}, killed after {killed}: {ended}, "
        f"{[attempt['TrainingJobStatus'] for attempt in attempts]} in {time.monotonic() - started:.1f} s"
    )
    print(story)
    assert ended == "success", story
    assert_one_after_the_other(attempts, story)
    if one.victim in HARMLESS:
        assert len(attempts) == 1, story
    result = until(lambda: deployment.ask(lambda: deployment.api.xcom(run.dag_id, run.run_id, TASK)), 60, "the result")
    assert result["job_name"] == attempts[-1]["TrainingJobName"], story
    until(lambda: not deployment.workers() and not deployment.scripts(), 20, f"nobody at work after {story}")
    deployment.bury_orphans()


def kill_at_the_moment(deployment: Deployment, one: Round, run: Run) -> str:
    """Kill the victim at the round's moment; tell when that was."""
    started = time.monotonic()
    if one.victim not in IN_TASK:
        time.sleep(one.moment * SPAN_SECONDS)
        deployment.kill(one.victim)
        return f"{time.monotonic() - started:.1f} s"
    until(deployment.workers, 60, "a process of the task")
    time.sleep(one.moment * TASK_SPAN_SECONDS)
    while not deployment.kill(one.victim):
        # It has deferred, or ended.
        if deployment.state(run) == "success":
            return "its end"
        time.sleep(0.05)
    return f"{time.monotonic() - started:.1f} s"
