"""AT and BEFORE: what a table had at a time, after a statement, and in a clone."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.snowpark import Session
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor in a schema of the test's own, with a table of two rows that has just been filled."""
    schema = fresh("TRAVEL")
    cursor = connection.cursor()
    cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.execute("CREATE TABLE t (id INT, v VARCHAR)")
    cursor.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    yield cursor
    cursor.execute(f"DROP SCHEMA {schema}")


def now(cursor: SnowflakeCursor) -> datetime.datetime:
    """The account's time; what is done next is later."""
    value: datetime.datetime = cursor.execute("SELECT CURRENT_TIMESTAMP()").fetchone()[0]
    time.sleep(0.01)
    return value


def ids(cursor: SnowflakeCursor, source: str, *values: object) -> list[int]:
    """The ids of a source, in order."""
    return [row[0] for row in cursor.execute(f"SELECT id FROM {source} ORDER BY id", values or None).fetchall()]


def test_a_time_before_later_changes_has_the_rows_of_then(cursor: SnowflakeCursor) -> None:
    first = now(cursor)
    cursor.execute("INSERT INTO t VALUES (3, 'c')")
    second = now(cursor)
    cursor.execute("UPDATE t SET v = 'changed' WHERE id = 1")
    third = now(cursor)
    cursor.execute("DELETE FROM t WHERE id = 2")
    cursor.execute("INSERT INTO t VALUES (4, 'd')")
    cursor.execute("TRUNCATE TABLE t")
    at = "t AT (TIMESTAMP => %s::TIMESTAMP_TZ) AS past"
    assert ids(cursor, at, first) == [1, 2]
    assert ids(cursor, at, second) == [1, 2, 3]
    values = cursor.execute(f"SELECT past.v FROM {at} ORDER BY id", (second,)).fetchall()
    assert values == [("a",), ("b",), ("c",)]
    assert cursor.execute(f"SELECT v FROM {at} WHERE id = 1", (third,)).fetchall() == [("changed",)]
    assert ids(cursor, "t") == []
    assert ids(cursor, "t AT (OFFSET => 0)") == []


def test_a_statement_can_be_looked_behind_and_at(cursor: SnowflakeCursor) -> None:
    cursor.execute("MERGE INTO t USING (SELECT 2 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE")
    merge = cursor.sfqid
    cursor.execute("INSERT INTO t VALUES (9, 'z')")
    assert ids(cursor, f"t BEFORE (STATEMENT => '{merge}')") == [1, 2]
    assert ids(cursor, f"t AT (STATEMENT => '{merge}')") == [1]
    with refused(709, "not found"):
        cursor.execute("SELECT * FROM t BEFORE (STATEMENT => 'no-such-statement')")


def test_a_delete_that_finds_nothing_is_a_statement_like_others(cursor: SnowflakeCursor) -> None:
    cursor.execute("DELETE FROM t AS x WHERE x.id > %s AND v IN (SELECT v FROM t)", (2,))
    assert (cursor.fetchall(), cursor.rowcount, cursor.description[0].name) == ([(0,)], 0, "number of rows deleted")
    nothing = cursor.sfqid
    cursor.execute("INSERT INTO t VALUES (9, 'z')")
    assert ids(cursor, f"t BEFORE (STATEMENT => '{nothing}')") == [1, 2]
    assert ids(cursor, f"t AT (STATEMENT => '{nothing}')") == [1, 2]
    assert cursor.execute("DELETE FROM t WHERE id > 1").rowcount == 2


def test_of_many_changes_the_newest_can_be_looked_behind(cursor: SnowflakeCursor) -> None:
    updates = []
    for number in range(35):
        cursor.execute(f"UPDATE t SET v = '{number}' WHERE id = 1")
        updates.append(cursor.sfqid)
    for number in range(15, 35):
        before = f"SELECT v FROM t BEFORE (STATEMENT => '{updates[number]}') WHERE id = 1"
        assert cursor.execute(before).fetchone() == (str(number - 1),)
    with refused(707):
        cursor.execute(f"SELECT v FROM t BEFORE (STATEMENT => '{updates[0]}')")


def test_a_transaction_is_seen_from_its_commit_on(cursor: SnowflakeCursor) -> None:
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO t VALUES (3, 'c')")
    cursor.execute("DELETE FROM t WHERE id = 1")
    within = now(cursor)
    assert ids(cursor, "t") == [2, 3]
    cursor.execute("COMMIT")
    assert ids(cursor, "t AT (TIMESTAMP => %s::TIMESTAMP_TZ)", within) == [1, 2]
    assert ids(cursor, "t AT (OFFSET => 0)") == [2, 3]


def test_what_is_rolled_back_never_was(cursor: SnowflakeCursor) -> None:
    cursor.execute("BEGIN")
    cursor.execute("UPDATE t SET id = id + 10")
    cursor.execute("INSERT INTO t VALUES (3, 'c')")
    cursor.execute("ROLLBACK")
    then = now(cursor)
    cursor.execute("INSERT INTO t VALUES (4, 'd')")
    assert ids(cursor, "t AT (TIMESTAMP => %s::TIMESTAMP_TZ)", then) == [1, 2]


def test_a_clone_of_the_past_is_a_table_of_its_own(cursor: SnowflakeCursor) -> None:
    then = now(cursor)
    cursor.execute("INSERT OVERWRITE INTO t SELECT 7, 'x'")
    cursor.execute("CREATE TABLE old CLONE t AT (TIMESTAMP => %s::TIMESTAMP_TZ)", (then,))
    cursor.execute("INSERT INTO old VALUES (3, 'c')")
    assert ids(cursor, "old") == [1, 2, 3]
    assert ids(cursor, "t") == [7]


def test_the_past_can_be_joined_with_the_present(cursor: SnowflakeCursor) -> None:
    then = now(cursor)
    cursor.execute("UPDATE t SET v = 'new' WHERE id = 2")
    changed = cursor.execute(
        "SELECT n.id, o.v, n.v FROM t AS n JOIN t AT (TIMESTAMP => %s::TIMESTAMP_TZ) AS o ON n.id = o.id "
        "WHERE n.v <> o.v",
        (then,),
    )
    assert changed.fetchall() == [(2, "b", "new")]


@pytest.mark.parametrize("when", ["OFFSET => -86400", "TIMESTAMP => '2020-01-01'::TIMESTAMP_NTZ"])
def test_a_time_before_the_table_is_refused(cursor: SnowflakeCursor, when: str) -> None:
    with refused(707, "Time travel data is not available for table T"):
        cursor.execute(f"SELECT * FROM t AT ({when})")


def test_a_table_without_retention_has_no_past(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE brief (id INT) DATA_RETENTION_TIME_IN_DAYS = 0")
    then = now(cursor)
    cursor.execute("INSERT INTO brief VALUES (1)")
    with refused(707):
        cursor.execute("SELECT * FROM brief AT (TIMESTAMP => %s::TIMESTAMP_TZ)", (then,))


def test_two_writers_leave_one_history(cursor: SnowflakeCursor, connection: SnowflakeConnection) -> None:
    other = connection.cursor()
    counts = []
    for number in range(10, 20):
        (cursor if number % 2 else other).execute(f"INSERT INTO t VALUES ({number}, 'n')")
        counts.append((now(cursor), number - 7))
    assert [len(ids(cursor, "t AT (TIMESTAMP => %s::TIMESTAMP_TZ)", at)) for at, _ in counts] == [c for _, c in counts]


def test_a_data_frame_can_be_of_the_past(session: Session) -> None:
    name = fresh("TRAVEL")
    session.create_dataframe([[1], [2]], schema=["ID"]).write.save_as_table(name)
    then = session.sql("SELECT CURRENT_TIMESTAMP()::VARCHAR AS T").collect()[0]["T"]
    time.sleep(0.01)
    session.table(name).delete()
    past = session.sql(f"SELECT * FROM {name} AT (TIMESTAMP => '{then}'::TIMESTAMP_TZ)")
    assert past.schema.names == ["ID"]
    assert sorted(row["ID"] for row in past.filter("ID > 0").collect()) == [1, 2]
    session.table(name).drop_table()
