"""Performance decisions: metrics from what the warehouse counts and adds up, and their verdicts. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from snowmaker.metrics import gain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from snowmaker.drift import Verdict


class Measured(Protocol):
    """What the warehouse tells of scored and labelled rows."""

    @property
    def rows(self) -> int:
        """How many rows were counted."""

    def metrics(self) -> dict[str, float | None]:
        """Return the metrics; None where one is not defined."""


@dataclass(frozen=True)
class Confusion:
    """What the warehouse counts of scored and labelled rows.

    :param tp: true positives; ``fp``, ``fn`` and ``tn`` likewise
    :param rank_sum: the sum of the positives' ranks when all rows are ordered by score; equal scores share
        their mean rank
    """

    tp: int
    fp: int
    fn: int
    tn: int
    rank_sum: float

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return self.tp + self.fp + self.fn + self.tn

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Confusion:
        """Read a row of ``snowflake.performance.confusion``."""
        return cls(int(row["TP"]), int(row["FP"]), int(row["FN"]), int(row["TN"]), float(row["RANK_SUM"] or 0))

    def metrics(self) -> dict[str, float | None]:
        """Return the usual metrics; None where one is not defined (no positives, only one class).

        Precision, recall, F1: of class 1. ROC AUC by ranks (Mann-Whitney):
        (rank_sum - n₁(n₁+1)/2) / (n₁·n₀), exact with ties.

        >>> Confusion(tp=8, fp=2, fn=2, tn=8, rank_sum=145.0).metrics()["f1"]
        0.8
        """
        positives, negatives = self.tp + self.fn, self.fp + self.tn
        return {
            "accuracy": _ratio(self.tp + self.tn, self.rows),
            "precision": _ratio(self.tp, self.tp + self.fp),
            "recall": _ratio(self.tp, positives),
            "f1": _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn),
            "roc_auc": _ratio(self.rank_sum - positives * (positives + 1) / 2, positives * negatives),
        }


@dataclass(frozen=True)
class Residuals:
    """What the warehouse adds up of predicted and labelled numbers.

    :param rows: how many rows were counted
    :param squared: the sum of the squared differences between label and score
    :param absolute: the sum of the absolute differences
    :param spread: the sum of the squared differences between the labels and their mean
    """

    rows: int
    squared: float
    absolute: float
    spread: float

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Residuals:
        """Read a row of ``snowflake.performance.residuals``."""
        sums = (float(row[name] or 0) for name in ("SQUARED", "ABSOLUTE", "SPREAD"))
        return cls(int(row["N"]), *sums)

    def metrics(self) -> dict[str, float | None]:
        """Return the usual metrics, as scikit-learn defines them; None where one is not defined.

        RMSE = √(Σ(y-ŷ)²/n) and MAE = Σ|y-ŷ|/n, in the label's unit. R² = 1 - Σ(y-ŷ)²/Σ(y-ȳ)², the coefficient of
        determination: 1 is perfect, 0 as good as the labels' mean; not defined if all labels are equal.

        >>> Residuals(rows=4, squared=16.0, absolute=8.0, spread=64.0).metrics()
        {'rmse': 2.0, 'mae': 2.0, 'r2': 0.75}
        """
        mean_squared = _ratio(self.squared, self.rows)
        unexplained = _ratio(self.squared, self.spread)
        return {
            "rmse": None if mean_squared is None else math.sqrt(mean_squared),
            "mae": _ratio(self.absolute, self.rows),
            "r2": None if unexplained is None else 1 - unexplained,
        }


@dataclass(frozen=True)
class PerformanceThresholds:
    """How much worse a metric may be than its reference, the version's own holdout.

    Of rmse and mae the rise as a share of the reference, of any other metric the fall as a difference.
    """

    warn: float
    breach: float

    def verdict(self, metric: str, value: float | None, reference: float) -> Verdict:
        """Judge a metric; one that is not defined is a breach, for nobody can say that it is good."""
        better = None if value is None or math.isnan(value) else gain(metric, value, reference)
        if better is None or -better >= self.breach:
            return "breach"
        return "warn" if -better >= self.warn else "ok"


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
