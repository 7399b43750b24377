"""What the DAG files make of a pipeline file."""

from __future__ import annotations

import runpy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG

from snowmaker.drift import DriftRules
from snowmaker.monitor_options import MonitorOptions
from snowmaker.operators.monitor_drift import MonitorDriftCheckOperator
from snowmaker.operators.monitor_performance import MonitorPerformanceCheckOperator
from snowmaker.performance import PerformanceThresholds
from snowmaker.pipeline import Pipeline
from snowmaker.pipeline_sections import TrainingSection
from snowmaker.pipeline_versions import PromotionSection
from snowmaker.verdicts import Degradation, Threshold

REPOSITORY = Path(__file__).parents[2]
MORTGAGE = yaml.safe_load((REPOSITORY / "include" / "pipelines" / "mortgage.yaml").read_text())
RETRAINING = ["training_set", "train", "log_model", "freeze_baseline", "explain", "evaluate", "promote"]
# By the operator's name and in its unit; what is not here is called alike.
RENAMED = {
    "max_runtime_minutes": ("max_runtime_seconds", 45 * 60),
    "max_wait_minutes": ("max_wait_seconds", 90 * 60),
    "keep_alive_minutes": ("keep_alive_seconds", 20 * 60),
}
ELSEWHERE = {"window_weeks", "holdout_weeks", "search"}
SAID: dict[str, Any] = {
    "recency_half_life_weeks": 3.0,
    "seed": 11,
    "estimator": "linear",
    "class_weight": "balanced",
    "reader": "snowpark",
    "hyperparameters": {"C": 0.5},
    "image_uri": "image:1",
    "framework_version": "1.7-1",
    "instance_type": "ml.c5.large",
    "volume_size_gb": 11,
    "max_runtime_minutes": 45,
    "max_retry_attempts": 2,
    "subnets": ["subnet-1"],
    "security_group_ids": ["sg-1"],
    "volume_kms_key": "disk",
    "output_kms_key": "artefact",
    "tags": {"team": "loans"},
    "create_training_job": {"EnableNetworkIsolation": False},
}
# What excludes something of the above.
SAID_APART: list[dict[str, Any]] = [
    {"instance_count": 3},
    {"spot": True, "max_runtime_minutes": 45, "max_wait_minutes": 90},
    {"keep_alive_minutes": 20},
]


@pytest.fixture(scope="module")
def build() -> Any:
    """Build the retraining DAG of the mortgage pipeline with another training section."""
    weekly_retraining = runpy.run_path(str(REPOSITORY / "dags" / "weekly_retraining.py"))["weekly_retraining"]

    def retraining(**training: Any) -> DAG:
        return weekly_retraining(Pipeline.model_validate({**MORTGAGE, "training": training}))

    return retraining


def test_without_a_search_one_task_trains(build: Any) -> None:
    dag = build(hyperparameters={"max_depth": 3})
    assert sorted(dag.task_ids) == sorted(RETRAINING)
    assert not dag.get_task("train").is_mapped
    assert dag.get_task("train").hyperparameters == {"max_depth": 3}
    assert dag.get_task("log_model").upstream_task_ids == {"training_set", "train"}


def test_with_a_search_a_mapped_task_trains_and_the_best_goes_on(build: Any) -> None:
    dag = build(hyperparameters={"max_depth": 3}, search={"eta": [0.1, 0.3], "gamma": [0, 1]})
    assert sorted(dag.task_ids) == sorted([*RETRAINING, "choose"])
    train, choose = dag.get_task("train"), dag.get_task("choose")
    assert train.is_mapped
    assert train.expand_input.value["hyperparameters"] == [
        {"max_depth": 3, "eta": eta, "gamma": gamma} for eta in (0.1, 0.3) for gamma in (0, 1)
    ]
    assert choose.combinations == [{"eta": eta, "gamma": gamma} for eta in (0.1, 0.3) for gamma in (0, 1)]
    assert choose.metric == "f1"
    assert choose.upstream_task_ids == {"train"}
    assert dag.get_task("log_model").upstream_task_ids == {"training_set", "choose"}


@pytest.mark.parametrize("said", [SAID, *SAID_APART], ids=lambda said: ",".join(said)[:40])
def test_the_train_task_hears_all_that_the_pipeline_file_says(build: Any, said: dict[str, Any]) -> None:
    train = build(**said).get_task("train")
    default = TrainingSection()
    for name, value in said.items():
        assert getattr(default, name) != value
        heard, expected = RENAMED.get(name, (name, value))
        found = getattr(train, heard)
        assert (list(found) if isinstance(found, tuple) else found) == expected


def test_nothing_of_the_section_is_left_out_above() -> None:
    told = {*SAID, *(name for said in SAID_APART for name in said), *ELSEWHERE}
    assert told == set(TrainingSection.model_fields)


def test_key_and_costs_go_with_the_job(build: Any) -> None:
    train = build().get_task("train")
    assert train.key == ["LOAN_ID"]
    assert train.model_name == '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"'
    assert train.costs_table == '"ML"."MORTGAGE"."SNOWMAKER_RUN_COSTS"'
    assert (train.week.operator.task_id, train.week.key) == ("training_set", "week")


MONITORING: dict[str, Any] = {
    "segments": ["LOAN_TYPE_NAME"],
    "cool_down_weeks": 5,
    "drift": {
        "warn": 0.2,
        "breach": 0.3,
        "metrics": {"hellinger": {"warn": 0.1, "breach": 0.2}},
        "features": {"score": {"psi": {"warn": 0.4, "breach": 0.5}}},
        "ignore": ["COUNTY_NAME"],
        "false_alarm_rate": 0.05,
        "bins": 7,
        "categories": 9,
        "baseline_weeks": 4,
        "degraded_when": {"breaches": 2, "of_weeks": 6},
    },
    "performance": {
        "metric": "roc_auc",
        "warn_drop": 0.03,
        "breach_drop": 0.04,
        "warn_below": 0.8,
        "breach_below": 0.7,
        "lookback_weeks": 11,
        "estimate": False,
        "degraded_when": {"breaches": 1, "of_weeks": 7},
    },
}


@pytest.fixture(scope="module")
def scoring() -> DAG:
    """Build the scoring DAG of the mortgage pipeline with all that its monitoring section can say."""
    weekly_scoring = runpy.run_path(str(REPOSITORY / "dags" / "weekly_scoring.py"))["weekly_scoring"]
    told = [{"to": "slack", "events": ["breach"]}, {"to": "http", "events": ["failure"], "conn_id": "hook"}]
    return weekly_scoring(Pipeline.model_validate({**MORTGAGE, "monitoring": MONITORING, "notifications": told}))


def test_a_week_is_scored_checked_and_reported(scoring: DAG) -> None:
    upstream = {task.task_id: task.upstream_task_ids for task in scoring.tasks}
    assert upstream == {
        "check_input": set(),
        "score": {"check_input"},
        "check_drift": {"check_input", "score"},
        "check_performance": {"check_input", "score"},
        "report": {"check_input", "check_drift", "check_performance"},
    }


def test_the_drift_check_hears_all_that_the_pipeline_file_says(scoring: DAG) -> None:
    check = scoring.get_task("check_drift")
    assert check.rules == DriftRules(
        metrics={"psi": Threshold(0.2, 0.3), "hellinger": Threshold(0.1, 0.2)},
        features={"score": {"psi": Threshold(0.4, 0.5)}},
        ignored=frozenset({"COUNTY_NAME"}),
        false_alarm_rate=0.05,
    )
    heard = (tuple(check.segments), check.cool_down_weeks, check.bins, check.categories, check.baseline_weeks)
    assert heard == (("LOAN_TYPE_NAME",), 5, 7, 9, 4)
    assert check.degraded_when == Degradation(2, 6)


def test_the_performance_check_hears_all_that_the_pipeline_file_says(scoring: DAG) -> None:
    check = scoring.get_task("check_performance")
    assert check.thresholds == PerformanceThresholds(0.03, 0.04, warn_below=0.8, breach_below=0.7)
    heard = (check.metric, tuple(check.segments), check.cool_down_weeks, check.lookback_weeks, check.estimate)
    assert heard == ("roc_auc", ("LOAN_TYPE_NAME",), 5, 11, False)
    assert (check.label_delay_weeks, check.degraded_when) == (2, Degradation(1, 7))


def test_people_are_told_of_what_they_asked_for(scoring: DAG) -> None:
    for task in scoring.tasks:
        (failure,) = task.on_failure_callback
        assert [str(one) for one in failure.destinations] == ["http (connection hook)"]
        checks = [str(one) for callback in task.on_success_callback for one in callback.destinations]
        is_check = task.task_id in ("check_drift", "check_performance")
        assert checks == (["slack (connection slack_default)"] if is_check else [])


WATCHED: dict[str, Any] = {
    "engine": "snowflake_monitor",
    "segments": ["LOAN_TYPE_NAME"],
    "snowflake": {
        "warehouse": "compute_wh",
        "refresh_interval": "2 hours",
        "other_versions": "drop",
        "wait_minutes": 17,
        "alerts": [{"metric": "f1", "below": 0.7, "integration": "mail", "recipients": ["ann@example.com"]}],
    },
}


@pytest.fixture(scope="module")
def watched() -> dict[str, DAG]:
    """Build both DAGs of the mortgage pipeline, watched by Snowflake itself."""
    pipeline = Pipeline.model_validate({**MORTGAGE, "monitoring": WATCHED})
    return {
        name: runpy.run_path(str(REPOSITORY / "dags" / f"{name}.py"))[name](pipeline)
        for name in ("weekly_scoring", "weekly_retraining")
    }


def test_the_verdicts_are_the_monitors_where_that_is_asked_for(watched: dict[str, DAG]) -> None:
    drift, performance = (watched["weekly_scoring"].get_task(f"check_{cause}") for cause in ("drift", "performance"))
    assert isinstance(drift, MonitorDriftCheckOperator)
    assert isinstance(performance, MonitorPerformanceCheckOperator)
    assert (drift.wait_minutes, tuple(drift.segments), performance.metric) == (17, ("LOAN_TYPE_NAME",), "f1")
    assert watched["weekly_scoring"].get_task("report").upstream_task_ids >= {"check_drift", "check_performance"}


def test_a_new_champion_gets_its_monitor_and_alerts(watched: dict[str, DAG]) -> None:
    retraining = watched["weekly_retraining"]
    assert retraining.get_task("promote").downstream_task_ids == {"alert_1", "monitor"}
    monitor, alert = retraining.get_task("monitor"), retraining.get_task("alert_1")
    assert monitor.options == MonitorOptions("compute_wh", refresh_interval="2 hours", segments=("LOAN_TYPE_NAME",))
    assert (monitor.others, monitor.predictions_table) == ("drop", '"ML"."MORTGAGE"."MORTGAGE_PREDICTIONS"')
    assert alert.alert_name == '"ML"."MORTGAGE"."MORTGAGE_F1_ALERT"'
    assert (alert.definition.recipients, alert.definition.subject) == (("ann@example.com",), "MORTGAGE_RESPONSE: f1")


GATE: dict[str, Any] = {
    "floors": {"f1": 0.7},
    "ceilings": {"calibration_error": 0.1},
    "min_gain": {"roc_auc": 0.02},
    "confidence": 0.9,
    "not_worse": {"COUNTY_NAME": 0.03},
    "not_worse_metric": "roc_auc",
    "max_scoring_seconds_per_million": 90.0,
    "max_training_cost": 2.5,
}
APPROVAL: dict[str, Any] = {
    "approval": "manual",
    "approvers": ["ann"],
    "approval_timeout_hours": 5,
    "approval_default": "approve",
}


@pytest.fixture(scope="module")
def governed() -> DAG:
    """Build the retraining DAG of the mortgage pipeline with all that its file can say about versions."""
    weekly_retraining = runpy.run_path(str(REPOSITORY / "dags" / "weekly_retraining.py"))["weekly_retraining"]
    said = {
        "promotion": {**GATE, **APPROVAL},
        "retries": 5,
        "explain": None,
        "scoring": {"model": "V7"},
        "retention": {"keep_versions": 3, "keep_champion_weeks": 9, "dry_run": False},
    }
    return weekly_retraining(Pipeline.model_validate({**MORTGAGE, **said}))


def test_the_gate_hears_all_that_the_pipeline_file_says(governed: DAG) -> None:
    evaluate = governed.get_task("evaluate")
    assert {name: getattr(evaluate, name) for name in GATE} == GATE
    assert evaluate.costs_table == '"ML"."MORTGAGE"."SNOWMAKER_RUN_COSTS"'
    assert {*GATE, *APPROVAL} == set(PromotionSection.model_fields)


def test_a_person_is_asked_between_gate_and_promotion(governed: DAG) -> None:
    approve, promote = governed.get_task("approve"), governed.get_task("promote")
    assert approve.upstream_task_ids == {"evaluate"}
    assert promote.upstream_task_ids == {"approve", "evaluate", "freeze_baseline", "training_set"}
    assert (approve.approvers, approve.timeout, approve.on_timeout) == (("ann",), timedelta(hours=5), "approve")
    assert promote.approval.operator is approve


def test_nobody_is_asked_where_the_gate_decides(build: Any) -> None:
    dag = build()
    assert "approve" not in dag.task_ids
    assert dag.get_task("promote").approval is None


def test_a_version_is_explained_beside_its_judgement(build: Any, governed: DAG) -> None:
    explain = build().get_task("explain")
    assert (explain.sample_rows, explain.downstream_task_ids) == (500, set())
    assert explain.upstream_task_ids == {"log_model", "training_set"}
    assert "explain" not in governed.task_ids


def test_old_versions_are_retired_after_a_promotion(governed: DAG, build: Any) -> None:
    retire = governed.get_task("retire")
    assert retire.upstream_task_ids == {"promote", "training_set"}
    assert (retire.rule.keep_versions, retire.rule.keep_champion_weeks, retire.is_dry_run) == (3, 9, False)
    assert retire.pinned == ("V7",)
    assert "retire" not in build().task_ids


def test_every_task_is_tried_as_often_as_the_pipeline_file_says(governed: DAG, scoring: DAG) -> None:
    assert {task.retries for task in governed.tasks} == {5}
    assert {task.retries for task in scoring.tasks} == {2}


def test_a_week_is_scored_by_the_version_that_the_pipeline_file_names() -> None:
    weekly_scoring = runpy.run_path(str(REPOSITORY / "dags" / "weekly_scoring.py"))["weekly_scoring"]
    pipeline = Pipeline.model_validate({**MORTGAGE, "scoring": {"model": "champion_as_of_week"}})
    assert weekly_scoring(pipeline).params["model_version"] == "champion_as_of_week"


@pytest.mark.parametrize("weeks", [0, 4])
def test_a_baseline_is_frozen_of_the_holdout_or_of_scored_weeks(weeks: int) -> None:
    weekly_retraining = runpy.run_path(str(REPOSITORY / "dags" / "weekly_retraining.py"))["weekly_retraining"]
    monitoring = {**MONITORING, "drift": {"bins": 7, "categories": 9, "baseline_weeks": weeks}}
    freeze = weekly_retraining(Pipeline.model_validate({**MORTGAGE, "monitoring": monitoring})).get_task(
        "freeze_baseline"
    )
    heard = (freeze.calibration_only, freeze.bins, freeze.categories, tuple(freeze.segments))
    assert heard == (weeks > 0, 7, 9, ("LOAN_TYPE_NAME",))


@pytest.mark.parametrize(
    ("file", "prefix"), [("weekly_scoring", "score"), ("weekly_retraining", "retrain"), ("shadow_scoring", "shadow")]
)
def test_a_tasks_process_builds_its_own_dag_only(monkeypatch: pytest.MonkeyPatch, file: str, prefix: str) -> None:
    built: list[str] = []
    enter = DAG.__enter__

    def note(dag: DAG) -> DAG:
        built.append(dag.dag_id)
        return enter(dag)

    monkeypatch.setattr(DAG, "__enter__", note)
    runpy.run_path(str(REPOSITORY / "dags" / f"{file}.py"))
    assert {f"{prefix}_mortgage", f"{prefix}_house_values"} <= set(built)
    built.clear()
    # As Airflow tells a task's process.
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", f"{prefix}_mortgage")
    runpy.run_path(str(REPOSITORY / "dags" / f"{file}.py"))
    assert built == [f"{prefix}_mortgage"]
