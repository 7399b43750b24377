"""Whether what many did at once could have happened one after another, in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError
from snowmaker.model_events import Event


@dataclass(frozen=True)
class Operation:
    """What one of them did, and when they knew what came of it.

    :param version: whom they promoted, or None: they rolled back to the champion before
    :param expected: the champion that they had seen before a promotion
    :param error: why it was refused; None if it was done
    """

    run: str
    version: str | None
    expected: str | None
    began: datetime
    ended: datetime
    error: Exception | None

    def is_refused_rightly(self, champion: str, previous: str | None) -> bool:
        """Whether it had to be refused while these were champion and the one before."""
        if self.version is None:
            return isinstance(self.error, ModelVersionError) and previous is None
        return isinstance(self.error, ConcurrentChangeError) and champion not in (self.expected, self.version)


@dataclass(frozen=True)
class Reign:
    """A champion, the one before, and the time in which somebody can have seen that."""

    champion: str
    previous: str | None
    earliest: datetime
    latest: datetime


def check(events: Sequence[Event], operations: Sequence[Operation]) -> None:
    """Check that the events are a linearization of the operations.

    The order is given, that of the log, so there is no search: each event must be what its operation does to what the
    events before have made; must lie between the operation's beginning and end (so that of two operations one after
    the other the first comes first); and each operation that was refused must have had a moment to be refused in. See
    Herlihy and Wing, Linearizability: a correctness condition for concurrent objects (1990).

    :param events: all of the model's, the first one made before the operations began
    """
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    by_run = {operation.run: operation for operation in operations}
    done = [operation.run for operation in operations if operation.error is None]
    assert sorted(event.run for event in events[1:]) == sorted(done), "each that was done has one event, others none"
    champions = [events[0].version]
    reigns = [_reign(champions, events[0])]
    for event in events[1:]:
        operation = by_run[event.run]
        assert event.written_at is not None
        assert operation.began <= event.written_at <= operation.ended
        assert event.previous == champions[-1]
        if operation.version is None:
            assert (event.kind, event.version) == ("ROLLED_BACK", _previous(champions))
            while champions[-1] != event.version:
                champions.pop()
        else:
            assert (event.kind, event.version) == ("PROMOTED", operation.version)
            assert champions[-1] in (operation.expected, operation.version)
            champions += [event.version] if champions[-1] != event.version else []
        # Until its operation had ended, the champion before may still have been seen.
        reigns[-1] = replace(reigns[-1], latest=operation.ended)
        reigns.append(_reign(champions, event))
    for operation in operations:
        if operation.error is not None:
            met = [r for r in reigns if r.earliest <= operation.ended and operation.began <= r.latest]
            assert any(operation.is_refused_rightly(r.champion, r.previous) for r in met), operation


def _reign(champions: Sequence[str], event: Event) -> Reign:
    assert event.written_at is not None
    return Reign(champions[-1], _previous(champions), event.written_at, datetime.max.replace(tzinfo=UTC))


def _previous(champions: Sequence[str]) -> str | None:
    return next((name for name in reversed(champions[:-1]) if name != champions[-1]), None)
