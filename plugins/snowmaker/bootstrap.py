"""Paired bootstrap intervals of metrics and gains, by resampling random groups of rows. Pure.

The warehouse puts each row into one of at most ``GROUPS`` groups by lot and sends a few sums a group; here the groups
are drawn with replacement, the same ones for both versions, so that what is hard for both cancels. No row moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.metrics import ERRORS, RELATIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

GROUPS = 200
"""The standard error of an estimate from G groups is itself off by about 1/√(2G): here 5 %."""
FEWEST_GROUPS = 50
MOST_SUMS = 40_000
"""How many rows of sums the warehouse should send at most, while there are more groups than the fewest."""
_REPLICATES = 2000
_SEED = 20260321

Replicates = dict[str, Any]
"""By metric its value in each resample, an array; NaN where it is not defined."""


@dataclass(frozen=True)
class Interval:
    """Where a value lies with some confidence; None where too few resamples define it."""

    low: float | None = None
    high: float | None = None


def group_count(sums_a_group: int) -> int:
    """Return into how many groups to put the rows.

    :param sums_a_group: how many rows of sums each group is sent as

    >>> group_count(2), group_count(2 * 200), group_count(2 * 200 * 21)
    (200, 100, 50)
    """
    return max(FEWEST_GROUPS, min(GROUPS, MOST_SUMS // sums_a_group))


def draw(groups: int) -> NDArray[Any]:
    """Draw resamples of groups, with replacement: how often each group is in each, resamples by groups.

    Always the same ones, so that a task that is tried again finds the same intervals, and a version compared with
    itself gains exactly nothing.

    >>> draw(3).shape, draw(3)[:2].sum(axis=1).tolist()
    ((2000, 3), [3.0, 3.0])
    """
    import numpy as np

    drawn = np.random.default_rng(_SEED).multinomial(groups, [1 / groups] * groups, size=_REPLICATES)
    return np.asarray(drawn, dtype=float)


def gains(metric: str, values: NDArray[Any], references: NDArray[Any]) -> NDArray[Any]:
    """Return what ``metrics.gain`` does, resample by resample."""
    import numpy as np

    if metric not in RELATIVE:
        return np.asarray(references - values if metric in ERRORS else values - references)
    difference = references - values
    with np.errstate(divide="ignore", invalid="ignore"):
        share = difference / references
    return np.where(references == 0, np.where(values == 0, 0.0, np.nan), share)


def interval(values: NDArray[Any], confidence: float) -> Interval:
    """Return the percentile interval (Efron & Tibshirani 1993, chapter 13), to six significant digits.

    It assumes that the rows are independent, and needs more than a few dozens of them, and of each class: with fewer
    it is too narrow. Resamples in which the metric is not defined are passed over, but not if they are the most.

    >>> import numpy as np
    >>> interval(np.arange(101.0), 0.9)
    Interval(low=5.0, high=95.0)
    """
    import numpy as np

    defined = values[~np.isnan(values)]
    if 2 * len(defined) < len(values) or not len(defined):
        return Interval()
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(f"{low:.6g}"), float(f"{high:.6g}"))


def intervals(replicates: Replicates, confidence: float) -> dict[str, Interval]:
    """Return the interval of each metric."""
    return {metric: interval(values, confidence) for metric, values in replicates.items()}


def gain_intervals(own: Replicates, other: Mapping[str, Any], confidence: float) -> dict[str, Interval]:
    """Return the interval of each metric's gain over another version, from the same resamples."""
    return {metric: interval(gains(metric, values, other[metric]), confidence) for metric, values in own.items()}
