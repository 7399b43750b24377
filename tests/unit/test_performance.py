from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics as oracle

from snowmaker.performance import Confusion, PerformanceThresholds, Residuals

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=200)


@given(rows)
def test_metrics_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score / 20 for _, score in pairs])
    predicted = scores >= 0.5
    tn, fp, fn, tp = oracle.confusion_matrix(labels, predicted, labels=[0, 1]).ravel()
    rank_sum = float(rankdata(scores)[labels == 1].sum())
    found = Confusion(int(tp), int(fp), int(fn), int(tn), rank_sum).metrics()
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, predicted), rel=1e-12)
    if tp + fp:
        assert found["precision"] == pytest.approx(oracle.precision_score(labels, predicted), rel=1e-12)
    if tp + fn:
        assert found["recall"] == pytest.approx(oracle.recall_score(labels, predicted), rel=1e-12)
    if tp + fp + fn:
        assert found["f1"] == pytest.approx(oracle.f1_score(labels, predicted), rel=1e-12)
    if 0 < labels.sum() < len(labels):
        assert found["roc_auc"] == pytest.approx(oracle.roc_auc_score(labels, scores), rel=1e-9)


def test_a_metric_that_is_not_defined_is_none_and_a_breach() -> None:
    only_negatives = Confusion(tp=0, fp=0, fn=0, tn=5, rank_sum=0)
    assert only_negatives.metrics()["f1"] is None
    assert only_negatives.metrics()["roc_auc"] is None
    assert PerformanceThresholds(0.05, 0.1).verdict("f1", None, 0.8) == "breach"


@pytest.mark.parametrize(("value", "verdict"), [(0.9, "ok"), (0.76, "ok"), (0.75, "warn"), (0.7, "breach")])
def test_a_fall_from_the_holdout_is_judged(value: float, verdict: str) -> None:
    assert PerformanceThresholds(0.0499, 0.0999).verdict("f1", value, 0.8) == verdict


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [
        ("rmse", 50.0, "ok"),
        ("rmse", 109.0, "ok"),
        ("rmse", 110.0, "warn"),
        ("mae", 124.0, "warn"),
        ("mae", 125.0, "breach"),
    ],
)
def test_of_an_error_a_rise_by_a_share_is_judged(metric: str, value: float, verdict: str) -> None:
    assert PerformanceThresholds(0.1, 0.25).verdict(metric, value, 100.0) == verdict


def test_r2_falls_by_a_difference_and_an_error_of_nothing_cannot_be_judged() -> None:
    assert PerformanceThresholds(0.05, 0.1).verdict("r2", -3.0, 0.9) == "breach"
    assert PerformanceThresholds(0.05, 0.1).verdict("r2", 0.88, 0.9) == "ok"
    assert PerformanceThresholds(0.1, 0.25).verdict("rmse", 1e-9, 0.0) == "breach"
    assert PerformanceThresholds(0.1, 0.25).verdict("rmse", 0.0, 0.0) == "ok"


numbers = st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=50)


@given(numbers)
def test_metrics_of_a_regression_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, scores = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    errors = labels - scores
    spread = float(((labels - labels.mean()) ** 2).sum())
    found = Residuals(len(pairs), float((errors**2).sum()), float(np.abs(errors).sum()), spread).metrics()
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(labels, scores), rel=1e-9)
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(labels, scores), rel=1e-9)
    if labels.min() < labels.max():
        assert found["r2"] == pytest.approx(oracle.r2_score(labels, scores), rel=1e-9, abs=1e-9)
    else:
        assert found["r2"] is None
