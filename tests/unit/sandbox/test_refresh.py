"""Dynamic tables are refreshed by the first reader who would find them too old, in an account without a server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.sandbox.snowflake import statements
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.execution import run
from include.sandbox.snowflake.objects import dynamic_tables
from include.sandbox.snowflake.objects.dynamic_tables import KIND, lag_seconds, lag_text, now
from include.sandbox.snowflake.session import Account, Session

KEY = ("DB", "PUBLIC", "DT")
OLD = timedelta(days=2)


def open_account(folder: Path) -> Account:
    """The account in a folder."""
    return Account.open(folder, name="SANDBOX", user="ME", role="SYSADMIN", warehouse="W")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session with a source of one row and a dynamic table over it."""
    statements.load()
    session = Session(open_account(tmp_path))
    run(session, "CREATE DATABASE db")
    run(session, "CREATE TABLE source AS SELECT 1 AS a")
    run(session, "CREATE DYNAMIC TABLE dt TARGET_LAG = '1 day' WAREHOUSE = w AS SELECT a FROM source")
    run(session, "INSERT INTO source VALUES (2)")
    yield session
    session.close()


def grow_old(session: Session, key: dynamic_tables.Key = KEY, age: timedelta = OLD) -> None:
    """Let it be long since a table was refreshed."""
    then = (now() - age).isoformat()
    session.account.catalog.update(KIND, key, data_timestamp=then, last_attempt=then)


def values(session: Session, sql: str = "SELECT a FROM dt ORDER BY a") -> list[Any]:
    """The values of a query's first column."""
    return run(session, sql).table.column(0).to_pylist()


def test_a_read_within_the_target_lag_refreshes_nothing(session: Session) -> None:
    grow_old(session, age=timedelta(hours=23))
    assert values(session) == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM dt ORDER BY a",
        "SELECT a FROM v ORDER BY a",
        "WITH c AS (SELECT a FROM dt) SELECT a FROM c ORDER BY a",
        "SELECT s.a FROM source AS s JOIN dt USING (a) ORDER BY 1",
        "SELECT a FROM source WHERE a IN (SELECT a FROM dt) ORDER BY a",
    ],
)
def test_a_read_of_old_content_refreshes_it(session: Session, sql: str) -> None:
    run(session, "CREATE VIEW v AS SELECT a FROM dt")
    grow_old(session)
    assert values(session, sql) == [1, 2]


def test_a_change_that_reads_old_content_refreshes_it(session: Session) -> None:
    run(session, "CREATE TABLE other (a INT)")
    grow_old(session)
    run(session, "INSERT INTO other SELECT a FROM dt")
    grow_old(session)
    run(session, "INSERT INTO source VALUES (3)")
    run(session, "CREATE TABLE third AS SELECT a FROM dt")
    assert values(session, "SELECT a FROM other ORDER BY a") == [1, 2]
    assert values(session, "SELECT a FROM third ORDER BY a") == [1, 2, 3]


def test_a_transaction_that_has_changed_something_sees_the_refresh_and_keeps_its_change(session: Session) -> None:
    run(session, "CREATE TABLE other (a INT)")
    run(session, "BEGIN")
    run(session, "INSERT INTO other VALUES (7)")
    grow_old(session)
    assert values(session) == [1, 2]
    reader = Session(session.account)
    reader.use("DB", "PUBLIC")
    assert values(reader, "SELECT a FROM other") == []
    assert values(reader) == [1, 2]
    run(session, "COMMIT")
    assert values(reader, "SELECT a FROM other") == [7]
    reader.close()


def test_a_transaction_sees_what_another_reader_has_refreshed(session: Session) -> None:
    run(session, "CREATE TABLE other (a INT)")
    run(session, "BEGIN")
    run(session, "INSERT INTO other VALUES (7)")
    reader = Session(session.account)
    reader.use("DB", "PUBLIC")
    grow_old(session)
    assert values(reader) == [1, 2]
    assert values(session) == [1, 2]
    reader.close()


def test_a_suspended_table_stays_as_it_is(session: Session) -> None:
    run(session, "ALTER DYNAMIC TABLE dt SUSPEND")
    grow_old(session)
    assert values(session) == [1]
    run(session, "ALTER DYNAMIC TABLE dt RESUME")
    assert values(session) == [1, 2]


def test_a_table_downstream_decides_how_old_its_sources_may_be(session: Session) -> None:
    run(session, "CREATE DYNAMIC TABLE up TARGET_LAG = DOWNSTREAM WAREHOUSE = w AS SELECT a FROM source")
    run(session, "INSERT INTO source VALUES (3)")
    grow_old(session, ("DB", "PUBLIC", "UP"))
    assert values(session, "SELECT a FROM up ORDER BY a") == [1, 2]
    run(session, "CREATE DYNAMIC TABLE down TARGET_LAG = '1 hour' WAREHOUSE = w AS SELECT a FROM up")
    grow_old(session, ("DB", "PUBLIC", "UP"))
    assert values(session, "SELECT a FROM up ORDER BY a") == [1, 2, 3]
    run(session, "INSERT INTO source VALUES (4)")
    grow_old(session, ("DB", "PUBLIC", "DOWN"))
    assert values(session, "SELECT a FROM down ORDER BY a") == [1, 2, 3, 4]


def test_a_failed_refresh_leaves_the_content_and_after_five_the_table_is_suspended(session: Session) -> None:
    run(session, "ALTER TABLE source RENAME TO elsewhere")
    for failures in range(1, 6):
        grow_old(session)
        assert values(session) == [1]
        assert session.account.catalog.get(KIND, KEY).definition["errors"] == failures
    assert values(session, 'SHOW DYNAMIC TABLES ->> SELECT "scheduling_state" FROM $1') == ["SUSPENDED"]
    run(session, "ALTER TABLE elsewhere RENAME TO source")
    run(session, "ALTER DYNAMIC TABLE dt RESUME")
    grow_old(session)
    assert values(session) == [1, 2]


def test_columns_that_come_later_are_not_read_and_those_that_go_are_missed(session: Session) -> None:
    run(session, "CREATE DYNAMIC TABLE stars TARGET_LAG = '1 day' WAREHOUSE = w AS SELECT * FROM source")
    run(session, "ALTER TABLE source ADD COLUMN b INT")
    run(session, "ALTER DYNAMIC TABLE stars REFRESH")
    assert run(session, "SELECT * FROM stars").table.column_names == ["A"]
    run(session, "ALTER TABLE source DROP COLUMN a")
    with pytest.raises(SqlError):
        run(session, "ALTER DYNAMIC TABLE stars REFRESH")
    assert values(session, "SELECT a FROM stars ORDER BY a") == [1, 2]


def test_what_a_crash_leaves_half_made_is_not_there_afterwards(tmp_path: Path, session: Session) -> None:
    catalog, key = session.account.catalog, ("DB", "PUBLIC", "HALF")
    definition = catalog.get(KIND, KEY).definition
    run(session, "CREATE TABLE half AS SELECT 1 AS a")
    catalog.create(KIND, key, {**definition, "creating": True})
    catalog.create(KIND, ("DB", "PUBLIC", "NO_TABLE"), definition)
    run(session, "CREATE DYNAMIC TABLE moved TARGET_LAG = '1 day' WAREHOUSE = w AS SELECT a FROM source")
    catalog.update(KIND, ("DB", "PUBLIC", "MOVED"), renaming=("DB", "PUBLIC", "NEW"))
    session.cursor.query('ALTER TABLE "DB"."PUBLIC"."MOVED" RENAME TO "NEW"')
    dynamic_tables.recover(session.account.engine, catalog)
    assert [entry.key[2] for entry in catalog.entries(KIND)] == ["DT", "NEW"]
    with pytest.raises(Exception, match="HALF"):
        run(session, "SELECT * FROM half")


def test_a_replacement_that_was_cut_short_comes_to_nothing(session: Session) -> None:
    session.account.catalog.update(KIND, KEY, rebuild=True)
    run(session, "CREATE TABLE other AS SELECT 'x' AS one, 'y' AS two")
    session.cursor.query('CREATE OR REPLACE TABLE "DB"."PUBLIC"."DT" AS SELECT * FROM "DB"."PUBLIC"."OTHER"')
    dynamic_tables.recover(session.account.engine, session.account.catalog)
    assert values(session) == [1, 2]


def test_a_replacement_has_the_new_columns_and_one_that_fails_leaves_the_old(session: Session) -> None:
    create = "CREATE OR REPLACE DYNAMIC TABLE dt TARGET_LAG = '1 day' WAREHOUSE = w AS"
    with pytest.raises(Exception, match="B"):
        run(session, f"{create} SELECT b FROM source")
    assert values(session) == [1]
    run(session, f"{create} SELECT a * 2 AS b FROM source")
    assert values(session, "SELECT b FROM dt ORDER BY b") == [2, 4]


def test_what_replaces_a_dropped_schemas_dynamic_table_is_a_table_like_any_other(session: Session) -> None:
    run(session, "CREATE SCHEMA other")
    run(session, "CREATE DYNAMIC TABLE gone TARGET_LAG = '1 day' WAREHOUSE = w AS SELECT 1 AS a")
    run(session, "DROP SCHEMA other")
    run(session, "CREATE SCHEMA other")
    run(session, "CREATE TABLE gone (a INT)")
    run(session, "INSERT INTO gone VALUES (5)")
    assert values(session, "SELECT a FROM gone") == [5]


def test_a_restart_keeps_dynamic_tables(tmp_path: Path, session: Session) -> None:
    session.close()
    session.account.engine.close()
    again = Session(open_account(tmp_path))
    again.use("DB", "PUBLIC")
    assert values(again) == [1]
    grow_old(again)
    assert values(again) == [1, 2]
    again.close()


def test_readers_at_once_refresh_once_and_all_see_it(session: Session) -> None:
    readers = [Session(session.account) for _ in range(6)]
    for reader in readers:
        reader.use("DB", "PUBLIC")
    before = len(session.account.catalog.history(dynamic_tables.HISTORY))
    grow_old(session)
    with ThreadPoolExecutor(len(readers)) as pool:
        found = list(pool.map(values, readers))
    assert found == [[1, 2]] * len(readers)
    assert len(session.account.catalog.history(dynamic_tables.HISTORY)) == before + 1
    for reader in readers:
        reader.close()


def test_names_may_be_anything(session: Session) -> None:
    run(session, 'CREATE TABLE "so.urce ""x""" AS SELECT 1 AS "a ""b"""')
    options = "TARGET_LAG = '1 day' WAREHOUSE = w"
    run(session, f'CREATE DYNAMIC TABLE "d.t ""y""" {options} AS SELECT "a ""b""" FROM "so.urce ""x"""')
    run(session, 'INSERT INTO "so.urce ""x""" VALUES (2)')
    run(session, 'ALTER DYNAMIC TABLE "d.t ""y""" REFRESH')
    assert values(session, 'SELECT * FROM "d.t ""y""" ORDER BY 1') == [1, 2]
    run(session, 'ALTER DYNAMIC TABLE "d.t ""y""" RENAME TO "z""z"')
    run(session, 'DROP DYNAMIC TABLE "z""z"')


@pytest.mark.parametrize(
    ("text", "shown", "seconds"),
    [
        ("1d", "1 day", 86400),
        ("2 HOURS", "2 hours", 7200),
        ("  5   minutes ", "5 minutes", 300),
        ("60 s", "60 seconds", 60),
        ("downstream", "DOWNSTREAM", None),
    ],
)
def test_target_lags(text: str, shown: str, seconds: int | None) -> None:
    assert (lag_text(text), lag_seconds(text)) == (shown, seconds)


@pytest.mark.parametrize("text", ["", "59 seconds", "1 week", "day", "1 day 2 hours", "-1 day"])
def test_no_target_lags(text: str) -> None:
    with pytest.raises(SqlError):
        lag_text(text)
