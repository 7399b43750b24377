"""When an alert or a task is due: Snowflake's schedules, as in `'5 MINUTES'` and `'USING CRON 0 9 * * * UTC'`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterError, croniter

_SECONDS = {"S": 1, "M": 60, "H": 3600}
_INTERVAL = re.compile(r"(\d+)\s*(HOURS?|H|MINUTES?|M|SECONDS?|S)", re.IGNORECASE)
_CRON = re.compile(r"USING\s+CRON\s+((?:\S+\s+){5})(\S+)", re.IGNORECASE)
# Snowflake's subset of cron: no "?", "#", "R" or "W", which the library would take.
_FIELD = re.compile(r"[\d*,/\-]+|L|(?:[\d*,/\-]|[A-Za-z]{3})+", re.IGNORECASE)
_LAST_WEEKDAY = re.compile(r"([0-7])L", re.IGNORECASE)
_LONGEST = timedelta(minutes=11520)


class InvalidScheduleError(ValueError):
    """A text that is not a schedule."""


@dataclass(frozen=True)
class Interval:
    """Every so often, counted from when the object was resumed."""

    length: timedelta

    def next(self, now: datetime, anchor: datetime) -> datetime:
        """The first time after `now`."""
        passed = max((now - anchor) // self.length, 0)
        return anchor + self.length * (passed + 1)


@dataclass(frozen=True)
class Cron:
    """At the times of a cron expression in a zone."""

    expression: str
    zone: str

    def next(self, now: datetime, anchor: datetime) -> datetime:  # noqa: ARG002 (as an interval has it)
        """The first time after `now`."""
        times = croniter(self.expression, now.astimezone(ZoneInfo(self.zone)))
        following: datetime = times.get_next(datetime)
        return following.astimezone(UTC)


Schedule = Interval | Cron


def parse(text: str) -> Schedule:
    """Read a schedule: at least 10 seconds and at most 8 days, or a cron expression that comes true."""
    text = text.strip()
    if found := _INTERVAL.fullmatch(text):
        length = timedelta(seconds=int(found[1]) * _SECONDS[found[2][0].upper()])
        if not timedelta(seconds=10) <= length <= _LONGEST:
            raise InvalidScheduleError(f"{text}: an interval is 10 seconds to 11520 minutes")
        return Interval(length)
    if found := _CRON.fullmatch(text):
        return _cron(found[1].split(), found[2])
    raise InvalidScheduleError(f"{text}: expected '<num> HOURS|MINUTES|SECONDS' or 'USING CRON <expr> <time_zone>'")


def _cron(fields: list[str], zone: str) -> Cron:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidScheduleError(f"{zone} is not a time zone") from None
    if last := _LAST_WEEKDAY.fullmatch(fields[4]):
        fields[4] = f"L{last[1]}"  # the library's spelling
    elif fields[4].upper() == "L" or any(f.upper() == "L" for f in (*fields[:2], fields[3])):
        raise InvalidScheduleError("L stands for the last day of the month, or behind a day of the week")
    checked = [*fields[:4], "*" if last else fields[4]]
    if not all(_FIELD.fullmatch(field) for field in checked):
        raise InvalidScheduleError(f"{' '.join(fields)} is not a cron expression")
    cron = Cron(" ".join(fields), zone)
    try:
        cron.next(datetime.now(UTC), datetime.now(UTC))
    except (CroniterError, ValueError) as error:
        raise InvalidScheduleError(str(error)) from None
    return cron


class Timetable:
    """When each scheduled object runs next. What came due before it was made is not made up."""

    def __init__(self, since: datetime) -> None:
        self._since = since
        self._next: dict[str, tuple[str, datetime, datetime]] = {}

    def due(self, id_: str, text: str, anchor: datetime, now: datetime) -> datetime | None:
        """The time for which an object is to run now, if it is time; each time is given once.

        :param text: its schedule
        :param anchor: when it was resumed, or its schedule changed
        """
        schedule = parse(text)
        known = self._next.get(id_)
        if known is None or known[:2] != (text, anchor):
            known = (text, anchor, schedule.next(max(anchor, self._since), anchor))
        is_due = now >= known[2]
        self._next[id_] = (text, anchor, schedule.next(now, anchor)) if is_due else known
        return known[2] if is_due else None


def listed(text: str, anchor: str) -> datetime | None:
    """When a schedule is due next, if that is within the eight days that the histories list ahead."""
    now = datetime.now(UTC)
    following = parse(text).next(now, datetime.fromisoformat(anchor))
    return following if following - now <= timedelta(days=8) else None
