"""Whether a difference of two profiles can be chance: p-values, and a family of tests that keeps its rate. Pure.

All tests suppose that rows are independent of one another. Those that count rows are exact or on the safe side
for any number of them; rows that come in clusters (a customer's many) make them too sure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snowmaker.profile import Profile

_LEAST_EXPECTED = 10
_LEAST_KNOWN = 20
_SURE = 400
_BINS_LOOKED_AT = 3
_TERMS = 500


def p_value(metric: str, baseline: Profile, current: Profile) -> float | None:
    """Return the probability of so great a difference between two draws from one distribution.

    What is tested is what the metric looks at: all rows by bin, the values by bin, their mean, the missing
    ones, the unknown categories, or the number of rows. None where there is nothing to test.

    :param metric: a name of ``drift_metrics.METRICS``
    """
    return _TESTS[metric](baseline, current)


def same_distribution(baseline: Sequence[int], current: Sequence[int]) -> float:
    """Test whether two histograms are draws from one distribution.

    Twice the lesser of two p-values (Bonferroni). One is that of the bin that stands out most: Fisher's exact
    test of the bin against all others, times the number of bins. The other is that of all bins together: the
    likelihood ratio G² = 2 Σ O ln(O/E) with Williams' correction (Biometrika, 1976) against chi-squared,
    neighbours put together until at least 10 rows are expected. So few rows are judged exactly, and a drift that is
    spread over many bins is found where there are rows enough.

    :param baseline: rows in each bin, of the baseline; in an order that does not come from the counts
    :param current: rows in each bin, of the data checked

    >>> round(same_distribution([500, 500], [5, 0]), 4)
    0.0634
    >>> same_distribution([500, 500], [50, 50])
    1.0
    """
    pairs = [(p, q) for p, q in zip(baseline, current, strict=True) if p + q]
    if len(pairs) < 2 or not sum(baseline) or not sum(current):
        return 1.0
    if len(pairs) == 2:
        return _one_bin(pairs[0][0], sum(baseline), pairs[0][1], sum(current))
    return min(1.0, 2 * min(_bin_that_stands_out(pairs), _all_bins(pairs)))


def significant(p_values: Sequence[float], rate: float, tests: int) -> list[bool]:
    """Tell which of some tests are significant so that any is by chance with at most the probability ``rate``.

    Holm's step-down rule (Scandinavian Journal of Statistics, 1979), for any dependence between the tests.

    :param p_values: those that may be significant; of all others none is
    :param rate: the probability of one false alarm or more, if nothing has changed
    :param tests: how many tests there are in all

    >>> significant([0.004, 0.2, 0.001], rate=0.01, tests=3)
    [True, False, True]
    """
    found = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[i] > rate / (tests - step):
            break
        found[i] = True
    return found


def _one_bin(part_p: int, total_p: int, part_q: int, total_q: int) -> float:
    """Fisher's exact test of one bin against the others; both sides, so twice the lesser tail."""
    rows, marked = total_p + total_q, part_p + part_q
    if part_q * rows < total_q * marked:
        marked, part_q = rows - marked, total_q - part_q
    return min(1.0, 2 * _hypergeometric_tail(part_q, rows, marked, total_q))


def _hypergeometric_tail(least: int, rows: int, marked: int, drawn: int) -> float:
    """Return the probability of at least so many marked rows among those drawn; from above, if terms are many."""
    log_first = _log_choose(marked, least) + _log_choose(rows - marked, drawn - least) - _log_choose(rows, drawn)
    term, total, ratio = 1.0, 1.0, 0.0
    for x in range(least, least + _TERMS):
        ratio = (marked - x) * (drawn - x) / ((x + 1) * (rows - marked - drawn + x + 1))
        term *= ratio
        total += term
        if term <= total * 1e-16:
            return math.exp(log_first) * total
    # The ratios only fall, so a geometric series is above what is left; near the mean it says no more than 1.
    return min(1.0, math.exp(log_first) * (total + term * ratio / (1 - ratio))) if ratio < 1 else 1.0


def _bin_that_stands_out(pairs: Sequence[tuple[int, int]]) -> float:
    total_p, total_q = sum(p for p, _ in pairs), sum(q for _, q in pairs)
    rows = total_p + total_q

    def distance(pair: tuple[int, int]) -> float:
        share = (pair[0] + pair[1]) / rows
        return abs(pair[1] - share * total_q) / math.sqrt(share * (1 - share))

    # To leave bins out makes the test only safer, for it counts them all.
    candidates = sorted(pairs, key=distance, reverse=True)[:_BINS_LOOKED_AT]
    return len(pairs) * min(_one_bin(p, total_p, q, total_q) for p, q in candidates)


def _all_bins(pairs: Sequence[tuple[int, int]]) -> float:
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    total_p, total_q = sum(p for p, _ in pairs), sum(q for _, q in pairs)
    rows = total_p + total_q
    groups = _large_enough(pairs, _LEAST_EXPECTED * max(1, total_p / total_q))
    freedom = len(groups) - 1
    if not freedom:
        return 1.0
    statistic = 0.0
    for p, q in groups:
        for count, total in ((p, total_p), (q, total_q)):
            if count:
                statistic += 2 * count * math.log(count * rows / ((p + q) * total))
    spread = rows * sum(1 / (p + q) for p, q in groups) - 1
    williams = 1 + (rows / total_p + rows / total_q - 1) * spread / (6 * rows * freedom)
    return float(chdtrc(freedom, max(statistic, 0.0) / williams))


def _large_enough(pairs: Sequence[tuple[int, int]], least: float) -> list[tuple[int, int]]:
    """Put neighbours together until the baseline has so many rows in each.

    Neither the order nor the week's counts may have a say in which: bins that are put together because they
    happen to be rare make the test see a difference where there is none.
    """
    groups: list[tuple[int, int]] = []
    for p, q in pairs:
        if groups and groups[-1][0] < least:
            groups[-1] = (groups[-1][0] + p, groups[-1][1] + q)
        else:
            groups.append((p, q))
    if len(groups) > 1 and groups[-1][0] < least:
        p, q = groups.pop()
        groups[-1] = (groups[-1][0] + p, groups[-1][1] + q)
    return groups


def _same_mean(baseline: Profile, current: Profile) -> float | None:
    """Test two means by Student's law; the greater deviation stands for both, so that a few rows of a long tail,
    or a few that happen to be alike, do not seem significant.
    """
    from scipy.special import stdtr

    n, m = sum(baseline.values), sum(current.values)
    if baseline.mean is None or current.mean is None or min(n, m) < 2:
        return None
    variances = [(side.stddev or 0.0) ** 2 * rows / (rows - 1) for side, rows in ((baseline, n), (current, m))]
    error = math.sqrt(max(variances) * (1 / n + 1 / m))
    if not error:
        return 1.0 if baseline.mean == current.mean else 0.0
    return 2 * float(stdtr(min(n, m) - 1, -abs(current.mean - baseline.mean) / error))


def _same_row_count(baseline: Profile, current: Profile) -> float | None:
    """Test two rates of rows a week, given their sum (Przyborowski and Wilenski, Biometrika, 1940)."""
    from scipy.special import bdtr, bdtrc

    rows, share = baseline.rows + current.rows, current.weeks / (baseline.weeks + current.weeks)
    if not rows:
        return None
    fewer = float(bdtr(current.rows, rows, share))
    more = float(bdtrc(current.rows - 1, rows, share)) if current.rows else 1.0
    return min(1.0, 2 * min(fewer, more))


def _same_rows(baseline: Profile, current: Profile) -> float | None:
    if baseline.bins.kind == "categorical":
        return same_distribution(*_known_categories(baseline, current))
    return same_distribution(baseline.every_row, current.every_row)


def _known_categories(baseline: Profile, current: Profile) -> tuple[list[int], list[int]]:
    """Give both sides' counts of the categories that are in the list for good reason, by name, and of the rest.

    Of many rare ones those are listed that happened to be common in the baseline; they are rarer in any other
    rows. So one that is about as common as some of the rest may be counts with the rest, unless it has so many
    rows that chance is a small part of them. How common it is both sides tell together: to go by one would be
    to choose by luck again.
    """
    names = baseline.bins.categories or ()
    listed, others = baseline.values[:-1], baseline.values[-1]
    rest = min(others, *listed) if listed else 0
    enough = max(min(rest + 3 * math.sqrt(rest), _SURE), _LEAST_KNOWN) if rest else 0
    share = baseline.rows / (baseline.rows + current.rows)
    common = [(before + after) * share >= enough for before, after in zip(listed, current.values, strict=False)]
    known = [i for i in sorted(range(len(names)), key=names.__getitem__) if common[i]]

    def counts(profile: Profile) -> list[int]:
        found = [profile.counts[i] for i in known]
        return [*found, profile.rows - profile.missing - sum(found), profile.nulls, profile.not_finite]

    return counts(baseline), counts(current)


def _same_values(baseline: Profile, current: Profile) -> float | None:
    return same_distribution(baseline.values, current.values)


def _same_missing(baseline: Profile, current: Profile) -> float | None:
    return same_distribution(_part(baseline.missing, baseline.rows), _part(current.missing, current.rows))


def _same_others(baseline: Profile, current: Profile) -> float | None:
    return same_distribution(
        _part(baseline.values[-1], sum(baseline.values)), _part(current.values[-1], sum(current.values))
    )


def _part(part: int, whole: int) -> tuple[int, int]:
    return part, whole - part


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


_TESTS: dict[str, Callable[[Profile, Profile], float | None]] = {
    "psi": _same_rows,
    "jensen_shannon": _same_rows,
    "hellinger": _same_rows,
    "kolmogorov_smirnov": _same_values,
    "wasserstein": _same_values,
    "mean_difference": _same_mean,
    "chi_squared": _same_rows,
    "total_variation": _same_rows,
    "l_infinity": _same_rows,
    "missing_rate_change": _same_missing,
    "new_category_share": _same_others,
    "row_count_change": _same_row_count,
}
