"""The metrics a model is judged by, and which of two values is better. Pure."""

from __future__ import annotations

from typing import Literal

Metric = Literal[
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "calibration_error",
    "rmse",
    "mae",
    "mape",
    "r2",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "roc_auc_macro",
]
RELATIVE: frozenset[str] = frozenset({"rmse", "mae", "mape", "log_loss", "brier"})
"""Errors compared by ratio: in the label's own unit, or of a size that depends on how rare the classes are."""
ERRORS: frozenset[str] = RELATIVE | {"calibration_error"}
"""Metrics of which less is better. The calibration error of a good model is next to nothing, so a ratio of two of
them says little: it is a difference of probabilities, and compared by difference."""


def gain(metric: str, value: float | None, reference: float | None) -> float | None:
    """Return by how much a value is better than another one; negative if it is worse.

    Of an error in ``RELATIVE`` the share by which it is smaller, (reference - value) / reference; of any other metric
    the difference. None if a value is not defined, or the reference is such an error of 0 that the value exceeds.

    >>> gain("roc_auc", 0.875, 0.75), gain("rmse", 90.0, 100.0), gain("calibration_error", 0.125, 0.25)
    (0.125, 0.1, 0.125)
    >>> gain("rmse", 125.0, 100.0)
    -0.25
    """
    if value is None or reference is None:
        return None
    if metric not in RELATIVE:
        return reference - value if metric in ERRORS else value - reference
    if not reference:
        return None if value else 0.0
    return (reference - value) / reference
