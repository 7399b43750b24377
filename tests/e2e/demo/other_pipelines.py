"""The pipelines beside the mortgage one: their data, what the truth allows of them, and their first two weeks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score

from demo.decisions import APPROVED_PIPELINE, answer_when_asked
from demo.deployment import Deployment, PersonsApi
from include.datasets.churn import CHURN, churn_chance
from include.datasets.generator import Generator
from include.datasets.house_values import HOUSE_VALUES, expected_value
from include.datasets.maintenance import MAINTENANCE, failure_chance
from include.datasets.weekly_table import WeeklyTable

FIRST_WEEK = date(2025, 1, 6)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A pipeline file and its dataset; nothing has shifted in the week scored first, something has in the later one.

    :param truth: what a row's label is drawn from: no model can tell more
    :param metric: how near to the truth the scores are
    :param as_of: number of the week as of which the model is trained; the next one is scored first
    :param shifted: features that tell of the shift in the later week, by when the first one's labels are due
    :param weeks: how many to load, if more than those used
    """

    name: str
    schema: str
    model: str
    generator: Generator[Any]
    truth: Callable[[pd.DataFrame], np.ndarray]
    metric: str
    measure: Callable[[np.ndarray, np.ndarray], float]
    as_of: int
    holdout_weeks: int
    shifted: frozenset[str]
    weeks: int = 0

    @property
    def scored(self) -> int:
        return self.as_of + 1

    @property
    def later(self) -> int:
        return self.scored + self.generator.labels_after_weeks

    @property
    def holdout(self) -> Iterable[int]:
        last = self.as_of - self.generator.labels_after_weeks
        return range(last - self.holdout_weeks + 1, last + 1)

    def monday(self, number: int) -> str:
        return str(FIRST_WEEK + timedelta(weeks=number - 1))

    def load(self, deployment: Deployment) -> None:
        """Load all weeks with all labels: what is not due yet when a model is trained, it must leave alone."""
        with deployment.environment.connect() as connection:
            generator = self.generator
            table = WeeklyTable(
                connection, generator.dataset(), database="ML", schema=self.schema, table=generator.table
            )
            weeks = max(self.weeks, self.later)
            last_week = FIRST_WEEK + timedelta(weeks=weeks - 1)
            table.load(weeks=weeks, rows=generator.rows, last_week=last_week, labels_after_weeks=0)

    def possible(self, numbers: Iterable[int]) -> float:
        """Measure how well the labels of some weeks could be told by who knows what they are drawn from."""
        frame = pd.concat(self.generator.week(number, first_week=FIRST_WEEK) for number in numbers)
        lost = ["SALES_CHANNEL", "USAGE_CHANGE", "VIBRATION_MM_S", "AVERAGE_BEDROOMS"]
        known = frame.dropna(subset=[name for name in lost if name in frame])
        return self.measure(known[self.generator.label].to_numpy(dtype=float), self.truth(known))


EXAMPLES = (
    Example(
        name="customer_churn",
        schema="CHURN",
        model="CUSTOMER_CHURN",
        generator=CHURN,
        truth=churn_chance,
        metric="roc_auc",
        measure=roc_auc_score,
        as_of=41,
        holdout_weeks=2,
        shifted=frozenset({"PLAN_NAME"}),
        weeks=50,
    ),
    Example(
        name="maintenance",
        schema="MAINTENANCE",
        model="MACHINE_FAILURE",
        generator=MAINTENANCE,
        truth=failure_chance,
        metric="roc_auc",
        measure=roc_auc_score,
        as_of=13,
        holdout_weeks=3,
        shifted=frozenset({"SENSOR_MODEL"}),
    ),
    Example(
        name="house_values",
        schema="HOUSING",
        model="HOUSE_VALUE",
        generator=HOUSE_VALUES,
        truth=expected_value,
        metric="r2",
        measure=r2_score,
        as_of=13,
        holdout_weeks=1,
        shifted=frozenset({"HOUSE_AGE", "LATITUDE", "LONGITUDE"}),
    ),
)


@dataclass(frozen=True)
class Runs:
    """One run of each pipeline, of the same kind and at the same time."""

    api: PersonsApi
    kind: str
    ids: dict[str, str]

    @classmethod
    def of_all(cls, api: PersonsApi, kind: str, week_of: Callable[[Example], int], seconds: float) -> Runs:
        """Trigger one DAG of each pipeline, each for its week, and wait until all have succeeded."""
        api.wait_for_dags({f"{kind}_{example.name}" for example in EXAMPLES}, 60)
        ids = {}
        for example in EXAMPLES:
            api.pause(f"{kind}_{example.name}", paused=False)
            week = example.monday(week_of(example))
            ids[example.name] = api.trigger(f"{kind}_{example.name}", {"week": week})
        if kind == "retrain":
            answer_when_asked(api, f"{kind}_{APPROVED_PIPELINE}", ids[APPROVED_PIPELINE], "Approve", "as good as told")
        states = {name: api.wait(f"{kind}_{name}", run_id, seconds) for name, run_id in ids.items()}
        runs = cls(api, kind, ids)
        assert set(states.values()) == {"success"}, {name: runs.states(name) for name in ids}
        return runs

    def states(self, name: str) -> dict[str, str]:
        """Return how the tasks of a pipeline's run ended."""
        return {task["task_id"]: task["state"] for task in self.api.tasks(f"{self.kind}_{name}", self.ids[name])}

    def result(self, example: Example, task_id: str) -> dict[str, Any]:
        """Return the result of a task."""
        return dict(self.api.xcom(f"{self.kind}_{example.name}", self.ids[example.name], task_id))

    def size(self, example: Example, task_id: str) -> int:
        """Return how many bytes a task gave to others."""
        values = self.api.xcom_values(f"{self.kind}_{example.name}", self.ids[example.name], task_id)
        return len(json.dumps(values))
