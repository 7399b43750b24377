"""What the warehouse adds up of scored and labelled rows, and the metrics made of it. Pure.

The warehouse sends a few rows of sums for each week, version and segment; nothing here grows with the rows scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]

CALIBRATION_BINS = 10
Metrics = dict[str, float | None]


@dataclass(frozen=True)
class CalibrationBin:
    """The rows whose score lies in one tenth of [0, 1]: their mean score, and the rate of class 1 among them."""

    place: int
    mean_score: float
    rate: float
    rows: int


@dataclass(frozen=True)
class Measured:
    """How well some rows were predicted.

    :param rows: how many rows were counted
    :param wrong: how many of them have a label that the task does not know
    :param bad: how many of them have a score that cannot be one
    :param metrics: the metrics; None where one is not defined; empty if there are bad scores
    :param classes: of several classes the metrics of each, one against the rest
    :param calibration: of a binary classification the tenths of the scores' range that have rows
    """

    rows: int
    wrong: int
    bad: int
    metrics: Metrics
    classes: dict[str, Metrics] = field(default_factory=dict)
    calibration: tuple[CalibrationBin, ...] = ()


def read_binary(rows: Sequence[Row]) -> Measured:
    """Make the metrics of a binary classification of the rows of ``snowflake.performance.tenths``.

    Each equals scikit-learn's of that name. With tp, fp, fn, tn right and wrong predictions at the threshold, n₁ and
    n₀ rows of class 1 and 0, y the label and s the score:

    - accuracy = (tp + tn) / n, precision = tp / (tp + fp), recall = tp / n₁, f1 = 2tp / (2tp + fp + fn): in [0, 1],
      more is better; not defined where the denominator is 0.
    - roc_auc = U / (n₁·n₀), U the pairs of which the row of class 1 has the greater score, equal scores counting half
      (Mann-Whitney, so exact with ties): the chance that it has; 0.5 is guessing. Needs both classes.
    - pr_auc = Σ (Rₖ - Rₖ₋₁)·Pₖ over the different scores, from the greatest on (average precision): precision at each
      recall; n₁/n is guessing. Needs class 1.
    - log_loss = -Σ (y·ln s + (1-y)·ln(1-s)) / n, in nats, with s and 1-s at least 2.2e-16 and at most 1 - 2.2e-16:
      0 is perfect, no upper bound.
    - brier = Σ (s-y)² / n, in [0, 1]: 0 is perfect.
    - calibration_error = Σ over tenths of [0, 1] of |Σs - Σy| / n (expected calibration error, Naeini 2015; the last
      tenth holds 1): how far a score is from the rate of class 1, in [0, 1]. scikit-learn has no such function.
    """
    counts = _sums(rows, ("N", "WRONG", "BAD"))
    if counts["BAD"]:
        return _unmeasured(counts)
    total = counts | _sums(rows, ("POSITIVES", "TP", "FP", "WINS", "PRECISIONS", "LOG_LOSS", "SQUARED"))
    n, positives, tp, fp = total["N"], total["POSITIVES"], total["TP"], total["FP"]
    negatives, fn = n - positives, positives - tp
    metrics = {
        "accuracy": _ratio(tp + negatives - fp, n),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, positives),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "roc_auc": _ratio(total["WINS"], positives * negatives),
        "pr_auc": _ratio(total["PRECISIONS"], positives),
        "log_loss": _ratio(total["LOG_LOSS"], n),
        "brier": _ratio(total["SQUARED"], n),
        "calibration_error": _ratio(math.fsum(abs(row["SCORES"] - row["POSITIVES"]) for row in rows), n),
    }
    bins = tuple(
        CalibrationBin(int(row["BIN"]), row["SCORES"] / row["N"], row["POSITIVES"] / row["N"], int(row["N"]))
        for row in sorted(rows, key=lambda row: float(row["BIN"]))
    )
    return Measured(int(n), int(total["WRONG"]), int(total["BAD"]), metrics, calibration=bins)


def read_regression(rows: Sequence[Row]) -> Measured:
    """Make the metrics of a regression of the row of ``snowflake.performance.residuals``, as scikit-learn does.

    - rmse = √(Σ(y-ŷ)²/n) and mae = Σ|y-ŷ|/n, in the label's unit: 0 is perfect.
    - mape = Σ(|y-ŷ| / max(|y|, 2.2e-16)) / n: the error as a share of the label, 0 is perfect. A label of 0 that is
      not predicted as 0 gives an astronomic number, as it does in scikit-learn: judge such labels by another metric.
    - r2 = 1 - Σ(y-ŷ)²/Σ(y-ȳ)²: 1 is perfect, 0 as good as the labels' mean; not defined if all labels are equal.
    """
    counts = _sums(rows, ("N", "WRONG", "BAD"))
    if counts["BAD"]:
        return _unmeasured(counts)
    total = counts | _sums(rows, ("SQUARED", "ABSOLUTE", "SHARES", "SPREAD"))
    n = total["N"]
    mean_squared, unexplained = _ratio(total["SQUARED"], n), _ratio(total["SQUARED"], total["SPREAD"])
    metrics = {
        "rmse": None if mean_squared is None else math.sqrt(mean_squared),
        "mae": _ratio(total["ABSOLUTE"], n),
        "mape": _ratio(total["SHARES"], n),
        "r2": None if unexplained is None else 1 - unexplained,
    }
    return Measured(int(n), int(total["WRONG"]), int(total["BAD"]), metrics)


def read_multiclass(rows: Sequence[Row]) -> Measured:
    """Make the metrics of several classes of the rows of ``snowflake.performance.by_class``, one a class.

    Of each class precision, recall, f1 and roc_auc against the rest, as of a binary classification. Over all classes
    accuracy, log_loss (of the true class's probability), and the plain means over the classes (``…_macro``), as
    scikit-learn takes them: over the classes that are a label or a prediction of these rows, one that is not defined
    counting 0; of roc_auc over those that are a label. A label that is none of the classes counts as wrong, and as a
    class of its own of which nothing is right; the model gave it no chance at all, so it costs log_loss the most that a
    row can, 36.04.
    """
    n, bad = int(rows[0]["N"]), max(int(row["BAD"]) for row in rows)
    if bad:
        return _unmeasured({"N": n, "WRONG": 0, "BAD": bad})
    unknown = n - round(math.fsum(row["POSITIVES"] for row in rows))
    classes: dict[str, Metrics] = {}
    for row in sorted(rows, key=lambda row: str(row["CLASS"])):
        positives, chosen, tp = row["POSITIVES"], row["CHOSEN"], row["TP"]
        classes[str(row["CLASS"])] = {
            "precision": _ratio(tp, chosen),
            "recall": _ratio(tp, positives),
            "f1": _ratio(2 * tp, positives + chosen),
            "roc_auc": _ratio(row["WINS"], positives * (n - positives)),
        }
    seen = [str(row["CLASS"]) for row in rows if row["POSITIVES"] or row["CHOSEN"]]
    # All labels that are none of the classes together are one more class, of which nothing is right.
    nothing = [0.0] if unknown else []
    metrics = {
        "accuracy": _ratio(math.fsum(row["TP"] for row in rows), n),
        **{
            f"{name}_macro": _mean([*(classes[label][name] or 0.0 for label in seen), *nothing])
            for name in _AT_A_THRESHOLD
        },
        "roc_auc_macro": _mean([found["roc_auc"] for found in classes.values() if found["roc_auc"] is not None]),
        "log_loss": _ratio(math.fsum((*(row["LOG_LOSS"] for row in rows), unknown * GREATEST_LOSS)), n),
    }
    return Measured(n, unknown, bad, metrics, classes)


_AT_A_THRESHOLD = ("precision", "recall", "f1")
# Of a label that the model gives no chance at all.
GREATEST_LOSS = -math.log(2.220446049250313e-16)


def _unmeasured(counts: Mapping[str, float]) -> Measured:
    """Nothing can be said of scores some of which cannot be."""
    return Measured(int(counts["N"]), int(counts["WRONG"]), int(counts["BAD"]), {})


def _sums(rows: Iterable[Row], names: Sequence[str]) -> dict[str, float]:
    rows = list(rows)
    return {name: math.fsum(float(row[name] or 0) for row in rows) for name in names}


def _mean(values: Sequence[float | None]) -> float | None:
    return _ratio(math.fsum(value or 0.0 for value in values), len(values))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
