"""How well the other datasets can be predicted: what the truth allows, and that a model gets near it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from include.datasets.churn import CHURN, churn_chance
from include.datasets.generator import Generator
from include.datasets.house_values import HOUSE_VALUES, expected_value
from include.datasets.maintenance import MAINTENANCE, failure_chance
from include.datasets.tickets import TEAMS, TICKETS, team_chances

FIRST_WEEK = date(2025, 1, 6)
NOT_FEATURES = {"CUSTOMER_ID", "MACHINE_ID", "SENSOR_ID", "TICKET_ID"}
# A value drawn first and then lost: the truth knows it, the table does not.
LOST = ["SALES_CHANNEL", "USAGE_CHANGE", "VIBRATION_MM_S", "AVERAGE_BEDROOMS"]


@dataclass(frozen=True)
class Study:
    """A model of the first weeks, while nothing shifts, and weeks to judge it by."""

    generator: Generator[Any]
    training_weeks: int
    parameters: dict[str, Any]
    rounds: int = 120

    def week(self, index: int, **scenario: int) -> pd.DataFrame:
        nothing: dict[str, int | None] = {field.name: None for field in fields(self.generator.scenario)}
        return self.generator.week(
            index, first_week=FIRST_WEEK, scenario=self.generator.scenario(**{**nothing, **scenario})
        )

    @cached_property
    def judged(self) -> pd.DataFrame:
        """Rows of five later weeks, without those that the truth cannot be asked about."""
        last = self.training_weeks
        frame = pd.concat([self.week(index) for index in range(last + 1, last + 6)], ignore_index=True)
        return self.complete(frame)

    def complete(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.dropna(subset=[name for name in LOST if name in frame])

    def labels(self, frame: pd.DataFrame) -> np.ndarray:
        labels = frame[self.generator.label]
        return labels.map(TEAMS.index).to_numpy() if labels.dtype == object else labels.to_numpy(dtype=float)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self._model.predict(xgboost.DMatrix(self._features(frame), enable_categorical=True))

    @cached_property
    def _training(self) -> pd.DataFrame:
        return pd.concat(self.week(index) for index in range(1, self.training_weeks + 1))

    @cached_property
    def _model(self) -> xgboost.Booster:
        data = xgboost.DMatrix(self._features(self._training), self.labels(self._training), enable_categorical=True)
        parameters = {"learning_rate": 0.1, "nthread": 2, "seed": 0, **self.parameters}
        return xgboost.train(parameters, data, self.rounds)

    def _features(self, frame: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in list(self.generator.columns)[1:] if name not in {*NOT_FEATURES, self.generator.label}]
        columns: dict[str, Any] = {}
        for name in names:
            if self.generator.columns[name] == "VARCHAR":
                known = sorted(self._training[name].dropna().unique())
                columns[name] = pd.Categorical(frame[name], categories=known)
            else:
                columns[name] = frame[name].to_numpy(dtype=float, na_value=np.nan)
        return pd.DataFrame(columns)


BINARY = {"objective": "binary:logistic", "max_depth": 4}
CHURN_STUDY = Study(CHURN, 20, BINARY)
MAINTENANCE_STUDY = Study(MAINTENANCE, 12, BINARY)
TICKET_STUDY = Study(TICKETS, 8, {"objective": "multi:softprob", "num_class": len(TEAMS), "max_depth": 4}, 80)
HOUSE_STUDY = Study(HOUSE_VALUES, 10, {"objective": "reg:squarederror", "max_depth": 5})


def test_churn_can_be_told_with_an_auc_of_83() -> None:
    rows = CHURN_STUDY.judged
    truth = roc_auc_score(CHURN_STUDY.labels(rows), churn_chance(rows))

    assert 0.82 < truth < 0.85
    assert roc_auc_score(CHURN_STUDY.labels(rows), CHURN_STUDY.predict(rows)) > truth - 0.015


def test_failures_can_be_told_with_an_auc_of_89() -> None:
    rows = MAINTENANCE_STUDY.judged
    truth = roc_auc_score(MAINTENANCE_STUDY.labels(rows), failure_chance(rows))

    assert 0.88 < truth < 0.91
    assert roc_auc_score(MAINTENANCE_STUDY.labels(rows), MAINTENANCE_STUDY.predict(rows)) > truth - 0.03


def test_house_values_can_be_told_with_an_r2_of_85() -> None:
    rows = HOUSE_STUDY.judged
    truth = r2_score(HOUSE_STUDY.labels(rows), expected_value(rows))

    assert 0.83 < truth < 0.88
    assert r2_score(HOUSE_STUDY.labels(rows), HOUSE_STUDY.predict(rows)) > truth - 0.04


def f1_macro(rows: pd.DataFrame, chances: np.ndarray) -> float:
    return float(f1_score(TICKET_STUDY.labels(rows), chances.argmax(axis=1), average="macro"))


def test_the_team_can_be_told_with_an_f1_of_66() -> None:
    rows = TICKET_STUDY.judged
    truth = f1_macro(rows, team_chances(rows))

    assert 0.64 < truth < 0.69
    assert f1_macro(rows, TICKET_STUDY.predict(rows)) > truth - 0.03


def test_a_reorganisation_costs_a_classifier_of_several_classes_its_f1() -> None:
    first = TICKET_STUDY.training_weeks + 1

    def f1(**scenario: int) -> float:
        frame = pd.concat(TICKET_STUDY.week(index, **scenario) for index in range(first, first + 3))
        return f1_macro(frame, TICKET_STUDY.predict(frame))

    assert f1(reorganisation_week=first) < f1() - 0.09


@pytest.mark.parametrize(
    ("study", "shift"),
    [(CHURN_STUDY, "competitor_week"), (MAINTENANCE_STUDY, "bearing_shift_week")],
    ids=["churn", "maintenance"],
)
def test_a_concept_shift_costs_a_classifier_its_auc(study: Study, shift: str) -> None:
    first = study.training_weeks + 1

    def auc(**scenario: int) -> float:
        frame = pd.concat(study.week(index, **scenario) for index in range(first, first + 3))
        return float(roc_auc_score(study.labels(frame), study.predict(frame)))

    assert auc(**{shift: first}) < auc() - 0.04


def test_a_boom_costs_the_regression_a_fifth_of_its_precision() -> None:
    last = HOUSE_STUDY.training_weeks + 8
    before, after = HOUSE_STUDY.week(last), HOUSE_STUDY.week(last, boom_week=last - 7)

    def rmse(frame: pd.DataFrame) -> float:
        return float(np.sqrt(np.mean((HOUSE_STUDY.predict(frame) - HOUSE_STUDY.labels(frame)) ** 2)))

    assert rmse(after) > 1.2 * rmse(before)
