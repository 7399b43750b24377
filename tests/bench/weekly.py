"""How long one weekly scoring run takes in a whole Airflow with tiny data, and a backfill of half a year."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.figure import Figure
from include.datasets.mortgage import MORTGAGE
from include.datasets.weekly_table import WeeklyTable, last_complete_week
from include.demo.environment import DATABASE, SCHEMA, Environment
from include.demo.local_airflow import AirflowApi, LocalAirflow, create_backfill
from include.demo.processes import ProcessGroup
from include.sandbox.settings import free_port

SCORE, RETRAIN = "score_mortgage", "retrain_mortgage"
ROWS, FIRST_MODEL_WEEK = 100, 10
WEEKS = 26
_RUNS = 5


def measure() -> Iterator[Figure]:
    """Score weeks one after another, once a first run has warmed the sandbox."""
    with _deployment(_RUNS + 2) as deployment:
        found = [deployment.score(FIRST_MODEL_WEEK + 1 + number) for number in range(_RUNS + 1)][1:]
    run, waited = (statistics.median(seconds) for seconds in zip(*found, strict=True))
    yield Figure("weekly run, by Airflow's times", run, "s", bound=10)
    yield Figure("weekly run, triggered to ended", waited, "s", bound=10)


def measure_backfill() -> Iterator[Figure]:
    """Backfill many weeks at once."""
    with _deployment(WEEKS + 1) as deployment:
        yield Figure(f"backfill of {WEEKS} weeks", deployment.backfill(FIRST_MODEL_WEEK + 1, WEEKS), "s", bound=90)


@dataclass
class _Deployment:
    """An Airflow with a champion of the mortgage model, trained as of the first model week."""

    api: AirflowApi
    airflow: LocalAirflow
    first_week: date

    def week(self, number: int) -> date:
        return self.first_week + timedelta(weeks=number - 1)

    def score(self, number: int) -> tuple[float, float]:
        """Score a week by hand; return the run's seconds, and those from the trigger to its end."""
        started = time.perf_counter()
        run_id = self.api.trigger(SCORE, {"week": str(self.week(number))})
        run = self._wait(SCORE, run_id)
        return _seconds(run), time.perf_counter() - started

    def train(self) -> None:
        self.api.pause(RETRAIN, paused=False)
        run_id = self.api.trigger(RETRAIN, {"week": str(self.week(FIRST_MODEL_WEEK))})
        self._wait(RETRAIN, run_id)

    def backfill(self, first: int, weeks: int) -> float:
        """Backfill weeks; return the seconds from its creation to the end of the last run."""
        days = [str(self.week(first)), str(self.week(first + weeks - 1) + timedelta(days=1))]
        options = ["--from-date", days[0], "--to-date", days[1], "--max-active-runs", "4"]
        # Rows of chance drift, and each degraded week asks for a retraining, which is not what is measured.
        self.api.pause(RETRAIN, paused=True)
        # Paused, the scheduler leaves SQLite to the command.
        self.api.pause(SCORE, paused=True)
        create_backfill(self.airflow, self.api, SCORE, *options, "--reprocess-behavior", "completed")
        self.api.pause(SCORE, paused=False)
        while True:
            runs = [run for run in self.api.runs(SCORE) if run["run_type"] == "backfill"]
            if len(runs) == weeks and all(run["end_date"] for run in runs):
                break
            time.sleep(2)  # the answer is work for what is measured, and Airflow tells the times
        assert {run["state"] for run in runs} == {"success"}, runs
        ended = max(datetime.fromisoformat(run["end_date"]) for run in runs)
        return (ended - min(datetime.fromisoformat(run["queued_at"]) for run in runs)).total_seconds()

    def _wait(self, dag_id: str, run_id: str) -> dict[str, Any]:
        while True:
            (run,) = (run for run in self.api.runs(dag_id) if run["dag_run_id"] == run_id)
            if run["end_date"]:
                assert run["state"] == "success", (run, self.api.tasks(dag_id, run_id))
                return run
            time.sleep(0.25)


@contextmanager
def _deployment(weeks: int) -> Iterator[_Deployment]:
    """Start everything, with so many weeks after those that the first model is trained with."""
    processes = ProcessGroup()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        environment = Environment.start(Path(folder) / "sandbox", any_port=True)
        stack.callback(environment.stop)
        airflow = LocalAirflow(Path(folder) / "airflow", free_port(), environment.airflow_variables())
        airflow.cli("db", "migrate")
        stack.callback(processes.stop)
        airflow.start(processes)
        first_week = _load(environment, FIRST_MODEL_WEEK + weeks)
        api = AirflowApi(airflow.url)
        api.wait_until_healthy(processes, 120)
        api.wait_for_dags({SCORE, RETRAIN}, 90)
        deployment = _Deployment(api, airflow, first_week)
        deployment.train()
        api.pause(SCORE, paused=False)
        # Unpaused, it scores the last week at once.
        while not (runs := api.runs(SCORE)) or not all(run["end_date"] for run in runs):
            time.sleep(0.5)
        yield deployment


def _load(environment: Environment, weeks: int) -> date:
    """Load so many weeks, the last one the last complete week, and return the first day of the first."""
    last = last_complete_week(datetime.now(UTC).date())
    with environment.connect() as connection:
        table = WeeklyTable(connection, MORTGAGE.dataset(), database=DATABASE, schema=SCHEMA, table=MORTGAGE.table)
        return table.load(weeks=weeks, rows=ROWS, last_week=last, labels_after_weeks=2).first_week


def _seconds(run: dict[str, Any]) -> float:
    return (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])).total_seconds()
