"""Chains of statements: `->>` hands the rows of one to the next, which reads them as $1."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused


@pytest.fixture
def table(connection: SnowflakeConnection) -> str:
    """A table of two rows, one of which looks like a chain."""
    name = fresh("PIPED")
    connection.cursor().execute(f"CREATE TABLE {name} AS SELECT * FROM VALUES (1, 'x'), (2, '->> $1') AS v (A, B)")
    return name


def test_a_show_is_filtered_by_a_select(connection: SnowflakeConnection, table: str) -> None:
    rows = connection.cursor().execute(
        f"""SHOW TABLES LIKE '{table}' ->> SELECT "name" AS n FROM $1 WHERE "name" <> '->>';"""
    )
    assert rows.fetchall() == [(table,)]


def test_a_number_counts_back_from_the_statement_that_reads(connection: SnowflakeConnection, table: str) -> None:
    chain = f"""SELECT * FROM {table}
        ->> SELECT SUM(a) AS total FROM $1  -- not ->> here
        ->> SELECT f.a, s.total FROM $2 f JOIN $1 AS s ON f.a < s.total ORDER BY f.a"""
    assert connection.cursor().execute(chain).fetchall() == [(1, 3), (2, 3)]


def test_the_operator_within_a_string_is_text(connection: SnowflakeConnection, table: str) -> None:
    rows = connection.cursor().execute(
        f"SELECT a FROM {table} WHERE b = '->> $1' /* ->> */ ->> SELECT COUNT(*) FROM $1"
    )
    assert rows.fetchall() == [(1,)]


def test_values_are_bound_in_the_order_of_the_text(account: dict[str, object]) -> None:
    with snowflake.connector.connect(**account, paramstyle="qmark") as connected:  # type: ignore[arg-type]
        rows = connected.cursor().execute("SELECT ? AS x ->> SELECT x, ? AS y FROM $1", (5, "q"))
        assert rows.fetchall() == [(5, "q")]


def test_a_chain_can_change_a_table(connection: SnowflakeConnection, table: str) -> None:
    rows = connection.cursor().execute(
        f"SELECT a + 10, b FROM {table} ->> INSERT INTO {table} SELECT * FROM $1 ->> SELECT COUNT(*) FROM {table}"
    )
    assert rows.fetchall() == [(4,)]


def test_what_a_chain_inserted_outlives_a_failed_statement_of_its_transaction(
    connect: Callable[[], SnowflakeCursor], table: str
) -> None:
    cursor = connect()
    cursor.execute("BEGIN")
    cursor.execute(f"SELECT 7 AS a, 'z' AS b ->> INSERT INTO {table} SELECT * FROM $1")
    with refused(904):
        cursor.execute(f"UPDATE {table} SET missing = 1")
    cursor.execute("COMMIT")
    assert connect().execute(f"SELECT a FROM {table} ORDER BY a").fetchall() == [(1,), (2,), (7,)]


def test_a_result_that_no_statement_has_made_is_refused(connection: SnowflakeConnection) -> None:
    with refused(1003, r"\$2"):
        connection.cursor().execute("SELECT 1 ->> SELECT * FROM $2")
    with refused(1003, r"\$1"):
        connection.cursor().execute("SELECT * FROM $1")


def test_the_columns_of_a_chain_are_told_before_it_is_run(connection: SnowflakeConnection) -> None:
    described = connection.cursor().describe('SHOW DATABASES ->> SELECT "name" AS n FROM $1')
    assert [column.name for column in described] == ["N"]


def test_the_results_of_a_chain_end_with_it(connection: SnowflakeConnection) -> None:
    cursor = connection.cursor()
    for _ in range(3):
        chain = "SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 1000)) ->> SELECT MAX(n), COUNT(*) FROM $1"
        assert cursor.execute(chain).fetchall() == [(999, 1000)]
    with refused(1003, r"\$1"):
        cursor.execute("SELECT * FROM $1")
