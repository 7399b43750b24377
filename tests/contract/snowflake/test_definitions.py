"""CREATE, ALTER, DROP, COMMENT of tables, and how they are shown afterwards."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import DatabaseError
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor in a schema of the test's own."""
    schema = fresh("DEFINED")
    cursor = connection.cursor()
    cursor.execute(f"CREATE SCHEMA {schema}")
    yield cursor
    cursor.execute(f"DROP SCHEMA {schema}")


def shown(cursor: SnowflakeCursor, kind: str, name: str) -> dict[str, Any]:
    """What SHOW says of one object."""
    row = cursor.execute(f"SHOW {kind} LIKE '{name}'").fetchone()
    return dict(zip([c.name for c in cursor.description], row, strict=True))


def described(cursor: SnowflakeCursor, name: str) -> list[tuple[Any, ...]]:
    """Name, type and nullability of a table's columns."""
    return [(row[0], row[1], row[3]) for row in cursor.execute(f"DESC TABLE {name}").fetchall()]


def test_a_table_is_shown_with_what_it_was_made_with(cursor: SnowflakeCursor) -> None:
    cursor.execute(
        "CREATE TRANSIENT TABLE t (a INT, b INT) CLUSTER BY (a) DATA_RETENTION_TIME_IN_DAYS = 0 "
        "CHANGE_TRACKING = TRUE COMMENT = 'it''s mine'"
    )
    cursor.execute("INSERT INTO t VALUES (1, 2), (3, 4)")
    table = shown(cursor, "TABLES", "T")
    assert (table["kind"], table["rows"], table["comment"]) == ("TRANSIENT", 2, "it's mine")
    assert (table["cluster_by"], table["retention_time"], table["change_tracking"]) == ("LINEAR(A)", "0", "ON")
    age = datetime.datetime.now(datetime.UTC) - table["created_on"]
    assert abs(age) < datetime.timedelta(minutes=5)


def test_options_can_be_altered(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (a INT)")
    cursor.execute("ALTER TABLE t SET CHANGE_TRACKING = TRUE")
    cursor.execute("ALTER TABLE t CLUSTER BY (a)")
    cursor.execute("COMMENT ON TABLE t IS 'first'")
    assert shown(cursor, "TABLES", "T")["comment"] == "first"
    cursor.execute("ALTER TABLE t SET COMMENT = 'second'")
    table = shown(cursor, "TABLES", "T")
    assert (table["comment"], table["cluster_by"], table["change_tracking"]) == ("second", "LINEAR(A)", "ON")
    cursor.execute("ALTER TABLE t UNSET COMMENT")
    cursor.execute("ALTER TABLE t DROP CLUSTERING KEY")
    table = shown(cursor, "TABLES", "T")
    assert (table["comment"], table["cluster_by"]) == ("", "")


def test_columns_are_added_dropped_renamed_and_changed(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (a INT NOT NULL, b VARCHAR(5))")
    cursor.execute("INSERT INTO t VALUES (1, 'x')")
    cursor.execute("ALTER TABLE t ADD COLUMN c NUMBER(10, 2), d VARCHAR(3)")
    cursor.execute("ALTER TABLE t DROP COLUMN c")
    cursor.execute("ALTER TABLE t RENAME COLUMN b TO text")
    cursor.execute("ALTER TABLE t ALTER COLUMN text SET DATA TYPE VARCHAR(20)")
    cursor.execute("ALTER TABLE t ALTER COLUMN a DROP NOT NULL")
    cursor.execute("COMMENT ON COLUMN t.d IS 'three letters'")
    expected = [("A", "NUMBER(38,0)", "Y"), ("TEXT", "VARCHAR(20)", "Y"), ("D", "VARCHAR(3)", "Y")]
    assert described(cursor, "t") == expected
    assert cursor.execute("DESC TABLE t").fetchall()[2][9] == "three letters"
    assert cursor.execute("SELECT * FROM t").fetchall() == [(1, "x", None)]


def test_a_column_that_is_added_fills_the_rows_there_are(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    cursor.execute("ALTER TABLE t ADD COLUMN b BOOLEAN DEFAULT FALSE NOT NULL")
    cursor.execute("ALTER TABLE t ADD COLUMN IF NOT EXISTS c VARCHAR")
    cursor.execute("ALTER TABLE t ADD COLUMN IF NOT EXISTS c VARCHAR")
    assert cursor.execute("SELECT * FROM t").fetchall() == [(1, False, None)]
    with pytest.raises(DatabaseError):
        cursor.execute("ALTER TABLE t ALTER COLUMN c SET NOT NULL")
    for rest in ("d BOOLEAN DEFAULT TRUE", "d INT IDENTITY", "d INT UNIQUE", "b BOOLEAN DEFAULT FALSE"):
        with pytest.raises(DatabaseError):
            cursor.execute(f"ALTER TABLE t ADD COLUMN IF NOT EXISTS {rest}")
    assert described(cursor, "t")[1:] == [("B", "BOOLEAN", "N"), ("C", "VARCHAR(16777216)", "Y")]


def test_tables_swap_and_rename(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE one COMMENT = 'one' AS SELECT 1 AS a")
    cursor.execute("CREATE TABLE two AS SELECT 2 AS a")
    cursor.execute("ALTER TABLE one SWAP WITH two")
    cursor.execute("ALTER TABLE two RENAME TO three")
    assert cursor.execute("SELECT a FROM one").fetchall() == [(2,)]
    assert cursor.execute("SELECT a FROM three").fetchall() == [(1,)]
    assert shown(cursor, "TABLES", "THREE")["comment"] == "one"


def test_if_exists_says_what_was_done(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t AS SELECT 1 AS a")
    assert cursor.execute("CREATE TABLE IF NOT EXISTS t (z INT)").fetchone() == (
        "T already exists, statement succeeded.",
    )
    cursor.execute("TRUNCATE TABLE IF EXISTS nowhere")
    cursor.execute("TRUNCATE TABLE IF EXISTS t")
    assert cursor.execute("SELECT COUNT(a) FROM t").fetchone() == (0,)
    assert "already dropped" in cursor.execute("DROP TABLE IF EXISTS nowhere").fetchone()[0]
    assert cursor.execute("DROP TABLE IF EXISTS t").fetchone() == ("T successfully dropped.",)


def test_a_copy_has_the_declared_types(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (a VARCHAR(5), b ARRAY, c TIMESTAMP_LTZ)")
    for create in ("copied LIKE t", "cloned CLONE t"):
        cursor.execute(f"CREATE TABLE {create}")
    types = ["VARCHAR(5)", "ARRAY", "TIMESTAMP_LTZ(9)"]
    assert [[c[1] for c in described(cursor, name)] for name in ("t", "copied", "cloned")] == [types] * 3


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t VALUES ('abcd', 1)",
        "UPDATE t SET s = 'abcd'",
        "MERGE INTO t USING (SELECT 1 AS n) s ON t.n = s.n WHEN MATCHED THEN UPDATE SET s = 'abcd'",
        "INSERT INTO t SELECT 'abcd', 2",
    ],
)
def test_a_text_that_is_too_long_is_refused(cursor: SnowflakeCursor, change: str) -> None:
    cursor.execute("CREATE TABLE t (s VARCHAR(3), n INT)")
    cursor.execute("INSERT INTO t VALUES ('abc', 1)")
    with refused(100078, "String 'abcd' is too long and would be truncated"):
        cursor.execute(change)
    assert cursor.execute("SELECT s FROM t").fetchall() == [("abc",)]


def test_names_are_told_apart_by_case(cursor: SnowflakeCursor) -> None:
    cursor.execute('CREATE TABLE "mixed" ("x" INT, y INT)')
    cursor.execute('INSERT INTO "mixed" VALUES (1, 2)')
    assert cursor.execute('SELECT "x", y FROM "mixed"').fetchall() == [(1, 2)]
    with refused(2003, "MIXED' does not exist"):
        cursor.execute("SELECT * FROM mixed")
    with refused(904, "invalid identifier 'X'"):
        cursor.execute('SELECT x FROM "mixed"')
    with refused(904, "invalid identifier"):
        cursor.execute('SELECT "y" FROM "mixed"')
    with refused(904, "invalid identifier 'X'"):
        cursor.execute('INSERT INTO "mixed" (x) VALUES (1)')


def test_information_schema_tells_of_tables_and_columns(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (n NUMBER(10, 2) NOT NULL, s VARCHAR(7), f FLOAT, at TIMESTAMP_NTZ) COMMENT = 'c'")
    cursor.execute("INSERT INTO t (n) VALUES (1)")
    table = cursor.execute(
        "SELECT table_name, table_type, row_count, comment, created <= CURRENT_TIMESTAMP() "
        "FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA()"
    )
    assert table.fetchall() == [("T", "BASE TABLE", 1, "c", True)]
    columns = cursor.execute(
        "SELECT column_name, data_type, is_nullable, character_maximum_length, numeric_precision, numeric_scale "
        "FROM information_schema.columns WHERE table_schema = CURRENT_SCHEMA() ORDER BY ordinal_position"
    )
    assert columns.fetchall() == [
        ("N", "NUMBER", "NO", None, 10, 2),
        ("S", "TEXT", "YES", 7, None, None),
        ("F", "FLOAT", "YES", None, None, None),
        ("AT", "TIMESTAMP_NTZ", "YES", None, None, None),
    ]


def test_defaults_sequences_and_identities_number_rows(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (id INT AUTOINCREMENT, v VARCHAR DEFAULT 'none', x INT)")
    cursor.execute("INSERT INTO t (x) VALUES (7), (8)")
    assert cursor.execute("SELECT id, v, x FROM t ORDER BY x").fetchall() == [(1, "none", 7), (2, "none", 8)]
    cursor.execute("CREATE SEQUENCE s START = 5 INCREMENT = 2")
    assert cursor.execute("SELECT s.NEXTVAL").fetchone() == (5,)
    assert cursor.execute("SELECT s.NEXTVAL").fetchone() == (7,)


def test_changes_of_every_kind(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t AS SELECT column1 AS id, column2 AS v FROM VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    cursor.execute("CREATE TABLE u AS SELECT 2 AS id, 'new' AS v")
    cursor.execute("UPDATE t SET v = u.v FROM u WHERE t.id = u.id")
    cursor.execute("DELETE FROM t USING u WHERE t.id = u.id + 1")
    assert cursor.execute("SELECT id, v FROM t ORDER BY id").fetchall() == [(1, "a"), (2, "new")]
    cursor.execute("INSERT OVERWRITE INTO t (id, v) SELECT 9, 'only'")
    assert cursor.execute("SELECT id, v FROM t").fetchall() == [(9, "only")]
    with refused(100090, "Duplicate row detected"):
        cursor.execute(
            "MERGE INTO t USING (SELECT 9 AS id UNION ALL SELECT 9) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET v = ''"
        )


def test_a_definition_can_be_run_again(cursor: SnowflakeCursor) -> None:
    cursor.execute(
        "CREATE TRANSIENT TABLE t (a INT NOT NULL, \"b c\" VARCHAR(5) DEFAULT 'x' COMMENT 'it', d ARRAY) "
        "CLUSTER BY (a) COMMENT = 'hi'"
    )
    before = described(cursor, "t"), shown(cursor, "TABLES", "T")["cluster_by"]
    definition = cursor.execute("SELECT GET_DDL('TABLE', 't')").fetchone()[0]
    cursor.execute("DROP TABLE t")
    cursor.execute(definition)
    assert (described(cursor, "t"), shown(cursor, "TABLES", "T")["cluster_by"]) == before
    assert cursor.execute("SELECT GET_DDL('TABLE', 't')").fetchone()[0] == definition


def test_schemas_are_shown_with_their_dates(cursor: SnowflakeCursor) -> None:
    name = cursor.execute("SELECT CURRENT_SCHEMA()").fetchone()[0]
    age = datetime.datetime.now(datetime.UTC) - shown(cursor, "SCHEMAS", name)["created_on"]
    assert abs(age) < datetime.timedelta(minutes=5)


def test_the_parts_of_a_name_may_hold_spaces_and_signs(connection: SnowflakeConnection) -> None:
    database = f'"{fresh("run costs")} %"'
    table = f'{database}."s %"."t ""1"" %"'
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        try:
            cursor.execute(f'CREATE SCHEMA {database}."s %"')
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} (N NUMBER)")
            cursor.execute(f"INSERT INTO {table} SELECT 2")
            assert cursor.execute(f"SELECT N FROM {table}").fetchall() == [(2,)]
            cursor.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT 3 AS N")
            assert cursor.execute(f"SELECT N FROM {table}").fetchall() == [(3,)]
        finally:
            cursor.execute(f"DROP DATABASE {database}")
