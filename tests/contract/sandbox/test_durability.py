"""What is committed is there after the sandbox is killed, and what is not is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
import snowflake.connector
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import FEATURES, classifier, people

from include.sandbox import process
from include.sandbox.snowflake.engine import Engine
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.session import Account


def test_a_killed_sandbox_comes_back_with_what_was_committed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = people(100)
    before = process.start(state, only="snowflake")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", before.env["REQUESTS_CA_BUNDLE"])
    session = Session.builder.configs(before.settings.connection()).create()
    session.write_pandas(frame, "PEOPLE", auto_create_table=True)
    registry = Registry(session, database_name="SANDBOX", schema_name="PUBLIC")
    version = registry.log_model(
        classifier(frame),
        model_name="KEPT",
        version_name="V1",
        sample_input_data=frame[FEATURES],
        target_platforms=["WAREHOUSE"],
    )
    version.set_alias("CHAMPION")
    session.close()
    open_one = snowflake.connector.connect(**before.settings.connection())
    cursor = open_one.cursor()
    cursor.execute("CREATE DATABASE other")
    cursor.execute("CREATE TABLE other.public.t AS SELECT 1 AS a")
    call = f"MODEL(SANDBOX.PUBLIC.KEPT, CHAMPION)!PREDICT_PROBA({', '.join(FEATURES)}):output_feature_1::FLOAT"
    query = f"SELECT SUM({call}) AS total FROM SANDBOX.PUBLIC.PEOPLE"
    total = cursor.execute(query).fetchone()
    cursor.execute("BEGIN")
    cursor.execute("UPDATE other.public.t SET a = 2")
    before.kill()

    # Half a version, as a crash in the middle of CREATE MODEL leaves it.
    (state / "snowflake" / "models" / "unfinished").mkdir()
    after = process.start(state, only="snowflake", snowflake_port=None)
    try:
        assert after.settings == before.settings
        open_one.close()
        with snowflake.connector.connect(**after.settings.connection()) as connection:
            cursor = connection.cursor()
            assert cursor.execute("SELECT a FROM other.public.t").fetchall() == [(1,)]
            assert cursor.execute(query).fetchone() == total
            assert [row[1] for row in cursor.execute("SHOW VERSIONS IN MODEL KEPT").fetchall()] == ["V1"]
        assert len(list((state / "snowflake" / "models").iterdir())) == 1
    finally:
        after.stop()


def test_what_lay_in_a_schema_that_is_gone_is_forgotten_at_the_next_start(tmp_path: Path) -> None:
    def opened() -> Account:
        return Account.open(tmp_path, name="a", user="u", role="r", warehouse="w")

    account = opened()
    for database in ("HERE", "THERE"):
        account.engine.create_database(database, if_not_exists=False)
        account.engine.create_schema(database, "S", if_not_exists=False)
        account.catalog.create("ALERT", (database, "S", "A"), {})
        account.catalog.create("ALERT", (database, "PUBLIC", "A"), {})
    account.catalog.create("ROLE", ("", "", "R"), {})
    # The process dies in the midst of DROP DATABASE and of DROP SCHEMA: the engine's part is done.
    account.engine.drop_database("THERE", if_exists=False)
    account.engine.drop_schema("HERE", "S", if_exists=False)
    account.engine.close()
    again = opened()
    assert [entry.key for entry in again.catalog.entries("ALERT")] == [("HERE", "PUBLIC", "A")]
    assert [entry.key[2] for entry in again.catalog.entries("ROLE")] == ["R"]
    again.engine.close()


def test_a_database_is_made_and_dropped_whole(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    for name in ("A", "A.db"):
        engine.create_database(name, if_not_exists=False)
    engine.drop_database("A", if_exists=False)
    for name in ("it's", 'so "called"', "../up"):
        with pytest.raises(SqlError, match="in the name of a database"):
            engine.create_database(name, if_not_exists=False)
    assert engine.databases() == ["A.db"]
    engine.close()
    # What crashes leave: a database that was being made, one that was being dropped, and the log of one.
    folder = tmp_path / "databases"
    for name in ("B.new", "B.new.wal", "C.dropped", "C.db.wal"):
        (folder / name).write_bytes(b"rest")
    again = Engine(tmp_path)
    assert again.databases() == ["A.db"]
    assert again.schemas("A.db") == ["PUBLIC"]
    again.create_database("C", if_not_exists=False)
    assert again.schemas("C") == ["PUBLIC"]
    again.close()
