"""Drift decisions: bins, the population stability index, verdicts. Pure; the counting is the warehouse's."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker.exceptions import SnowmakerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Verdict = Literal["ok", "warn", "breach"]
SCORE = "score"
"""The name under which the prediction score is checked, beside the features (theirs are upper case)."""

_FLOOR = 1e-4


@dataclass(frozen=True)
class Bins:
    """How a column's values are sorted into bins.

    Numeric: ``edges`` e₁ < … < eₘ make m+1 bins, (-∞, e₁], (e₁, e₂], …, (eₘ, ∞). Categorical: a bin for each
    of ``categories`` and one for all others. Both have a last bin for NULL.

    >>> Bins.numeric([1.0, 1.0, 2.5]).size, Bins.categorical(["a", "b"]).size
    (4, 4)
    """

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] | None = None

    @classmethod
    def numeric(cls, quantiles: Sequence[float | None]) -> Bins:
        """Make bins from quantiles; equal ones, as of a skewed or constant column, are merged."""
        return cls(edges=tuple(sorted({float(value) for value in quantiles if value is not None})))

    @classmethod
    def categorical(cls, categories: Sequence[str]) -> Bins:
        """Make bins from the commonest categories."""
        return cls(categories=tuple(categories))

    @property
    def size(self) -> int:
        """How many bins there are: those of values, and that of NULL."""
        return (len(self.edges) if self.categories is None else len(self.categories)) + 2

    def to_json(self) -> str:
        """Write the bins as the baselines table keeps them."""
        if self.categories is None:
            return json.dumps({"edges": self.edges})
        return json.dumps({"categories": self.categories}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Bins:
        """Read what ``to_json`` wrote."""
        content = json.loads(text)
        if "categories" in content:
            return cls.categorical(content["categories"])
        return cls(edges=tuple(content["edges"]))


@dataclass(frozen=True)
class Histogram:
    """A column's bins, and how many rows of some data fell into each (NULLs last)."""

    bins: Bins
    counts: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return sum(self.counts)


def psi(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the population stability index of two histograms over the same bins.

    PSI = Σ (qᵢ - pᵢ) · ln(qᵢ / pᵢ), with pᵢ and qᵢ the shares of bin i in the baseline and in the current
    data (Siddiqi, Credit Risk Scorecards, 2006; it is the symmetric Kullback-Leibler divergence in nats).
    Shares below 0.0001 count as 0.0001, so an empty bin gives a finite value. 0 for equal shares, no upper
    bound; by convention below 0.1 is stable and above 0.25 a shift. Without any drift its expectation is
    about (bins - 1) · (1/n + 1/m) for n and m rows.

    :param baseline: rows in each bin, of the baseline
    :param current: rows in each bin, of the data checked
    :raises ValueError: if the numbers of bins differ, or one side has no rows

    >>> psi([50, 50], [500, 500])
    0.0
    >>> round(psi([50, 50], [90, 10]), 4)
    0.8789
    """
    if len(baseline) != len(current):
        raise ValueError(f"histograms have {len(baseline)} and {len(current)} bins; both need the same")
    total_p, total_q = sum(baseline), sum(current)
    if not total_p or not total_q:
        raise ValueError("a histogram without rows has no shares")
    value = 0.0
    for count_p, count_q in zip(baseline, current, strict=True):
        # Equal shares by whole numbers, so that equal data gives exactly 0 whatever its size.
        if count_p * total_q == count_q * total_p:
            continue
        p, q = max(count_p / total_p, _FLOOR), max(count_q / total_q, _FLOOR)
        value += (q - p) * math.log(q / p)
    return value


@dataclass(frozen=True)
class DriftThresholds:
    """From which value on a drift metric is a warning or a breach."""

    warn: float = 0.1
    breach: float = 0.25

    def verdict(self, value: float) -> Verdict:
        """Judge one value."""
        if value >= self.breach:
            return "breach"
        return "warn" if value >= self.warn else "ok"


@dataclass(frozen=True)
class FeatureDrift:
    """How far one column is from its baseline in one week."""

    feature: str
    value: float
    verdict: Verdict


def compare(
    baseline: Mapping[str, Histogram], current: Mapping[str, Sequence[int]], thresholds: DriftThresholds
) -> list[FeatureDrift]:
    """Judge every column of the baseline, the worst first.

    :param baseline: histograms by column name
    :param current: counts over the same bins, by column name
    :param thresholds: what is a warning, what a breach
    """
    drifts = []
    for feature, histogram in baseline.items():
        value = psi(histogram.counts, current[feature])
        drifts.append(FeatureDrift(feature, value, thresholds.verdict(value)))
    return sorted(drifts, key=lambda drift: (-drift.value, drift.feature))


@dataclass(frozen=True)
class Degradation:
    """The rule by which breaches make a model count as degraded: so many in so many weeks."""

    breaches: int
    of_weeks: int

    def met(self, verdicts: Sequence[Verdict]) -> bool:
        """Tell whether the newest weeks' verdicts (newest first) make the model degraded.

        The newest week itself must be a breach: an old one is not judged again.

        >>> Degradation(breaches=2, of_weeks=3).met(["breach", "ok", "breach"])
        True
        >>> Degradation(breaches=2, of_weeks=3).met(["ok", "breach", "breach"])
        False
        """
        newest = list(verdicts[: self.of_weeks])
        return newest[:1] == ["breach"] and newest.count("breach") >= self.breaches


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst of some verdicts.

    :raises SnowmakerError: if there are none, for then nothing was checked
    """
    for verdict in ("breach", "warn", "ok"):
        if verdict in verdicts:
            return verdict
    raise SnowmakerError("no verdicts to judge by: nothing was checked")
