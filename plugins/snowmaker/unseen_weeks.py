"""Which weeks two versions can be compared on: those that neither was trained on. Pure.

A version's comment tells what it was trained on, where LogModelOperator wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from snowmaker.exceptions import InputDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelVersion
    from snowmaker.week import Week


@dataclass(frozen=True)
class TrainingWindow:
    """The weeks that a version has seen.

    :param first: first day of the first one; None if it is not told: all weeks before count as seen
    :param last: first day of the last one
    """

    last: date
    first: date | None = None

    @classmethod
    def of(cls, version: ModelVersion) -> TrainingWindow | None:
        """Read a version's comment; None if it does not tell."""
        told = version.provenance
        last = _day(told.get("trained_up_to"))
        return cls(last, _day(told.get("trained_from"))) if last else None

    def has_seen(self, week: Week) -> bool:
        """Tell whether a row of the week may have been trained on."""
        return week.start <= self.last and (self.first is None or week.end > self.first)


@dataclass(frozen=True)
class UnseenWeeks:
    """The weeks to judge by, and what is to be said about them.

    :param notes: which weeks were left out and why, and what was assumed
    """

    weeks: tuple[Week, ...]
    notes: tuple[str, ...] = ()


def unseen_weeks(holdout: Sequence[Week], versions: Mapping[str, ModelVersion]) -> UnseenWeeks:
    """Leave out the holdout's weeks that a version was trained on: they would flatter it.

    A version that tells nothing, as one that was logged by hand, is taken to be trained on earlier weeks only; the
    notes say so. A champion that is newer than the challenger has seen more weeks, and then fewer are left.

    :param holdout: in the order of time
    :param versions: the versions to compare by their roles, ``champion`` and ``challenger``
    :raises InputDataError: if no week is left

    >>> from snowmaker.champion import ModelVersion
    >>> from snowmaker.week import Week
    >>> weeks = [Week(date(2026, 3, day)) for day in (2, 9, 16)]
    >>> found = unseen_weeks(weeks, {"champion": ModelVersion("V1", comment='{"trained_up_to": "2026-03-09"}')})
    >>> [str(week) for week in found.weeks], found.notes
    (['2026-03-16'], ('2026-03-02 to 2026-03-09 left out: champion V1 was trained on weeks up to 2026-03-09',))
    """
    left, notes = list(holdout), []
    for role, version in versions.items():
        window = TrainingWindow.of(version)
        if window is None:
            notes.append(f"{role} {version.name} does not tell its training weeks: taken for earlier ones")
            continue
        seen = [week for week in left if window.has_seen(week)]
        left = [week for week in left if week not in seen]
        told = f"{role} {version.name} was trained on weeks up to {window.last}"
        if not left:
            raise InputDataError(
                f"{told}, so the holdout from {holdout[0]} to {holdout[-1]} would flatter it; retrain as of a later "
                f"week, or with more holdout weeks"
            )
        if seen:
            notes.append(f"{seen[0]} to {seen[-1]} left out: {told}" if seen[1:] else f"{seen[0]} left out: {told}")
    return UnseenWeeks(tuple(left), tuple(notes))


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
