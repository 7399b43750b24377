"""Performance decisions: how good a week must be, and which weeks are to be measured again. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.metrics import ERRORS, RELATIVE, gain

if TYPE_CHECKING:
    from snowmaker.verdicts import Verdict


@dataclass(frozen=True)
class PerformanceThresholds:
    """How bad a metric may be: beside its reference, the version's own holdout, and at all.

    :param warn: how much worse than the reference it may be: of an error in ``metrics.RELATIVE`` the rise as a share
        of the reference, of any other metric the difference
    :param breach: the same for a breach
    :param warn_below: value below which it warns; not for errors
    :param breach_below: value below which it breaches; not for errors
    :param warn_above: value above which an error warns
    :param breach_above: value above which an error breaches

    >>> PerformanceThresholds(0.05, 0.1, breach_below=0.7).verdict("f1", 0.69, 0.72)
    'breach'
    """

    warn: float
    breach: float
    warn_below: float | None = None
    breach_below: float | None = None
    warn_above: float | None = None
    breach_above: float | None = None

    def check(self, metric: str) -> None:
        """Check that the absolute bounds go with the metric, and do not contradict each other.

        :raises ValueError: naming the bounds and what to write instead
        """
        wrong, right = ("below", "above") if metric in ERRORS else ("above", "below")
        for severity in ("warn", "breach"):
            if getattr(self, f"{severity}_{wrong}") is not None:
                raise ValueError(f"{severity}_{wrong} does not go with metric {metric}; write {severity}_{right}")
        warn, breach = self._absolute(metric)
        if warn is not None and breach is not None and _is_worse(metric, warn, breach):
            raise ValueError(f"breach_{right} ({breach:g}) is reached before warn_{right} ({warn:g}); exchange them")

    def verdict(self, metric: str, value: float | None, reference: float | None) -> Verdict:
        """Judge a metric; one that is not defined is a breach, for nobody can say that it is good."""
        if value is None or math.isnan(value):
            return "breach"
        better = gain(metric, value, reference)
        undefined = reference is not None and better is None
        fall = -math.inf if better is None else -better
        warn, breach = self._absolute(metric)
        if undefined or fall >= self.breach or _is_worse(metric, value, breach):
            return "breach"
        return "warn" if fall >= self.warn or _is_worse(metric, value, warn) else "ok"

    def bound(self, metric: str, reference: float | None) -> float | None:
        """Return the value from which on the metric breaches, by the stricter of the rules there are; else None."""
        bounds = [self._absolute(metric)[1]]
        if reference is not None:
            change = self.breach * reference if metric in RELATIVE else self.breach
            bounds.append(reference + change if metric in ERRORS else reference - change)
        given = [bound for bound in bounds if bound is not None]
        if not given:
            return None
        return min(given) if metric in ERRORS else max(given)

    def _absolute(self, metric: str) -> tuple[float | None, float | None]:
        if metric in ERRORS:
            return self.warn_above, self.breach_above
        return self.warn_below, self.breach_below


def default_thresholds(metric: str) -> PerformanceThresholds:
    """Return the thresholds of a metric that nobody gave any for.

    An error compared by ratio warns from a tenth and breaches from a quarter more on: the usual reading of such rises
    as noticeable and large. A share (or another metric between 0 and 1) warns from 0.05 and breaches from 0.1 on, which
    a week of a few hundred rows does not reach by chance (its standard error is below 0.03).
    """
    return PerformanceThresholds(0.1, 0.25) if metric in RELATIVE else PerformanceThresholds(0.05, 0.1)


def _is_worse(metric: str, value: float, bound: float | None) -> bool:
    if bound is None:
        return False
    return value > bound if metric in ERRORS else value < bound
