"""The metrics of model monitors, over windows, granularities and segments.

Formulas that Snowflake does not publish are only asked for what holds of any of them: nothing where nothing changed.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from snowflake.connector import SnowflakeConnection
from snowflake.connector.constants import FIELD_ID_TO_NAME
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake.snowpark import functions as F
from snowflake_support import fresh, refused

JANUARY = "'2024-01-01'::TIMESTAMP_NTZ, '2024-02-01'::TIMESTAMP_NTZ"
SEGMENT = '{"SEGMENTS": [{"column": "CITY", "value": "%s"}]}'
ROWS = """
    ('a', '2024-01-01 01:00', 0.10, 0, 0,    30,   'Bern', TRUE,  NULL),
    ('b', '2024-01-01 23:59', 0.80, 1, 1,    40,   'Bern', FALSE, NULL),
    ('c', '2024-01-02 00:00', 0.80, 1, 0,    50,   'Oslo', TRUE,  NULL),
    ('d', '2024-01-02 12:00', 0.80, 1, 1,    NULL, 'Oslo', TRUE,  NULL),
    ('e', '2024-01-02 13:00', 0.30, 0, NULL, 70,   'Bern', NULL,  NULL),
    ('f', '2024-01-31 13:00', 0.20, 0, 1,    20,   'bern', TRUE,  NULL),
    ('g', '2024-02-01 00:00', 0.90, 1, 1,    20,   'Bern', TRUE,  NULL)
"""
Ask = Callable[..., list[tuple[Any, ...]]]


def day(number: int, month: int = 1) -> datetime:
    return datetime(2024, month, number)  # noqa: DTZ001 - a TIMESTAMP_NTZ has no zone


@pytest.fixture(scope="module")
def source(session: Session) -> str:
    name = fresh("SCORED")
    session.sql(
        f"CREATE TABLE {name} (id VARCHAR, ts TIMESTAMP_NTZ, score FLOAT, class NUMBER, actual NUMBER,"
        ' age NUMBER(10, 2), city VARCHAR, member BOOLEAN, "odd name" FLOAT)'
    ).collect()
    session.sql(f"INSERT INTO {name} VALUES {ROWS}").collect()
    return name


@pytest.fixture(scope="module")
def baseline(session: Session, source: str) -> str:
    """The rows of the first day."""
    name = fresh("BASELINE")
    session.sql(f"CREATE TABLE {name} AS SELECT * FROM {source} WHERE ts < '2024-01-02'").collect()
    return name


@pytest.fixture(scope="module")
def monitor(session: Session, registry: Registry, source: str, baseline: str) -> str:
    """A monitor of a model of two classes."""
    model, name = fresh("MODEL"), fresh("MONITOR")
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    logged = LogisticRegression().fit(features, [0, 0, 1, 1])
    registry.log_model(logged, model_name=model, version_name="V1", sample_input_data=features)
    create(session, name, model, source, f"BASELINE = {baseline} ACTUAL_CLASS_COLUMNS = ('ACTUAL')")
    return name


def create(session: Session, name: str, model: str, source: str, more: str, days: int = 1) -> None:
    session.sql(
        f"CREATE MODEL MONITOR {name} WITH MODEL = {model} VERSION = 'V1' FUNCTION = 'predict' SOURCE = {source}"
        f" WAREHOUSE = {session.get_current_warehouse()} REFRESH_INTERVAL = '60 seconds' TIMESTAMP_COLUMN = ts"
        f" AGGREGATION_WINDOW = '{days} days' ID_COLUMNS = ('ID') PREDICTION_SCORE_COLUMNS = ('SCORE')"
        f" PREDICTION_CLASS_COLUMNS = ('CLASS') SEGMENT_COLUMNS = ('CITY') {more}"
    ).collect()


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    with connection.cursor() as opened:
        yield opened


@pytest.fixture
def ask(cursor: SnowflakeCursor, monitor: str) -> Ask:
    """Ask for a metric: `ask("STAT", "'COUNT', 'AGE'", "'1 DAY'", columns="event_timestamp, metric_value")`."""

    def run(kind: str, *arguments: str, columns: str = "event_timestamp, metric_value", of: str = monitor) -> Any:
        call = f"MODEL_MONITOR_{kind}_METRIC('{of}', {', '.join(arguments)})"
        return cursor.execute(f"SELECT {columns} FROM TABLE({call}) ORDER BY event_timestamp").fetchall()

    return run


# ---- counts --------------------------------------------------------------------------------------


def test_values_are_counted_by_day(ask: Ask) -> None:
    days = [day(1), day(2), day(31)]
    assert ask("STAT", "'COUNT', 'AGE'", "'1 DAY'", JANUARY) == list(zip(days, [2, 2, 1], strict=True))
    assert ask("STAT", "'COUNT_NULL', 'AGE'", "'1 DAY'", JANUARY) == list(zip(days, [0, 1, 0], strict=True))
    assert ask("STAT", "'COUNT', 'MEMBER'", "NULL", JANUARY) == list(zip(days, [2, 2, 1], strict=True))
    assert ask("STAT", "'COUNT', 'ACTUAL'", "'1 DAY'", JANUARY) == list(zip(days, [2, 2, 1], strict=True))
    assert ask("STAT", "'SUM', 'AGE'", "'1 DAY'", JANUARY) == list(zip(days, [70, 120, 20], strict=True))
    assert ask("STAT", "'MIN', 'SCORE'", "'ALL'", JANUARY) == [(day(1), 0.1)]


def test_a_column_without_values_has_no_statistics(ask: Ask) -> None:
    assert ask("STAT", "'MAX', '\"odd name\"'", "'ALL'", JANUARY) == [(day(1), None)]
    assert ask("STAT", "'COUNT_NULL', '\"odd name\"'", "'ALL'", JANUARY) == [(day(1), 6)]


def test_days_are_put_together(ask: Ask) -> None:
    assert ask("STAT", "'COUNT', 'SCORE'", "'1 WEEK'", JANUARY) == [(day(1), 5), (day(29), 1)]
    assert ask("STAT", "'COUNT', 'SCORE'", "'1 MONTH'", JANUARY) == [(day(1), 6)]
    assert ask("STAT", "'COUNT', 'SCORE'", "'ALL'", JANUARY) == [(day(1), 6)]
    assert ask("STAT", "'COUNT', 'SCORE'", "'ALL'", "'2024-02-01'::DATE", "'2024-02-02'::DATE") == [(day(1, 2), 1)]


def test_a_time_without_rows_has_no_answer(ask: Ask) -> None:
    assert (
        ask("STAT", "'COUNT', 'SCORE'", "'1 DAY'", "'2024-01-03'::TIMESTAMP_NTZ", "'2024-01-10'::TIMESTAMP_NTZ") == []
    )
    assert ask("STAT", "'COUNT', 'SCORE'") == []  # the last 60 days


@pytest.mark.parametrize(
    "times",
    [
        "TO_TIMESTAMP_TZ('2024-01-01'), TO_TIMESTAMP_TZ('2024-02-01')",
        "'2024-01-01', '2024-01-31 23:59:59'",
        "DATEADD('DAY', -30, '2024-01-31'::DATE), DATEADD('MONTH', 1, '2024-01-01'::DATE)",
    ],
)
def test_a_time_may_be_any_expression(ask: Ask, times: str) -> None:
    assert ask("STAT", "'COUNT', 'SCORE'", "'1 MONTH'", times) == [(day(1), 6)]


def test_the_answers_say_what_they_are_of(cursor: SnowflakeCursor, monitor: str) -> None:
    found = {}
    for kind, arguments in (("DRIFT", "'WASSERSTEIN', 'AGE'"), ("PERFORMANCE", "'RECALL'"), ("STAT", "'COUNT', 'age'")):
        call = f"MODEL_MONITOR_{kind}_METRIC('{monitor}', {arguments}, 'ALL', {JANUARY}, '{SEGMENT % 'Oslo'}')"
        (row,) = cursor.execute(f"SELECT * FROM TABLE({call})").fetchall()
        found[kind] = dict(zip([column.name for column in cursor.description], row, strict=True))
    segment = {"SEGMENT_COLUMN": "CITY", "SEGMENT_VALUE": "Oslo"}
    assert found["STAT"] == {
        "EVENT_TIMESTAMP": day(1),
        "METRIC_VALUE": 1.0,
        "METRIC_NAME": "COUNT",
        "COLUMN_NAME": "AGE",
        **segment,
    }
    assert list(found["STAT"]) == ["EVENT_TIMESTAMP", "METRIC_VALUE", "METRIC_NAME", "COLUMN_NAME", *segment]
    assert list(found["PERFORMANCE"].items())[2:] == [
        ("COUNT_USED", 2),
        ("COUNT_UNUSED", 0),
        ("METRIC_NAME", "RECALL"),
        *segment.items(),
    ]
    assert list(found["DRIFT"].items())[2:] == [
        ("COL_COUNT_USED", 1),
        ("COL_COUNT_UNUSED", 1),
        ("BASELINE_COL_COUNT_USED", 0),
        ("BASELINE_COL_COUNT_UNUSED", 0),
        ("METRIC_NAME", "WASSERSTEIN"),
        ("COLUMN_NAME", "AGE"),
        *segment.items(),
    ]


# ---- performance ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("CLASSIFICATION_ACCURACY", 3 / 5),
        ("PRECISION", 2 / 3),
        ("RECALL", 2 / 3),
        ("F1_SCORE", 2 / 3),
        # (a, c) are negative, (b, d, f) positive: b and d beat a and tie with c, f beats a.
        ("ROC_AUC", (2 + 2 * 0.5 + 1) / 6),
    ],
)
def test_a_classification_is_judged_where_it_is_known_what_came_to_pass(ask: Ask, metric: str, expected: float) -> None:
    columns = "metric_value, count_used, count_unused"
    ((value, used, unused),) = ask("PERFORMANCE", f"'{metric}'", "'ALL'", JANUARY, columns=columns)
    assert value == pytest.approx(expected)
    assert (used, unused) == (5, 1)


def test_a_day_of_one_class_has_no_curve(ask: Ask) -> None:
    assert ask("PERFORMANCE", "'ROC_AUC'", "'1 DAY'", JANUARY) == [(day(1), 1.0), (day(2), 0.5), (day(31), None)]


def test_a_regression_is_judged_by_its_errors(session: Session, registry: Registry, ask: Ask) -> None:
    model, name, table = fresh("MODEL"), fresh("MONITOR"), fresh("ESTIMATES")
    features = np.array([[0.0], [1.0], [2.0]])
    logged = LinearRegression().fit(features, [0, 1, 2])
    registry.log_model(logged, model_name=model, version_name="V1", sample_input_data=features)
    session.sql(
        f"CREATE TABLE {table} (id VARCHAR, ts TIMESTAMP_NTZ, score FLOAT, class NUMBER, came NUMBER(10, 1),"
        " city VARCHAR)"
    ).collect()
    session.sql(
        f"INSERT INTO {table} VALUES ('a', '2024-01-01', 11, 0, 10.0, 'x'), ('b', '2024-01-04', 18, 0, 20, 'y'),"
        "('c', '2024-01-05', 5, 0, NULL, 'x')"
    ).collect()
    create(session, name, model, table, "ACTUAL_SCORE_COLUMNS = ('CAME')", days=7)
    for metric, expected in (("MSE", 2.5), ("RMSE", math.sqrt(2.5)), ("MAE", 1.5), ("MAPE", 0.1)):
        ((value,),) = ask("PERFORMANCE", f"'{metric}'", "'ALL'", "'2023-12-01'::DATE, '2024-02-01'::DATE",
                          columns="metric_value", of=name)  # fmt: skip
        assert value == pytest.approx(expected)
    assert ask("PERFORMANCE", "'MAE'", "'ALL'", "'2023-12-01'::DATE, '2024-02-01'::DATE", f"'{SEGMENT % 'y'}'",
               columns="metric_value, count_used", of=name) == [(2.0, 1)]  # fmt: skip
    with refused(1008, "METRIC_NAME"):
        ask("PERFORMANCE", "'ROC_AUC'", of=name)
    with refused(1008, "baseline"):
        ask("DRIFT", "'JENSEN_SHANNON', 'CLASS'", of=name)


def test_several_classes_are_judged_together(session: Session, registry: Registry, ask: Ask) -> None:
    model, table, name = fresh("MODEL"), fresh("CHOICES"), f'"{fresh("Mon itor")}"'
    features = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    logged = LogisticRegression().fit(features, ["a", "a", "b", "b", "c", "c"])
    registry.log_model(logged, model_name=model, version_name="V1", sample_input_data=features)
    session.sql(f"CREATE TABLE {table} (ts TIMESTAMP_NTZ, said VARCHAR, came VARCHAR, plan VARCHAR)").collect()
    session.sql(
        f"INSERT INTO {table} SELECT '2024-01-01'::TIMESTAMP_NTZ, said, came, 'x' FROM (VALUES ('a', 'a'), ('a', 'b'),"
        " ('b', 'b'), ('c', 'b'), ('c', NULL)) AS t (said, came)"
    ).collect()
    session.sql(
        f"CREATE MODEL MONITOR {name} WITH MODEL = {model} VERSION = 'V1' FUNCTION = 'predict' SOURCE = {table}"
        f" WAREHOUSE = {session.get_current_warehouse()} REFRESH_INTERVAL = '1 hour' AGGREGATION_WINDOW = '1 day'"
        f" TIMESTAMP_COLUMN = ts PREDICTION_CLASS_COLUMNS = ('SAID') ACTUAL_CLASS_COLUMNS = ('CAME') BASELINE = {table}"
    ).collect()
    expected = {
        "CLASSIFICATION_ACCURACY": 2 / 4,
        "MICRO_AVERAGE_PRECISION": 2 / 4,
        "MICRO_AVERAGE_RECALL": 2 / 4,
        "MACRO_AVERAGE_PRECISION": (1 / 2 + 1 + 0) / 3,
        "MACRO_AVERAGE_RECALL": (1 + 1 / 3 + 0) / 3,
    }
    columns = "metric_value, count_used, count_unused"
    for metric, value in expected.items():
        found = ask("PERFORMANCE", f"'{metric}'", "'ALL'", JANUARY, columns=columns, of=name)
        assert found == [(pytest.approx(value), 4, 1)]
    assert ask("DRIFT", "'JENSEN_SHANNON', 'SAID'", "'ALL'", JANUARY, of=name) == [(day(1), 0)]
    with refused(1008, "METRIC_NAME"):
        ask("PERFORMANCE", "'ROC_AUC'", of=name)


# ---- drift ---------------------------------------------------------------------------------------

ALL_DRIFTS = ["JENSEN_SHANNON", "POPULATION_STABILITY_INDEX", "WASSERSTEIN", "DIFFERENCE_OF_MEANS"]


@pytest.mark.parametrize("metric", ALL_DRIFTS)
def test_the_day_of_the_baseline_has_not_drifted(ask: Ask, metric: str) -> None:
    columns = "event_timestamp, metric_value, col_count_used, col_count_unused, baseline_col_count_used"
    first, second, last = ask("DRIFT", f"'{metric}', 'AGE'", "'1 DAY'", JANUARY, columns=columns)
    assert first == (day(1), pytest.approx(0, abs=1e-9), 2, 0, 2)
    assert abs(second[1]) > 0.1
    assert second[2:] == (2, 1, 2)
    assert abs(last[1]) > 0.1


def test_the_difference_of_means_is_in_the_columns_unit(ask: Ask) -> None:
    found = ask("DRIFT", "'DIFFERENCE_OF_MEANS', 'AGE'", "'1 DAY'", JANUARY)
    assert [abs(value) for _, value in found] == [0, 25, 15]
    assert ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY) == [(day(1), 0), (day(2), 25), (day(31), 15)]


@pytest.mark.parametrize("metric", ALL_DRIFTS[:2])
def test_truth_values_and_predictions_drift_too(ask: Ask, metric: str) -> None:
    member = ask("DRIFT", f"'{metric}', 'MEMBER'", "'1 DAY'", JANUARY, columns="metric_value")
    assert member[0][0] == pytest.approx(0, abs=1e-9)
    assert member[1][0] > 0.1
    assert ask("DRIFT", f"'{metric}', 'CLASS'", "'1 DAY'", JANUARY, columns="metric_value")[1][0] > 0.01


def test_a_baseline_is_kept_as_it_was(
    session: Session, ask: Ask, cursor: SnowflakeCursor, monitor: str, baseline: str
) -> None:
    before = ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY)
    cursor.execute(f"UPDATE {baseline} SET age = 1000")
    assert ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY) == before
    cursor.execute(f"ALTER MODEL MONITOR {monitor} SET BASELINE = '{baseline}'")
    assert ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY)[0] == (day(1), 965)
    cursor.execute(f"UPDATE {baseline} SET age = IFF(id = 'a', 30, 40)")
    cursor.execute(f"ALTER MODEL MONITOR {monitor} SET BASELINE = '{baseline}'")
    assert ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY) == before


# ---- segments ------------------------------------------------------------------------------------


def test_a_segment_is_asked_for_by_its_value(ask: Ask) -> None:
    def count(value: str) -> list[tuple[Any, ...]]:
        return ask("STAT", "'COUNT', 'SCORE'", "'ALL'", JANUARY, f"'{SEGMENT % value}'", columns="metric_value")

    assert (count("Bern"), count("Oslo"), count("bern"), count("Rome")) == ([(3,)], [(2,)], [(1,)], [])
    accuracy = ask("PERFORMANCE", "'CLASSIFICATION_ACCURACY'", "'ALL'", JANUARY, f"'{SEGMENT % 'Bern'}'",
                   columns="metric_value, count_used, count_unused")  # fmt: skip
    assert accuracy == [(1.0, 2, 1)]
    drift = ask("DRIFT", "'WASSERSTEIN', 'AGE'", "'1 DAY'", JANUARY, f"'{SEGMENT % 'Bern'}'")
    assert drift == [(day(1), 0), (day(2), 35)]


@pytest.mark.parametrize(
    "extra",
    [
        "nonsense",
        "{}",
        '{"SEGMENTS": []}',
        '{"SEGMENTS": [{"column": "CITY"}]}',
        '{"SEGMENTS": [{"column": "CITY", "value": null}]}',
        '{"SEGMENTS": [{"column": "AGE", "value": "30"}]}',
        '{"SEGMENTS": [{"column": "CITY", "value": "a"}, {"column": "CITY", "value": "b"}]}',
    ],
)
def test_what_is_no_segment_is_refused(ask: Ask, extra: str) -> None:
    with refused(1008, "EXTRA_ARGS"):
        ask("STAT", "'COUNT', 'SCORE'", "'ALL'", JANUARY, f"'{extra}'")


# ---- what is refused, and ways to ask ------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "code", "text"),
    [
        ("DRIFT", "'PSI', 'AGE'", 1008, "METRIC_NAME"),
        ("DRIFT", "'WASSERSTEIN', 'MEMBER'", 1008, "numbers"),
        ("DRIFT", "'WASSERSTEIN', 'MISSING'", 904, "MISSING"),
        ("DRIFT", "'WASSERSTEIN', 'odd name'", 1008, "double quotes"),
        ("DRIFT", "'WASSERSTEIN', 'TS'", 904, "TS"),
        ("DRIFT", "'WASSERSTEIN', 'AGE', '1 HOUR'", 1008, "GRANULARITY"),
        ("DRIFT", "'WASSERSTEIN', 'AGE', 'ALL', 'soon'", 100035, "soon"),
        ("DRIFT", "'WASSERSTEIN'", 1044, "DRIFT"),
        ("DRIFT", "'WASSERSTEIN', NULL", 1044, "DRIFT"),
        ("PERFORMANCE", "'RMSE'", 1008, "METRIC_NAME"),
        ("PERFORMANCE", "'MACRO_AVERAGE_RECALL'", 1008, "METRIC_NAME"),
        ("STAT", "'MEDIAN', 'AGE'", 1008, "METRIC_NAME"),
        ("STAT", "'SUM', 'MEMBER'", 1008, "numbers"),
        ("STAT", "'COUNT', 'SCORE', 'ALL', NULL, NULL, NULL, NULL", 1044, "STAT"),
    ],
)
def test_what_has_no_answer_is_refused(ask: Ask, kind: str, arguments: str, code: int, text: str) -> None:
    with refused(code, text):
        ask(kind, arguments)


def test_a_monitor_that_is_not_there_is_not_found(ask: Ask) -> None:
    with refused(2003, "NO_SUCH_MONITOR"):
        ask("STAT", "'COUNT', 'SCORE'", of="NO_SUCH_MONITOR")


def test_a_metric_is_a_table_like_others(
    cursor: SnowflakeCursor, session: Session, monitor: str, account: dict[str, Any]
) -> None:
    full = f"{account['database']}.{account['schema']}.{monitor}".lower()
    cursor.execute(
        "WITH m AS (SELECT * FROM TABLE(MODEL_MONITOR_STAT_METRIC(%s, 'COUNT', 'SCORE', '1 DAY', %s, %s))) "
        "SELECT COUNT(*), SUM(m.metric_value) FROM m JOIN TABLE(MODEL_MONITOR_PERFORMANCE_METRIC("
        f"'{monitor}', 'RECALL', '1 DAY', {JANUARY})) p ON p.event_timestamp = m.event_timestamp",
        (full, day(1), day(1, 2)),
    )
    assert cursor.fetchall() == [(3, 6)]
    frame = session.table_function(
        "MODEL_MONITOR_STAT_METRIC",
        *map(F.lit, (monitor, "COUNT", "SCORE", "1 DAY", day(1), day(1, 2))),
    )
    assert [row["METRIC_VALUE"] for row in frame.order_by("EVENT_TIMESTAMP").collect()] == [2, 3, 1]


def test_a_metric_can_be_kept(cursor: SnowflakeCursor, monitor: str) -> None:
    name = fresh("KEPT")
    call = f"TABLE(MODEL_MONITOR_STAT_METRIC('{monitor}', 'COUNT', 'SCORE', '1 DAY', {JANUARY}))"
    cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM {call}")
    cursor.execute(f"INSERT INTO {name} SELECT * FROM {call}")
    assert cursor.execute(f"SELECT COUNT(*), SUM(metric_value) FROM {name}").fetchall() == [(6, 12)]


def test_a_distance_takes_a_time_that_grows_with_the_rows(
    session: Session, cursor: SnowflakeCursor, monitor: str
) -> None:
    model, table, name = fresh("MODEL"), fresh("MANY"), fresh("MONITOR")
    watched = json.loads(session.sql(f"DESC MODEL MONITOR {monitor}").collect()[0]["model"])["model_name"]
    session.sql(f"CREATE MODEL {model} WITH VERSION V1 FROM MODEL {watched} VERSION V1").collect()
    session.sql(
        f"CREATE TABLE {table} AS SELECT '2024-01-01'::TIMESTAMP_NTZ AS ts, n::FLOAT / 60000 AS score, 0 AS class,"
        " n::VARCHAR AS id, 'x' AS city FROM (SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 60000)))"
    ).collect()
    create(session, name, model, table, f"BASELINE = {table}")
    call = f"MODEL_MONITOR_DRIFT_METRIC('{name}', 'WASSERSTEIN', 'SCORE', 'ALL', {JANUARY})"
    # Every row against every other one would take minutes.
    cursor.execute(f"SELECT metric_value FROM TABLE({call})", timeout=30)
    assert cursor.fetchall() == [(pytest.approx(0, abs=1e-9),)]


def test_a_source_may_be_a_view_of_predictions(session: Session, ask: Ask, monitor: str, source: str) -> None:
    model, view, name = fresh("MODEL"), fresh("PREDICTIONS"), fresh("MONITOR")
    watched = json.loads(session.sql(f"DESC MODEL MONITOR {monitor}").collect()[0]["model"])["model_name"]
    session.sql(f"CREATE MODEL {model} WITH VERSION V1 FROM MODEL {watched} VERSION V1").collect()
    # The model says 1 from 1.5 on.
    call = f"MODEL({model}, V1)!PREDICT(IFF(city = 'Oslo', 3.0, 0.0)):output_feature_0::NUMBER"
    session.sql(
        f"CREATE VIEW {view} AS SELECT id, ts, score, actual, age, city, {call} AS class FROM {source}"
    ).collect()
    create(session, name, model, view, f"BASELINE = {view} ACTUAL_CLASS_COLUMNS = ('ACTUAL')")
    assert ask("STAT", "'SUM', 'CLASS'", "'ALL'", JANUARY, columns="metric_value", of=name) == [(2,)]
    recall = ask("PERFORMANCE", "'RECALL'", "'ALL'", JANUARY, columns="metric_value, count_used", of=name)
    assert recall == [(pytest.approx(1 / 3), 5)]
    assert ask("DRIFT", "'DIFFERENCE_OF_MEANS', 'CLASS'", "'1 DAY'", JANUARY, of=name)[0][0] == day(1)
    (row,) = session.sql(f"DESC MODEL MONITOR {name}").collect()
    assert row["monitor_state"] == "ACTIVE"


@pytest.mark.parametrize("kind", ["VIEW", "DYNAMIC TABLE"])
def test_a_source_may_be_a_query(session: Session, ask: Ask, monitor: str, source: str, kind: str) -> None:
    """The monitor's version is copied, for a version has one monitor."""
    model, table, name = fresh("MODEL"), fresh("SCORED"), fresh("MONITOR")
    derived = f'"{fresh("der ived")} ""x"""'
    watched = json.loads(session.sql(f"DESC MODEL MONITOR {monitor}").collect()[0]["model"])["model_name"]
    session.sql(f"CREATE MODEL {model} WITH VERSION V1 FROM MODEL {watched} VERSION V1").collect()
    session.sql(f"CREATE TABLE {table} AS SELECT * FROM {source}").collect()
    options = f"TARGET_LAG = '1 minute' WAREHOUSE = {session.get_current_warehouse()}" if kind != "VIEW" else ""
    query = f"SELECT *, score * 100 AS percent FROM {table} WHERE city = 'Bern'"
    session.sql(f"CREATE {kind} {derived} {options} AS {query}").collect()
    create(session, name, model, derived, f"BASELINE = {derived}")
    assert ask("STAT", "'MAX', 'PERCENT'", "'ALL'", JANUARY, columns="metric_value", of=name) == [(80,)]
    assert ask("DRIFT", "'WASSERSTEIN', 'PERCENT'", "'1 DAY'", JANUARY, of=name)[0][0] == day(1)


def test_an_alert_looks_at_drift(cursor: SnowflakeCursor, session: Session, monitor: str) -> None:
    alert, notes = fresh("ALERT"), fresh("NOTES")
    cursor.execute(f"CREATE TABLE {notes} (drift FLOAT)")
    drift = f"TABLE(MODEL_MONITOR_DRIFT_METRIC('{monitor}', 'DIFFERENCE_OF_MEANS', 'AGE', '1 DAY', {JANUARY}))"
    cursor.execute(
        f"CREATE ALERT {alert} WAREHOUSE = {session.get_current_warehouse()} SCHEDULE = '60 MINUTES'"
        f" IF (EXISTS (SELECT 1 FROM {drift} WHERE ABS(metric_value) > 20))"
        f" THEN INSERT INTO {notes} SELECT MAX(ABS(metric_value)) FROM {drift}"
    )
    cursor.execute(f"EXECUTE ALERT {alert}")
    deadline = time.monotonic() + 120
    while not (found := cursor.execute(f"SELECT drift FROM {notes}").fetchall()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == [(25,)]
    cursor.execute(f"DROP ALERT {alert}")


def test_the_columns_of_a_metric_are_known_without_its_rows(cursor: SnowflakeCursor, monitor: str) -> None:
    columns = cursor.describe(
        "SELECT event_timestamp, metric_value, col_count_used, segment_value FROM TABLE("
        f"MODEL_MONITOR_DRIFT_METRIC('{monitor}', 'WASSERSTEIN', 'AGE'))"
    )
    assert [FIELD_ID_TO_NAME[column.type_code] for column in columns] == ["TIMESTAMP_NTZ", "REAL", "FIXED", "TEXT"]


def test_rows_of_an_open_transaction_are_not_seen(
    connect: Callable[[], SnowflakeCursor], source: str, monitor: str
) -> None:
    cursor = connect()
    call = f"SELECT metric_value FROM TABLE(MODEL_MONITOR_STAT_METRIC('{monitor}', 'COUNT', 'SCORE', 'ALL', {JANUARY}))"
    cursor.execute("BEGIN")
    cursor.execute(f"INSERT INTO {source} (id, ts, score) VALUES ('h', '2024-01-05', 0.5)")
    assert cursor.execute(call).fetchall() == [(6,)]
    cursor.execute("ROLLBACK")
