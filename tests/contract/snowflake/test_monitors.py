"""Model monitors: what CREATE and ALTER take and refuse, what SHOW and DESCRIBE tell, and the Python client's way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import DictCursor, SnowflakeCursor
from snowflake.ml.monitoring.entities import model_monitor_config as config
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException
from snowflake_support import fresh, refused

OPTIONS = {
    "VERSION": "'V1'",
    "FUNCTION": "'predict'",
    "REFRESH_INTERVAL": "'1 day'",
    "AGGREGATION_WINDOW": "'1 day'",
    "TIMESTAMP_COLUMN": "ts",
    "PREDICTION_SCORE_COLUMNS": "('SCORE')",
    "ACTUAL_CLASS_COLUMNS": "('ACTUAL')",
}
COLUMNS = (
    "id VARCHAR, ts TIMESTAMP_NTZ, zoned TIMESTAMP_TZ, score FLOAT, class NUMBER, actual NUMBER, label VARCHAR,"
    "amount FLOAT, actual_amount FLOAT, age NUMBER(10, 2), city VARCHAR, member BOOLEAN, born DATE, bespoke FLOAT,"
    '"with ""quotes""" FLOAT'
)


@pytest.fixture(scope="module")
def binary(registry: Registry, session: Session) -> str:
    """A model of two classes, with versions V1 and V2."""
    name = fresh("BINARY")
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = LogisticRegression().fit(features, [0, 0, 1, 1])
    registry.log_model(model, model_name=name, version_name="V1", sample_input_data=features)
    session.sql(f"ALTER MODEL {name} ADD VERSION V2 FROM MODEL {name} VERSION V1").collect()
    return name


@pytest.fixture(scope="module")
def regression(registry: Registry) -> str:
    """A model of a number, with a version V1 and a version V2 that nobody knows the task of."""
    name = fresh("REGRESSION")
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = LinearRegression().fit(features, [0, 1, 2, 3])
    registry.log_model(model, model_name=name, version_name="V1", sample_input_data=features)
    scaler = StandardScaler().fit(features)
    registry.log_model(scaler, model_name=name, version_name="V2", sample_input_data=features)
    return name


@pytest.fixture(scope="module")
def source(session: Session) -> str:
    """A table of scored rows."""
    name = fresh("SCORED")
    session.sql(f"CREATE TABLE {name} ({COLUMNS})").collect()
    session.sql(f"ALTER TABLE {name} SET CHANGE_TRACKING = TRUE").collect()
    session.sql(
        f"INSERT INTO {name} (id, ts, score, class, actual, age, city, member) "
        "VALUES ('1', '2024-01-01 12:00:00', 0.25, 0, 0, 31.5, 'Bern', TRUE)"
    ).collect()
    return name


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    with connection.cursor(DictCursor) as opened:
        yield opened


@pytest.fixture(scope="module")
def warehouse(session: Session) -> str:
    return str(session.get_current_warehouse()).strip('"')


@pytest.fixture
def create(cursor: SnowflakeCursor, binary: str, source: str, warehouse: str) -> Iterator[Callable[..., str]]:
    """Create a monitor of the binary model: options are replaced by keyword, left out with None."""
    created: list[str] = []

    def run(name: str = "", head: str = "CREATE MODEL MONITOR", **changed: str | None) -> str:
        name = name or fresh("MONITOR")
        given = {"MODEL": binary, "SOURCE": source, "WAREHOUSE": warehouse, **OPTIONS, **changed}
        written = " ".join(f"{option} = {value}" for option, value in given.items() if value is not None)
        cursor.execute(f"{head} {name} WITH {written}")
        created.append(name)
        return name

    yield run
    for name in created:
        cursor.execute(f"DROP MODEL MONITOR IF EXISTS {name}")


def described(cursor: SnowflakeCursor, name: str) -> dict[str, Any]:
    (row,) = cursor.execute(f"DESC MODEL MONITOR {name}").fetchall()
    return row


def columns_of(cursor: SnowflakeCursor, name: str) -> dict[str, Any]:
    columns: dict[str, Any] = json.loads(described(cursor, name)["columns"])
    return columns


# ---- what is shown -------------------------------------------------------------------------------


def test_a_monitor_is_shown_with_what_it_looks_at(
    cursor: SnowflakeCursor,
    create: Callable[..., str],
    binary: str,
    source: str,
    warehouse: str,
    account: dict[str, Any],
) -> None:
    name = create(
        ID_COLUMNS="('ID')",
        PREDICTION_CLASS_COLUMNS="('CLASS')",
        SEGMENT_COLUMNS="(CITY, 'LABEL')",
        CUSTOM_METRIC_COLUMNS="('BESPOKE')",
        COMMENT="'watch it'",
        BASELINE=source,
    )
    (shown,) = cursor.execute(f"SHOW MODEL MONITORS LIKE '{name}'").fetchall()
    assert (shown["name"], shown["database_name"], shown["schema_name"], shown["comment"]) == (
        name,
        account["database"],
        account["schema"],
        "watch it",
    )
    assert (shown["refresh_interval"], shown["aggregation_window"], shown["warehouse_name"]) == (
        "1 day",
        "1 day",
        warehouse,
    )
    assert (shown["model_task"], shown["monitor_state"]) == ("TABULAR_BINARY_CLASSIFICATION", "ACTIVE")
    model = json.loads(shown["model"])
    assert (model["model_name"], model["version_name"], model["function_name"].upper()) == (binary, "V1", "PREDICT")
    assert (model["model_status"], model["version_status"]) == ("ACTIVE", "ACTIVE")
    table = {"name": source, "database_name": account["database"], "schema_name": account["schema"]}
    assert json.loads(shown["source"]) == {**table, "status": "ACTIVE"}
    assert json.loads(shown["baseline"]) == {**table, "status": "ACTIVE"}
    full = described(cursor, name)
    assert {key: full[key] for key in shown} == shown
    assert set(json.loads(full["aggregation_status"]).values()) == {"ACTIVE"}
    assert set(json.loads(full["aggregation_last_error"])) == {
        f"{part}_AGGREGATED{segment}" for part in ("SOURCE", "ACCURACY") for segment in ("", "_CITY", "_LABEL")
    }


def test_the_columns_without_a_part_are_the_features(cursor: SnowflakeCursor, create: Callable[..., str]) -> None:
    name = create(ID_COLUMNS="['ID']", SEGMENT_COLUMNS="('LABEL')", CUSTOM_METRIC_COLUMNS="('BESPOKE')")
    columns = columns_of(cursor, name)
    assert columns["timestamp_column"] == "TS"
    assert columns["id_columns"] == ["ID"]
    assert columns["prediction_score_columns"] == ["SCORE"]
    assert columns["prediction_class_columns"] == []
    assert columns["actual_class_columns"] == ["ACTUAL"]
    assert columns["segment_columns"] == ["LABEL"]
    assert columns["custom_metric_columns"] == ["BESPOKE"]
    assert sorted(columns["numerical_columns"]) == ["ACTUAL_AMOUNT", "AGE", "AMOUNT", "CLASS", 'with "quotes"']
    assert columns["string_columns"] == ["CITY"]
    assert columns["boolean_columns"] == ["MEMBER"]


def test_monitors_are_listed_by_place_and_name(
    cursor: SnowflakeCursor, create: Callable[..., str], account: dict[str, Any]
) -> None:
    name = create()
    place = f"{account['database']}.{account['schema']}"
    for scope in ("", f"IN {place}", f"IN SCHEMA {place}", f"IN DATABASE {account['database']}", "IN ACCOUNT"):
        assert name in [row["name"] for row in cursor.execute(f"SHOW MODEL MONITORS {scope}").fetchall()]
    assert cursor.execute(f"SHOW MODEL MONITORS LIKE '{name.lower()}' IN {place}").fetchall()
    assert not cursor.execute(f"SHOW MODEL MONITORS LIKE '{name}_' IN {place}").fetchall()


def test_options_may_stand_in_any_order_and_hold_comments(
    cursor: SnowflakeCursor, binary: str, source: str, warehouse: str
) -> None:
    name = f'"{fresh("Mon itor")} ""x"""'
    cursor.execute(
        f"""create or replace model monitor {name} with -- of the model
            aggregation_window='7 days' ACTUAL_CLASS_COLUMNS=() /* none */ prediction_score_columns=('"SCORE"')
            Timestamp_Column='TS' SOURCE={source} WAREHOUSE='{warehouse}' refresh_interval='60 seconds'
            FUNCTION='predict' VERSION=v1 MODEL={binary};"""
    )
    assert columns_of(cursor, name)["actual_class_columns"] == []
    assert described(cursor, name)["aggregation_window"] == "7 days"
    cursor.execute(f"DROP MODEL MONITOR {name}")


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["MODEL", "VERSION", "FUNCTION", "SOURCE", "WAREHOUSE", "TIMESTAMP_COLUMN"])
def test_a_missing_option_is_refused(create: Callable[..., str], option: str) -> None:
    with refused(2029, option):
        create(**{option: None})


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"MODEL": "NO_SUCH_MODEL"}, 2003, "NO_SUCH_MODEL"),
        ({"VERSION": "'V9'"}, 2003, "V9"),
        ({"FUNCTION": "'transform'"}, 2141, "TRANSFORM"),
        ({"SOURCE": "NO_SUCH_TABLE"}, 2003, "NO_SUCH_TABLE"),
        ({"BASELINE": "NO_SUCH_TABLE"}, 2003, "NO_SUCH_TABLE"),
        ({"WAREHOUSE": "NO_SUCH_WAREHOUSE"}, 2003, "NO_SUCH_WAREHOUSE"),
        ({"REFRESH_INTERVAL": "'59 seconds'"}, 1008, "60 seconds"),
        ({"REFRESH_INTERVAL": "'soon'"}, 1008, "REFRESH_INTERVAL"),
        ({"REFRESH_INTERVAL": "60"}, 1008, "REFRESH_INTERVAL"),
        ({"AGGREGATION_WINDOW": "'24 hours'"}, 1008, "days"),
        ({"AGGREGATION_WINDOW": "'0 days'"}, 1008, "days"),
        ({"TIMESTAMP_COLUMN": "zoned"}, 1008, "TIMESTAMP_NTZ"),
        ({"TIMESTAMP_COLUMN": "born"}, 1008, "TIMESTAMP_NTZ"),
        ({"TIMESTAMP_COLUMN": "missing"}, 904, "MISSING"),
        ({"PREDICTION_SCORE_COLUMNS": None}, 1008, "prediction column"),
        ({"PREDICTION_SCORE_COLUMNS": "('CITY')"}, 1008, "NUMBER"),
        ({"PREDICTION_SCORE_COLUMNS": "('SCORE', 'AGE')"}, 1008, "one element"),
        ({"PREDICTION_SCORE_COLUMNS": "('NO SUCH')"}, 1008, "double quotes"),
        ({"PREDICTION_SCORE_COLUMNS": "'SCORE'"}, 1008, "list"),
        ({"PREDICTION_CLASS_COLUMNS": "('LABEL')"}, 1008, "NUMBER"),
        ({"ACTUAL_CLASS_COLUMNS": "('LABEL')"}, 1008, "NUMBER"),
        ({"ACTUAL_CLASS_COLUMNS": "('SCORE')"}, 1008, "once"),
        ({"ACTUAL_SCORE_COLUMNS": "('AMOUNT')"}, 1008, "classes"),
        ({"ID_COLUMNS": "('MISSING')"}, 904, "MISSING"),
        ({"SEGMENT_COLUMNS": "('AGE')"}, 1008, "STRING"),
        ({"SEGMENT_COLUMNS": "('A', 'B', 'C', 'D', 'E', 'F')"}, 904, "A"),
        ({"CUSTOM_METRIC_COLUMNS": "('CITY')"}, 1008, "NUMBER"),
        ({"PREDICTION_COLUMNS": "('SCORE')"}, 1420, "PREDICTION_COLUMNS"),
        ({"VERSION": "'V1' VERSION = 'V2'"}, 1405, "VERSION"),
    ],
)
def test_an_option_that_breaks_a_rule_is_refused(
    cursor: SnowflakeCursor, create: Callable[..., str], changed: dict[str, str | None], code: int, text: str
) -> None:
    name = fresh("REFUSED")
    with refused(code, text):
        create(name, **changed)
    assert not cursor.execute(f"SHOW MODEL MONITORS LIKE '{name}'").fetchall()


def test_a_model_without_a_known_task_cannot_be_monitored(create: Callable[..., str], regression: str) -> None:
    with refused(1008, "task"):
        create(MODEL=regression, VERSION="'V2'", FUNCTION="'transform'")


def test_a_regression_is_monitored_by_scores(
    cursor: SnowflakeCursor, create: Callable[..., str], regression: str
) -> None:
    scores = {"PREDICTION_SCORE_COLUMNS": "('AMOUNT')", "ACTUAL_SCORE_COLUMNS": "('ACTUAL_AMOUNT')"}
    name = create(MODEL=regression, ACTUAL_CLASS_COLUMNS=None, **scores)
    assert described(cursor, name)["model_task"] == "TABULAR_REGRESSION"


def test_a_version_has_one_monitor(cursor: SnowflakeCursor, create: Callable[..., str]) -> None:
    name = create()
    with refused(2002, "already exists"):
        create()
    with refused(2002, name):
        create(name)
    create(name, head="CREATE MODEL MONITOR IF NOT EXISTS", VERSION="'V2'")
    assert json.loads(described(cursor, name)["model"])["version_name"] == "V1"
    create(name, head="CREATE OR REPLACE MODEL MONITOR", VERSION="'V2'")
    assert json.loads(described(cursor, name)["model"])["version_name"] == "V2"
    create()
    with refused(1003, "IF NOT EXISTS"):
        cursor.execute(f"CREATE OR REPLACE MODEL MONITOR IF NOT EXISTS {name} WITH VERSION = 'V1'")


def test_a_monitor_lies_in_the_schema_of_its_model(
    cursor: SnowflakeCursor, create: Callable[..., str], binary: str, source: str, account: dict[str, Any]
) -> None:
    home, other = f"{account['database']}.{account['schema']}", f"{account['database']}.{fresh('OTHER')}"
    cursor.execute(f"CREATE SCHEMA {other}")
    cursor.execute(f"USE SCHEMA {home}")
    with refused(1008, "schema"):
        create(f"{other}.M", MODEL=f"{home}.{binary}", SOURCE=f"{home}.{source}")
    cursor.execute(f"DROP SCHEMA {other}")


def test_a_baseline_has_the_columns_of_the_source(
    cursor: SnowflakeCursor, create: Callable[..., str], source: str
) -> None:
    with_less, with_others = fresh("LESS"), fresh("OTHERS")
    cursor.execute(f"CREATE TABLE {with_less} AS SELECT * EXCLUDE (age) FROM {source}")
    cursor.execute(f"CREATE TABLE {with_others} AS SELECT * EXCLUDE (age), 'x' AS age FROM {source}")
    with refused(904, "AGE"):
        create(BASELINE=with_less)
    with refused(1008, "AGE"):
        create(BASELINE=with_others)


# ---- ALTER, DROP ---------------------------------------------------------------------------------


def test_a_monitor_is_suspended_and_resumed(cursor: SnowflakeCursor, create: Callable[..., str]) -> None:
    name = create()
    for action, state in (
        ("RESUME", "ACTIVE"),
        ("SUSPEND", "SUSPENDED"),
        ("SUSPEND", "SUSPENDED"),
        ("RESUME", "ACTIVE"),
    ):
        cursor.execute(f"ALTER MODEL MONITOR {name} {action}")
        row = described(cursor, name)
        assert row["monitor_state"] == state
        assert set(json.loads(row["aggregation_status"]).values()) == {state}


def test_the_properties_of_a_monitor_are_set(
    cursor: SnowflakeCursor, create: Callable[..., str], source: str, warehouse: str
) -> None:
    name = create()
    assert json.loads(described(cursor, name)["baseline"])["status"] == "NOT_SET"
    cursor.execute(
        f"ALTER MODEL MONITOR {name} SET BASELINE='{source}' REFRESH_INTERVAL='2 hours' "
        f"WAREHOUSE={warehouse} COMMENT='c'"
    )
    row = described(cursor, name)
    assert (row["refresh_interval"], row["comment"], row["warehouse_name"]) == ("2 hours", "c", warehouse)
    assert json.loads(row["baseline"])["name"] == source
    cursor.execute(f"ALTER MODEL MONITOR {name} UNSET BASELINE")
    cursor.execute(f"ALTER MODEL MONITOR {name} UNSET COMMENT")
    row = described(cursor, name)
    assert json.loads(row["baseline"])["status"] == "NOT_SET"
    assert not row["comment"]
    for wrong, code in (
        ("REFRESH_INTERVAL='1 second'", 1008),
        ("WAREHOUSE=NO_SUCH_WAREHOUSE", 2003),
        ("BASELINE='NO_SUCH_TABLE'", 2003),
        ("SOURCE=OTHER", 1420),
    ):
        with refused(code, wrong.split("=")[0] if code != 2003 else "NO_SUCH"):
            cursor.execute(f"ALTER MODEL MONITOR {name} SET {wrong}")


def test_segment_columns_come_and_go(cursor: SnowflakeCursor, create: Callable[..., str]) -> None:
    name = create()
    cursor.execute(f"ALTER MODEL MONITOR {name} ADD SEGMENT_COLUMN = 'CITY'")
    assert columns_of(cursor, name)["segment_columns"] == ["CITY"]
    with refused(2002, "already exists"):
        cursor.execute(f"ALTER MODEL MONITOR {name} ADD segment_column = city")
    with refused(904, "MISSING"):
        cursor.execute(f"ALTER MODEL MONITOR {name} ADD SEGMENT_COLUMN = 'MISSING'")
    with refused(1008, "STRING"):
        cursor.execute(f"ALTER MODEL MONITOR {name} ADD SEGMENT_COLUMN = 'AGE'")
    cursor.execute(f"ALTER MODEL MONITOR {name} DROP segment_column = CITY")
    assert columns_of(cursor, name)["segment_columns"] == []
    with refused(904, "CITY"):
        cursor.execute(f"ALTER MODEL MONITOR {name} DROP SEGMENT_COLUMN = CITY")


def test_what_is_not_there_is_not_altered_or_dropped(cursor: SnowflakeCursor, create: Callable[..., str]) -> None:
    name = create()
    cursor.execute(f"DROP MODEL MONITOR {name}")
    for statement in (
        f"DROP MODEL MONITOR {name}",
        f"DESCRIBE MODEL MONITOR {name}",
        f"ALTER MODEL MONITOR {name} SUSPEND",
    ):
        with refused(2003, name):
            cursor.execute(statement)
    cursor.execute(f"DROP MODEL MONITOR IF EXISTS {name}")
    cursor.execute(f"ALTER MODEL MONITOR IF EXISTS {name} RESUME")


def test_a_monitor_outlives_what_it_looks_at(
    cursor: SnowflakeCursor, create: Callable[..., str], binary: str, source: str
) -> None:
    copy, model = fresh("COPY"), fresh("MODEL")
    cursor.execute(f"CREATE TABLE {copy} CLONE {source}")
    cursor.execute(f"CREATE MODEL {model} WITH VERSION V1 FROM MODEL {binary} VERSION V1")
    name = create(MODEL=model, SOURCE=copy, BASELINE=copy)
    cursor.execute(f"DROP TABLE {copy}")
    cursor.execute(f"DROP MODEL {model}")
    row = described(cursor, name)
    assert json.loads(row["baseline"])["status"] == "DELETED"
    assert json.loads(row["model"])["model_status"] == "DELETED"
    assert json.loads(row["model"])["version_status"] == "DELETED"


# ---- the Python client ---------------------------------------------------------------------------


def test_the_registry_manages_monitors(
    registry: Registry, cursor: SnowflakeCursor, binary: str, source: str, warehouse: str
) -> None:
    name = fresh("PYTHON")
    version = registry.get_model(binary).version("V1")

    def add(name: str) -> Any:
        return registry.add_monitor(
            name,
            config.ModelMonitorSourceConfig(
                source=source,
                timestamp_column="ts",
                id_columns=["id"],
                prediction_score_columns=["score"],
                actual_class_columns=["actual"],
                baseline=source,
                segment_columns=["city"],
                custom_metric_columns=["bespoke"],
            ),
            config.ModelMonitorConfig(version, "predict", warehouse),
        )

    monitor = add(name)
    try:
        assert monitor.name == name
        assert registry.get_monitor(name=name).name == name
        assert registry.get_monitor(model_version=version).name == name
        assert name in [row["name"] for row in registry.show_model_monitors()]
        with pytest.raises(SnowparkSQLException, match="already exists"):
            add(fresh("SECOND"))
        monitor.suspend()
        assert described(cursor, name)["monitor_state"] == "SUSPENDED"
        monitor.resume()
        assert described(cursor, name)["monitor_state"] == "ACTIVE"
        monitor.add_segment_column("label")
        monitor.drop_segment_column("city")
        monitor.add_custom_metric_column("age")
        monitor.drop_custom_metric_column("bespoke")
        columns = columns_of(cursor, name)
        assert (columns["segment_columns"], columns["custom_metric_columns"]) == (["LABEL"], ["AGE"])
        assert "BESPOKE" in columns["numerical_columns"]
        assert "CITY" in columns["string_columns"]
    finally:
        registry.delete_monitor(name)
    with pytest.raises(ValueError, match="Unable to find model monitor"):
        registry.get_monitor(name=name)
    with pytest.raises(ValueError, match="Unable to find model monitor"):
        registry.get_monitor(model_version=version)
