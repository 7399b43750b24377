"""How long the demo's whole loop takes, and a weekly run in it."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bench.figure import Figure

REPOSITORY = Path(__file__).parents[2]


def measure() -> Iterator[Figure]:
    """Run the demo from nothing and read Airflow's own times of its runs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "include.demo", "--once", "--any-port"]
        command += ["--state", f"{folder}/sandbox", "--home", f"{folder}/airflow"]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"the demo failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        yield Figure("loop", seconds, "s", bound=300)
        runs = _durations(Path(folder) / "airflow" / "airflow.db", "score_mortgage")
        yield Figure("weekly run (median, in a backfill)", statistics.median(runs), "s", bound=30)
        runs = _durations(Path(folder) / "airflow" / "airflow.db", "retrain_mortgage")
        yield Figure("retraining run (median)", statistics.median(runs), "s", bound=90)


def _durations(database: Path, dag_id: str) -> list[float]:
    with sqlite3.connect(database) as connection:
        query = "SELECT start_date, end_date FROM dag_run WHERE dag_id = ? AND state = 'success'"
        rows = connection.execute(query, (dag_id,)).fetchall()
    return [(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() for start, end in rows]
