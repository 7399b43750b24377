"""What the account does by itself, in threads of its own: runs of alerts and tasks, and whatever is to be looked after.

A module that wants something done regularly puts `@every(seconds)` above a function of the account.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.sandbox.snowflake.automation.schedule import Timetable

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Account, Session

log = logging.getLogger(__name__)

Duty = Callable[["Account"], None]
_DUTIES: list[tuple[float, Duty]] = []
_TICK = 0.25


def every(seconds: float) -> Callable[[Duty], Duty]:
    """Register `f(account)` to be called this often while the server runs, never twice at once."""

    def register(function: Duty) -> Duty:
        _DUTIES.append((seconds, function))
        return function

    return register


class Scheduler:
    """Runs in the background, one at a time for each key."""

    def __init__(self) -> None:
        self.timetable = Timetable(datetime.now(UTC))
        self.live: set[str] = set()  # the runs under way or to come, by their id
        self.lost: set[str] = set()  # those that an end of the server broke off, as far as they have been seen
        self._pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="background")
        self._lock = threading.Lock()
        self._running: dict[Hashable, deque[Callable[[], None]]] = {}
        self._sessions: set[Session] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_stopping(self) -> bool:
        """True when nothing new is to begin."""
        return self._stopping.is_set()

    def start(self, account: Account) -> None:
        """Look after the account's duties from now on."""
        self._thread = threading.Thread(target=self._watch, args=[account], name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, break off what runs, and wait until it has ended."""
        with self._lock:
            self._stopping.set()
        if self._thread:
            self._thread.join()
        ending = threading.Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True})
        ending.start()
        while ending.is_alive():
            with self._lock:
                sessions = list(self._sessions)
            for session in sessions:
                session.cancel()
            ending.join(0.1)

    def submit(self, key: Hashable, run: Callable[[], None], *, wait: bool = False) -> bool:
        """Run a function in the background. While one of this key runs it waits its turn, or is left out: False."""
        with self._lock:
            if self._stopping.is_set():
                return False
            if key in self._running:
                if wait:
                    self._running[key].append(run)
                return wait
            self._running[key] = deque([run])
            self._pool.submit(self._work, key)
        return True

    def is_running(self, key: Hashable) -> bool:
        """True from when a run of this key is taken on until its place is free for the next."""
        with self._lock:
            return key in self._running

    @contextmanager
    def holding(self, session: Session) -> Iterator[None]:
        """While this lasts, stopping breaks off the session's statement."""
        with self._lock:
            self._sessions.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._sessions.discard(session)

    def _work(self, key: Hashable) -> None:
        while True:
            with self._lock:
                if not self._running[key] or self._stopping.is_set():
                    del self._running[key]
                    return
                run = self._running[key][0]
            try:
                run()
            except Exception:
                log.exception("%s failed in the background", key)
            with self._lock:
                self._running[key].popleft()

    def _watch(self, account: Account) -> None:
        due = [0.0] * len(_DUTIES)
        while not self._stopping.wait(_TICK):
            for number, (seconds, duty) in enumerate(_DUTIES):
                if time.monotonic() >= due[number]:
                    due[number] = time.monotonic() + seconds
                    self.submit(duty, lambda duty=duty: duty(account))  # type: ignore[misc]
