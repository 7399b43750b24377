"""Metrics of a booster's holdout scores, by task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from .dataset import Floats

THRESHOLD = 0.5


def evaluate(task: str, target: Floats, scores: Floats, classes: tuple[Any, ...] | None) -> dict[str, float | None]:
    """Return the metrics of a task; None where one is not defined, e.g. ROC AUC of a single class.

    :param scores: probability of the second class, a row of probabilities, or the predicted number
    """
    if task == "regression":
        return {
            "rmse": float(np.sqrt(metrics.mean_squared_error(target, scores))),
            "mae": float(metrics.mean_absolute_error(target, scores)),
            "r2": float(metrics.r2_score(target, scores)) if len(target) > 1 else None,
        }
    scores = _add_up_to_one(scores)
    predicted = predict_class(task, scores)
    average = "binary" if task == "binary_classification" else "macro"
    labels = list(range(len(classes or ())))
    chosen = None if average == "binary" else labels
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        target, predicted, average=average, labels=chosen, zero_division=0.0
    )
    return {
        "accuracy": float(metrics.accuracy_score(target, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "roc_auc": _roc_auc(target, scores, labels),
        "log_loss": float(metrics.log_loss(target, scores, labels=labels)),
    }


def confusion_matrix(
    task: str, target: Floats, scores: Floats, classes: tuple[Any, ...] | None
) -> list[list[int]] | None:
    """Count rows by true class (row) and predicted class (column); None for regression."""
    if classes is None:
        return None
    labels = list(range(len(classes)))
    counted: list[list[int]] = metrics.confusion_matrix(target, predict_class(task, scores), labels=labels).tolist()
    return counted


def predict_class(task: str, scores: Floats) -> Floats:
    """Return each row's class number: from 0.5 on the second class of two, the likeliest of several."""
    if task == "binary_classification":
        return (scores >= THRESHOLD).astype(np.float64)
    return np.argmax(scores, axis=1).astype(np.float64)


def _add_up_to_one(scores: Floats) -> Floats:
    """Mend what single precision leaves: scikit-learn wants probabilities that add up to 1 exactly."""
    exact = scores.astype(np.float64)
    return exact if exact.ndim == 1 else exact / exact.sum(axis=1, keepdims=True)


def _roc_auc(target: Floats, scores: Floats, labels: list[int]) -> float | None:
    if len(np.unique(target)) < len(labels):
        return None
    if scores.ndim == 1:
        return float(metrics.roc_auc_score(target, scores))
    return float(metrics.roc_auc_score(target, scores, multi_class="ovr", labels=labels))
