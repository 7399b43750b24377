from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from snowmaker.measured import read_binary, read_multiclass, read_regression

EPSILON = np.finfo(float).eps
pairs_of = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=200)


def wins(labels: np.ndarray, scores: np.ndarray, places: np.ndarray) -> float:
    """Pairs in the right order whose positive stands at these places, ties a half."""
    below = scores[labels == 0]
    return float(sum((below < s).sum() + (below == s).sum() / 2 for s in scores[places & (labels == 1)]))


def tenths(labels: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """What the warehouse would send."""
    rows = []
    bins = np.minimum(np.floor(scores * 10), 9)
    for place in np.unique(bins):
        here = bins == place
        y, s = labels[here], scores[here]
        precisions = [(labels[scores >= one] == 1).mean() for one in s[y == 1]]
        loss = -np.log(np.clip(np.where(y == 1, s, 1 - s), EPSILON, 1 - EPSILON)).sum()
        rows.append(
            {
                "BIN": place, "N": here.sum(), "POSITIVES": y.sum(), "WRONG": 0, "BAD": 0, "SCORES": s.sum(),
                "TP": ((s >= 0.5) & (y == 1)).sum(), "FP": ((s >= 0.5) & (y == 0)).sum(),
                "WINS": wins(labels, scores, here), "PRECISIONS": sum(precisions), "LOG_LOSS": loss,
                "SQUARED": ((s - y) ** 2).sum(),
            }
        )  # fmt: skip
    return rows


@given(pairs_of)
def test_metrics_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score / 20 for _, score in pairs])
    predicted = scores >= 0.5
    _, fp, fn, tp = oracle.confusion_matrix(labels, predicted, labels=[0, 1]).ravel()
    found = read_binary(tenths(labels, scores))
    assert found.rows == len(pairs)
    assert found.metrics["accuracy"] == pytest.approx(oracle.accuracy_score(labels, predicted), rel=1e-12)
    if tp + fp:
        assert found.metrics["precision"] == pytest.approx(oracle.precision_score(labels, predicted), rel=1e-12)
    if tp + fn:
        assert found.metrics["recall"] == pytest.approx(oracle.recall_score(labels, predicted), rel=1e-12)
        assert found.metrics["pr_auc"] == pytest.approx(oracle.average_precision_score(labels, scores), rel=1e-9)
    if tp + fp + fn:
        assert found.metrics["f1"] == pytest.approx(oracle.f1_score(labels, predicted), rel=1e-12)
    if 0 < labels.sum() < len(labels):
        assert found.metrics["roc_auc"] == pytest.approx(oracle.roc_auc_score(labels, scores), rel=1e-9)
    assert found.metrics["log_loss"] == pytest.approx(oracle.log_loss(labels, scores, labels=[0, 1]), rel=1e-9)
    assert found.metrics["brier"] == pytest.approx(np.mean((scores - labels) ** 2), rel=1e-9, abs=1e-12)
    assert sum(one.rows for one in found.calibration) == len(pairs)


def test_metrics_that_are_not_defined_are_none() -> None:
    found = read_binary(tenths(np.zeros(5, dtype=int), np.full(5, 0.2)))
    undefined = {name for name, value in found.metrics.items() if value is None}
    assert undefined == {"precision", "recall", "f1", "roc_auc", "pr_auc"}
    assert found.metrics["accuracy"] == 1


def test_the_calibration_error_weighs_each_tenth_by_its_rows() -> None:
    labels, scores = np.array([0, 0, 0, 1, 1, 1, 0]), np.array([0.05, 0.05, 0.05, 0.05, 0.85, 1.0, 0.95])
    found = read_binary(tenths(labels, scores))
    by_hand = 4 / 7 * abs(0.05 - 0.25) + 1 / 7 * 0.15 + 2 / 7 * abs(0.975 - 0.5)
    assert found.metrics["calibration_error"] == pytest.approx(by_hand, rel=1e-12)
    assert [(one.place, one.rows, one.rate) for one in found.calibration] == [(0, 4, 0.25), (8, 1, 1.0), (9, 2, 0.5)]


numbers = st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=50)


@given(numbers)
def test_metrics_of_a_regression_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, scores = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    errors = labels - scores
    sums = {
        "N": len(pairs),
        "WRONG": 0,
        "BAD": 0,
        "SQUARED": (errors**2).sum(),
        "ABSOLUTE": np.abs(errors).sum(),
        "SHARES": (np.abs(errors) / np.maximum(np.abs(labels), EPSILON)).sum(),
        "SPREAD": ((labels - labels.mean()) ** 2).sum(),
    }
    found = read_regression([sums]).metrics
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(labels, scores), rel=1e-9)
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(labels, scores), rel=1e-9)
    assert found["mape"] == pytest.approx(oracle.mean_absolute_percentage_error(labels, scores), rel=1e-9)
    if labels.min() < labels.max():
        assert found["r2"] == pytest.approx(oracle.r2_score(labels, scores), rel=1e-9, abs=1e-9)
    else:
        assert found["r2"] is None


def test_a_label_that_is_no_class_is_wrong_and_costs_the_most() -> None:
    common = {"N": 4.0, "BAD": 0, "WINS": 1.0, "LOG_LOSS": 0.5}
    rows = [
        {"CLASS": "a", "POSITIVES": 2.0, "CHOSEN": 3.0, "TP": 2.0, **common},
        {"CLASS": "b", "POSITIVES": 1.0, "CHOSEN": 1.0, "TP": 0.0, **common},
        {"CLASS": "c", "POSITIVES": 0.0, "CHOSEN": 0.0, "TP": 0.0, **common},
    ]
    found = read_multiclass(rows)
    assert (found.rows, found.wrong) == (4, 1)
    assert found.metrics["accuracy"] == 0.5
    assert found.metrics["log_loss"] == pytest.approx((3 * 0.5 - np.log(EPSILON)) / 4)
    # As of these labels and predictions; a class that is neither counts nowhere.
    labels, predictions = ["a", "a", "b", "?"], ["a", "a", "a", "b"]
    for name in ("recall", "precision", "f1"):
        score = getattr(oracle, f"{name}_score")(labels, predictions, average="macro", zero_division=0)
        assert found.metrics[f"{name}_macro"] == pytest.approx(score)
    assert found.classes["c"] == {"precision": None, "recall": None, "f1": None, "roc_auc": None}
