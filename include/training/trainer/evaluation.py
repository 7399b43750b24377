"""Metrics and curves of the holdout scores, by task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from .labels import Floats

_POINTS = 100
_BINS = 10


def evaluate(
    task: str, target: Floats, scores: Floats, classes: tuple[Any, ...] | None, threshold: float
) -> dict[str, float | None]:
    """Return the metrics of a task; None where one is not defined, e.g. ROC AUC of a single class.

    Those named ``…_macro`` are means over the classes that are there or predicted, each held against the rest.

    :param scores: probability of the second class, a row of probabilities, or the predicted number
    :param threshold: probability from which a binary classification predicts the second class
    """
    if task == "regression":
        return {
            "rmse": float(np.sqrt(metrics.mean_squared_error(target, scores))),
            "mae": float(metrics.mean_absolute_error(target, scores)),
            "mape": float(metrics.mean_absolute_percentage_error(target, scores)),
            "r2": float(metrics.r2_score(target, scores)) if len(target) > 1 else None,
        }
    scores = _add_up_to_one(scores)
    predicted = predict_class(task, scores, threshold)
    average = "binary" if task == "binary_classification" else "macro"
    labels = list(range(len(classes or ())))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        target, predicted, average=average, zero_division=0.0
    )
    over = "" if average == "binary" else "_macro"
    measured = {
        "accuracy": float(metrics.accuracy_score(target, predicted)),
        f"precision{over}": float(precision),
        f"recall{over}": float(recall),
        f"f1{over}": float(f1),
        f"roc_auc{over}": _roc_auc(target, scores, labels),
        "log_loss": float(metrics.log_loss(target, scores, labels=labels)),
    }
    if task == "binary_classification":
        measured["pr_auc"] = float(metrics.average_precision_score(target, scores)) if target.any() else None
        measured["brier"] = float(np.mean((scores - target) ** 2))
        measured["calibration_error"] = _calibration_error(target, scores)
    return measured


def confusion_matrix(
    task: str, target: Floats, scores: Floats, classes: tuple[Any, ...] | None, threshold: float
) -> list[list[int]] | None:
    """Count rows by true class (row) and predicted class (column); None for regression."""
    if classes is None:
        return None
    labels = list(range(len(classes)))
    predicted = predict_class(task, scores, threshold)
    counted: list[list[int]] = metrics.confusion_matrix(target, predicted, labels=labels).tolist()
    return counted


def curves(task: str, target: Floats, scores: Floats) -> dict[str, list[Any]] | None:
    """Draw the curves of a binary classification, each in at most 100 points; None for another task.

    ``roc`` holds pairs of false and true positive rate, ``precision_recall`` pairs of recall and precision, and
    ``calibration`` the mean score, the rate of positives and the rows of each tenth of the scores' range. A curve that
    needs both classes is empty if one is missing.
    """
    if task != "binary_classification":
        return None
    scores = scores.astype(np.float64)
    roc, precision_recall = [], []
    if len(np.unique(target)) == 2:
        false_positives, true_positives, _ = metrics.roc_curve(target, scores)
        roc = _thin(false_positives, true_positives)
        precision, recall, _ = metrics.precision_recall_curve(target, scores, drop_intermediate=True)
        precision_recall = _thin(recall[::-1], precision[::-1])
    return {"roc": roc, "precision_recall": precision_recall, "calibration": _calibration(target, scores)}


def predict_class(task: str, scores: Floats, threshold: float) -> Floats:
    """Return each row's class number: from the threshold on the second class of two, the likeliest of several."""
    if task == "binary_classification":
        return (scores >= threshold).astype(np.float64)
    return np.argmax(scores, axis=1).astype(np.float64)


def _thin(across: Floats, up: Floats) -> list[list[float]]:
    """Keep points at even steps along both axes, the ends among them."""
    length = np.abs(np.diff(across, prepend=across[0])) + np.abs(np.diff(up, prepend=up[0]))
    chosen = np.unique(np.searchsorted(np.cumsum(length), np.linspace(0, length.sum(), _POINTS - 1)))
    chosen = np.unique([*np.minimum(chosen, len(across) - 1), len(across) - 1])
    return [[round(float(across[i]), 6), round(float(up[i]), 6)] for i in chosen]


def _calibration_error(target: Floats, scores: Floats) -> float:
    """Expected calibration error: how far scores are from the rate of the second class, by tenths of their range."""
    apart = np.bincount(_places(scores), weights=scores - target, minlength=_BINS)
    return float(np.abs(apart).sum() / len(scores))


def _places(scores: Floats) -> Any:
    return np.minimum((scores * _BINS).astype(int), _BINS - 1)


def _calibration(target: Floats, scores: Floats) -> list[dict[str, float]]:
    places = _places(scores)
    return [
        {
            "mean_score": round(float(scores[places == place].mean()), 6),
            "rate": round(float(target[places == place].mean()), 6),
            "rows": int((places == place).sum()),
        }
        for place in np.unique(places)
    ]


def _add_up_to_one(scores: Floats) -> Floats:
    """Mend what single precision leaves: scikit-learn wants probabilities that add up to 1 exactly."""
    exact = scores.astype(np.float64)
    return exact if exact.ndim == 1 else exact / exact.sum(axis=1, keepdims=True)


def _roc_auc(target: Floats, scores: Floats, labels: list[int]) -> float | None:
    if len(np.unique(target)) < len(labels):
        return None
    if len(labels) == 2:
        return float(metrics.roc_auc_score(target, scores if scores.ndim == 1 else scores[:, 1]))
    return float(metrics.roc_auc_score(target, scores, multi_class="ovr", labels=labels))
