"""The holdout's metrics depend on the score from which a class is predicted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from include.training.trainer.evaluation import confusion_matrix, evaluate
from snowmaker.training_request import METRICS

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
    for name in ("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error"):
        assert low[name] == high[name]
    assert low["f1"] != high["f1"]


def test_the_calibration_error_weighs_each_tenth_of_the_scores_by_its_rows() -> None:
    target, scores = np.array([0.0, 0, 0, 1, 1, 1, 0]), np.array([0.05, 0.05, 0.05, 0.05, 0.85, 1.0, 0.95])
    by_hand = 4 / 7 * abs(0.05 - 0.25) + 1 / 7 * 0.15 + 2 / 7 * abs(0.975 - 0.5)
    found = evaluate("binary_classification", target, scores, (0, 1), 0.5)
    assert found["calibration_error"] == pytest.approx(by_hand, rel=1e-12)


def test_of_several_classes_the_means_over_the_classes_are_told() -> None:
    rng = np.random.default_rng(2)
    target = rng.integers(0, 3, 60).astype(float)
    scores = rng.dirichlet([1, 1, 1], 60).astype(np.float32)
    predicted = scores.argmax(axis=1)
    found = evaluate("multiclass_classification", target, scores, ("a", "b", "c"), 0.5)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(target, predicted, average="macro")
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(target, predicted),
            "precision_macro": precision,
            "recall_macro": recall,
            "f1_macro": f1,
            "roc_auc_macro": metrics.roc_auc_score(target, normalised(scores), multi_class="ovr"),
            "log_loss": metrics.log_loss(target, normalised(scores)),
        }
    )


def normalised(scores: np.ndarray) -> np.ndarray:
    exact = scores.astype(float)
    return exact / exact.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("task", "scores", "classes"),
    [
        ("binary_classification", GIVEN, (0, 1)),
        ("multiclass_classification", np.column_stack([1 - GIVEN, GIVEN]), (0, 1)),
        ("regression", GIVEN, None),
    ],
)
def test_the_log_is_searched_for_the_metrics_that_are_measured(
    task: str, scores: np.ndarray, classes: tuple[int, ...] | None
) -> None:
    assert set(evaluate(task, TARGET, scores, classes, 0.5)) == set(METRICS[task])
