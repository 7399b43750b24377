"""The metrics a model is judged by, and which of two values is better. Pure."""

from __future__ import annotations

from typing import Literal

Metric = Literal["accuracy", "precision", "recall", "f1", "roc_auc", "rmse", "mae", "r2"]
ERRORS: frozenset[str] = frozenset({"rmse", "mae"})
"""Metrics of which less is better; they are in the label's own unit, so they are compared by ratio."""


def gain(metric: str, value: float | None, reference: float | None) -> float | None:
    """Return by how much a value is better than another one; negative if it is worse.

    Of an error the share by which it is smaller, (reference - value) / reference; of any other metric the
    difference. None if a value is not defined, or the reference is an error of 0 that the value exceeds.

    >>> gain("roc_auc", 0.875, 0.75), gain("rmse", 90.0, 100.0), gain("rmse", 125.0, 100.0)
    (0.125, 0.1, -0.25)
    """
    if value is None or reference is None:
        return None
    if metric not in ERRORS:
        return value - reference
    if not reference:
        return None if value else 0.0
    return (reference - value) / reference
