"""Run one command as the leader of a process group that ends when whoever started this ends.

Run as a script by the training runner. Standard input is the lifeline: the line `stop SECONDS` asks for
SIGTERM and, after so many seconds, SIGKILL; its end means that the server is gone (kill -9 included).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit code as a shell would give it."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 (our own argument list)
    threading.Thread(target=_watch_lifeline, args=(child.pid,), daemon=True).start()
    code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what the command left behind
    return 128 - code if code < 0 else code


def _watch_lifeline(group: int) -> None:
    for line in sys.stdin:
        word, _, seconds = line.strip().partition(" ")
        if word == "stop":
            _signal_group(group, signal.SIGTERM)
            threading.Thread(target=_kill_later, args=(group, float(seconds)), daemon=True).start()
    _signal_group(group, signal.SIGKILL)


def _kill_later(group: int, seconds: float) -> None:
    time.sleep(seconds)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
