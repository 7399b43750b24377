from __future__ import annotations

import json
from typing import Any

import pytest

from snowmaker.exceptions import IdentifierError
from snowmaker.monitor_options import MonitorOptions, check_monitored
from snowmaker.monitor_state import MonitorState, comment, steps_to
from snowmaker.source import Source

OPTIONS = MonitorOptions("wh", "1 hour", "1 day")
SOURCE = Source.of("ml.loans.t", week_column="d", label="y", categorical=["county"], numeric=["income"], key=["region"])
TYPES = {"D": "DATE", "Y": "NUMBER(1,0)", "COUNTY": "VARCHAR(10)", "INCOME": "FLOAT", "REGION": "TEXT"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"refresh_interval": "59 seconds"}, "refresh_interval is '59 seconds'; .* 60 seconds at least"),
        ({"refresh_interval": "soon"}, "refresh_interval is 'soon'"),
        ({"refresh_interval": "1 week"}, "refresh_interval is '1 week'"),
        ({"aggregation_window": "24 hours"}, "aggregation_window is '24 hours'; a monitor adds up whole days"),
        ({"aggregation_window": "0 days"}, "whole days"),
        ({"aggregation_window": "1 day'; DROP"}, "whole days"),
        ({"segments": tuple("abcdef")}, "segments has 6 columns; a monitor takes 5 at most"),
        ({"segments": ("a", "A")}, "segments lists A more than once"),
    ],
)
def test_an_option_that_breaks_a_rule_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MonitorOptions("wh", **changed)


def test_a_warehouse_is_an_identifier() -> None:
    with pytest.raises(IdentifierError):
        MonitorOptions("wh; DROP")


@pytest.mark.parametrize("segments", [(), ("county", "region")])
def test_a_source_that_keeps_the_rules_is_taken(segments: tuple[str, ...]) -> None:
    check_monitored(SOURCE, MonitorOptions("wh", segments=segments), TYPES, ("SCORE",))


@pytest.mark.parametrize(
    ("options", "taken", "told"),
    [
        (
            MonitorOptions("wh", segments=("income",)),
            (),
            "segment INCOME of .* is FLOAT; a monitor's segments are texts",
        ),
        (
            MonitorOptions("wh", segments=("city",)),
            (),
            "segment CITY is neither key nor feature .* add it to source.key",
        ),
        (OPTIONS, ("INCOME",), "feature INCOME of .* has the name of a scored row's column; rename it in a view"),
    ],
)
def test_a_source_that_cannot_be_monitored_is_refused(
    options: MonitorOptions, taken: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        check_monitored(SOURCE, options, TYPES, taken)


def test_a_week_that_depends_on_the_sessions_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"week column D of .* is TIMESTAMP_LTZ\(9\), whose day depends on .* cast it"):
        check_monitored(SOURCE, OPTIONS, {**TYPES, "D": "TIMESTAMP_LTZ(9)"}, ())


def test_more_features_than_a_monitor_takes_are_refused() -> None:
    wide = Source.of("ml.loans.t", week_column="d", label="y", numeric=[f"f{i}" for i in range(501)])
    with pytest.raises(ValueError, match=r"has 501 features; a monitor takes 500 at most.* engine snowmaker"):
        check_monitored(wide, OPTIONS, {}, ())


def row(**changed: Any) -> dict[str, Any]:
    known = {
        "name": "M",
        "model": json.dumps({"model_name": "LOANS", "version_name": "V1"}),
        "warehouse_name": "WH",
        "refresh_interval": "1 hour",
        "aggregation_window": "1 day",
        "monitor_state": "ACTIVE",
        "comment": comment("d1"),
        "aggregation_status": json.dumps({"SOURCE_AGGREGATED": "ACTIVE"}),
        "aggregation_last_error": json.dumps({"SOURCE_AGGREGATED": ""}),
    }
    return {**known, **changed}


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({}, ()),
        ({"refresh_interval": "60 minutes"}, ()),
        ({"refresh_interval": "2 hours"}, ("set_options",)),
        ({"warehouse_name": "OTHER"}, ("set_options",)),
        ({"monitor_state": "SUSPENDED"}, ("resume",)),
        ({"aggregation_status": json.dumps({"SOURCE_AGGREGATED": "SUSPENDED"})}, ("resume",)),
        ({"monitor_state": "SUSPENDED", "refresh_interval": "1 day"}, ("set_options", "resume")),
        ({"aggregation_window": "7 days"}, ("create",)),
        ({"comment": comment("d2"), "refresh_interval": "1 day"}, ("create",)),
        ({"comment": "by hand"}, ("create",)),
        ({"comment": None}, ("create",)),
    ],
)
def test_what_differs_decides_what_is_done(changed: dict[str, Any], steps: tuple[str, ...]) -> None:
    assert steps_to(MonitorState.from_row(row(**changed)), OPTIONS, "d1") == steps


def test_without_a_monitor_one_is_made() -> None:
    assert steps_to(None, OPTIONS, "d1") == ("create",)


def test_a_monitor_tells_why_its_refreshes_failed() -> None:
    errors = {"SOURCE_AGGREGATED": "SQL error:\n no column X", "ACCURACY_AGGREGATED": ""}
    state = MonitorState.from_row(row(monitor_state="SUSPENDED", aggregation_last_error=json.dumps(errors)))
    assert (state.model, state.version, state.state) == ("LOANS", "V1", "SUSPENDED")
    assert state.told_errors == "SOURCE_AGGREGATED: SQL error: no column X"
    assert MonitorState.from_row(row()).told_errors == "no error is told"
