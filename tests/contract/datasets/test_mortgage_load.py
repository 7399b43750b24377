"""The loader against the sandbox: what is in the table after first, second, broken and late loads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from snowflake.connector import SnowflakeConnection

from include.datasets import mortgage, weekly_table
from include.datasets.weekly_table import LoadError, WeeklyTable

FIRST = date(2025, 1, 6)
ROWS = 20


def monday(number: int) -> date:
    return FIRST + timedelta(weeks=number - 1)


@pytest.fixture
def make_table(connection: SnowflakeConnection) -> Callable[..., WeeklyTable]:
    name = f"APPLICATIONS_{uuid4().hex[:8]}"

    def make(**options: Any) -> WeeklyTable:
        dataset = mortgage.MORTGAGE.dataset(**options)
        return WeeklyTable(connection, dataset, database="datasets_test", schema="weekly", table=name)

    return make


@pytest.fixture
def table(make_table: Callable[..., WeeklyTable]) -> WeeklyTable:
    return make_table()


def load(table: WeeklyTable, *, weeks: int, last: int) -> weekly_table.LoadPlan:
    return table.load(weeks=weeks, rows=ROWS, last_week=monday(last), labels_after_weeks=2)


def contents(table: WeeklyTable) -> list[tuple[Any, ...]]:
    with table.connection.cursor() as cursor:
        return sorted(cursor.execute(f"SELECT * FROM {table.name}").fetchall(), key=repr)


def labelled_weeks(table: WeeklyTable) -> dict[date, bool]:
    return {week.start: week.labelled_rows == week.rows for week in table.stored_weeks()}


def test_a_load_makes_the_table_and_the_newest_two_weeks_have_no_labels(table: WeeklyTable) -> None:
    load(table, weeks=4, last=4)

    assert labelled_weeks(table) == {monday(1): True, monday(2): True, monday(3): False, monday(4): False}
    assert {week.rows for week in table.stored_weeks()} == {ROWS}


def test_the_rows_are_the_generated_ones(table: WeeklyTable) -> None:
    load(table, weeks=3, last=3)

    with table.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table.name} WHERE WEEK = 1")
        found = cursor.fetch_pandas_all()
    made = mortgage.MORTGAGE.week(1, first_week=FIRST, rows=ROWS)
    for name in ("TS", "COUNTY_NAME", "LOAN_TYPE_NAME", "LOAN_AMOUNT_000S", "MORTGAGERESPONSE"):
        assert sorted(found[name].astype(str)) == sorted(made[name].astype(str))
    assert found["APPLICANT_INCOME_000S"].isna().sum() == made["APPLICANT_INCOME_000S"].isna().sum()
    assert set(found["WEEK_START_DATE"].dt.date) == {FIRST}


def test_loading_twice_changes_nothing(table: WeeklyTable) -> None:
    load(table, weeks=3, last=3)
    before = contents(table)

    load(table, weeks=3, last=3)

    assert contents(table) == before


def test_a_load_that_broke_half_way_is_continued(table: WeeklyTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weekly_table, "BATCH_ROWS", ROWS)
    execute, inserts = table._execute, []

    def break_at_the_second_insert(statement: str) -> list[tuple[Any, ...]]:
        if statement.startswith("INSERT"):
            inserts.append(statement)
            if len(inserts) == 2:
                raise KeyboardInterrupt
        return execute(statement)

    with monkeypatch.context() as patch:
        patch.setattr(table, "_execute", break_at_the_second_insert)
        with pytest.raises(KeyboardInterrupt):
            load(table, weeks=3, last=3)
    assert [week.rows for week in table.stored_weeks()] == [ROWS]

    load(table, weeks=3, last=3)

    assert sorted(week.start for week in table.stored_weeks()) == [monday(1), monday(2), monday(3)]
    assert {week.rows for week in table.stored_weeks()} == {ROWS}


def test_labels_that_broke_while_arriving_leave_the_week_as_it_was(
    table: WeeklyTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(table, weeks=3, last=3)
    before = contents(table)
    execute = table._execute

    def break_at_the_insert(statement: str) -> list[tuple[Any, ...]]:
        if statement.startswith("INSERT"):
            raise KeyboardInterrupt
        return execute(statement)

    with monkeypatch.context() as patch:
        patch.setattr(table, "_execute", break_at_the_insert)
        with pytest.raises(KeyboardInterrupt):
            table.arrive_labels(last_week=monday(4), labels_after_weeks=2)

    assert contents(table) == before


def test_labels_arrive_and_no_feature_changes(table: WeeklyTable) -> None:
    load(table, weeks=4, last=4)
    features = [row[:-1] for row in contents(table)]

    done = table.arrive_labels(last_week=monday(5), labels_after_weeks=2)

    assert list(done.due) == [3]
    assert labelled_weeks(table) == {monday(1): True, monday(2): True, monday(3): True, monday(4): False}
    assert sorted((row[:-1] for row in contents(table)), key=repr) == sorted(features, key=repr)


def test_labels_of_another_seed_are_refused(make_table: Callable[..., WeeklyTable]) -> None:
    load(make_table(seed=1), weeks=3, last=3)

    with pytest.raises(LoadError, match=r"week 2 \(2025-01-13\).*use the seed"):
        make_table(seed=2).arrive_labels(last_week=monday(4), labels_after_weeks=2)


def test_labels_cannot_arrive_before_a_load(table: WeeklyTable) -> None:
    with pytest.raises(LoadError, match="holds no weeks; load some first"):
        table.arrive_labels(last_week=monday(4), labels_after_weeks=2)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: the connector reads where connections.toml lies once, when it is imported.
    command = [sys.executable, "-m", "include.datasets.mortgage", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_loads(connection: SnowflakeConnection) -> None:
    name = f"CLI_{uuid4().hex[:8]}"

    done = run_command("load", "--weeks", "3", "--rows", "5", "--last-week", "2025-01-20", "--table", name)

    assert done.returncode == 0, done.stderr
    assert "weeks loaded: 1, 2, 3; week 1 begins on 2025-01-06" in done.stdout
    with connection.cursor() as cursor:
        assert cursor.execute(f"SELECT COUNT(*), COUNT(MORTGAGERESPONSE) FROM {name}").fetchone() == (15, 5)


def test_a_table_name_that_is_sql_is_refused(sandbox: Any) -> None:
    done = run_command("load", "--table", "T; DROP TABLE T")

    assert done.returncode == 1
    assert "load: --table 'T; DROP TABLE T': only names of letters" in done.stderr
