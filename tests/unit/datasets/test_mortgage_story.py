"""Keeps the figures that README.md promises of the data, with models as the weekly loop would train them."""

from __future__ import annotations

from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.metrics import f1_score

from include.datasets.mortgage import MORTGAGE

CATEGORICAL = ("LOAN_TYPE_NAME", "LOAN_PURPOSE_NAME", "COUNTY_NAME")
NUMERIC = ("APPLICANT_INCOME_000S", "LOAN_AMOUNT_000S")
LABEL = "MORTGAGERESPONSE"
PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "learning_rate": 0.15,
    "nthread": 2,
    "seed": 0,
}
ROUNDS = 80
HALF_LIFE_WEEKS = 2.0
WARN, BREACH = 0.1, 0.25


class Model:
    """What a retraining as of a week gives: labels are two weeks late, the newest labelled week is held out."""

    def __init__(self, weeks: dict[int, pd.DataFrame], as_of: int) -> None:
        self.baseline = weeks[as_of - 2]
        training = pd.concat(weeks[index] for index in range(max(1, as_of - 9), as_of - 2))
        self.categories = {name: sorted(training[name].unique()) for name in CATEGORICAL}
        age = training["WEEK"].max() - training["WEEK"].to_numpy()
        data = self._matrix(training, label=training[LABEL].astype(float), weight=0.5 ** (age / HALF_LIFE_WEEKS))
        self.booster = xgboost.train(PARAMETERS, data, ROUNDS)

    def _matrix(self, frame: pd.DataFrame, **others: object) -> xgboost.DMatrix:
        columns: dict[str, object] = {
            name: pd.Categorical(frame[name], categories=self.categories[name]) for name in CATEGORICAL
        }
        columns |= {name: frame[name].astype(float).to_numpy() for name in NUMERIC}
        return xgboost.DMatrix(pd.DataFrame(columns), enable_categorical=True, **others)

    def score(self, frame: pd.DataFrame) -> pd.Series:
        return pd.Series(self.booster.predict(self._matrix(frame)))

    def f1(self, frame: pd.DataFrame) -> float:
        return float(f1_score(frame[LABEL].astype(int), self.score(frame) > 0.5))

    def drift(self, frame: pd.DataFrame) -> dict[str, float]:
        found = {name: _psi(*_category_shares(self.baseline[name], frame[name])) for name in CATEGORICAL}
        for name in NUMERIC:
            found[name] = _psi(*_bin_shares(self.baseline[name].astype(float), frame[name].astype(float)))
        return found | {"score": _psi(*_bin_shares(self.score(self.baseline), self.score(frame)))}


def _psi(expected: np.ndarray, found: np.ndarray) -> float:
    expected, found = np.maximum(expected, 1e-4), np.maximum(found, 1e-4)
    return float(((found - expected) * np.log(found / expected)).sum())


def _category_shares(baseline: pd.Series, current: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    known = sorted(baseline.unique())
    shares = [
        [*((values == name).mean() for name in known), (~values.isin(known)).mean()] for values in (baseline, current)
    ]
    return np.array(shares[0]), np.array(shares[1])


def _bin_shares(baseline: pd.Series, current: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    edges = np.unique(baseline.quantile(np.linspace(0.1, 0.9, 9)))
    null_bin = len(edges) + 1

    def shares(values: pd.Series) -> np.ndarray:
        bins = np.where(values.isna(), null_bin, np.searchsorted(edges, values))
        return np.bincount(bins, minlength=null_bin + 1) / len(values)

    return shares(baseline), shares(current)


class Story:
    def __init__(self, seed: int, rows: int) -> None:
        self.weeks = {
            index: MORTGAGE.week(index, first_week=date(2025, 1, 6), rows=rows, seed=seed) for index in range(1, 31)
        }

    @cached_property
    def first(self) -> Model:
        return Model(self.weeks, as_of=10)

    @cached_property
    def second(self) -> Model:
        return Model(self.weeks, as_of=16)

    @cached_property
    def third(self) -> Model:
        return Model(self.weeks, as_of=25)

    def f1(self, model: Model, weeks: range) -> list[float]:
        return [model.f1(self.weeks[index]) for index in weeks]

    def largest_drift(self, model: Model, weeks: range) -> float:
        return max(max(model.drift(self.weeks[index]).values()) for index in weeks)


@pytest.fixture(scope="module", params=[(20240603, 2000), (1, 2000), (2, 1000)], ids=str)
def story(request: pytest.FixtureRequest) -> Story:
    return Story(*request.param)


def test_the_first_model_is_good_while_nothing_shifts(story: Story) -> None:
    all_approved = [
        f1_score(story.weeks[index][LABEL].astype(int), np.ones(len(story.weeks[index]))) for index in (11, 12)
    ]

    for found, trivial in zip(story.f1(story.first, range(11, 13)), all_approved, strict=True):
        assert 0.80 < found < 0.88
        assert found > trivial + 0.06
    assert story.largest_drift(story.first, range(11, 13)) < WARN


def test_every_week_of_the_distribution_shift_is_a_clear_breach(story: Story) -> None:
    for index in range(13, 17):
        drift = story.first.drift(story.weeks[index])
        assert sum(value >= BREACH for value in drift.values()) >= 3


def test_one_shifted_week_of_training_is_enough_to_beat_the_first_model(story: Story) -> None:
    assert story.second.f1(story.weeks[14]) > story.first.f1(story.weeks[14]) + 0.04


def test_the_second_model_is_stable_until_the_concept_shifts(story: Story) -> None:
    held_out = story.second.f1(story.weeks[14])

    assert min(story.f1(story.second, range(17, 22))) > held_out - 0.05


def test_no_feature_tells_of_the_concept_shift(story: Story) -> None:
    assert story.largest_drift(story.second, range(17, 26)) < WARN


def test_the_concept_shift_costs_the_second_model_its_f1(story: Story) -> None:
    held_out = story.second.f1(story.weeks[14])

    assert max(story.f1(story.second, range(22, 26))) < held_out - 0.10


def test_one_week_of_the_new_concept_is_enough_to_recover(story: Story) -> None:
    assert story.third.f1(story.weeks[23]) > story.second.f1(story.weeks[23]) + 0.05
    for index in range(26, 31):
        assert story.third.f1(story.weeks[index]) > story.second.f1(story.weeks[index]) + 0.05
    assert story.largest_drift(story.third, range(26, 31)) < WARN
