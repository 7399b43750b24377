"""Child processes that never outlive us: each in a session of its own, ended with all its descendants."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1


class ProcessGroup:
    """Starts processes and ends all of them, with whatever they started.

    Every process carries a mark in its environment, so that a descendant which left its parent and session
    behind is found too.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """Start a process that writes to a log file."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.children[name] = subprocess.Popen(  # noqa: S603  our own commands
                command,
                env={**env, "SNOWMAKER_PROCESS_MARK": self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  we have no threads yet
            )

    def check(self) -> None:
        """Raise if a process has ended by itself.

        :raises RuntimeError: naming it and its exit code
        """
        for name, child in self.children.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended by itself with exit code {child.returncode}; see its log")

    def stop(self, patience: float = 8) -> None:
        """End all processes: politely, then not."""
        found = self._descendants()
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(child.poll() is None for child in self.children.values()):
            time.sleep(0.1)
        for process in found | self._descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for child in self.children.values():
            child.wait()
        self.children.clear()

    def _descendants(self) -> set[psutil.Process]:
        found = set()
        for child in self.children.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= {psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("SNOWMAKER_PROCESS_MARK") == self.mark:
                    found.add(process)
        return found


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
