"""Performance decisions: metrics of a binary classifier from counts, and their verdicts. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from snowmaker.drift import Verdict


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
class PerformanceThresholds:
    """How far a metric may fall below its reference, the version's own holdout."""

    warn_drop: float
    breach_drop: float

    def verdict(self, value: float | None, reference: float) -> Verdict:
        """Judge a metric; one that is not defined is a breach, for nobody can say that it is good."""
        if value is None or math.isnan(value) or reference - value >= self.breach_drop:
            return "breach"
        return "warn" if reference - value >= self.warn_drop else "ok"


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
