"""QUERY_HISTORY: what has run, by whom, how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


def history(cursor: SnowflakeCursor, columns: str, function: str = "QUERY_HISTORY_BY_SESSION()") -> list[tuple[object]]:
    return cursor.execute(f"SELECT {columns} FROM TABLE(INFORMATION_SCHEMA.{function}) ORDER BY start_time").fetchall()


def test_a_statement_is_there_with_its_circumstances(cursor: SnowflakeCursor) -> None:
    cursor.execute("ALTER SESSION SET QUERY_TAG = 'weekly'")
    query_id = cursor.execute("SELECT column1 FROM VALUES (1), (2), (3)").sfqid
    with refused(2003):
        cursor.execute("SELECT * FROM nowhere")
    rows = history(
        cursor,
        "query_id, query_type, query_tag, execution_status, error_code, rows_produced, database_name, schema_name, "
        "user_name, role_name, warehouse_name, query_text",
    )
    c = cursor.connection
    where = (c.database, c.schema, c.user.upper(), c.role, c.warehouse)
    done = [row for row in rows if row[0] == query_id]
    text = "SELECT column1 FROM VALUES (1), (2), (3)"
    assert done == [(query_id, "SELECT", "weekly", "SUCCESS", None, 3, *where, text)]
    failed = [row[3:5] for row in rows if row[-1] == "SELECT * FROM nowhere"]
    assert failed == [("FAILED_WITH_ERROR", 2003)]
    assert rows[-1][3] == "RUNNING"  # the statement that looks at the history


def test_the_times_and_the_message_are_there(cursor: SnowflakeCursor) -> None:
    with refused(2003):
        cursor.execute("SELECT * FROM nowhere_at_all")
    rows = history(cursor, "start_time, end_time, total_elapsed_time, error_message")
    start, end, elapsed, message = rows[-2]
    assert isinstance(start, datetime)
    assert start.tzinfo
    assert start <= end
    assert 0 <= elapsed < 60_000
    assert "NOWHERE_AT_ALL" in message


def test_sessions_users_and_warehouses_are_told_apart(
    connect: Callable[[], SnowflakeCursor], cursor: SnowflakeCursor
) -> None:
    marker, other = fresh("MARK"), connect()
    other.execute(f"SELECT '{marker}'")
    assert not [row for row in history(cursor, "query_text") if marker in str(row[0])]
    (number,) = other.execute("SELECT CURRENT_SESSION()").fetchone()
    by_number = history(cursor, "query_text", f"QUERY_HISTORY_BY_SESSION(SESSION_ID => {number})")
    assert (f"SELECT '{marker}'",) in by_number
    for function in ("QUERY_HISTORY()", "QUERY_HISTORY_BY_USER()", "QUERY_HISTORY_BY_WAREHOUSE(RESULT_LIMIT => 50)"):
        assert (f"SELECT '{marker}'",) in history(cursor, "query_text", function), function


def test_the_window_and_the_limit_are_kept(cursor: SnowflakeCursor) -> None:
    for number in range(4):
        cursor.execute(f"SELECT {number}")
    assert len(history(cursor, "query_id", "QUERY_HISTORY(RESULT_LIMIT => 2)")) == 2
    hour = "DATEADD('hour', -1, CURRENT_TIMESTAMP())"
    before = f"QUERY_HISTORY_BY_SESSION(END_TIME_RANGE_START => {hour}, END_TIME_RANGE_END => {hour})"
    assert history(cursor, "query_id", before) == []
    now = f"QUERY_HISTORY_BY_SESSION(END_TIME_RANGE_START => {hour}, END_TIME_RANGE_END => CURRENT_TIMESTAMP())"
    assert {"SUCCESS"} == {row[0] for row in history(cursor, "execution_status", now)}
    with refused(1008):
        history(cursor, "query_id", "QUERY_HISTORY(RESULT_LIMIT => 20000)")


def test_no_password_is_written_down(cursor: SnowflakeCursor) -> None:
    user = fresh("U")
    cursor.execute(f"CREATE USER {user} PASSWORD = 'Secret-{user}-9' COMMENT = 'visible'")
    cursor.execute(f"DROP USER {user}")
    texts = [str(row[0]) for row in history(cursor, "query_text")]
    assert any("CREATE USER" in text and user in text and "visible" in text for text in texts)
    assert not any(f"Secret-{user}" in text for text in texts)


def test_several_statements_of_one_request_are_there_each(cursor: SnowflakeCursor) -> None:
    cursor.execute("SELECT 41; SELECT 42", num_statements=2)
    rows = history(cursor, "query_type, query_text")
    assert ("MULTI_STATEMENT", "SELECT 41; SELECT 42") in rows
    assert [text for kind, text in rows if kind == "SELECT"][:2] == ["SELECT 41", "SELECT 42"]
