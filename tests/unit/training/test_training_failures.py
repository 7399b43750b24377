"""A training job that cannot go on says why, so that a person can act on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.training.trainer import dataset
from include.training.trainer.failure import TrainingFailure
from include.training.trainer.hyperparameters import parse_hyperparameters

from .conftest import make_table

Train = Callable[..., Path]


def with_column(name: str, values: Any) -> dict[str, Any]:
    return {**make_table(), name: values}


@pytest.mark.parametrize(
    ("table", "changes", "reason"),
    [
        (with_column("ACCEPTED", pa.array([1] * 600)), {}, "label ACCEPTED is 1 in every training row"),
        (
            with_column("ACCEPTED", pa.array([i % 2 for i in range(599)] + [2])),
            {},
            "label ACCEPTED is 2 in the holdout and in no training row; lengthen the window",
        ),
        (with_column("ACCEPTED", pa.array(list(range(600)))), {}, "has 500 classes, a binary label two"),
        (with_column("ACCEPTED", pa.array([0.5] * 600)), {}, "label ACCEPTED holds fractions"),
        (with_column("INCOME", pa.nulls(600, pa.float64())), {}, "feature INCOME has no value in any training row"),
        (with_column("COUNTY", pa.nulls(600, pa.string())), {}, "feature COUNTY has no value in any training row"),
        (make_table(), {"holdout_from": "2030-01-01"}, "the holdout is empty: rows of"),
        (make_table(), {"holdout_from": "2020-01-01"}, "no rows to train on: rows of"),
        (make_table(), {"table": "T; DROP TABLE T"}, "is no quoted name"),
        (make_table(), {"task": "ranking"}, "task 'ranking' is unknown"),
        (make_table(), {"features": [{"name": "INCOME", "kind": "vague"}]}, "is of unknown kind 'vague'"),
        (make_table(), {"features": [{"name": "ACCEPTED", "kind": "numeric"}]}, "ACCEPTED is named twice"),
        (make_table(), {"more": 1}, "job.json is malformed"),
    ],
)
def test_the_reason_is_told(train: Train, table: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssertionError) as caught:
        train(table, **changes)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max_dept", "3"], "hyperparameter 'max_dept' is unknown to estimator xgboost; did you mean max_depth?"),
        (["--num_boost_round", "many"], "num_boost_round: found 'many', expected a whole number from 1"),
        (["--max_depth"], "hyperparameter '--max_depth' has no value"),
    ],
)
def test_a_wrong_hyperparameter_is_told(arguments: list[str], reason: str) -> None:
    with pytest.raises(TrainingFailure) as caught:
        parse_hyperparameters(arguments)
    assert reason in str(caught.value)


def test_a_value_xgboost_refuses_is_told(train: Train) -> None:
    with pytest.raises(AssertionError, match=r"XGBoost refused to train: .*subsample"):
        train(make_table(), "--subsample", "7")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero; see the job's log"),
        (MemoryError(), "out of memory: choose an instance type with more memory, or a shorter training window"),
    ],
)
def test_an_unforeseen_error_is_told_too(
    train: Train, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(dataset, "_weights", fail)
    with pytest.raises(AssertionError) as caught:
        train(make_table())
    assert str(caught.value) == reason
