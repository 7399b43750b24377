"""Verdicts of a week, and what follows from those of many: whether a model is degraded, and since when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker.exceptions import SnowmakerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.week import Week

Verdict = Literal["ok", "warn", "breach"]


@dataclass(frozen=True)
class Threshold:
    """From which size on a value is a warning, and a breach; its sign does not matter."""

    warn: float
    breach: float

    def verdict(self, value: float) -> Verdict:
        """Judge one value.

        >>> Threshold(warn=0.3, breach=0.5).verdict(-0.4)
        'warn'
        """
        if abs(value) >= self.breach:
            return "breach"
        return "warn" if abs(value) >= self.warn else "ok"


@dataclass(frozen=True)
class Degradation:
    """The rule by which breaches make a model count as degraded: so many in so many weeks."""

    breaches: int
    of_weeks: int

    def met(self, verdicts: Sequence[Verdict | None]) -> bool:
        """Tell whether the newest weeks' verdicts (newest first) make the model degraded.

        The newest week itself must be a breach: an old one is not judged again.

        >>> Degradation(breaches=2, of_weeks=3).met(["breach", "ok", "breach"])
        True
        >>> Degradation(breaches=2, of_weeks=3).met(["ok", "breach", "breach"])
        False
        """
        newest = list(verdicts[: self.of_weeks])
        return newest[:1] == ["breach"] and newest.count("breach") >= self.breaches

    def since(self, verdicts: Mapping[str, Verdict | None]) -> str | None:
        """Tell the week of the first breach of those that make the model degraded; None if it is not.

        It may lie before the weeks that decide: breaches belong together as long as no more weeks lie between
        two of them than the rule allows in ``of_weeks``.

        :param verdicts: by the week's first day, in any order

        >>> weeks = {"2024-03-04": "breach", "2024-03-11": "ok", "2024-03-18": "breach", "2024-03-25": "breach"}
        >>> Degradation(breaches=2, of_weeks=3).since(weeks)
        '2024-03-04'
        """
        newest_first = sorted(verdicts, reverse=True)
        if not self.met([verdicts[week] for week in newest_first]):
            return None
        since, between = newest_first[0], 0
        for week in newest_first[1:]:
            between = 0 if verdicts[week] == "breach" else between + 1
            if between > self.of_weeks - self.breaches:
                break
            if not between:
                since = week
        return since


def cooling(week: Week, retrained: Week | None, cool_down_weeks: int) -> bool:
    """Tell whether a model's last retraining is too fresh for another one.

    :param week: the week checked
    :param retrained: the week of the newest promotion or rejection, if there is one
    :param cool_down_weeks: how many weeks must have gone since

    >>> from datetime import date
    >>> from snowmaker.week import Week
    >>> retrained = Week(date(2024, 3, 4))
    >>> [cooling(retrained.shift(weeks), retrained, 2) for weeks in (1, 2)]
    [True, False]
    """
    return retrained is not None and week < retrained.shift(cool_down_weeks)


def worst(verdicts: Sequence[Verdict | None]) -> Verdict:
    """Return the worst of some verdicts.

    :raises SnowmakerError: if there are none, for then nothing was checked
    """
    for verdict in ("breach", "warn", "ok"):
        if verdict in verdicts:
            return verdict
    raise SnowmakerError("no verdicts to judge by: nothing was checked")
