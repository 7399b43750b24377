"""How long a new environment takes: what a newcomer waits before anything runs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

REPOSITORY = Path(__file__).parents[2]


def measure() -> Iterator[Figure]:
    """Install the pinned requirements and the provider into a new environment."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        python = f"{folder}/venv/bin/python"
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        requirements = str(REPOSITORY / "requirements.txt")
        _run([*install, "-r", requirements])
        _run([*install, "--no-deps", "--no-build-isolation", str(REPOSITORY)])
        yield Figure("install", time.perf_counter() - started, "s", bound=600)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
