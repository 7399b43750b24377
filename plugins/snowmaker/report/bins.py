"""How the bins of a profile are called, and what part of the rows is in each."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from snowmaker.report.text import clipped

if TYPE_CHECKING:
    from snowmaker.profile import Bins, Profile

MOST = 20
"""How many bins of a column are shown; of categories, the rest is added up."""


def bin_names(bins: Bins) -> list[str]:
    """Name the bins of values and that of missing ones.

    >>> from snowmaker.profile import Bins
    >>> bin_names(Bins.numeric([0.0, 0.0, 2500.0]))
    ['below 0', '0', '0 to 2,500', 'above 2,500', 'missing']
    >>> bin_names(Bins.categorical(["a"]))
    ['a', 'other', 'missing']
    """
    if bins.categories is not None:
        return [*(clipped(category) for category in bins.categories), "other", "missing"]
    if not bins.edges:
        return ["all", "missing"]
    write = _day if bins.kind == "date" else _edge
    # A value of many rows has a bin of its own, from just below it.
    edges = [
        (write(high if _next_to(low, high) else low), _next_to(low, high)) for low, high in pairwise(bins.edges)
    ] + [(write(bins.edges[-1]), False)]
    first, is_below = edges[0]
    names = [f"below {first}" if is_below else f"up to {first}"]
    names += [low if alone else f"{low} to {high}" for (low, alone), (high, _) in pairwise(edges)]
    return [*names, f"above {edges[-1][0]}", "missing"]


def shares(profile: Profile) -> list[float]:
    """Return the share of the rows in each bin of values, and of the rows without a value."""
    rows = profile.rows or 1
    return [*(count / rows for count in profile.values), profile.missing / rows]


def shown_bins(baseline: Profile, current: Profile) -> tuple[list[str], list[float], list[float]]:
    """Return names and both shares of the bins to show: all that has rows, the largest where there are many."""
    names, before, now = bin_names(baseline.bins), shares(baseline), shares(current)
    shown = [i for i in range(len(names)) if before[i] or now[i]]
    if len(shown) <= MOST:
        return [names[i] for i in shown], [before[i] for i in shown], [now[i] for i in shown]
    largest = sorted(shown, key=lambda i: max(before[i], now[i]), reverse=True)[: MOST - 1]
    kept, rest = sorted(largest), [i for i in shown if i not in largest]
    return (
        [*(names[i] for i in kept), f"{len(rest)} more"],
        [*(before[i] for i in kept), sum(before[i] for i in rest)],
        [*(now[i] for i in kept), sum(now[i] for i in rest)],
    )


def _next_to(low: float, high: float) -> bool:
    return high - low <= abs(high) * 1e-12 or (high == 0 and low > -1e-200)


def _edge(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _day(value: float) -> str:
    return str(date(1970, 1, 1) + timedelta(days=value))
