"""Every dataset in the sandbox: the table's types, the values as they were made, labels when they are due."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection

from include.datasets.churn import CHURN
from include.datasets.generator import Generator
from include.datasets.house_values import HOUSE_VALUES
from include.datasets.maintenance import MAINTENANCE
from include.datasets.tickets import TICKETS
from include.datasets.weekly_table import WeeklyTable

GENERATORS = {"churn": CHURN, "house_values": HOUSE_VALUES, "maintenance": MAINTENANCE, "tickets": TICKETS}
FIRST, ROWS = date(2025, 1, 6), 250


def monday(number: int) -> date:
    return FIRST + timedelta(weeks=number - 1)


@pytest.fixture(params=GENERATORS)
def generator(request: pytest.FixtureRequest) -> Generator[Any]:
    return GENERATORS[request.param]


@pytest.fixture
def table(connection: SnowflakeConnection, generator: Generator[Any]) -> Iterator[WeeklyTable]:
    name = f"T_{uuid4().hex[:8]}"
    table = WeeklyTable(connection, generator.dataset(), database="datasets_test", schema="others", table=name)
    delay = generator.labels_after_weeks
    table.load(weeks=delay + 2, rows=ROWS, last_week=monday(delay + 2), labels_after_weeks=delay)
    yield table
    table.connection.cursor().execute(f"DROP TABLE {table.name}")


def test_the_table_is_as_the_columns_say(table: WeeklyTable, generator: Generator[Any]) -> None:
    described = table.connection.cursor().execute(f"DESCRIBE TABLE {table.name}").fetchall()

    lengths = {"TIMESTAMP_NTZ": "TIMESTAMP_NTZ(9)", "VARCHAR": "VARCHAR(16777216)"}
    expected = {name: lengths.get(kind, kind).replace(", ", ",") for name, kind in generator.columns.items()}
    assert {name: kind for name, kind, *_ in described} == expected


def test_the_values_are_the_generated_ones(table: WeeklyTable, generator: Generator[Any]) -> None:
    order = [name for name in generator.columns if name != generator.week_column]
    found = _read(table, f"WHERE {generator.week_column} = '{FIRST}'")[order]
    made = generator.week(1, first_week=FIRST, rows=ROWS)[order]

    for frame in (found, made):
        for name in order:
            kind = generator.columns[name]
            frame[name] = frame[name].astype("object" if kind == "VARCHAR" else "float64")
    by = order[:6]
    found, made = (frame.sort_values(by).reset_index(drop=True) for frame in (found, made))
    pd.testing.assert_frame_equal(found, made)
    assert found.drop(columns=generator.label).isna().to_numpy().any(), "a missing value was among them"


def test_labels_arrive_when_they_are_due(table: WeeklyTable, generator: Generator[Any]) -> None:
    delay = generator.labels_after_weeks
    before = {week.start: week.labelled_rows for week in table.stored_weeks()}
    features = _read(table).drop(columns=generator.label)

    table.arrive_labels(last_week=monday(delay + 3), labels_after_weeks=delay)

    assert before == {monday(n): ROWS if n <= 2 else 0 for n in range(1, delay + 3)}
    assert {week.start for week in table.stored_weeks() if week.labelled_rows == ROWS} == {monday(n) for n in (1, 2, 3)}
    order = list(features.columns)[1:6]
    pd.testing.assert_frame_equal(
        *(
            frame.sort_values([generator.week_column, *order]).reset_index(drop=True)
            for frame in (features, _read(table).drop(columns=generator.label))
        )
    )


@pytest.mark.parametrize("name", GENERATORS)
def test_the_command_line_loads_into_a_schema_of_its_own(connection: SnowflakeConnection, name: str) -> None:
    schema = f"CLI_{name.upper()}"
    command = [sys.executable, "-m", f"include.datasets.{name}", "load", "--weeks", "2", "--rows", "5"]

    done = subprocess.run(
        [*command, "--database", "datasets_test", "--schema", schema, "--last-week", "2025-01-13"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "weeks loaded: 1, 2; week 1 begins on 2025-01-06" in done.stdout
    table = f"DATASETS_TEST.{schema}.{GENERATORS[name].table}"
    assert connection.cursor().execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (10,)


def _read(table: WeeklyTable, where: str = "") -> pd.DataFrame:
    with table.connection.cursor() as cursor:
        return cursor.execute(f"SELECT * FROM {table.name} {where}").fetch_pandas_all()
