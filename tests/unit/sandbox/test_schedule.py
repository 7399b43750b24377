"""When alerts and tasks are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.sandbox.snowflake.automation import schedule
from include.sandbox.snowflake.automation.schedule import InvalidScheduleError, Timetable


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5 MINUTE", timedelta(minutes=5)),
        ("5 minutes", timedelta(minutes=5)),
        ("1 M", timedelta(minutes=1)),
        ("10 SECONDS", timedelta(seconds=10)),
        ("2 hours", timedelta(hours=2)),
        ("11520 MINUTE", timedelta(days=8)),
    ],
)
def test_an_interval_counts_from_when_the_object_was_resumed(text: str, length: timedelta) -> None:
    resumed = at("2026-01-05T09:03:20")
    every = schedule.parse(text)
    assert every.next(resumed, resumed) == resumed + length
    assert every.next(resumed + length, resumed) == resumed + 2 * length
    assert every.next(resumed + 2.5 * length, resumed) == resumed + 3 * length


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("USING CRON 0 9 * * * UTC", "2026-03-28T09:00"),
        ("using  cron 0 9 * * * Europe/Zurich", "2026-03-28T08:00"),
        ("USING CRON 0 9 29 * * Europe/Zurich", "2026-03-29T07:00"),  # summer time has begun
        ("USING CRON 0 0 L * * UTC", "2026-03-31T00:00"),
        ("USING CRON 0 0 * * 5L UTC", "2026-04-24T00:00"),  # March's last Friday has passed
        ("USING CRON */20 9-17 * * SUN America/Los_Angeles", "2026-03-29T16:00"),
        ("USING CRON 0 0 1 * MON UTC", "2026-03-30T00:00"),  # either day
        ("USING CRON 0 0 10-20/5 JAN,JUL * UTC", "2026-07-10T00:00"),
    ],
)
def test_a_cron_expression_is_met_in_its_zone(text: str, following: str) -> None:
    now = at("2026-03-28T00:30")
    assert schedule.parse(text).next(now, now) == at(following)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5 FORTNIGHTS",
        "9 SECONDS",
        "0 MINUTE",
        "11521 MINUTE",
        "-5 MINUTE",
        "USING CRON 0 9 * * *",
        "USING CRON 0 9 * * * * UTC",
        "USING CRON 0 9 * * * Mars/Olympus",
        "USING CRON 0 9 * * * ../../etc/passwd",
        "USING CRON 61 9 * * * UTC",
        "USING CRON R 9 * * * UTC",
        "USING CRON 0 9 ? * * UTC",
        "USING CRON 0 9 * * SAT#2 UTC",
        "USING CRON 0 0 31 2 * UTC",
        "USING CRON L 9 * * * UTC",
        "USING CRON 0 9 * * L UTC",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(InvalidScheduleError):
        schedule.parse(text)


def test_each_time_is_given_once() -> None:
    resumed = at("2026-01-05T09:00")
    table = Timetable(since=at("2026-01-05T08:00"))
    seen = [table.due("a", "5 MINUTE", resumed, resumed + timedelta(minutes=m)) for m in (0, 4, 5, 5, 6, 10)]
    assert seen == [None, None, at("2026-01-05T09:05"), None, None, at("2026-01-05T09:10")]


def test_what_came_due_before_the_server_started_is_not_made_up() -> None:
    resumed, started = at("2026-01-05T09:00"), at("2026-01-05T12:02")
    table = Timetable(since=started)
    assert table.due("a", "5 MINUTE", resumed, started) is None
    assert table.due("a", "5 MINUTE", resumed, started + timedelta(minutes=3)) == at("2026-01-05T12:05")


def test_of_several_times_that_passed_unseen_one_is_given() -> None:
    resumed = at("2026-01-05T09:00")
    table = Timetable(since=resumed)
    assert table.due("a", "1 MINUTE", resumed, resumed) is None
    assert table.due("a", "1 MINUTE", resumed, resumed + timedelta(minutes=7, seconds=30)) == at("2026-01-05T09:01")
    assert table.due("a", "1 MINUTE", resumed, resumed + timedelta(minutes=7, seconds=40)) is None
    assert table.due("a", "1 MINUTE", resumed, resumed + timedelta(minutes=8)) == at("2026-01-05T09:08")


def test_resuming_again_counts_from_then() -> None:
    first, again = at("2026-01-05T09:00"), at("2026-01-05T09:03")
    table = Timetable(since=first)
    assert table.due("a", "5 MINUTE", first, first) is None
    assert table.due("a", "5 MINUTE", again, at("2026-01-05T09:05")) is None
    assert table.due("a", "5 MINUTE", again, at("2026-01-05T09:08")) == at("2026-01-05T09:08")
