"""Which versions of a model stay in the registry, and why; all others are retired. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from snowmaker.model_events import MAKES_CHAMPION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from snowmaker.champion import ModelState, ModelVersion
    from snowmaker.model_events import Event
    from snowmaker.week import Week

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RetentionRule:
    """How long versions stay.

    A version stays if it is one of the ``keep_versions`` newest, was champion at any time in the
    ``keep_champion_weeks`` weeks up to the run's or later, or is in use: as champion, as the champion before it (so
    that there is always one to go back to), as challenger, as the default version, under anybody's alias, or pinned.

    :param keep_versions: how many of the newest stay, at least 1
    :param keep_champion_weeks: for how many weeks former champions stay; 0: the one before the champion alone
    :param pinned: names of versions that somebody scores with, e.g. by a pipeline file
    :raises ValueError: naming the number that is too small
    """

    keep_versions: int
    keep_champion_weeks: int
    pinned: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.keep_versions < 1:
            raise ValueError(f"keep_versions is {self.keep_versions}; keep at least 1")
        if self.keep_champion_weeks < 0:
            raise ValueError(f"keep_champion_weeks is {self.keep_champion_weeks}; write 0 or more")


@dataclass(frozen=True)
class Retention:
    """What becomes of each version.

    :param kept: by version why it stays, the oldest first
    :param retired: the versions that go, the oldest first
    """

    kept: dict[str, tuple[str, ...]]
    retired: tuple[str, ...]


def plan_retention(state: ModelState, rule: RetentionRule, week: Week) -> Retention:
    """Tell which versions stay as of a week, and which go. One that was retired already is neither.

    :param week: the last of the weeks whose champions are kept
    """
    by_age = sorted(
        (version for version in state.versions if version.name in state.names),
        key=lambda version: (version.created_on or _LONG_AGO, version.name),
    )
    newest = {version.name for version in by_age[-rule.keep_versions :]}
    since = week.shift(-rule.keep_champion_weeks).end
    champions = champions_since(state.events, since) - {state.champion_name}
    reasons = {
        version.name: (
            *_uses(state, version),
            *(["pinned"] if version.name in rule.pinned else []),
            *([f"one of the newest {rule.keep_versions}"] if version.name in newest else []),
            *([f"champion since {since}"] if version.name in champions else []),
        )
        for version in by_age
    }
    return Retention(
        kept={name: told for name, told in reasons.items() if told},
        retired=tuple(name for name, told in reasons.items() if not told),
    )


def champions_since(events: Iterable[Event], day: date) -> frozenset[str]:
    """Return the versions that were champion in a week that begins on a day, or later.

    A reign is the weeks from the one as of which a version became champion to the one as of which the next one did,
    both included: for a while in that week both were. A week here is the latest as of which anything was decided so
    far, as champions of a week are resolved. The first event tells who was champion before it.

    >>> from datetime import date
    >>> from snowmaker.model_events import Event, EventKind
    >>> log = [
    ...     Event(1, EventKind.PROMOTED, "V1", "V0", date(2026, 3, 2)),
    ...     Event(2, EventKind.PROMOTED, "V2", "V1", date(2026, 3, 16)),
    ... ]
    >>> [sorted(champions_since(log, date(2026, 3, day))) for day in (2, 9, 16, 23)]
    [['V0', 'V1', 'V2'], ['V1', 'V2'], ['V1', 'V2'], ['V2']]
    """
    found: set[str] = set()
    champion: str | None = None
    latest: date | None = None
    for event in events:
        latest = max(latest or event.week_start, event.week_start)
        champion = champion or event.previous
        if event.kind in MAKES_CHAMPION:
            if champion and latest >= day:
                found.add(champion)
            champion = event.version
    return frozenset(found | ({champion} if champion else set()))


def _uses(state: ModelState, version: ModelVersion) -> list[str]:
    holders = {
        "champion": state.champion_name,
        "previous champion": state.previous and state.previous.name,
        "challenger": state.challenger and state.challenger.name,
        "default version": version.name if version.is_default else None,
    }
    uses = [use for use, name in holders.items() if name == version.name]
    return uses + [f"alias {alias}" for alias in sorted(version.aliases)]
