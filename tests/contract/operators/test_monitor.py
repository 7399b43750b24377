"""Model monitors as the operator makes them, of a version's predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from snowmaker.exceptions import InputDataError, MonitorError
from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators.monitor import ModelMonitorOperator, monitor_name
from snowmaker.operators.monitor_drift import MonitorDriftCheckOperator
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.source import Source

from .artefacts import make_linear_artefact
from .lab import Lab, Model, fresh, task_context
from .weekly_data import FEATURES, HOLDOUT, LABELLED, ROWS, TWIN, WEEKS

OPTIONS = MonitorOptions("compute_wh", segments=("COUNTY", '"loan % type"'))


@pytest.fixture(scope="module")
def scored(lab: Lab) -> Model:
    """A model with two versions; the first one has scored a week, and another one whose labels have not come."""
    model = lab.model("good", "weak")
    for week in (TWIN, WEEKS[8]):
        model.score(week, model_version="GOOD")
    return model


@pytest.fixture
def model(scored: Model) -> Iterator[Model]:
    """The model, without a monitor before and after a test."""
    yield copy(scored)
    for row in shown(scored):
        scored.lab.rows(f"DROP MODEL MONITOR {monitor_name(QualifiedName.parse(scored.name), row['version']).quoted}")


def keep(model: Model, version: str = "GOOD", **changed: Any) -> dict[str, Any]:
    arguments = {
        "source": model.source,
        "model_name": model.name,
        "model_version": version,
        "predictions_table": model.predictions,
        "training_table": model.source.table.quoted,
        "first_week": str(HOLDOUT),
        "last_week": str(HOLDOUT),
        "options": OPTIONS,
        **changed,
    }
    return ModelMonitorOperator(task_id="monitor", **arguments).execute(task_context())


def shown(model: Model) -> list[dict[str, Any]]:
    """The monitors of a model, with the version of each."""
    rows = model.lab.frame_of(f"SHOW MODEL MONITORS IN SCHEMA {model.name.rpartition('.')[0]}").to_dict("records")
    told = [{**row, "version": json.loads(row["model"])["version_name"]} for row in rows]
    name = QualifiedName.parse(model.name).object.name
    return [row for row in told if json.loads(row["model"])["model_name"] == name]


def described(model: Model, monitor: str) -> dict[str, Any]:
    (row,) = model.lab.frame_of(f"DESCRIBE MODEL MONITOR {monitor}").to_dict("records")
    return row


def rows_of(model: Model, monitor: str, part: str) -> pd.DataFrame:
    place = json.loads(described(model, monitor)[part])
    name = ".".join('"' + place[key].replace('"', '""') + '"' for key in ("database_name", "schema_name", "name"))
    return model.lab.frame_of(f"SELECT * FROM {name}")


def test_a_versions_monitor_looks_at_its_predictions_rows_and_labels(lab: Lab, model: Model) -> None:
    result = keep(model)
    monitor = result["monitor"]
    assert (result["model_version"], result["done"], result["others"]) == ("GOOD", ["create"], [])
    row = described(model, monitor)
    assert (row["monitor_state"], row["refresh_interval"], row["aggregation_window"]) == ("ACTIVE", "1 hour", "1 day")
    assert json.loads(row["model"])["function_name"].upper() == "PREDICT_PROBA"
    columns = json.loads(row["columns"])
    assert columns["segment_columns"] == ["SNOWMAKER_SEGMENT_COUNTY", "SNOWMAKER_SEGMENT_loan % type"]
    assert sorted([*columns["numerical_columns"], *columns["string_columns"]]) == sorted(FEATURES)
    seen = rows_of(model, monitor, "source")
    assert len(seen) == 2 * ROWS
    assert seen["SNOWMAKER_ROW_ID"].is_unique
    predicted = model.predicted()
    for week in (TWIN, WEEKS[8]):
        of_week = seen[seen["SNOWMAKER_WEEK"] == pd.Timestamp(week.start)]
        frame = lab.frame[lab.frame["week"] == str(week)]
        assert of_week["INCOME"].astype(float).sum() == pytest.approx(frame["INCOME"].sum())
        assert of_week["COUNTY"].value_counts().to_dict() == frame["COUNTY"].value_counts().to_dict()
        assert of_week["SNOWMAKER_LABEL"].notna().sum() == (ROWS if week in LABELLED else 0)
        assert of_week["SNOWMAKER_SCORE"].sum() == pytest.approx(
            predicted[predicted["WEEK_START"] == week.start]["SCORE"].sum()
        )


def test_its_baseline_is_the_scored_holdout(lab: Lab, model: Model) -> None:
    baseline = rows_of(model, keep(model)["monitor"], "baseline")
    frame = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    assert len(baseline) == ROWS
    assert sorted(baseline["SNOWMAKER_SCORE"]) == pytest.approx(sorted(lab.artefacts["good"].scores(frame)), abs=1e-6)
    assert (baseline["SNOWMAKER_PREDICTION"] == (baseline["SNOWMAKER_SCORE"] >= 0.5)).all()
    assert baseline["SNOWMAKER_LABEL"].sum() == frame["APPROVED"].sum()


@pytest.mark.slow
def test_labels_that_come_later_are_seen(lab: Lab, model: Model) -> None:
    model.source = model.own_source()
    monitor = keep(model)["monitor"]
    assert rows_of(model, monitor, "source")["SNOWMAKER_LABEL"].isna().sum() == ROWS
    lab.rows(f"UPDATE {model.source.table.quoted} SET APPROVED = 1")
    assert (rows_of(model, monitor, "source")["SNOWMAKER_LABEL"] == 1).all()


def test_the_same_monitor_stays_as_it_is_and_only_another_one_is_made_anew(model: Model) -> None:
    monitor = keep(model)["monitor"]
    before = described(model, monitor)
    assert keep(model)["done"] == []
    assert described(model, monitor)["created_on"] == before["created_on"]
    slower = MonitorOptions("compute_wh", "2 hours", segments=OPTIONS.segments)
    assert keep(model, options=slower)["done"] == ["set_options"]
    row = described(model, monitor)
    assert (row["refresh_interval"], row["created_on"]) == ("2 hours", before["created_on"])
    model.lab.rows(f"ALTER MODEL MONITOR {monitor} SUSPEND")
    assert keep(model)["done"] == ["set_options", "resume"]
    assert described(model, monitor)["monitor_state"] == "ACTIVE"
    for changed in (
        {"options": MonitorOptions("compute_wh", segments=("COUNTY",))},
        {"threshold": 0.25, "options": MonitorOptions("compute_wh", segments=("COUNTY",))},
    ):
        assert keep(model, **changed)["done"] == ["create"]
        assert keep(model, **changed)["done"] == []
    assert [row["version"] for row in shown(model)] == ["GOOD"]


def test_windows_that_may_not_lie_as_weeks_do_are_refused_by_the_checks(model: Model) -> None:
    keep(model, options=MonitorOptions("compute_wh", aggregation_window="7 days"))
    check = MonitorDriftCheckOperator(
        task_id="check_drift",
        source=model.source,
        model_name=model.name,
        model_version="GOOD",
        predictions_table=model.predictions,
        week=str(TWIN),
    )
    with pytest.raises(MonitorError, match=r"adds up 7 days; how such windows lie to weeks is not published"):
        check.execute(task_context())


@pytest.mark.slow
def test_the_monitors_of_other_versions_are_kept_suspended_or_dropped(model: Model) -> None:
    old = keep(model, "WEAK")["monitor"]
    source = json.loads(described(model, old)["source"])["name"]
    for others, retired, left in (("keep", [], "ACTIVE"), ("suspend", ["WEAK"], "SUSPENDED"), ("drop", ["WEAK"], None)):
        assert keep(model, others=others)["others"] == retired
        states = {row["version"]: row["monitor_state"] for row in shown(model)}
        assert states == {"GOOD": "ACTIVE", **({"WEAK": left} if left else {})}
        assert keep(model, others=others)["others"] == []
        views = model.lab.frame_of(f"SHOW VIEWS IN SCHEMA {model.name.rpartition('.')[0]}")["name"]
        assert (source in set(views)) == bool(left)


@pytest.mark.slow
def test_a_monitor_of_somebody_else_is_neither_replaced_nor_dropped(lab: Lab, model: Model) -> None:
    ours = keep(model)["monitor"]
    place = json.loads(described(model, ours)["source"])["name"].replace('"', '""')
    lab.rows(f"DROP MODEL MONITOR {ours}")
    theirs = monitor_name(QualifiedName.parse(model.name), "GOOD").sibling(fresh("THEIRS"))
    lab.rows(
        f"CREATE MODEL MONITOR {theirs.quoted} WITH MODEL = {model.name} VERSION = 'GOOD' FUNCTION = 'predict_proba' "
        f"SOURCE = \"{place}\" WAREHOUSE = COMPUTE_WH REFRESH_INTERVAL = '1 day' AGGREGATION_WINDOW = '1 day' "
        f"TIMESTAMP_COLUMN = SNOWMAKER_WEEK PREDICTION_SCORE_COLUMNS = ('SNOWMAKER_SCORE')"
    )
    try:
        with pytest.raises(MonitorError, match=rf"has the monitor {theirs.object.name} already.*drop it"):
            keep(model)
        assert keep(model, "WEAK", others="drop")["others"] == []
        assert {row["version"] for row in shown(model)} == {"GOOD", "WEAK"}
    finally:
        lab.rows(f"DROP MODEL MONITOR {theirs.quoted}")


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        (("MEMBER",), "segment MEMBER of .* is BOOLEAN; a monitor's segments are texts: sort the values"),
        (("APPROVED",), "segment APPROVED is neither key nor feature .* add it to source.key"),
    ],
)
def test_a_segment_that_cannot_be_one_is_refused(model: Model, segments: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputDataError, match=told):
        keep(model, options=MonitorOptions("compute_wh", segments=segments))
    assert shown(model) == []


def test_a_feature_with_the_name_of_a_scored_rows_column_is_refused(lab: Lab, model: Model, tmp_path: Path) -> None:
    artefact = make_linear_artefact(tmp_path / "model", lab.frame.assign(SCORE=lab.frame["INCOME"]), ["SCORE"])
    model.log(lab.upload(artefact), version_name="ODD")
    view = lab.name(fresh("View"))
    lab.rows(f"CREATE VIEW {view} AS SELECT *, INCOME AS SCORE FROM {model.source.table.quoted}")
    source = Source.of(view, week_column='"Applied on"', label="APPROVED", numeric=["SCORE"])
    with pytest.raises(InputDataError, match=r"feature SCORE of .* has the name of a scored row's column; rename it"):
        keep(model, "ODD", source=source)


def test_a_holdout_without_rows_gives_no_monitor(model: Model) -> None:
    with pytest.raises(InputDataError, match="no rows in the holdout weeks 2020-01-06 to 2020-01-06"):
        keep(model, first_week="2020-01-06", last_week="2020-01-06")
    assert shown(model) == []
