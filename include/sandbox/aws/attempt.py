"""One start of a job's program on all its hosts: supervised process groups, and their logs as they are written."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from include.sandbox.aws import container, supervise
from include.sandbox.aws.container import Program
from include.sandbox.aws.hosts import Host

_TICK = 0.05
_LINE_LIMIT = 256 * 1024
log = logging.getLogger(__name__)


class Attempt:
    """The processes of all hosts between one start and its end."""

    def __init__(self, hosts: list[Host], program: Program, write_line: Callable[[str, str], None]) -> None:
        """Start nothing yet; ``write_line`` gets a log stream's suffix and a line."""
        self._hosts = hosts
        self._program = program
        self._write_line = write_line
        self._supervisors: list[subprocess.Popen[bytes]] = []
        self._followers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._grace: float | None = None
        self.failed: list[tuple[Host, int]] = []

    def start(self, request: dict[str, Any], aws: dict[str, str], arn: str) -> None:
        """Start the program on every host."""
        for host in self._hosts:
            supervisor = subprocess.Popen(  # noqa: S603 (the sandbox's purpose is to run this program)
                [sys.executable, "-I", "-S", supervise.__file__, *self._program.command(host)],
                cwd=self._program.folder(host),
                env=container.environment(host, request, self._program, aws, arn),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            with self._lock:
                self._supervisors.append(supervisor)
                if self._grace is not None:
                    _tell_stop(supervisor, self._grace)
            follower = threading.Thread(target=self._follow, args=(host, supervisor.stdout), daemon=True)
            follower.start()
            self._followers.append(follower)

    def stop(self, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds, to all hosts; also to those yet to start."""
        with self._lock:
            self._grace = grace
            for supervisor in self._supervisors:
                _tell_stop(supervisor, grace)

    def wait(self, cause_to_stop: Callable[[], str | None], grace: float) -> str | None:
        """Wait until all programs have ended; stop them when one fails, or ``cause_to_stop`` gives a cause.

        :return: the cause, if there was one before the end
        """
        cause = None
        while any(supervisor.poll() is None for supervisor in self._supervisors):
            # The first to fail ends its peers, whose exit codes then say nothing.
            self.failed = self._failed()
            cause = None if self.failed else cause_to_stop()
            if self.failed or cause:
                self.stop(grace)
                break
            time.sleep(_TICK)
        for supervisor in self._supervisors:
            supervisor.wait()
        for follower in self._followers:
            follower.join()
        self.failed = self.failed or self._failed()
        return cause

    def _failed(self) -> list[tuple[Host, int]]:
        codes = [supervisor.poll() for supervisor in self._supervisors]
        # A supervisor that was killed itself counts as its program, which has ended with it.
        return [(host, code if code > 0 else 128 - code) for host, code in zip(self._hosts, codes, strict=True) if code]

    def _follow(self, host: Host, stream: IO[bytes]) -> None:
        name = f"{host.name}-{int(time.time())}"
        with stream:
            # Longer lines would not fit into an event of CloudWatch.
            while raw := stream.readline(_LINE_LIMIT - 1024):
                try:
                    self._write_line(name, raw.decode(errors="replace").rstrip("\r\n"))
                except Exception:
                    # The pipe must go on being read, or the program would stand still.
                    log.exception("a log line of %s is lost", name)


def _tell_stop(supervisor: subprocess.Popen[bytes], grace: float) -> None:
    if supervisor.stdin is None:
        return
    try:
        supervisor.stdin.write(f"stop {grace}\n".encode())
        supervisor.stdin.flush()
    except (BrokenPipeError, ValueError):
        return  # it has ended by itself
