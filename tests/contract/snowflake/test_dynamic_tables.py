"""Dynamic tables: their content, who may change it, what they read, how they are listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import FEATURES, classifier, fresh, people, refused


class Tables:
    """A source of three rows, and dynamic tables over it."""

    def __init__(self, cursor: SnowflakeCursor) -> None:
        self.cursor = cursor
        self.warehouse = cursor.execute("SELECT CURRENT_WAREHOUSE()").fetchone()[0]
        self.source = f"{cursor.connection.database}.{cursor.connection.schema}.{fresh('SOURCE')}"
        cursor.execute(f"CREATE TABLE {self.source} (id INT, kind VARCHAR)")
        cursor.execute(f"INSERT INTO {self.source} VALUES (1, 'a'), (2, 'b'), (3, 'a')")

    def create(self, query: str, *, lag: str = "'1 day'", columns: str = "", options: str = "") -> str:
        """Make a dynamic table of a new name."""
        name = fresh("DT")
        given = f"TARGET_LAG = {lag} WAREHOUSE = {self.warehouse} {options}"
        self.cursor.execute(f"CREATE DYNAMIC TABLE {name} {columns} {given} AS {query}")
        return name

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.cursor.execute(sql).fetchall()

    def shown(self, name: str) -> dict[str, Any]:
        """The row that SHOW gives of a dynamic table."""
        found = self.cursor.execute(f"SHOW DYNAMIC TABLES LIKE '{name}' IN SCHEMA").fetchall()
        return dict(zip([column.name for column in self.cursor.description], found[0], strict=True)) if found else {}


@pytest.fixture
def tables(connection: SnowflakeConnection) -> Iterator[Tables]:
    """A source of the test's own."""
    with connection.cursor() as cursor:
        yield Tables(cursor)


def test_it_has_the_rows_of_its_query_and_new_ones_after_a_refresh(tables: Tables) -> None:
    name = tables.create(f"SELECT kind, count(*) AS n FROM {tables.source} GROUP BY kind")
    assert tables.rows(f"SELECT * FROM {name} ORDER BY kind") == [("a", 2), ("b", 1)]
    tables.cursor.execute(f"INSERT INTO {tables.source} VALUES (4, 'c')")
    assert tables.rows(f"SELECT * FROM {name} ORDER BY kind") == [("a", 2), ("b", 1)]
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {name} REFRESH")
    assert tables.rows(f"SELECT * FROM {name} ORDER BY kind") == [("a", 2), ("b", 1), ("c", 1)]
    tables.cursor.execute(f"DELETE FROM {tables.source} WHERE kind = 'a'")
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {name} REFRESH")
    assert tables.rows(f"SELECT * FROM {name} ORDER BY kind") == [("b", 1), ("c", 1)]


def test_it_is_shown_with_what_it_was_made_with(tables: Tables) -> None:
    options = "REFRESH_MODE = FULL COMMENT = 'it''s'"
    name = tables.create(f"SELECT id FROM {tables.source}", columns="(KEY COMMENT 'the key')", options=options)
    shown = tables.shown(name)
    assert {
        k: shown[k] for k in ("name", "target_lag", "refresh_mode", "warehouse", "comment", "scheduling_state")
    } == {
        "name": name,
        "target_lag": "1 day",
        "refresh_mode": "FULL",
        "warehouse": tables.warehouse,
        "comment": "it's",
        "scheduling_state": "ACTIVE",
    }
    assert shown["rows"] == 3
    assert shown["text"].endswith(f"AS SELECT id FROM {tables.source}")
    described = tables.cursor.execute(f"DESC DYNAMIC TABLE {name}").fetchall()
    assert [(row[0], row[9]) for row in described] == [("KEY", "the key")]


def test_nobody_else_changes_its_content_or_replaces_it(tables: Tables) -> None:
    name = tables.create(f"SELECT id FROM {tables.source}")
    for change in (
        f"INSERT INTO {name} VALUES (9)",
        f"UPDATE {name} SET id = 9",
        f"DELETE FROM {name}",
        f"TRUNCATE TABLE {name}",
        f"MERGE INTO {name} USING {tables.source} s ON {name}.id = s.id WHEN MATCHED THEN DELETE",
        f"DROP TABLE {name}",
        f"CREATE OR REPLACE VIEW {name} AS SELECT 1 AS a",
    ):
        with pytest.raises(ProgrammingError, match=r"(?i)dynamic.table"):
            tables.cursor.execute(change)
    assert tables.rows(f"SELECT id FROM {name} ORDER BY id") == [(1,), (2,), (3,)]
    with refused(2002):
        tables.cursor.execute(
            f"CREATE DYNAMIC TABLE {name} TARGET_LAG = '1 day' WAREHOUSE = {tables.warehouse} AS SELECT 1 AS a"
        )


def test_a_refresh_brings_what_it_reads_up_to_date_first(tables: Tables) -> None:
    first = tables.create(f"SELECT id, kind FROM {tables.source}", lag="DOWNSTREAM")
    view = fresh("V")
    tables.cursor.execute(f"CREATE VIEW {view} AS SELECT id * 10 AS id FROM {first}")
    second = tables.create(f"SELECT id FROM {view}")
    tables.cursor.execute(f"INSERT INTO {tables.source} VALUES (4, 'd')")
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {second} REFRESH")
    assert tables.rows(f"SELECT id FROM {second} ORDER BY id") == [(10,), (20,), (30,), (40,)]
    assert tables.rows(f"SELECT count(*) FROM {first}") == [(4,)]


def test_suspending_one_suspends_those_that_read_it(tables: Tables) -> None:
    first = tables.create(f"SELECT id FROM {tables.source}")
    second = tables.create(f"SELECT id FROM {first}")
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {first} SUSPEND")
    assert [tables.shown(name)["scheduling_state"] for name in (first, second)] == ["SUSPENDED", "SUSPENDED"]
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {first} RESUME")
    assert [tables.shown(name)["scheduling_state"] for name in (first, second)] == ["ACTIVE", "ACTIVE"]


def test_properties_can_be_changed(tables: Tables) -> None:
    name = tables.create(f"SELECT id FROM {tables.source}")
    tables.cursor.execute(
        f"ALTER DYNAMIC TABLE {name} SET TARGET_LAG = '2 hours' WAREHOUSE = {tables.warehouse} COMMENT = 'other'"
    )
    shown = tables.shown(name)
    assert (shown["target_lag"], shown["comment"]) == ("2 hours", "other")
    new = fresh("DT")
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {name} RENAME TO {new}")
    assert (tables.shown(name), tables.shown(new)["rows"]) == ({}, 3)
    tables.cursor.execute(f"DROP DYNAMIC TABLE {new}")
    assert tables.shown(new) == {}
    with refused(2003):
        tables.rows(f"SELECT * FROM {new}")
    tables.cursor.execute(f"DROP DYNAMIC TABLE IF EXISTS {new}")


@pytest.mark.parametrize(
    ("options", "query", "code"),
    [
        ("TARGET_LAG = '5 seconds'", "SELECT 1 AS a", None),
        ("TARGET_LAG = 'soon'", "SELECT 1 AS a", None),
        ("TARGET_LAG = '1 day' REFRESH_MODE = SOMETIMES", "SELECT 1 AS a", None),
        ("TARGET_LAG = '1 day'", "SELECT nothing FROM {source}", 904),
        ("TARGET_LAG = '1 day'", "SELECT * FROM {source}_not_there", 2003),
    ],
)
def test_what_is_wrong_is_refused_and_makes_nothing(tables: Tables, options: str, query: str, code: int | None) -> None:
    name = fresh("DT")
    with pytest.raises(ProgrammingError) as caught:
        tables.cursor.execute(
            f"CREATE DYNAMIC TABLE {name} {options} WAREHOUSE = {tables.warehouse} "
            f"AS {query.format(source=tables.source)}"
        )
    assert code in (None, caught.value.errno)
    assert tables.shown(name) == {}
    tables.cursor.execute(f"CREATE TABLE {name} (a INT)")


def test_the_first_reader_initializes_one_that_waits_for_its_schedule(tables: Tables) -> None:
    name = tables.create(f"SELECT id FROM {tables.source}", options="INITIALIZE = ON_SCHEDULE", lag="'1 minute'")
    waiting = tables.create(f"SELECT id FROM {tables.source}", options="INITIALIZE = ON_SCHEDULE", lag="DOWNSTREAM")
    with pytest.raises(ProgrammingError, match="not initialized"):
        tables.rows(f"SELECT * FROM {waiting}")
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {name} REFRESH")
    assert tables.rows(f"SELECT count(*) FROM {name}") == [(3,)]


def test_the_history_tells_of_refreshes_that_succeed_and_fail(tables: Tables) -> None:
    name = tables.create(f"SELECT kind FROM {tables.source}")
    tables.cursor.execute(f"ALTER TABLE {tables.source} RENAME COLUMN kind TO sort")
    with refused(904):
        tables.cursor.execute(f"ALTER DYNAMIC TABLE {name} REFRESH")
    assert tables.rows(f"SELECT kind FROM {name} ORDER BY kind") == [("a",), ("a",), ("b",)]
    found = tables.rows(
        "SELECT state, refresh_trigger "
        "FROM TABLE(INFORMATION_SCHEMA.DYNAMIC_TABLE_REFRESH_HISTORY(RESULT_LIMIT => 1000)) "
        f"WHERE name = '{name}' ORDER BY refresh_start_time"
    )
    assert found == [("SUCCEEDED", "CREATION"), ("FAILED", "MANUAL")]


def test_its_query_may_call_a_model(tables: Tables, registry: Registry, session: Session) -> None:
    frame = people(50)
    model, name, table = classifier(frame), fresh("M"), fresh("PEOPLE")
    registry.log_model(model, model_name=name, version_name="v1", sample_input_data=frame[FEATURES])
    session.write_pandas(frame, table, auto_create_table=True)
    arguments = ", ".join(FEATURES)
    score = f'MODEL({name}, v1)!PREDICT_PROBA({arguments}):"output_feature_1"::FLOAT'
    scored = tables.create(f"SELECT AGE, {score} AS SCORE FROM {session.get_fully_qualified_current_schema()}.{table}")
    scores = model.predict_proba(frame[FEATURES])[:, 1].astype(float)
    expected = sorted(zip(frame["AGE"].tolist(), scores.tolist(), strict=True))
    assert sorted(tables.rows(f"SELECT AGE, SCORE FROM {scored}")) == expected
    tables.cursor.execute(f"ALTER DYNAMIC TABLE {scored} REFRESH")
    assert sorted(tables.rows(f"SELECT AGE, SCORE FROM {scored}")) == expected
