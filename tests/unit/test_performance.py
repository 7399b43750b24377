from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics as oracle

from snowmaker.performance import Confusion, PerformanceThresholds

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
