"""The demo as a process, and which processes of the machine belong to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TypeVar

import psutil

from include.demo.local_airflow import REPOSITORY

T = TypeVar("T")


@dataclass
class RunningDemo:
    """``python -m include.demo`` on a folder of its own; what it says is kept line by line."""

    folder: Path
    lines: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "sandbox"

    @property
    def home(self) -> Path:
        return self.folder / "airflow"

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def start(self, *options: str) -> RunningDemo:
        command = [sys.executable, "-u", "-m", "include.demo", "--any-port", *options]
        self.process = subprocess.Popen(
            [*command, "--state", str(self.state), "--home", str(self.home)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Its process group is what a terminal sends Ctrl-C to.
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def wait(self, seconds: float) -> int:
        """Wait for its end and return the exit code; kill it if it takes longer."""
        try:
            code = self.process.wait(seconds)
            self._reader.join(10)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"the demo did not end in {seconds:.0f} s; it said\n{self.output}") from None
        return code

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it says a line that matches a regular expression."""

        def said() -> bool:
            return bool(re.search(text, self.output, re.MULTILINE))

        until(lambda: said() or self.process.poll() is not None, seconds, f"the demo to say {text!r}")
        assert said(), f"the demo ended with {self.process.poll()}; it said\n{self.output}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def left_behind(self) -> list[str]:
        """Name the processes that belong to it, itself included."""
        told = (_tell(process) for process in self.processes())
        return [process for process in told if process]

    def kill_all(self) -> None:
        """End all that belongs to it at once."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self) -> list[psutil.Process]:
        """Find the processes that work in its folders."""
        return [process for process in psutil.process_iter() if _mentions(process, str(self.state), str(self.home))]

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))


def until(happens: Callable[[], T], seconds: float, what: str) -> T:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = happens()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}; now: {found!r}"
        time.sleep(0.25)


def _mentions(process: psutil.Process, *folders: str) -> bool:
    """True if command line, environment, working folder or an open file is of one of the folders.

    All four, for a process that gives itself a title loses the first two.
    """
    if process.pid == os.getpid():
        return False
    with suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        told = [*process.cmdline(), *process.environ().values(), process.cwd()]
        told += [file.path for file in process.open_files()]
        return any(folder in text for text in told for folder in folders)
    return False


def _tell(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return f"{process.pid} (parent {process.ppid()}): {' '.join(process.cmdline())[:500]}"
    return ""
