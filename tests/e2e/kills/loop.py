"""The weekly loop that the kills happen in: the repository's own DAGs on a pipeline of few rows, kept at work."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import snowflake.connector
from running_demo import until

from include.datasets.mortgage import MORTGAGE
from include.datasets.weekly_table import WeeklyTable, last_complete_week
from include.demo.environment import DATABASE, SCHEMA, Environment
from include.demo.local_airflow import REPOSITORY

from .deployment import Deployment

NAME = "loop"
SCORE, RETRAIN, ROLL_BACK = f"score_{NAME}", f"retrain_{NAME}", "rollback_model"
WEEKS, ROWS = 30, 60
FIRST_MODEL_WEEK = 8
UNDER_WAY = ("queued", "running")

# Every challenger passes its gate, and nothing counts as degraded: what happens is what the test asks for.
PIPELINE = """
name: loop
schedule: "0 6 * * MON"
retries: 60
retry_delay_seconds: 1
snowflake: {database: ML, schema: MORTGAGE}
source:
  table: MORTGAGE_APPLICATIONS
  week_column: WEEK_START_DATE
  key: [LOAN_ID]
  features:
    categorical: [LOAN_TYPE_NAME, LOAN_PURPOSE_NAME]
    numeric: [APPLICANT_INCOME_000S, LOAN_AMOUNT_000S]
  label: MORTGAGERESPONSE
  label_delay_weeks: 2
model: {name: LOOP}
training: {window_weeks: 5, hyperparameters: {num_boost_round: 5, max_depth: 2}}
monitoring:
  drift: {warn: 50, breach: 100}
  performance: {metric: f1, warn_drop: 0.98, breach_drop: 0.99}
promotion: {min_gain: {f1: -1}, approval: manual}
explain: {sample_rows: 30}
retention: {keep_versions: 8, keep_champion_weeks: 1, dry_run: false}
"""


def is_rejected(run_id: str) -> bool:
    """Whether a person says no to this retraining's challenger: to every fourth."""
    return int(run_id.removeprefix("manual__")) % 4 == 0


def write(bundle: Path) -> None:
    """Add the loop to a bundle: the repository's DAGs and training code, and its pipeline file."""
    for file in (REPOSITORY / "dags").glob("*.py"):
        shutil.copy(file, bundle / "dags")
    (bundle / "include" / "pipelines").mkdir(parents=True)
    (bundle / "include" / "pipelines" / f"{NAME}.yaml").write_text(PIPELINE)
    (bundle / "include" / "training").symlink_to(REPOSITORY / "include" / "training")


def load(connection: snowflake.connector.SnowflakeConnection) -> date:
    """Load all weeks, the last one the last complete week, and return the first day of the first."""
    table = WeeklyTable(connection, MORTGAGE.dataset(), database=DATABASE, schema=SCHEMA, table=MORTGAGE.table)
    last = last_complete_week(datetime.now(UTC).date())
    plan = table.load(weeks=WEEKS, rows=ROWS, last_week=last, labels_after_weeks=MORTGAGE.labels_after_weeks)
    return plan.first_week


class Loop:
    """The loop of one deployment: what is asked of it, again and again, whoever of it may be dead."""

    def __init__(self, deployment: Deployment, environment: Environment) -> None:
        self.deployment = deployment
        self.environment = environment
        self.api = deployment.api
        with self.environment.connect() as connection:
            self.first_week = load(connection)
        self.backfilled: set[date] = set()
        self._retrained = self._rolled_back = 0
        self._has_champion = False

    def week(self, number: int) -> date:
        """Return the first day of a week, which are counted from 1."""
        return self.first_week + timedelta(weeks=number - 1)

    def keep_busy(self, *, weeks: int, retrainings: int) -> None:
        """Ask for a retraining, up to so many, and for a backfill of so many weeks; one of each at a time.

        After every second retraining the model is rolled back, perhaps while the next one is judged.
        """
        self.deployment.start_what_ended()
        with suppress(httpx.HTTPError):
            self._answer()
            if self._retrained < retrainings and not self._under_way(RETRAIN):
                self._retrain()
            if self._retrained > 2 * self._rolled_back + 2 and not self._under_way(ROLL_BACK):
                self._rolled_back += 1
                self._trigger(ROLL_BACK, {"pipeline": NAME, "reason": "none"}, self._rolled_back)
            if self.has_champion() and not self._under_way(SCORE) and not self.api.active_backfills(SCORE):
                self._backfill(weeks)
                self.api.pause(SCORE, paused=False)

    def has_champion(self) -> bool:
        """Whether a retraining has succeeded."""
        if not self._has_champion:
            self._has_champion = any(run["state"] == "success" for run in self.api.runs(RETRAIN))
        return self._has_champion

    def is_backfilled(self) -> bool:
        """Whether there is a run of every week asked for; who dies while a backfill is made leaves half of it."""
        with suppress(httpx.HTTPError):
            there = {date.fromisoformat(run["data_interval_start"][:10]) for run in self.api.runs(SCORE)}
            return bool(self.backfilled) and self.backfilled <= there
        return False

    def wait(self, seconds: float) -> None:
        """Wait until nothing is under way."""

        def is_over() -> bool:
            self.deployment.start_what_ended()
            with suppress(httpx.HTTPError):
                self._answer()
                return not any(self._under_way(dag_id) for dag_id in (SCORE, RETRAIN, ROLL_BACK))
            return False

        until(is_over, seconds, "the end of all runs")

    def connect(self) -> Any:
        """Connect to the loop's schema, or raise the connector's error while Snowflake is dead."""
        settings = self.environment.sandbox.settings.connection()
        return snowflake.connector.connect(
            **{**settings, "database": DATABASE, "schema": SCHEMA, "login_timeout": 5, "network_timeout": 5}
        )

    def _under_way(self, dag_id: str) -> list[dict[str, Any]]:
        return [run for run in self.api.runs(dag_id) if run["state"] in UNDER_WAY]

    def _answer(self) -> None:
        """Answer what retrainings ask; again, if they ask again."""
        for run in self._under_way(RETRAIN):
            run_id = run["dag_run_id"]
            states = {task["task_id"]: task["state"] for task in self.api.tasks(RETRAIN, run_id)}
            if states.get("approve") == "awaiting_input":
                chosen = "Reject" if is_rejected(run_id) else "Approve"
                self.api.answer(RETRAIN, run_id, "approve", chosen, f"as asked of {run_id}")

    def _retrain(self) -> None:
        # Never the same weeks twice: an artefact is then another one, and so is its version.
        weeks = WEEKS - FIRST_MODEL_WEEK - 2
        number, window = FIRST_MODEL_WEEK + self._retrained % weeks, 3 + self._retrained // weeks
        conf = {"week": str(self.week(number)), "window_weeks": window, "reason": f"retraining {self._retrained + 1}"}
        self._trigger(RETRAIN, conf, self._retrained + 1)
        self._retrained += 1

    def _trigger(self, dag_id: str, conf: dict[str, Any], number: int) -> None:
        self.api.pause(dag_id, paused=False)
        with suppress(RuntimeError):  # an earlier try, whose answer was lost, has done it
            self.api.trigger(dag_id, conf, f"manual__{number:03}")

    def _backfill(self, weeks: int) -> None:
        first = WEEKS - weeks
        days = [self.week(number) for number in range(first, WEEKS)]
        again = bool(self.backfilled)
        self.backfilled.update(days)
        self.api.backfill(SCORE, days[0], days[-1] + timedelta(days=1), again=again)
