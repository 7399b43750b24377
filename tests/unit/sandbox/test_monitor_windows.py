from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.monitors.windows import seconds_of, time_range


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NOW = at("2024-03-01 10:30")


def buckets(
    times: list[str], *, window: int = 1, granularity: Any = None, start: Any = "2024-01-01", end: Any = "2024-02-01"
) -> list[str]:
    asked = time_range(window, granularity, start, end, NOW)
    values = ", ".join(f"(TIMESTAMP '{time}')" for time in times)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE source AS SELECT * FROM (VALUES {values}, (NULL)) AS t(ts)")
        found = connection.execute(f"SELECT DISTINCT bucket FROM ({asked.sql('ts')}) ORDER BY 1").fetchall()
    return [bucket.isoformat(sep=" ", timespec="minutes") for (bucket,) in found]


def test_a_range_has_its_first_moment_and_not_its_last() -> None:
    times = ["2023-12-31 23:59:59.999999", "2024-01-01", "2024-01-31 23:59:59.999999", "2024-02-01"]
    assert buckets(times) == ["2024-01-01 00:00", "2024-01-31 00:00"]


def test_a_window_is_in_the_range_when_its_start_is() -> None:
    times = ["2024-01-01 06:00", "2024-01-01 18:00", "2024-01-02 01:00"]
    assert buckets(times, start="2024-01-01 12:00") == ["2024-01-02 00:00"]
    assert buckets(times, end="2024-01-01 12:00") == ["2024-01-01 00:00"]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("1 DAY", ["2024-01-01", "2024-01-03", "2024-01-08", "2024-01-31"]),
        (None, ["2024-01-01", "2024-01-03", "2024-01-08", "2024-01-31"]),
        ("1 week", ["2024-01-01", "2024-01-08", "2024-01-29"]),
        ("1 MONTH", ["2024-01-01"]),
        ("1 QUARTER", ["2024-01-01"]),
        ("2 YEAR", ["2024-01-01"]),
        ("ALL", ["2024-01-01"]),
        ("all", ["2024-01-01"]),
    ],
)
def test_windows_are_put_together_by_granularity(granularity: str | None, expected: list[str]) -> None:
    times = ["2024-01-01 10:00", "2024-01-03 10:00", "2024-01-08 10:00", "2024-01-31 10:00"]
    assert buckets(times, granularity=granularity) == [f"{day} 00:00" for day in expected]


def test_a_window_of_several_days_is_not_taken_apart() -> None:
    # 2024-01-04 is a multiple of seven days from 1970-01-01.
    times = ["2024-01-04", "2024-01-07", "2024-01-10 23:00", "2024-01-11"]
    assert buckets(times, window=7, granularity="1 DAY") == ["2024-01-04 00:00", "2024-01-11 00:00"]


def test_times_have_defaults() -> None:
    asked = time_range(1, None, None, None, NOW)
    assert (asked.start, asked.end, asked.granularity) == (NOW - timedelta(days=60), NOW, "1 DAY")


@pytest.mark.parametrize(
    "value",
    [
        at("2024-01-01 02:00").replace(tzinfo=timezone(timedelta(hours=2))),
        date(2024, 1, 1),
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        at("2024-01-01").replace(tzinfo=UTC),
    ],
)
def test_a_time_may_be_given_in_many_ways(value: Any) -> None:
    assert time_range(1, None, value, None, NOW).start == at("2024-01-01")


@pytest.mark.parametrize("granularity", ["DAY", "1 HOUR", "0 DAY", "1 DAYS", "-1 DAY", "", "1.5 DAY", 1, "ALL DAYS"])
def test_a_granularity_that_is_none_is_refused(granularity: Any) -> None:
    with pytest.raises(SqlError, match="GRANULARITY"):
        time_range(1, granularity, None, None, NOW)


@pytest.mark.parametrize("value", ["yesterday", 3, True])
def test_a_time_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(SqlError, match=r"Timestamp|timestamp"):
        time_range(1, None, value, None, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60 seconds", 60),
        ("1 minute", 60),
        ("2 HOURS", 7200),
        ("7 days", 604_800),
        ("1d", None),
        ("7days", None),
        ("", None),
    ],
)
def test_an_interval_is_a_number_and_a_unit(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_the_condition_on_the_rows_holds_for_all_that_a_window_has() -> None:
    text = time_range(7, "ALL", "2024-01-04", "2024-01-05", NOW).rows_sql('"TS"')
    assert text == ("\"TS\" >= '2024-01-04 00:00:00'::TIMESTAMP_NTZ AND \"TS\" < '2024-01-12 00:00:00'::TIMESTAMP_NTZ")
    assert "9999-12-31" in time_range(7, "ALL", None, "9999-12-31 23:59:59", NOW).rows_sql('"TS"')
