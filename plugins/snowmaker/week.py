"""Which week a run is for: the one place that knows.

A week is a half-open interval of days, in UTC. Airflow's logical date is never looked at: it is empty for
asset-triggered runs and means different things by timetable. Data intervals and run times are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from snowmaker.exceptions import WeekError

if TYPE_CHECKING:
    from collections.abc import Mapping

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = timedelta(days=7)


@dataclass(frozen=True, order=True)
class Week:
    """The half-open interval of seven days ``[start, end)``.

    >>> week = Week(date(2026, 3, 2))
    >>> str(week), week.end
    ('2026-03-02', datetime.date(2026, 3, 9))
    >>> week.shift(-2)
    Week(start=datetime.date(2026, 2, 16))
    """

    start: date

    @property
    def end(self) -> date:
        """The first day after the week."""
        return self.start + _DAYS

    def shift(self, weeks: int) -> Week:
        """Return the week that lies ``weeks`` later (earlier, if negative)."""
        return Week(self.start + weeks * _DAYS)

    def __str__(self) -> str:
        return self.start.isoformat()

    @classmethod
    def parse(cls, text: str, starts_on: Weekday) -> Week:
        """Read a week by its first day.

        :param text: an ISO date, e.g. ``2026-03-02``
        :param starts_on: the day on which the pipeline's weeks start
        :raises WeekError: if it is no date, or not a first day of a week (the neighbours are named)

        >>> Week.parse("2026-03-02", "monday")
        Week(start=datetime.date(2026, 3, 2))
        >>> Week.parse("2026-03-04", "monday")
        Traceback (most recent call last):
        ...
        snowmaker.exceptions.WeekError: week '2026-03-04' is a Wednesday, but weeks start on Monday; \
use 2026-03-02 or 2026-03-09
        """
        try:
            day = date.fromisoformat(text.strip())
        except (ValueError, AttributeError):
            raise WeekError(f"week {text!r} is not a date; write its first day like 2026-03-02") from None
        start = _start_of_week(day, starts_on)
        if day != start:
            raise WeekError(
                f"week {text!r} is a {day:%A}, but weeks start on {starts_on.capitalize()}; "
                f"use {start} or {start + _DAYS}"
            )
        return cls(day)


def last_complete_week(moment: datetime, starts_on: Weekday) -> Week:
    """Return the newest week that had ended at ``moment`` (UTC).

    >>> from datetime import UTC
    >>> last_complete_week(datetime(2026, 3, 9, 6, tzinfo=UTC), "monday")
    Week(start=datetime.date(2026, 3, 2))
    >>> last_complete_week(datetime(2026, 3, 8, 23, tzinfo=UTC), "monday")
    Week(start=datetime.date(2026, 2, 23))
    """
    return Week(_start_of_week(moment.date(), starts_on)).shift(-1)


def week_of_run(context: Mapping[str, Any], starts_on: Weekday, *, asked: str | None = None) -> Week:
    """Return the week an Airflow run is for.

    In this order: the week asked for (a DAG param), the week of the asset event that triggered the run (its
    extra's ``week``), the last week complete at the end of the run's data interval, the last week complete
    when the run was made.

    :param context: the task's context
    :param starts_on: the day on which the pipeline's weeks start
    :param asked: a week's first day, or nothing
    :raises WeekError: if what is asked for is not a week
    """
    if asked:
        return Week.parse(asked, starts_on)
    event = newest_event_extra(context)
    if event and event.get("week"):
        return Week.parse(str(event["week"]), starts_on)
    run = context["dag_run"]
    moment = run.data_interval_end or run.run_after
    return last_complete_week(moment, starts_on)


def newest_event_extra(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the extra of the newest asset event that triggered this run, or None."""
    by_asset: Mapping[Any, Any] = context.get("triggering_asset_events") or {}
    events = [event for group in by_asset.values() for event in group]
    if not events:
        return None
    return dict(max(events, key=lambda event: event.timestamp).extra or {})


def _start_of_week(day: date, starts_on: Weekday) -> date:
    return day - timedelta(days=(day.weekday() - WEEKDAYS.index(starts_on)) % 7)
