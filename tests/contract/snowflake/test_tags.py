"""Tags: made, set on objects and columns, inherited, listed, and gone with what carried them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor of the test's own."""
    with connection.cursor() as opened:
        yield opened


def rows(cursor: SnowflakeCursor, sql: str) -> list[dict[str, Any]]:
    """The rows of a statement, by lower-case column name."""
    cursor.execute(sql)
    names = [column.name.lower() for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def value(cursor: SnowflakeCursor, tag: str, name: str, domain: str = "TABLE") -> Any:
    """The value of a tag of an object."""
    return rows(cursor, f"SELECT SYSTEM$GET_TAG('{tag}', '{name}', '{domain}') AS value")[0]["value"]


def test_a_tag_is_listed_with_its_allowed_values_and_comment(cursor: SnowflakeCursor) -> None:
    tag = fresh("TAG")
    cursor.execute(f"CREATE TAG {tag} ALLOWED_VALUES 'low', 'very high' COMMENT = 'it''s a tag'")
    shown = rows(cursor, f"SHOW TAGS LIKE '{tag}' IN SCHEMA")[0]
    assert (shown["name"], shown["allowed_values"], shown["comment"]) == (tag, '["low","very high"]', "it's a tag")
    cursor.execute(f"ALTER TAG {tag} ADD ALLOWED_VALUES 'new'")
    cursor.execute(f"ALTER TAG {tag} DROP ALLOWED_VALUES 'low'")
    cursor.execute(f"ALTER TAG {tag} SET COMMENT = 'other'")
    shown = rows(cursor, f"SHOW TAGS LIKE '{tag}'")[0]
    assert (shown["allowed_values"], shown["comment"]) == ('["very high","new"]', "other")
    cursor.execute(f"ALTER TAG {tag} UNSET ALLOWED_VALUES")
    assert rows(cursor, f"SHOW TAGS LIKE '{tag}'")[0]["allowed_values"] is None
    cursor.execute(f"CREATE TAG IF NOT EXISTS {tag}")
    with refused(2002, "already exists"):
        cursor.execute(f"CREATE TAG {tag}")
    cursor.execute(f"DROP TAG {tag}")
    assert rows(cursor, f"SHOW TAGS LIKE '{tag}'") == []
    with refused(2003):
        cursor.execute(f"DROP TAG {tag}")


def test_tags_of_a_create_are_on_the_table_and_its_columns(cursor: SnowflakeCursor) -> None:
    tag, other, table = fresh("TAG"), fresh("tag").lower(), fresh("T")
    cursor.execute(f"CREATE TAG {tag}")
    cursor.execute(f'CREATE TAG "{other}"')
    cursor.execute(
        f"CREATE TABLE {table} (a INT WITH TAG ({tag} = 'col'), b INT) WITH TAG ({tag} = 'it''s', \"{other}\" = 'x')"
    )
    assert value(cursor, tag, table) == "it's"
    assert value(cursor, f'"{other}"', table) == "x"
    assert value(cursor, tag, f"{table}.A", "COLUMN") == "col"
    cursor.execute(f"ALTER TABLE {table} MODIFY COLUMN b SET TAG {tag} = 'b'")
    assert value(cursor, tag, f"{table}.B", "COLUMN") == "b"
    cursor.execute(f"ALTER TABLE {table} MODIFY COLUMN b UNSET TAG {tag}")
    assert value(cursor, tag, f"{table}.B", "COLUMN") == "it's"


def test_a_tag_that_is_not_there_or_not_allowed_is_refused_before_anything_is_made(cursor: SnowflakeCursor) -> None:
    tag, table = fresh("TAG"), fresh("T")
    cursor.execute(f"CREATE TAG {tag} ALLOWED_VALUES 'a'")
    with refused(2003):
        cursor.execute(f"CREATE TABLE {table} (a INT) WITH TAG ({fresh('NONE')} = 'a')")
    with pytest.raises(ProgrammingError, match=tag):
        cursor.execute(f"CREATE TABLE {table} (a INT) WITH TAG ({tag} = 'b')")
    cursor.execute(f"CREATE TABLE {table} (a INT)")
    with pytest.raises(ProgrammingError, match=tag):
        cursor.execute(f"ALTER TABLE {table} SET TAG {tag} = 'b'")
    with refused(2003):
        cursor.execute(f"ALTER TABLE {table} SET TAG {fresh('NONE')} = 'b'")
    with refused(2003):
        cursor.execute(f"ALTER TABLE {fresh('T')} SET TAG {tag} = 'a'")
    assert value(cursor, tag, table) is None


def test_a_tag_is_inherited_from_schema_and_table(cursor: SnowflakeCursor) -> None:
    tag, schema = fresh("TAG"), fresh("S")
    cursor.execute(f"CREATE TAG {tag}")
    tag = f"{cursor.connection.database}.{cursor.connection.schema}.{tag}"
    before = cursor.connection.schema
    cursor.execute(f"CREATE SCHEMA {schema}")
    try:
        cursor.execute("CREATE TABLE t (a INT, b INT)")
        cursor.execute(f"ALTER SCHEMA {schema} SET TAG {tag} = 'schema'")
        assert value(cursor, tag, "t") == "schema"
        cursor.execute(f"ALTER TABLE t SET TAG {tag} = 'table'")
        found = rows(cursor, "SELECT * FROM TABLE(INFORMATION_SCHEMA.TAG_REFERENCES('t.b', 'COLUMN'))")
        found = [r for r in found if r["tag_name"] == tag.split(".")[2]]
        assert [(r["tag_value"], r["level"], r["domain"], r["column_name"]) for r in found] == [
            ("table", "TABLE", "COLUMN", "B")
        ]
        found = rows(cursor, "SELECT * FROM TABLE(INFORMATION_SCHEMA.TAG_REFERENCES_ALL_COLUMNS('t', 'TABLE'))")
        assert sorted(r["column_name"] for r in found if r["tag_name"] == tag.split(".")[2]) == ["A", "B"]
        cursor.execute(f"ALTER TABLE t UNSET TAG {tag}")
        assert value(cursor, tag, "t") == "schema"
    finally:
        cursor.execute(f"DROP SCHEMA {schema}")
        cursor.execute(f"USE SCHEMA {before}")


def test_tags_follow_a_rename_and_end_with_their_object(cursor: SnowflakeCursor) -> None:
    tag, table, new = fresh("TAG"), fresh("T"), fresh("T")
    cursor.execute(f"CREATE TAG {tag}")
    cursor.execute(f"CREATE TABLE {table} (a INT) WITH TAG ({tag} = '1')")
    cursor.execute(f"ALTER TABLE {table} RENAME TO {new}")
    assert value(cursor, tag, new) == "1"
    cursor.execute(f"DROP TABLE {new}")
    cursor.execute(f"CREATE TABLE {new} (a INT)")
    assert value(cursor, tag, new) is None
    cursor.execute(f"ALTER TABLE {new} SET TAG {tag} = '2'")
    cursor.execute(f"CREATE OR REPLACE TABLE {new} (a INT)")
    assert value(cursor, tag, new) is None


def test_a_tag_made_again_is_on_nothing(cursor: SnowflakeCursor) -> None:
    tag, renamed, view = fresh("TAG"), fresh("TAG"), fresh("V")
    cursor.execute(f"CREATE TAG {tag}")
    cursor.execute(f"CREATE VIEW {view} TAG ({tag} = 'x') AS SELECT 1 AS a")
    cursor.execute(f"ALTER TAG {tag} RENAME TO {renamed}")
    assert value(cursor, renamed, view) == "x"
    cursor.execute(f"DROP TAG {renamed}")
    cursor.execute(f"CREATE TAG {renamed}")
    assert value(cursor, renamed, view) is None


def test_a_create_of_what_is_there_changes_nothing_of_it(cursor: SnowflakeCursor) -> None:
    tag, table, view = fresh("TAG"), fresh("T"), fresh("V")
    cursor.execute(f"CREATE TAG {tag}")
    cursor.execute(f"CREATE TABLE {table} (a INT COMMENT 'first') WITH TAG ({tag} = 'first')")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} (a INT COMMENT 'second') WITH TAG ({tag} = 'second')")
    assert value(cursor, tag, table) == "first"
    assert [column["comment"] for column in rows(cursor, f"DESC TABLE {table}")] == ["first"]
    cursor.execute(f"CREATE VIEW {view} COMMENT = 'first' AS SELECT 1 AS a")
    cursor.execute(f"CREATE VIEW IF NOT EXISTS {view} COMMENT = 'second' AS SELECT 2 AS a")
    shown = rows(cursor, f"SHOW VIEWS LIKE '{view}'")[0]
    assert (shown["comment"], shown["text"]) == ("first", f"CREATE VIEW {view} COMMENT = 'first' AS SELECT 1 AS a")
