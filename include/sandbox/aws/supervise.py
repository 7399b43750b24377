"""Run one command, and end everything it started when it ends or when whoever started this ends.

Run as a script by the training runner. Standard input is the lifeline: the line `stop SECONDS` asks for
SIGTERM and, after so many seconds, SIGKILL; its end means that the server is gone (kill -9 included).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit code as a shell would give it."""
    _adopt_orphans()
    try:
        child = subprocess.Popen(  # noqa: S603 (our own argument list)
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (this process has one thread yet)
        )
    except OSError as error:
        # What a shell says and returns of a command that it cannot run.
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 126 if isinstance(error, PermissionError) else 127
    threading.Thread(target=_watch_lifeline, args=(child.pid,), daemon=True).start()
    code = child.wait()
    _kill_all(child.pid)  # what the command left behind
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # adopted ones must not stay as zombies
    return 128 - code if code < 0 else code


def _adopt_orphans() -> None:
    """Become the parent of whatever leaves its own parent, so that daemons can be found (Linux only)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_with_parent() -> None:
    """Be killed when this supervisor is (Linux only)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def _watch_lifeline(group: int) -> None:
    for line in sys.stdin:
        word, _, seconds = line.strip().partition(" ")
        if word == "stop":
            _signal_group(group, signal.SIGTERM)
            threading.Thread(target=_kill_later, args=(group, float(seconds)), daemon=True).start()
    _kill_all(group)


def _kill_later(group: int, seconds: float) -> None:
    time.sleep(seconds)
    _kill_all(group)


def _kill_all(group: int) -> None:
    """Kill the command's group, and its descendants in sessions of their own."""
    _signal_group(group, signal.SIGKILL)
    while descendants := _descendants(os.getpid()):
        for pid in descendants:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _descendants(ancestor: int) -> set[int]:
    """Return the living descendants of a process, as /proc shows them; none where there is no /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets may itself hold brackets and spaces.
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(path.parent.name)] = int(parent)
    found: set[int] = set()
    generation = {ancestor}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation} - found
        found |= generation
    return found


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
