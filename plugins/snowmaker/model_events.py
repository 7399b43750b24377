"""The log of what was decided about a model's versions, and what follows from it. Pure.

The events of a model are in the order of their SEQUENCE. Folded they tell at every instant exactly one champion,
the one before it, and the challenger; the registry is made to follow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from snowmaker.week import Week


class EventKind(StrEnum):
    """What can be decided about a version.

    NOMINATED makes it the challenger; PROMOTED, REJECTED and ROLLED_BACK end that. PROMOTED and ROLLED_BACK make it
    the champion. RETIRED takes it out of the registry.
    """

    NOMINATED = "NOMINATED"
    PROMOTED = "PROMOTED"
    REJECTED = "REJECTED"
    ROLLED_BACK = "ROLLED_BACK"
    RETIRED = "RETIRED"


MAKES_CHAMPION = (EventKind.PROMOTED, EventKind.ROLLED_BACK)


@dataclass(frozen=True)
class Event:
    """One row of the log.

    :param sequence: its place in the log, from 1 on
    :param version: the version it is about
    :param previous: the champion when it was decided, None if there was none
    :param week_start: first day of the week as of which it was decided
    :param written_at: when it was decided, in UTC
    :param decided_by: who decided; None in the promotions of the first releases
    """

    sequence: int
    kind: EventKind
    version: str
    previous: str | None
    week_start: date
    event_id: str = ""
    run: str = ""
    written_at: datetime | None = None
    decided_by: str | None = "gate"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Event:
        """Read a row of the table."""
        written_at: datetime | None = row["WRITTEN_AT"]
        return cls(
            sequence=int(row["SEQUENCE"]),
            kind=EventKind(row["EVENT"]),
            version=row["MODEL_VERSION"],
            previous=row["PREVIOUS_VERSION"],
            week_start=date.fromisoformat(str(row["WEEK_START"])[:10]),
            event_id=row["EVENT_ID"],
            run=row["RUN_ID"],
            written_at=written_at.replace(tzinfo=UTC) if written_at else None,
            decided_by=row["DECIDED_BY"],
        )


@dataclass(frozen=True)
class Succession:
    """What the events come to.

    :param champions: the present champion last, before it those that a rollback would go back to, one after another
    :param challenger: the version that was nominated and not judged yet
    :param is_certain: whether the registry could not know better: the first releases let people change the champion by
        the default version, without an event
    """

    champions: tuple[str, ...] = ()
    challenger: str | None = None
    is_certain: bool = True

    @property
    def champion(self) -> str | None:
        """The champion; None if no event tells of one."""
        return self.champions[-1] if self.champions else None


def succession(events: Iterable[Event]) -> Succession:
    """Fold the log, the oldest event first.

    A promotion puts a version on top of the stack of champions. A rollback to a version that stands in it takes off
    what is above; to one that does not stand in it any more, it puts that on top. Each event tells the
    champion before it; where that is none of the log's making, as before the first event, or after what somebody
    changed by hand in the first releases, the same is done for it.

    >>> def event(kind, version, previous):
    ...     return Event(0, EventKind(kind), version, previous, date(2026, 3, 2))
    >>> log = [event("PROMOTED", "V1", None), event("PROMOTED", "V2", "V1"), event("PROMOTED", "V3", "V2")]
    >>> succession(log).champions
    ('V1', 'V2', 'V3')
    >>> log += [event("ROLLED_BACK", "V2", "V3"), event("ROLLED_BACK", "V1", "V2")]  # twice: two back
    >>> succession(log).champions
    ('V1',)
    >>> succession([*log, event("ROLLED_BACK", "V3", "V1")]).champions
    ('V1', 'V3')
    >>> succession([*log, event("NOMINATED", "V4", "V1")]).challenger
    'V4'
    >>> succession([event("NOMINATED", "V4", "ADOPTED"), event("PROMOTED", "V4", "ADOPTED")]).champions
    ('ADOPTED', 'V4')
    """
    champions: list[str] = []
    challenger: str | None = None
    is_certain = True
    for event in events:
        if event.previous:
            _go_back(champions, event.previous)
        if event.kind is EventKind.NOMINATED:
            challenger = event.version if [event.version] != champions[-1:] else challenger
        elif event.version == challenger:
            challenger = None
        if event.kind is EventKind.ROLLED_BACK:
            _go_back(champions, event.version)
        elif event.kind is EventKind.PROMOTED and [event.version] != champions[-1:]:
            champions.append(event.version)
        if event.decided_by or event.kind not in (EventKind.PROMOTED, EventKind.REJECTED):
            is_certain = True
        elif event.kind is EventKind.PROMOTED:
            is_certain = False
    return Succession(tuple(champions), challenger, is_certain)


def _go_back(champions: list[str], name: str) -> None:
    if name not in champions:
        champions.append(name)
    while champions[-1] != name:
        champions.pop()


def champion_as_of(events: Iterable[Event], week: Week) -> str | None:
    """Return the version that was champion in a week, or None if none was yet.

    A version that became champion as of week W has seen W: W + 1 is the first week it scores. A champion made later
    rules later weeks, however early the week it was decided for: an event takes effect after the latest week that any
    event up to it was decided for.

    >>> from snowmaker.week import Week
    >>> log = [
    ...     Event(1, EventKind.PROMOTED, "V1", None, date(2026, 3, 2)),
    ...     Event(2, EventKind.PROMOTED, "V2", "V1", date(2026, 3, 16)),
    ...     Event(3, EventKind.ROLLED_BACK, "V1", "V2", date(2026, 3, 9)),
    ... ]
    >>> [champion_as_of(log, Week(date(2026, 3, day))) for day in (2, 9, 16, 23)]
    [None, 'V1', 'V1', 'V1']
    >>> champion_as_of(log[:2], Week(date(2026, 3, 23)))
    'V2'
    """
    champion: str | None = None
    latest = date.min
    for event in events:
        latest = max(latest, event.week_start)
        if latest >= week.start:
            break
        if event.kind in MAKES_CHAMPION:
            champion = event.version
    return champion


def ever_champions(events: Sequence[Event]) -> tuple[str, ...]:
    """Return every version that was champion at some time, the latest first, each once."""
    named = [name for event in events for name in (event.previous, event.version if _crowns(event) else None) if name]
    return tuple(dict.fromkeys(reversed(named)))


def event_id(*told_by: str) -> str:
    """Return an event's id: the same one for the same things said, so that another try finds what was decided."""
    return hashlib.sha256(json.dumps(told_by).encode()).hexdigest()[:32]


def _crowns(event: Event) -> bool:
    return event.kind in MAKES_CHAMPION
