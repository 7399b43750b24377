"""The metrics of resampled groups of rows, made of the sums that ``snowflake.row_groups`` selects. Pure.

``measured`` says what each metric is; with every group drawn once, these are its values. The metrics made of sums are
exact in every resample. Rank metrics follow their Hájek projection: of roc_auc the structural components of DeLong,
DeLong & Clarke-Pearson (1988), of pr_auc the infinitesimal jackknife (Efron 1982).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.measured import CALIBRATION_BINS, GREATEST_LOSS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from snowmaker.bootstrap import Replicates

    Row = Mapping[str, Any]


def binary(rows: Sequence[Row], groups: Sequence[int], draws: NDArray[Any]) -> Replicates:
    """Make the metrics of a binary classification in each resample, from the rows of ``binary_groups``.

    :param groups: the groups in the order of the draws
    :param draws: how often each group is in each resample
    """
    import numpy as np

    gaps = [f"GAP_{i}" for i in range(CALIBRATION_BINS)]
    names = ("N", "POSITIVES", "TP", "FP", "WINS", "LOSSES", "PRECISIONS", "RECALLED", "LOG_LOSS", "SQUARED", *gaps)
    once = _by_group(rows, groups, names)
    total = {name: draws @ values for name, values in once.items()}
    n, positives, tp, fp = total["N"], total["POSITIVES"], total["TP"], total["FP"]
    return {
        "accuracy": _ratio(tp + n - positives - fp, n),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, positives),
        "f1": _ratio(2 * tp, positives + tp + fp),
        "roc_auc": _area(once, total),
        "pr_auc": np.clip(_ratio(total["PRECISIONS"] + total["RECALLED"], positives), 0, 1),
        "log_loss": _ratio(total["LOG_LOSS"], n),
        "brier": _ratio(total["SQUARED"], n),
        "calibration_error": _ratio(sum(np.abs(total[name]) for name in gaps), n),
    }


def regression(rows: Sequence[Row], groups: Sequence[int], draws: NDArray[Any]) -> Replicates:
    """Make the metrics of a regression in each resample, from the rows of ``residual_groups``.

    :param groups: the groups in the order of the draws
    :param draws: how often each group is in each resample
    """
    import numpy as np

    once = _by_group(rows, groups, ("N", "SQUARED", "ABSOLUTE", "SHARES", "FROM_MEAN", "SPREAD"))
    total = {name: draws @ values for name, values in once.items()}
    n = total["N"]
    # Around the resample's own mean; rounding may leave less than nothing of it.
    spread = np.maximum(total["SPREAD"] - _ratio(total["FROM_MEAN"] ** 2, n), 0)
    return {
        "rmse": np.sqrt(_ratio(total["SQUARED"], n)),
        "mae": _ratio(total["ABSOLUTE"], n),
        "mape": _ratio(total["SHARES"], n),
        "r2": 1 - _ratio(total["SQUARED"], spread),
    }


def multiclass(rows: Sequence[Row], groups: Sequence[int], draws: NDArray[Any]) -> Replicates:
    """Make the metrics of several classes in each resample, from the rows of ``class_groups``.

    :param groups: the groups in the order of the draws
    :param draws: how often each group is in each resample
    """
    import numpy as np

    by_class: dict[str, list[Row]] = {}
    for row in rows:
        by_class.setdefault(str(row["CLASS"]), []).append(row)
    names = ("N", "POSITIVES", "CHOSEN", "TP", "WINS", "LOSSES", "LOG_LOSS")
    once = [_by_group(of_class, groups, names) for of_class in by_class.values()]
    totals = [{name: draws @ values for name, values in sums.items()} for sums in once]
    n = totals[0]["N"]
    known, right, loss = (sum(total[name] for total in totals) for name in ("POSITIVES", "TP", "LOG_LOSS"))
    unknown = n - known
    seen = np.array([(total["POSITIVES"] + total["CHOSEN"]) > 0 for total in totals])
    # All labels that are none of the classes together are one more class, of which nothing is right.
    counted = seen.sum(axis=0) + (unknown > 0)
    parts = {
        "precision": [_ratio(total["TP"], total["CHOSEN"]) for total in totals],
        "recall": [_ratio(total["TP"], total["POSITIVES"]) for total in totals],
        "f1": [_ratio(2 * total["TP"], total["POSITIVES"] + total["CHOSEN"]) for total in totals],
    }
    areas = np.array([_area(sums, total) for sums, total in zip(once, totals, strict=True)])
    return {
        "accuracy": _ratio(right, n),
        **{f"{name}_macro": _ratio(np.nansum(values, axis=0), counted) for name, values in parts.items()},
        "roc_auc_macro": _ratio(np.nansum(areas, axis=0), (~np.isnan(areas)).sum(axis=0)),
        "log_loss": _ratio(loss + unknown * GREATEST_LOSS, n),
    }


def _by_group(rows: Iterable[Row], groups: Sequence[int], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return each sum by group; a group without rows has none of it."""
    import numpy as np

    place = {group: i for i, group in enumerate(groups)}
    sums = {name: np.zeros(len(groups)) for name in names}
    for row in rows:
        at = place[int(row["ROW_GROUP"])]
        for name, values in sums.items():
            values[at] = float(row[name] or 0)
    return sums


def _area(once: Mapping[str, NDArray[Any]], total: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return roc_auc: it moves with the mean of what the positives win, and with that of what the negatives lose."""
    import numpy as np

    positives, negatives = total["POSITIVES"], total["N"] - total["POSITIVES"]
    area = _ratio(once["WINS"].sum(), once["POSITIVES"].sum())
    moved = _ratio(total["WINS"], positives) + _ratio(total["LOSSES"], negatives) - area
    return np.asarray(np.clip(moved, 0, 1))


def _ratio(part: Any, whole: Any) -> NDArray[Any]:
    """Divide; NaN where there is nothing to divide by."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(whole) == 0, np.nan, np.asarray(part) / np.asarray(whole))
