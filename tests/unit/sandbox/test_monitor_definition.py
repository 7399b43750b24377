from __future__ import annotations

from typing import Any

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.monitors.definition import (
    Monitor,
    add_column,
    check,
    check_baseline,
    check_others,
    kind_of,
)
from include.sandbox.snowflake.monitors.performance import BINARY, MULTI_CLASS, REGRESSION

KINDS = {
    "TS": "timestamp",
    "NUMBER": "numerical",
    "OTHER_NUMBER": "numerical",
    "TEXT": "string",
    "OTHER_TEXT": "string",
    "FLAG": "boolean",
    "DAY": "other",
}


def monitor(task: str = BINARY, **changed: Any) -> Monitor:
    known: dict[str, Any] = {
        "model": ["D", "S", "M"],
        "version": "V1",
        "package": "0",
        "function": "PREDICT",
        "task": task,
        "source": ["D", "S", "T"],
        "warehouse": "W",
        "refresh_interval": "1 hour",
        "aggregation_window": "1 day",
        "timestamp_column": "TS",
        "kinds": KINDS,
    }
    return Monitor(**{**known, **changed})


SEGMENTS = [f"SEGMENT_{i}" for i in range(6)]


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        (BINARY, {"prediction_score_columns": ["NUMBER"]}),
        (BINARY, {"prediction_class_columns": ["NUMBER"], "actual_class_columns": ["OTHER_NUMBER"]}),
        (REGRESSION, {"prediction_score_columns": ["NUMBER"], "actual_score_columns": ["OTHER_NUMBER"]}),
        (MULTI_CLASS, {"prediction_class_columns": ["TEXT"], "actual_class_columns": ["OTHER_TEXT"]}),
        (BINARY, {"prediction_score_columns": ["NUMBER"], "segment_columns": ["TEXT", "OTHER_TEXT"]}),
    ],
)
def test_a_monitor_that_keeps_the_rules_is_taken(task: str, columns: dict[str, Any]) -> None:
    check(monitor(task, **columns))


@pytest.mark.parametrize(
    ("task", "columns", "text"),
    [
        ("TABULAR_RANKING", {"prediction_score_columns": ["NUMBER"]}, "task"),
        (MULTI_CLASS, {"prediction_score_columns": ["NUMBER"]}, "PREDICTION_SCORE_COLUMNS"),
        (MULTI_CLASS, {"prediction_class_columns": ["NUMBER"]}, "STRING"),
        (MULTI_CLASS, {"prediction_class_columns": ["TEXT"], "actual_class_columns": ["NUMBER"]}, "STRING"),
        (MULTI_CLASS, {"prediction_class_columns": ["TEXT"], "actual_score_columns": ["NUMBER"]}, "classes"),
        (REGRESSION, {"prediction_score_columns": ["FLAG"]}, "NUMBER"),
        (BINARY, {"prediction_score_columns": ["NUMBER"], "id_columns": ["NUMBER"]}, "once"),
        (BINARY, {"prediction_score_columns": ["NUMBER"], "segment_columns": ["TEXT", "TEXT"]}, "once"),
        (
            BINARY,
            {
                "prediction_score_columns": ["NUMBER"],
                "segment_columns": SEGMENTS,
                "kinds": KINDS | dict.fromkeys(SEGMENTS, "string"),
            },
            "5 at most",
        ),
        (
            BINARY,
            {
                "prediction_score_columns": ["NUMBER"],
                "kinds": KINDS | {f"F{i}": "numerical" for i in range(497)},
            },
            "501",
        ),
    ],
)
def test_a_monitor_that_breaks_a_rule_is_refused(task: str, columns: dict[str, Any], text: str) -> None:
    with pytest.raises(SqlError, match=text):
        check(monitor(task, **columns))


def test_five_hundred_features_can_be_monitored() -> None:
    kinds = KINDS | {f"F{i}": "numerical" for i in range(496)}
    check(monitor(prediction_score_columns=["NUMBER"], kinds=kinds))


def test_an_account_has_a_limited_number_of_monitors() -> None:
    others = {f"D.S.M{i}": monitor(package=f"package {i}") for i in range(249)}
    check_others(monitor(), others)
    with pytest.raises(SqlError, match="250"):
        check_others(monitor(), {**others, "D.S.LAST": monitor(package="last")})


def test_a_version_is_watched_by_one_monitor_whatever_it_is_called() -> None:
    with pytest.raises(SqlError, match=r"already exists: 'D.S.OTHER'"):
        check_others(monitor(model=["D", "S", "RENAMED"]), {"D.S.OTHER": monitor()})


def test_a_column_of_its_own_part_is_no_feature() -> None:
    watched = monitor(prediction_score_columns=["NUMBER"], segment_columns=["TEXT"])
    assert watched.measured_columns == ["NUMBER", "OTHER_NUMBER", "OTHER_TEXT", "FLAG"]
    assert watched.kept_columns == ["TS", "NUMBER", "OTHER_NUMBER", "TEXT", "OTHER_TEXT", "FLAG"]


def test_a_baseline_is_asked_for_what_is_compared_only() -> None:
    watched = monitor(prediction_score_columns=["NUMBER"], id_columns=["OTHER_NUMBER"], segment_columns=["TEXT"])
    needed = {"NUMBER": "numerical", "TEXT": "string", "OTHER_TEXT": "string", "FLAG": "boolean"}
    check_baseline(watched, needed)
    for name in needed:
        with pytest.raises(SqlError, match=name):
            check_baseline(watched, {other: kind for other, kind in needed.items() if other != name})


def test_a_column_that_the_source_has_got_since_may_be_a_segment() -> None:
    watched = monitor(prediction_score_columns=["NUMBER"])
    changed = add_column(watched, "segment_columns", "NEW", {**KINDS, "NEW": "string"})
    assert changed.segment_columns == ["NEW"]
    check(changed)


@pytest.mark.parametrize(
    ("engine_type", "kind"),
    [
        ("DECIMAL(38,0)", "numerical"),
        ("UBIGINT", "numerical"),
        ("DOUBLE", "numerical"),
        ("VARCHAR", "string"),
        ("BOOLEAN", "boolean"),
        ("TIMESTAMP", "timestamp"),
        ("TIMESTAMP_NS", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "other"),
        ("DATE", "other"),
        ("JSON", "other"),
    ],
)
def test_a_columns_kind_is_told_by_its_type(engine_type: str, kind: str) -> None:
    assert kind_of(engine_type) == kind
