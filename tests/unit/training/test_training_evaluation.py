"""The holdout's metrics depend on the score from which a class is predicted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from include.training.trainer.evaluation import confusion_matrix, evaluate

TARGET = np.array([0.0, 0, 0, 1, 1, 1, 0, 1])
GIVEN = np.array([0.1, 0.35, 0.6, 0.3, 0.45, 0.9, 0.3, 0.7], dtype=np.float32)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_classes_are_predicted_from_the_threshold_on(threshold: float) -> None:
    predicted = np.greater_equal(GIVEN, threshold)
    found = evaluate("binary_classification", TARGET, GIVEN, (0, 1), threshold)
    assert found["f1"] == pytest.approx(metrics.f1_score(TARGET, predicted))
    assert found["recall"] == pytest.approx(metrics.recall_score(TARGET, predicted))
    matrix = confusion_matrix("binary_classification", TARGET, GIVEN, (0, 1), threshold)
    assert matrix == metrics.confusion_matrix(TARGET, predicted).tolist()


def test_what_ranks_the_scores_does_not_depend_on_it() -> None:
    low, high = (evaluate("binary_classification", TARGET, GIVEN, (0, 1), threshold) for threshold in (0.3, 0.8))
    for name in ("roc_auc", "pr_auc", "log_loss", "brier"):
        assert low[name] == high[name]
    assert low["f1"] != high["f1"]
