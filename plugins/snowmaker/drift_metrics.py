"""How far two profiles of a column are apart: the drift metrics, and the thresholds they come with. Pure.

pᵢ and qᵢ are the shares of bin i in the baseline and in the week. Each metric is exactly 0 for equal data, and
None where it is not defined; a metric that can be negative is judged by its size. The thresholds agree with one
another: of a normal feature whose mean moves by d standard deviations PSI is d² (Kullback and Leibler, 1951).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from snowmaker.verdicts import Threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from snowmaker.profile import Bins, Kind, Profile

PSI_FLOOR = 1e-4
_EQUAL = 1e-11


def psi(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the population stability index of two histograms over the same bins.

    PSI = Σ (qᵢ - pᵢ) · ln(qᵢ / pᵢ), the symmetric Kullback-Leibler divergence in nats (Siddiqi, Credit Risk
    Scorecards, 2006). Shares below 0.0001 count as 0.0001, so an empty bin gives a finite value. 0 for equal
    shares, no upper bound. Without any drift its expectation is about (bins - 1) · (1/n + 1/m) for n and m rows.

    Thresholds 0.1 and 0.25: the convention of its source, "some change" and "a shift".

    :param baseline: rows in each bin, of the baseline
    :param current: rows in each bin, of the data checked
    :raises ValueError: if the numbers of bins differ, or one side has no rows

    >>> psi([50, 50], [500, 500])
    0.0
    >>> round(psi([50, 50], [90, 10]), 4)
    0.8789
    """
    value = 0.0
    for p, q in _shares(baseline, current):
        if p != q:
            at_least_p, at_least_q = max(p, PSI_FLOOR), max(q, PSI_FLOOR)
            value += (at_least_q - at_least_p) * math.log(at_least_q / at_least_p)
    return value


def jensen_shannon(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the Jensen-Shannon distance: the root of the divergence, with logarithms to base 2.

    JS = √(½ Σ pᵢ log₂(pᵢ/mᵢ) + ½ Σ qᵢ log₂(qᵢ/mᵢ)), mᵢ = (pᵢ + qᵢ)/2 (Lin, Divergence measures based on the
    Shannon entropy, 1991; a metric: Endres and Schindelin, 2003). 0 for equal shares, 1 for shares that have no
    bin in common; empty bins need no care.

    Thresholds 0.13 and 0.21: small drift of PSI 0.1 and 0.25, for JS² → PSI / (8 ln 2).

    >>> jensen_shannon([10, 0], [0, 7])
    1.0
    """
    divergence = 0.0
    for p, q in _shares(baseline, current):
        middle = (p + q) / 2
        divergence += (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return math.sqrt(max(divergence, 0.0) / math.log(2))


def hellinger(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the Hellinger distance.

    H = √(½ Σ (√qᵢ - √pᵢ)²) (Hellinger, 1909; Le Cam and Yang, Asymptotics in Statistics, 2000). 0 for equal
    shares, 1 for shares that have no bin in common.

    Thresholds 0.11 and 0.18: small drift of PSI 0.1 and 0.25, for H² → PSI / 8.
    """
    return math.sqrt(sum((math.sqrt(q) - math.sqrt(p)) ** 2 for p, q in _shares(baseline, current)) / 2)


def chi_squared(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return Cramér's V of the table of both sides' shares.

    V = √(½ Σ (qᵢ - pᵢ)² / (pᵢ + qᵢ)): the root of chi-squared over the rows, of a table in which both sides have
    equally many (Pearson, 1900; Cramér, Mathematical Methods of Statistics, 1946), so that weeks of different
    sizes compare. 0 for equal shares, 1 for shares that have no bin in common.

    Thresholds 0.16 and 0.25: small drift of PSI 0.1 and 0.25, for V² → PSI / 4.
    """
    return math.sqrt(sum((q - p) ** 2 / (p + q) for p, q in _shares(baseline, current) if p + q) / 2)


def total_variation(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the total variation distance: the share of rows that would have to change their bin.

    TV = ½ Σ |qᵢ - pᵢ| (Levin and Peres, Markov Chains and Mixing Times, 2017, chapter 4). 0 for equal shares, 1
    for shares that have no bin in common.

    Thresholds 0.13 and 0.2: those of Kolmogorov-Smirnov, to which it is equal if shares only move to one side.
    """
    return sum(_differences(baseline, current)) / 2


def l_infinity(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the greatest change of a bin's share.

    L∞ = max |qᵢ - pᵢ| (as TensorFlow Data Validation's drift comparator for categories). 0 for equal shares, 1
    if all rows move from one bin to another; at most the total variation.

    Thresholds 0.07 and 0.12: the outermost of ten quantile bins, if a normal feature's PSI is 0.1 and 0.25.
    """
    return max(_differences(baseline, current))


def kolmogorov_smirnov(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Return the Kolmogorov-Smirnov distance at the bins' edges.

    D = max |Gᵢ - Fᵢ|, with Fᵢ and Gᵢ the shares up to edge i (Smirnov, 1939). It is at most that of the values
    themselves, and less by at most max min(pᵢ, qᵢ): about 0.1 for ten quantile bins. 0 for equal shares, 1 if
    all rows of one side lie below those of the other.

    Thresholds 0.13 and 0.2: a normal feature's mean moved by 0.32 and 0.5 standard deviations, D = 2Φ(d/2) - 1.

    :param baseline: rows in each bin of values (not of NULL) in ascending order, of the baseline
    :param current: rows in each bin, of the data checked
    """
    total_p, total_q = _totals(baseline, current)
    return max(_apart(accumulate(baseline), accumulate(current), total_p, total_q))


def wasserstein(baseline: Profile, current: Profile) -> float | None:
    """Return the first Wasserstein distance of the finite values, in the baseline's standard deviations.

    W = ∫ |G(x) - F(x)| dx / s (Vaserstein, 1969; Ramdas et al., On Wasserstein two-sample testing, 2017), with
    both sides' rows of a bin at the baseline's mean of that bin. So W is wrong by at most the mean distance of a
    row from where its bin stands: with ten quantile bins of a normal feature about 0.1. What a week has beyond
    the baseline's range does not count in full; the difference of means tells of it. 0 for equal shares, no
    upper bound; if all rows move by c, about c/s. Not defined without values, and for a constant baseline of
    which a row has moved.

    Thresholds 0.3 and 0.5: a normal feature's mean moved by 0.32 and 0.5 standard deviations.
    """
    total_p, total_q = sum(baseline.values), sum(current.values)
    if not total_p or not total_q:
        return None
    apart = _apart(accumulate(baseline.values), accumulate(current.values), total_p, total_q)
    if not any(apart):
        return 0.0
    places = _places(baseline.bins, baseline.bin_means)
    distance = sum(share * (high - low) for share, (low, high) in zip(apart, pairwise(places), strict=False))
    return distance / baseline.stddev if baseline.stddev else None


def mean_difference(baseline: Profile, current: Profile) -> float | None:
    """Return by how much the mean of the finite values moved, in the baseline's standard deviations.

    Δ = (ȳ - x̄) / s (Glass, Primary, secondary, and meta-analysis of research, 1976). Means that agree in eleven
    digits are equal: the order in which a warehouse adds up is its own. Negative for a fall, no bounds. Not
    defined without values, and for a constant baseline whose mean moved.

    Thresholds 0.3 and 0.5: in the middle between Cohen's small (0.2) and medium (0.5) effect, and medium; a
    normal feature's PSI is then 0.09 and 0.25.
    """
    if baseline.mean is None or current.mean is None:
        return None
    difference = current.mean - baseline.mean
    if abs(difference) <= _EQUAL * max(abs(baseline.mean), abs(current.mean), baseline.stddev or 0.0):
        return 0.0
    return difference / baseline.stddev if baseline.stddev else None


def missing_rate_change(baseline: Profile, current: Profile) -> float | None:
    """Return by how much the share of rows without a value rose: NULL, NaN or an infinity.

    From -1 (all were missing, none is) to 1. Not defined without rows.

    Thresholds 0.05 and 0.1: every twentieth and every tenth row lost its value, or got one.
    """
    return _rise(baseline.missing, baseline.rows, current.missing, current.rows)


def new_category_share(baseline: Profile, current: Profile) -> float | None:
    """Return by how much the share of values that are none of the baseline's categories rose.

    If the baseline's list has all its categories, it is the share of values with a new one. From 0 (also if
    the share fell) to 1. Not defined without values.

    Thresholds 0.05 and 0.1: the model has not learned from every twentieth and every tenth value.
    """
    rise = _rise(baseline.values[-1], sum(baseline.values), current.values[-1], sum(current.values))
    return None if rise is None else max(rise, 0.0)


def row_count_change(baseline: Profile, current: Profile) -> float | None:
    """Return by how much the number of rows a week changed, as a share of the baseline's.

    m / (n / weeks) - 1: from -1 (no rows) on; 1 is twice as many. Not defined for a baseline without rows.

    Thresholds 0.3 and 0.5: a load that lost a third, or half, is more than a quiet week.
    """
    if not baseline.rows:
        return None
    return (current.rows * baseline.weeks - baseline.rows * current.weeks) / (baseline.rows * current.weeks)


@dataclass(frozen=True)
class Metric:
    """A drift metric.

    :param title: its name for people
    :param kinds: the kinds of columns it is for
    :param threshold: from where on it warns and breaches, if nobody says otherwise
    :param measure: gives its value for a baseline and a week, None where it is not defined
    """

    title: str
    kinds: frozenset[Kind]
    threshold: Threshold
    measure: Callable[[Profile, Profile], float | None]


def _of_rows(metric: Callable[[Sequence[int], Sequence[int]], float]) -> Callable[[Profile, Profile], float | None]:
    def measure(baseline: Profile, current: Profile) -> float | None:
        return metric(baseline.every_row, current.every_row) if baseline.rows and current.rows else None

    return measure


def _of_values(metric: Callable[[Sequence[int], Sequence[int]], float]) -> Callable[[Profile, Profile], float | None]:
    def measure(baseline: Profile, current: Profile) -> float | None:
        return metric(baseline.values, current.values) if sum(baseline.values) and sum(current.values) else None

    return measure


_NUMBERS: frozenset[Kind] = frozenset({"numeric", "date"})
_NAMES: frozenset[Kind] = frozenset({"categorical", "boolean"})
_COLUMNS = _NUMBERS | _NAMES

METRICS: dict[str, Metric] = {
    "psi": Metric("PSI", _COLUMNS, Threshold(0.1, 0.25), _of_rows(psi)),
    "jensen_shannon": Metric("Jensen-Shannon distance", _COLUMNS, Threshold(0.13, 0.21), _of_rows(jensen_shannon)),
    "hellinger": Metric("Hellinger distance", _COLUMNS, Threshold(0.11, 0.18), _of_rows(hellinger)),
    "kolmogorov_smirnov": Metric(
        "Kolmogorov-Smirnov distance", _NUMBERS, Threshold(0.13, 0.2), _of_values(kolmogorov_smirnov)
    ),
    "wasserstein": Metric("Wasserstein distance", _NUMBERS, Threshold(0.3, 0.5), wasserstein),
    "mean_difference": Metric("Difference of means", _NUMBERS, Threshold(0.3, 0.5), mean_difference),
    "chi_squared": Metric("Cramér's V", _NAMES, Threshold(0.16, 0.25), _of_rows(chi_squared)),
    "total_variation": Metric("Total variation", _NAMES, Threshold(0.13, 0.2), _of_rows(total_variation)),
    "l_infinity": Metric("Greatest change of a bin", _COLUMNS, Threshold(0.07, 0.12), _of_rows(l_infinity)),
    "missing_rate_change": Metric("Change of missing rate", _COLUMNS, Threshold(0.05, 0.1), missing_rate_change),
    "new_category_share": Metric(
        "Share of new categories", frozenset({"categorical"}), Threshold(0.05, 0.1), new_category_share
    ),
    "row_count_change": Metric("Change of row count", frozenset({"rows"}), Threshold(0.3, 0.5), row_count_change),
}


def _shares(baseline: Sequence[int], current: Sequence[int]) -> Iterator[tuple[float, float]]:
    total_p, total_q = _totals(baseline, current)
    for count_p, count_q in zip(baseline, current, strict=True):
        # Equal shares by whole numbers, so that equal data gives exactly 0 whatever its size.
        p = count_p / total_p
        yield p, p if count_p * total_q == count_q * total_p else count_q / total_q


def _differences(baseline: Sequence[int], current: Sequence[int]) -> list[float]:
    return _apart(baseline, current, *_totals(baseline, current))


def _apart(baseline: Iterable[int], current: Iterable[int], total_p: int, total_q: int) -> list[float]:
    pairs = zip(baseline, current, strict=True)
    return [abs(count_q * total_p - count_p * total_q) / (total_p * total_q) for count_p, count_q in pairs]


def _totals(baseline: Sequence[int], current: Sequence[int]) -> tuple[int, int]:
    if len(baseline) != len(current):
        raise ValueError(f"histograms have {len(baseline)} and {len(current)} bins; both need the same")
    total_p, total_q = sum(baseline), sum(current)
    if not total_p or not total_q:
        raise ValueError("a histogram without rows has no shares")
    return total_p, total_q


def _relative_entropy(p: float, middle: float) -> float:
    return p * math.log(p / middle) if p else 0.0


def _rise(part_p: int, total_p: int, part_q: int, total_q: int) -> float | None:
    if not total_p or not total_q:
        return None
    return (part_q * total_p - part_p * total_q) / (total_p * total_q)


def _places(bins: Bins, means: Sequence[float | None]) -> list[float]:
    edges = bins.edges
    if not edges:
        return [0.0]
    middles = [edges[0], *((low + high) / 2 for low, high in pairwise(edges)), edges[-1]]
    found = means or [None] * len(middles)
    return [middle if mean is None else mean for middle, mean in zip(middles, found, strict=True)]
