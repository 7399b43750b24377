from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.exceptions import WeekError
from snowmaker.week import WEEKDAYS, Week, last_complete_week, week_of_run


@dataclass
class Run:
    data_interval_end: datetime | None = None
    run_after: datetime = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)


@dataclass
class Event:
    extra: dict[str, Any]
    timestamp: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def context(run: Run, *events: Event) -> dict[str, Any]:
    return {"dag_run": run, "triggering_asset_events": {"an asset": list(events)}}


def test_scheduled_run_is_for_the_week_that_ended_before_its_interval_did() -> None:
    run = Run(data_interval_end=datetime(2026, 3, 9, 6, tzinfo=UTC))
    assert week_of_run(context(run), "monday") == Week(date(2026, 3, 2))


def test_run_without_interval_is_for_the_last_complete_week() -> None:
    assert week_of_run(context(Run()), "monday") == Week(date(2026, 3, 2))


def test_asked_week_wins_over_event_and_interval() -> None:
    event = Event({"week": "2026-01-12"})
    assert week_of_run(context(Run(), event), "monday", asked="2026-01-05") == Week(date(2026, 1, 5))


def test_newest_asset_event_tells_the_week() -> None:
    old = Event({"week": "2026-01-05"}, datetime(2026, 1, 12, tzinfo=UTC))
    new = Event({"week": "2026-01-12"}, datetime(2026, 1, 19, tzinfo=UTC))
    assert week_of_run(context(Run(), new, old), "monday") == Week(date(2026, 1, 12))


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-03-02T06:00", "20x6-03-02"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(WeekError, match="is not a date; write its first day like"):
        Week.parse(text, "monday")


@given(day=st.dates(date(2000, 1, 10), date(2100, 1, 1)), starts_on=st.sampled_from(WEEKDAYS))
def test_a_day_in_the_middle_of_a_week_names_the_two_starts_around_it(day: date, starts_on: Any) -> None:
    if WEEKDAYS[day.weekday()] == starts_on:
        assert Week.parse(str(day), starts_on).start == day
        return
    with pytest.raises(WeekError) as error:
        Week.parse(str(day), starts_on)
    before, after = (date.fromisoformat(part) for part in str(error.value).split("use ")[1].split(" or "))
    assert before < day < after
    assert (after - before).days == 7
    assert WEEKDAYS[before.weekday()] == starts_on


@given(
    moment=st.datetimes(datetime(2000, 1, 10), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    starts_on=st.sampled_from(WEEKDAYS),
)
def test_last_complete_week_has_ended_and_the_next_has_not(moment: datetime, starts_on: Any) -> None:
    week = last_complete_week(moment, starts_on)
    assert week.end <= moment.date() < week.shift(1).end
    assert WEEKDAYS[week.start.weekday()] == starts_on
