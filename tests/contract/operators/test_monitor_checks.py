"""Verdicts by what a model monitor measured, beside those of Snowmaker's own SQL."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import pandas as pd
import pytest
from airflow.sdk.exceptions import TaskDeferred
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from snowmaker.degradation import Degraded
from snowmaker.drift import DriftRules
from snowmaker.exceptions import InputDataError, MonitorError
from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators.monitor import ModelMonitorOperator, monitor_name
from snowmaker.operators.monitor_comparison import CompareMonitorsOperator
from snowmaker.operators.monitor_drift import MonitorDriftCheckOperator
from snowmaker.operators.monitor_performance import MonitorPerformanceCheckOperator
from snowmaker.performance import PerformanceThresholds
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.verdicts import Degradation, Threshold

from .lab import DEGRADED, Lab, Model, degraded_events, fresh, task_context
from .weekly_data import FEATURES, HOLDOUT, ROWS, SHIFTED, TWIN, WEEKS

TOUCHY, LENIENT = PerformanceThresholds(0.0001, 0.0002), PerformanceThresholds(0.8, 0.9)


@pytest.fixture(scope="module")
def monitored(lab: Lab) -> Model:
    """A model whose version has scored four weeks, and has a monitor."""
    model = lab.model("good")
    for week in (TWIN, *SHIFTED[:3]):
        model.score(week, model_version="GOOD")
    keep(model)
    return model


@pytest.fixture
def model(monitored: Model) -> Iterator[Model]:
    """The model, of which nothing was checked before."""
    yield copy(monitored)
    for table in ("SNOWMAKER_DRIFT", "SNOWMAKER_PERFORMANCE"):
        name = monitored.lab.name(table)
        if not monitored.lab.frame_of(f"SHOW TABLES LIKE '{table}' IN SCHEMA {name.rpartition('.')[0]}").empty:
            monitored.lab.rows(f"DELETE FROM {name} WHERE MODEL_NAME = %s", monitored.name)


def keep(model: Model, version: str = "GOOD", **changed: Any) -> None:
    options = {"warehouse": "compute_wh", "segments": ("COUNTY", '"loan % type"'), **changed}
    ModelMonitorOperator(
        task_id="monitor",
        source=model.source,
        model_name=model.name,
        model_version=version,
        predictions_table=model.predictions,
        training_table=model.source.table.quoted,
        first_week=str(HOLDOUT),
        last_week=str(HOLDOUT),
        options=MonitorOptions(**options),
    ).execute(task_context())


def monitor_of(model: Model) -> str:
    return monitor_name(QualifiedName.parse(model.name), "GOOD").quoted


def arguments(model: Model, week: object, **changed: Any) -> dict[str, Any]:
    return {
        "source": model.source,
        "model_name": model.name,
        "model_version": "GOOD",
        "predictions_table": model.predictions,
        "week": str(week),
        "degraded_asset": DEGRADED,
        **changed,
    }


def check_drift(model: Model, week: object, context: Any = None, **changed: Any) -> dict[str, Any]:
    operator = MonitorDriftCheckOperator(task_id="check_drift", **arguments(model, week, **changed))
    return operator.execute(context or task_context())


def check_performance(model: Model, week: object, context: Any = None, **changed: Any) -> dict[str, Any]:
    changed = {"label_delay_weeks": 2, **changed}
    operator = MonitorPerformanceCheckOperator(task_id="check_performance", **arguments(model, week, **changed))
    return operator.execute(context or task_context())


def written(model: Model, table: str) -> pd.DataFrame:
    name = model.lab.name(f"SNOWMAKER_{table}")
    return model.lab.frame_of(f"SELECT * FROM {name} WHERE MODEL_NAME = '{model.name}' ORDER BY WEEK_START, METRIC")


# ---- drift ----


def test_the_baselines_own_rows_a_week_later_have_no_drift_told_by_one_statement(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    run = WarehouseSession._run

    def listen(session: WarehouseSession, statement: Any) -> object:
        sent.append(statement.text)
        return run(session, statement)

    monkeypatch.setattr(WarehouseSession, "_run", listen)
    context = task_context()
    result = check_drift(model, TWIN, context)
    assert len([text for text in sent if "MODEL_MONITOR_DRIFT_METRIC" in text]) == 1
    assert (result["verdict"], result["moved"]) == ("ok", [])
    assert (result["degraded"], result["since"], degraded_events(context, "drift")) == (False, None, [])
    drift = written(model, "DRIFT")
    assert sorted(drift["FEATURE"]) == sorted([*FEATURES, "score"])
    assert drift["VALUE"].to_list() == pytest.approx([0.0] * len(drift), abs=1e-12)
    assert {*drift["ENGINE"], *drift["METRIC"]} == {"snowflake_monitor", "psi"}
    assert (set(drift["ROW_COUNT"]), set(drift["WARN"]), set(drift["BREACH"])) == ({ROWS}, {0.1}, {0.25})
    assert drift["P_VALUE"].isna().all()


def test_a_shifted_week_breaches_and_names_what_moved(model: Model) -> None:
    result = check_drift(model, SHIFTED[0])
    assert (result["verdict"], result["worst_feature"], result["worst_metric"]) == ("breach", "INCOME", "psi")
    assert result["worst_value"] > 1
    assert result["moved"][0] == f"PSI of INCOME is {result['worst_value']:.3g} (breach from 0.25)"
    verdicts = written(model, "DRIFT").set_index("FEATURE")["VERDICT"]
    assert verdicts["INCOME"] == "breach"
    assert verdicts["debt ratio"] != "breach"


@pytest.mark.slow
def test_a_metric_in_the_columns_unit_is_told_in_standard_deviations(lab: Lab, model: Model) -> None:
    moved = {"mean_difference": Threshold(0.3, 0.5), "wasserstein": Threshold(0.3, 0.5)}
    check_drift(model, SHIFTED[0], rules=DriftRules(metrics={**moved, "jensen_shannon": Threshold(0.13, 0.21)}))
    base, week = (lab.frame[lab.frame["week"] == str(w)]["INCOME"].astype(float) for w in (HOLDOUT, SHIFTED[0]))
    drift = written(model, "DRIFT")
    income = drift[drift["FEATURE"] == "INCOME"].set_index("METRIC")["VALUE"]
    assert income["mean_difference"] == pytest.approx((week.mean() - base.mean()) / base.std(ddof=0))
    assert set(income.index) == {*moved, "jensen_shannon"}
    assert set(drift[drift["FEATURE"] == "COUNTY"]["METRIC"]) == {"jensen_shannon"}


@pytest.mark.slow
def test_a_feature_has_its_own_thresholds_and_ignored_ones_and_segments_are_shown(model: Model) -> None:
    ignored = frozenset({*FEATURES, "score"}) - {"INCOME"}
    rules = DriftRules(features={"INCOME": {"psi": Threshold(50.0, 99.0)}}, ignored=ignored)
    result = check_drift(model, SHIFTED[0], rules=rules, segments=["COUNTY"])
    assert (result["verdict"], result["worst_segment"]) == ("ok", "")
    drift = written(model, "DRIFT")
    of_segments = drift[drift["SEGMENT"] != ""]
    # The other counties' names have signs that a monitor cannot be asked for.
    assert set(of_segments["SEGMENT"]) == {"COUNTY=None"}
    assert sorted(of_segments["FEATURE"]) == sorted([*FEATURES, "score"])
    assert of_segments["VERDICT"].isna().all()
    assert of_segments.set_index("FEATURE")["VALUE"]["INCOME"] > 1
    drift = drift[drift["SEGMENT"] == ""].set_index("FEATURE")
    assert drift["VALUE"]["COUNTY"] > 0.1
    assert drift["VERDICT"].isna()[["COUNTY", "score"]].all()
    assert drift["BREACH"]["INCOME"] == 99.0


@pytest.mark.slow
def test_enough_bad_weeks_degrade_a_version_and_checking_again_replaces(model: Model) -> None:
    rule = Degradation(breaches=2, of_weeks=3)
    told = {}
    for week in (SHIFTED[0], SHIFTED[1], SHIFTED[1]):
        context = task_context()
        result = check_drift(model, week, context, degraded_when=rule)
        told[week] = (result["degraded"], result["since"], degraded_events(context, "drift"))
    assert told[SHIFTED[0]] == (False, None, [])
    degraded, since, (event,) = told[SHIFTED[1]]
    assert (degraded, since) == (True, str(SHIFTED[0]))
    found = Degraded.from_extra(event)
    assert (found.cause, found.what, found.metric, found.bound) == ("drift", "INCOME", "psi", 0.25)
    assert (found.week, found.since, found.breaches, found.of_weeks) == (str(SHIFTED[1]), str(SHIFTED[0]), 2, 3)
    assert len(written(model, "DRIFT")) == 2 * (len(FEATURES) + 1)


@pytest.mark.slow
def test_a_monitor_that_has_not_seen_the_week_is_waited_for_and_never_says_ok(lab: Lab, model: Model) -> None:
    lab.rows(
        f"INSERT INTO {model.predictions} SELECT * REPLACE ('not seen' AS ROW_ID) FROM {model.predictions} "
        f"WHERE WEEK_START = '{TWIN}' LIMIT 1"
    )
    try:
        with pytest.raises(TaskDeferred) as deferred:
            check_drift(model, TWIN, wait_minutes=30)
        assert deferred.value.method_name == "check"
        operator = MonitorDriftCheckOperator(task_id="check_drift", **arguments(model, TWIN))
        with pytest.raises(MonitorError, match=rf"has seen {ROWS} of the {ROWS + 1} predictions of week {TWIN}.*score"):
            operator.check(task_context(), None, until="2026-01-01T00:00:00+00:00")
        assert written(model, "DRIFT").empty
        assert str(TWIN) not in check_performance(model, SHIFTED[2])["weeks"]
    finally:
        lab.rows(f"DELETE FROM {model.predictions} WHERE ROW_ID = 'not seen'")
    assert operator.check(task_context(), None, **deferred.value.kwargs)["verdict"] == "ok"


def test_a_week_that_was_not_scored_is_told(model: Model) -> None:
    with pytest.raises(InputDataError, match=rf"week {WEEKS[9]} has no predictions by GOOD in .*; score it"):
        check_drift(model, WEEKS[9])


def test_a_version_without_monitor_is_told_with_what_makes_one(lab: Lab) -> None:
    model = lab.model("good")
    for check in (check_drift, check_performance):
        with pytest.raises(MonitorError, match=r"version GOOD of model .* has no monitor .*; run ModelMonitorOperator"):
            check(model, TWIN)


def test_a_suspended_monitor_is_no_ok(lab: Lab, model: Model) -> None:
    lab.rows(f"ALTER MODEL MONITOR {monitor_of(model)} SUSPEND")
    try:
        for check in (check_drift, check_performance):
            with pytest.raises(MonitorError, match=r"is SUSPENDED, so it does not tell of this week .* RESUME"):
                check(model, TWIN)
    finally:
        lab.rows(f"ALTER MODEL MONITOR {monitor_of(model)} RESUME")


# ---- performance ----


def expected(lab: Lab, week: object) -> dict[str, float]:
    rows = lab.frame[lab.frame["week"] == str(week)]
    label, scores = rows["APPROVED"].astype(int), lab.artefacts["good"].scores(rows)
    chosen = scores >= 0.5
    return {
        "accuracy": accuracy_score(label, chosen),
        "precision": precision_score(label, chosen),
        "recall": recall_score(label, chosen),
        "f1": f1_score(label, chosen),
        "roc_auc": roc_auc_score(label, scores),
    }


def test_past_weeks_are_measured_as_scikit_learn_measures_them(lab: Lab, model: Model) -> None:
    result = check_performance(model, SHIFTED[2])
    weeks = [TWIN, SHIFTED[0]]
    assert result["weeks"] == {str(week): pytest.approx(expected(lab, week)["f1"]) for week in weeks}
    assert (result["week"], result["metric"], result["estimated"]) == (str(SHIFTED[2]), "f1", {})
    rows = written(model, "PERFORMANCE")
    for week in weeks:
        of_week = rows[rows["WEEK_START"] == week.start].set_index("METRIC")
        assert of_week["VALUE"].to_dict() == pytest.approx(expected(lab, week))
        assert of_week["REFERENCE"].dropna().to_dict() == pytest.approx(lab.artefacts["good"].metrics)
        assert of_week["VERDICT"].dropna().index.tolist() == ["f1"]
    assert (set(rows["ROW_COUNT"]), set(rows["ENGINE"])) == ({ROWS}, {"snowflake_monitor"})
    assert not rows["IS_ESTIMATE"].any()


@pytest.mark.slow
def test_weeks_that_are_as_they_were_are_not_written_again(lab: Lab, model: Model) -> None:
    for run in ("first", "second"):
        check_performance(model, SHIFTED[2], task_context(run), metric="roc_auc", thresholds=LENIENT)
    assert set(written(model, "PERFORMANCE")["RUN_ID"]) == {"score_loans/first"}
    check_performance(model, SHIFTED[2], task_context("third"), metric="roc_auc", thresholds=TOUCHY)
    rows = written(model, "PERFORMANCE").set_index("WEEK_START")
    # The twin week is as good as the holdout, whatever the thresholds.
    assert set(rows["RUN_ID"][TWIN.start]) == {"score_loans/first"}
    assert set(rows["RUN_ID"][SHIFTED[0].start]) == {"score_loans/third"}
    assert len(rows) == 10


@pytest.mark.slow
def test_enough_bad_weeks_degrade_a_version(lab: Lab, model: Model) -> None:
    own = lab.artefacts["good"].metrics["roc_auc"]
    rule = {"metric": "roc_auc", "thresholds": TOUCHY, "degraded_when": Degradation(breaches=2, of_weeks=2)}
    assert all(expected(lab, week)["roc_auc"] < own - 0.0002 for week in SHIFTED[:2])
    first, second = task_context(), task_context()
    result = check_performance(model, SHIFTED[2], first, **rule)
    assert (result["verdict"], result["degraded"], degraded_events(first, "performance")) == ("breach", False, [])
    result = check_performance(model, SHIFTED[3], second, **rule)
    assert (result["verdict"], result["degraded"], result["since"]) == ("breach", True, str(SHIFTED[0]))
    (event,) = degraded_events(second, "performance")
    found = Degraded.from_extra(event)
    assert (found.cause, found.what, found.breaches) == ("performance", "roc_auc", 2)
    assert found.bound == pytest.approx(own - 0.0002)
    assert found.value == pytest.approx(expected(lab, SHIFTED[1])["roc_auc"])


@pytest.mark.slow
def test_weeks_whose_labels_have_not_come_are_left_out(model: Model) -> None:
    result = check_performance(model, SHIFTED[2], label_delay_weeks=0, lookback_weeks=1)
    assert (result["weeks"], result["verdict"], result["degraded"]) == ({}, None, False)
    assert written(model, "PERFORMANCE").empty


# ---- side by side ----


@pytest.mark.slow
def test_champion_and_challenger_stand_side_by_side(lab: Lab, model: Model) -> None:
    challenger = copy(model)
    challenger.predictions = lab.name(fresh("P"))
    challenger.add("weak", "WEAK")
    challenger.score(TWIN, model_version="WEAK")
    keep(challenger, "WEAK")
    result = CompareMonitorsOperator(
        task_id="compare", model_name=model.name, champion="GOOD", challenger="WEAK", week=str(SHIFTED[0]), weeks=2
    ).execute(task_context())
    rows = {(row["week"], row["metric"]): (row["champion"], row["challenger"]) for row in result["rows"]}
    weak = lab.artefacts["weak"].metrics
    assert rows[str(TWIN), "f1"] == pytest.approx((expected(lab, TWIN)["f1"], weak["f1"]))
    assert rows[str(TWIN), "roc_auc"] == pytest.approx((expected(lab, TWIN)["roc_auc"], weak["roc_auc"]))
    assert rows[str(TWIN), "score"] == pytest.approx((0, 0), abs=1e-12)
    assert rows[str(SHIFTED[0]), "f1"] == (pytest.approx(expected(lab, SHIFTED[0])["f1"]), None)
    assert len(rows) == 2 * 6
    with pytest.raises(MonitorError, match=r"version NONE of model .* has no monitor .*; run ModelMonitorOperator"):
        CompareMonitorsOperator(
            task_id="compare", model_name=model.name, champion="GOOD", challenger="NONE", week=str(TWIN)
        ).execute(task_context())
