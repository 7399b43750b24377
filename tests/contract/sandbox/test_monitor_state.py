"""What monitors keep in the sandbox, and what they do where Snowflake refreshes them by and by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snowflake.connector
from sklearn.linear_model import LogisticRegression
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh, refused

from include.sandbox import process

JANUARY = "'2024-01-01'::TIMESTAMP_NTZ, '2024-02-01'::TIMESTAMP_NTZ"


def prepare(settings: dict[str, Any], *, versions: int) -> tuple[str, str]:
    """A model of two classes and a table of scored rows."""
    model, table = fresh("MODEL"), fresh("SCORED")
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    with Session.builder.configs(settings).create() as session:
        registry = Registry(session, database_name="SANDBOX", schema_name="PUBLIC")
        logged = LogisticRegression().fit(features, [0, 0, 1, 1])
        registry.log_model(logged, model_name=model, version_name="V1", sample_input_data=features)
        for number in range(2, versions + 1):
            session.sql(f"ALTER MODEL {model} ADD VERSION V{number} FROM MODEL {model} VERSION V1").collect()
        columns = "ts TIMESTAMP_NTZ, score FLOAT, class NUMBER, age FLOAT, city VARCHAR, plan VARCHAR, street VARCHAR"
        session.sql(f"CREATE TABLE {table} ({columns})").collect()
        session.sql(f"INSERT INTO {table} VALUES ('2024-01-01', 0.5, 1, 30, 'Bern', 'a', 'x')").collect()
    return model, table


def create(cursor: SnowflakeCursor, name: str, model: str, table: str, more: str, version: str = "V1") -> None:
    cursor.execute(
        f"CREATE MODEL MONITOR {name} WITH MODEL={model} VERSION={version} FUNCTION='predict' SOURCE={table}"
        " WAREHOUSE=COMPUTE_WH REFRESH_INTERVAL='1 day' AGGREGATION_WINDOW='1 day' TIMESTAMP_COLUMN=ts"
        f" PREDICTION_SCORE_COLUMNS=('SCORE') ACTUAL_CLASS_COLUMNS=('CLASS') {more}"
    )


def ask(cursor: SnowflakeCursor, name: str, kind: str, arguments: str) -> Any:
    call = f"MODEL_MONITOR_{kind}_METRIC('{name}', {arguments}, 'ALL', {JANUARY})"
    return cursor.execute(f"SELECT metric_value FROM TABLE({call})").fetchall()


def described(cursor: SnowflakeCursor, name: str) -> dict[str, Any]:
    (row,) = cursor.execute(f"DESC MODEL MONITOR {name}").fetchall()
    return dict(zip([column.name for column in cursor.description], row, strict=True))


@pytest.fixture(scope="module")
def model(sandbox: process.Sandbox) -> tuple[str, str]:
    return prepare(sandbox.settings.connection(), versions=1)


@pytest.fixture
def cursor(sandbox: process.Sandbox) -> Iterator[SnowflakeCursor]:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as opened:
        yield opened


@pytest.fixture
def monitor(cursor: SnowflakeCursor, model: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """A monitor and its own copy of the scored rows."""
    name, table = fresh("MONITOR"), fresh("COPY")
    cursor.execute(f"CREATE TABLE {table} CLONE {model[1]}")
    create(cursor, name, model[0], table, f"BASELINE={table}")
    yield name, table
    cursor.execute(f"DROP MODEL MONITOR {name}")


def test_a_killed_sandbox_keeps_its_monitors(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process.start(state, only="snowflake")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", before.env["REQUESTS_CA_BUNDLE"])
    model, table = prepare(before.settings.connection(), versions=2)
    with snowflake.connector.connect(**before.settings.connection()) as connection, connection.cursor() as cursor:
        create(cursor, "ACTIVE", model, table, f"BASELINE={table} SEGMENT_COLUMNS=(city)")
        create(cursor, "SUSPENDED", model, table, "", version="V2")
        cursor.execute("ALTER MODEL MONITOR SUSPENDED SUSPEND")
        cursor.execute(f"UPDATE {table} SET age = 50")
        known = described(cursor, "ACTIVE")
        before.kill()

    # What a crash between writing a file and referring to it leaves.
    (state / "snowflake" / "monitors" / "unfinished.parquet").write_bytes(b"PAR1")
    after = process.start(state, only="snowflake", snowflake_port=None)
    try:
        with snowflake.connector.connect(**after.settings.connection()) as connection, connection.cursor() as cursor:
            assert ask(cursor, "ACTIVE", "DRIFT", "'WASSERSTEIN', 'AGE'") == [(20,)]
            assert ask(cursor, "SUSPENDED", "STAT", "'SUM', 'AGE'") == [(30,)]
            shown = described(cursor, "ACTIVE")
            assert {k: v for k, v in shown.items() if "timestamp" not in k} == {
                k: v for k, v in known.items() if "timestamp" not in k
            }
            assert len(list((state / "snowflake" / "monitors").iterdir())) == 2
            cursor.execute("ALTER MODEL MONITOR SUSPENDED RESUME")
            cursor.execute("DROP MODEL MONITOR ACTIVE")
            assert not list((state / "snowflake" / "monitors").iterdir())
    finally:
        after.stop()


def test_a_suspended_monitor_does_not_look_at_new_rows(cursor: SnowflakeCursor, monitor: tuple[str, str]) -> None:
    name, table = monitor
    cursor.execute(f"ALTER MODEL MONITOR {name} SUSPEND")
    cursor.execute(f"INSERT INTO {table} (ts, score, class, age) VALUES ('2024-01-02', 0.5, 0, 10)")
    assert ask(cursor, name, "STAT", "'COUNT', 'AGE'") == [(1,)]
    assert ask(cursor, name, "PERFORMANCE", "'ROC_AUC'") == [(None,)]
    cursor.execute(f"ALTER MODEL MONITOR {name} RESUME")
    assert ask(cursor, name, "STAT", "'COUNT', 'AGE'") == [(2,)]
    assert ask(cursor, name, "PERFORMANCE", "'ROC_AUC'") == [(0.5,)]


@pytest.mark.parametrize(
    ("column", "value", "kind", "arguments"),
    [
        ("age", "'NaN'::FLOAT", "STAT", "'AVG', 'AGE'"),
        ("age", "'inf'::FLOAT", "DRIFT", "'WASSERSTEIN', 'AGE'"),
        ("score", "1.5", "PERFORMANCE", "'ROC_AUC'"),
        ("score", "-0.5", "PERFORMANCE", "'ROC_AUC'"),
        ("class", "2", "PERFORMANCE", "'ROC_AUC'"),
    ],
)
def test_rows_that_would_suspend_a_monitor_are_told_of(
    cursor: SnowflakeCursor, monitor: tuple[str, str], column: str, value: str, kind: str, arguments: str
) -> None:
    name, table = monitor
    cursor.execute(f"UPDATE {table} SET {column} = {value}")
    with refused(100038, column.upper()):
        ask(cursor, name, kind, arguments)


def test_a_monitor_without_its_source_says_so(cursor: SnowflakeCursor, monitor: tuple[str, str]) -> None:
    name, table = monitor
    cursor.execute(f"DROP TABLE {table}")
    row = described(cursor, name)
    assert (row["monitor_state"], json.loads(row["source"])["status"]) == ("SUSPENDED", "DELETED")
    assert table in json.loads(row["aggregation_last_error"])["SOURCE_AGGREGATED"]
    with refused(2003, table):
        ask(cursor, name, "STAT", "'COUNT', 'AGE'")
    cursor.execute(f"ALTER MODEL MONITOR {name} SUSPEND")
    cursor.execute(f"ALTER MODEL MONITOR {name} RESUME")
    cursor.execute(f"CREATE TABLE {table} (ts TIMESTAMP_NTZ, score FLOAT, class NUMBER, age FLOAT)")
    assert described(cursor, name)["monitor_state"] == "ACTIVE"


def test_a_monitor_follows_its_version_to_another_name(
    cursor: SnowflakeCursor, model: tuple[str, str], monitor: tuple[str, str]
) -> None:
    renamed = fresh("RENAMED")
    cursor.execute(f"ALTER MODEL {model[0]} RENAME TO {renamed}")
    shown = json.loads(described(cursor, monitor[0])["model"])
    assert (shown["model_name"], shown["model_status"], shown["version_status"]) == (renamed, "ACTIVE", "ACTIVE")
    with refused(2002, "already exists"):
        create(cursor, fresh("SECOND"), renamed, monitor[1], "")
    cursor.execute(f"ALTER MODEL {renamed} RENAME TO {model[0]}")


def test_a_monitor_looks_at_no_temporary_table(cursor: SnowflakeCursor, monitor: tuple[str, str]) -> None:
    name, table = monitor
    cursor.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM {table} WHERE FALSE")
    assert ask(cursor, name, "STAT", "'COUNT', 'AGE'") == [(1,)]
    cursor.execute(f"DROP TABLE {table}")


def test_changes_at_once_do_not_undo_one_another(
    sandbox: process.Sandbox, cursor: SnowflakeCursor, monitor: tuple[str, str]
) -> None:
    def add(column: str) -> None:
        with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
            connection.cursor().execute(f"ALTER MODEL MONITOR {monitor[0]} ADD SEGMENT_COLUMN = {column}")

    columns = ["CITY", "PLAN", "STREET"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, columns))
    assert sorted(json.loads(described(cursor, monitor[0])["columns"])["segment_columns"]) == columns


@pytest.mark.parametrize("option", ["GATEWAY = g", "GROUND_TRUTH = t", "TIMESTAMP_CUSTOM_METRIC_TABLE = t"])
def test_monitors_of_gateways_are_refused(cursor: SnowflakeCursor, model: tuple[str, str], option: str) -> None:
    with refused(2, option.split()[0]):
        create(cursor, fresh("REFUSED"), *model, option)


def test_metrics_of_services_are_refused(cursor: SnowflakeCursor, monitor: tuple[str, str]) -> None:
    with refused(2, "SERVICE"):
        cursor.execute(
            f"SELECT * FROM TABLE(MODEL_MONITOR_STAT_METRIC('{monitor[0]}', 'COUNT', 'AGE', SERVICE => 'db.s.x'))"
        )
