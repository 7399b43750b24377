"""Metrics as scikit-learn, numpy and pandas compute them, under the names they have in the tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics


def binary_metrics(label: Any, scores: Any, threshold: float = 0.5) -> dict[str, float]:
    """Of a binary classification; the calibration error by its own formula."""
    label, scores = np.asarray(label), np.asarray(scores, dtype=float)
    chosen = scores >= threshold
    return {
        "accuracy": metrics.accuracy_score(label, chosen),
        "precision": metrics.precision_score(label, chosen),
        "recall": metrics.recall_score(label, chosen),
        "f1": metrics.f1_score(label, chosen),
        "roc_auc": metrics.roc_auc_score(label, scores),
        "pr_auc": metrics.average_precision_score(label, scores),
        "log_loss": metrics.log_loss(label, scores),
        "brier": metrics.brier_score_loss(label, scores),
        "calibration_error": calibration_error(label, scores),
    }


def calibration_error(label: np.ndarray, scores: np.ndarray) -> float:
    """The share of rows of each tenth times the distance of its mean score from its rate of class 1."""
    places = np.minimum(np.floor(scores * 10), 9)
    return float(
        sum(
            np.mean(places == place) * abs(scores[places == place].mean() - label[places == place].mean())
            for place in np.unique(places)
        )
    )
