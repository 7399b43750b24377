"""Child processes that never outlive us: each in a session of its own, which is ended as a whole.

Run as a script, this is the keeper between us and one such process. We hold the other end of its standard
input, and that pipe closes however we end: in order, by an error, or killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PATIENCE_SECONDS = 8


class ProcessGroup:
    """Starts processes and ends all of them, with whatever they started."""

    def __init__(self) -> None:
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """Start a process that writes to a log file."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.children[name] = subprocess.Popen(  # noqa: S603  our own commands
                [sys.executable, __file__, *command],
                env=env,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise if a process has ended by itself.

        :raises RuntimeError: naming it and its exit code
        """
        for name, child in self.children.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended by itself with exit code {child.returncode}; see its log")

    def stop(self) -> None:
        """End all processes: politely, then not."""
        for child in self.children.values():
            if child.stdin:
                child.stdin.close()
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2 * _PATIENCE_SECONDS)
            # The keeper has done it, unless somebody killed the keeper.
            _kill_session(child.pid)
            child.wait()
        self.children.clear()


def _keep(command: Sequence[str]) -> int:
    """Run a command until it ends or our starter does, and end all of our session with it."""
    told_to_stop = False

    def tell(*_: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    signal.signal(signal.SIGTERM, tell)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603  our own commands
    while child.poll() is None and not told_to_stop:
        told_to_stop = told_to_stop or bool(select.select([sys.stdin], [], [], 0.2)[0])
    os.killpg(os.getpid(), signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_PATIENCE_SECONDS)
    _kill_session(os.getpid())
    code = child.wait()
    return code if code >= 0 else 128 - code


def _kill_session(leader: int) -> None:
    # A process may leave its parent, its group and its environment behind, but not, by chance, its session.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        members = [pid for pid in psutil.pids() if pid != os.getpid() and _session_of(pid) == leader]
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(psutil.Error, OSError):
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    return None


if __name__ == "__main__":
    sys.exit(_keep(sys.argv[1:]))
