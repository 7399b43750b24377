from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from snowmaker.exceptions import PipelineError
from snowmaker.performance import PerformanceThresholds
from snowmaker.pipeline import Pipeline, load_pipeline, load_pipelines, raise_for

REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted((REPOSITORY / "include" / "pipelines").glob("*.yaml"))
MORTGAGE = yaml.safe_load((REPOSITORY / "include" / "pipelines" / "mortgage.yaml").read_text())


def write(folder: Path, change: dict[str, Any], name: str = "p.yaml") -> Path:
    content = json.loads(json.dumps(MORTGAGE))
    for path, value in change.items():
        *parents, last = path.split("/")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = json.loads(json.dumps(value))
    file = folder / name
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour: is no known key; remove it or mend its spelling"),
        ({"source/tabel": "T"}, "source.tabel: is no known key"),
        ({"source/label": None}, "source.label: is missing; add it"),
        (
            {"monitoring/drift/breach": 0.05},
            "monitoring.drift: breach (0.05) is below warn (0.1); raise breach or lower warn",
        ),
        ({"source/features/numeric": ["INCOME; DROP TABLE T"]}, "'INCOME; DROP TABLE T' is not an identifier"),
        ({"source/table": "T WHERE 1=1"}, "'T WHERE 1=1' is not"),
        ({"source/features/numeric": ["COUNTY_NAME"]}, "lists COUNTY_NAME more than once"),
        ({"source/features/numeric": [], "source/features/categorical": []}, "lists no column"),
        ({"name": "My Model"}, "name: found 'My Model'"),
        ({"schedule": "weekly"}, "schedule: found 'weekly': is not a cron expression; write e.g."),
        ({"training/holdout_weeks": 8}, "holdout_weeks (8) leaves no week to train on"),
        (
            {"task": "multiclass_classification"},
            "model.threshold decides between two classes, and this task has several; remove it",
        ),
        (
            {"task": "multiclass_classification", "model/threshold": None},
            "monitoring.performance.metric: f1 is no metric of multiclass_classification; choose of accuracy,",
        ),
        (
            {"monitoring/drift/features": {"AGE": {"psi": {"warn": 0.2, "breach": 0.4}}}},
            "monitoring.drift: features names AGE, which is no feature of the source; mend or remove it",
        ),
        ({"monitoring/drift/ignore": ["AGE"]}, "ignore names AGE, which is no feature of the source"),
        (
            {"monitoring/drift/metrics": {"surprise": {"warn": 1, "breach": 2}}},
            "'surprise': is no drift metric; choose",
        ),
        (
            {"monitoring/drift/metrics": {"psi": {"warn": 1, "breach": 2}}},
            "monitoring.drift: metrics has psi, whose thresholds are warn and breach; write them there",
        ),
        (
            {"monitoring/drift/metrics": {"hellinger": {"warn": 0.2, "breach": 0.1}}},
            "breach (0.1) is below warn (0.2); raise breach or lower warn",
        ),
        ({"monitoring/drift/false_alarm_rate": 7}, "monitoring.drift.false_alarm_rate: found 7"),
        (
            {"monitoring/segments": ["STATE_NAME"]},
            "monitoring.segments: STATE_NAME is neither a feature nor in source.key; choose of LOAN_ID, LOAN_TYPE_NAME",
        ),
        ({"monitoring/engine": "snowflake_monitor"}, "engine snowflake_monitor asks model monitors; add snowflake:"),
        (
            {"monitoring/engine": "snowflake_monitor", "monitoring/snowflake": {"warehouse": "W", "monitor": False}},
            "engine snowflake_monitor asks model monitors; add snowflake:",
        ),
        (
            {
                "monitoring/engine": "snowflake_monitor",
                "monitoring/snowflake": {"warehouse": "W"},
                "monitoring/drift/metrics": {"hellinger": {"warn": 0.1, "breach": 0.2}},
            },
            "monitoring.snowflake: drift of every feature: a model monitor has no hellinger; choose of psi",
        ),
        (
            {"monitoring/snowflake": {"warehouse": "W", "refresh_interval": "now and then"}},
            "monitoring.snowflake: refresh_interval is 'now and then'; write a number of seconds",
        ),
        (
            {
                "monitoring/snowflake": {
                    "warehouse": "W",
                    "alerts": [{"metric": "f1", "integration": "MAIL", "recipients": ["ann@example.com"]}],
                }
            },
            "monitoring.snowflake: alert on f1: below is None and above is None; give exactly one of them",
        ),
        ({"notifications": [{"to": "smtp", "events": ["breach"]}]}, "mail, and only mail, has recipients"),
        ({"notifications": [{"to": "pigeon", "events": ["breach"]}]}, "notifications.0.to: found 'pigeon'"),
        ({"notifications": [{"to": "slack", "events": []}]}, "notifications.0.events"),
        (
            {"monitoring/performance/breach_above": 0.7},
            "monitoring.performance.breach_above does not go with metric f1; write breach_below",
        ),
        (
            {"monitoring/performance/warn_below": 0.6, "monitoring/performance/breach_below": 0.7},
            "monitoring.performance.breach_below (0.7) is reached before warn_below (0.6); exchange them",
        ),
        ({"promotion/floors": {"elegance": 1}}, "promotion.floors.elegance"),
        (
            {"promotion/approvers": ["ann"]},
            "promotion: approval is auto, so nobody is asked; remove approvers, or write approval: manual",
        ),
        ({"promotion/approval": "perhaps"}, "promotion.approval: found 'perhaps'"),
        (
            {"promotion/not_worse": {"STATE_NAME": 0.02}},
            "promotion.not_worse: STATE_NAME is neither a feature nor in source.key; choose of LOAN_ID, LOAN_TYPE_NAME",
        ),
        (
            {"promotion/not_worse_metric": "rmse"},
            "promotion.not_worse_metric: rmse is no metric of binary_classification; choose of accuracy,",
        ),
        ({"promotion/confidence": 95}, "promotion.confidence: found 95"),
        ({"retention/keep_versions": 0}, "retention.keep_versions: found 0"),
        ({"explain/sample_rows": 0}, "explain.sample_rows: found 0"),
        ({"scoring/model": ""}, "scoring.model: found ''"),
        ({"retries": -1}, "retries: found -1"),
        ({"week_starts_on": "payday"}, "week_starts_on: found 'payday'"),
        ({"monitoring/performance/degraded_when": {"breaches": 4, "of_weeks": 3}}, "breaches (4) cannot happen"),
        ({"monitoring/performance/warn_rise": 0.3}, "breach_rise (0.25) is below warn_rise (0.3); raise breach_rise"),
        (
            {"monitoring/performance/warn_rise": 0.2},
            "monitoring.performance.warn_rise does not go with metric f1; write warn_drop",
        ),
        (
            {"monitoring/performance/metric": "rmse"},
            "monitoring.performance.metric: rmse is no metric of binary_cl",
        ),
        ({"promotion/floors": {"rmse": 3}}, "promotion: floors has rmse, of which less is better; move it to ceilings"),
        ({"promotion/ceilings": {"f1": 1}}, "promotion: ceilings has f1, of which more is better; move it to floors"),
        ({"promotion/min_gain": {"r2": 0}}, "promotion.min_gain: r2 is no metric of binary_classification; choose of"),
        ({"training/max_wait_minutes": 60}, "max_wait_minutes is for spot instances, and spot is false"),
        (
            {"training/spot": True, "training/max_wait_minutes": 10},
            "max_wait_minutes (10) is below max_runtime_minutes (30), which it includes; raise it",
        ),
        ({"training/spot": True, "training/keep_alive_minutes": 9}, "spot instances cannot be kept in a warm pool"),
        ({"training/subnets": ["subnet-1"]}, "subnets and security_group_ids belong together; give both or none"),
        (
            {"training/estimator": "linear", "training/hyperparameters": {}, "training/instance_count": 2},
            "estimator linear trains on one instance, instance_count is 2; set it to 1",
        ),
        (
            {"training/create_training_job": {"StoppingCondition": {"MaxRuntimeInSeconds": 9}}},
            "create_training_job has StoppingCondition.MaxRuntimeInSeconds: give max_runtime_seconds",
        ),
        ({"training/instance_count": 0}, "training.instance_count: found 0"),
        ({"training/class_weight": "heavy"}, "training.class_weight: found 'heavy'"),
        (
            {"training/class_weight": "balanced", "training/hyperparameters/scale_pos_weight": 3},
            "class_weight and scale_pos_weight both weigh the classes; remove one of them",
        ),
        ({"training/hyperparameters/max_dept": 3}, "hyperparameter 'max_dept' is unknown to the estimator xgboost"),
        (
            {"training/estimator": "linear"},
            "is unknown to the estimator linear of a binary_classification; it knows",
        ),
        ({"training/search": {"depth": [1, 2]}}, "hyperparameter 'depth' is unknown to the estimator xgboost"),
        ({"training/search": {"max_depth": [1, 2]}}, "max_depth stands in hyperparameters and in search; remove it"),
        ({"training/search": {"eta": []}}, "search.eta lists 0 value(s); list at least two"),
        ({"training/search": {"eta": [0.1]}}, "search.eta lists 1 value(s); list at least two"),
        ({"training/search": {"eta": [0.1, 0.1]}}, "search.eta lists a value twice"),
        ({"training/search": {"eval_metric": ["auc", "x" * 41]}}, "search.eval_metric has a text of 41 characters"),
        (
            {"training/search": {"eta": [0.1, 0.2, 0.3], "gamma": [0, 1, 2, 3, 4, 5, 6]}},
            "search has 21 combinations, each a training job; at most 20 are allowed, shorten its lists",
        ),
    ],
)
def test_an_error_names_file_field_value_and_remedy(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as error:
        load_pipeline(write(tmp_path, change))
    assert message in str(error.value)
    assert "p.yaml: " in str(error.value)
    assert "pydantic" not in str(error.value)


@pytest.mark.parametrize("text", ["- a list", "", "a: [", "\x00"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PipelineError, match=r"p\.yaml: (holds no mapping|cannot be read as YAML)"):
        load_pipeline(tmp_path / "p.yaml")


def test_a_bad_file_does_not_hide_the_good_ones_and_a_name_is_given_once(tmp_path: Path) -> None:
    write(tmp_path, {}, "a.yaml")
    write(tmp_path, {"colour": "red"}, "b.yaml")
    write(tmp_path, {}, "c.yaml")
    write(tmp_path, {"name": "other"}, "d.yml")
    found = load_pipelines(tmp_path)
    assert [pipeline.name for pipeline in found.pipelines] == ["mortgage", "other"]
    with pytest.raises(PipelineError) as error:
        raise_for(found.errors)
    assert "b.yaml: colour" in str(error.value)
    assert "c.yaml: name 'mortgage' is taken by" in str(error.value)
    assert "a.yaml; give this pipeline another name" in str(error.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_pipelines_are_good_by_model_and_by_schema(path: Path) -> None:
    schema = json.loads((REPOSITORY / "plugins" / "snowmaker" / "pipeline.schema.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(path.read_text()))
    pipeline = load_pipeline(path)
    assert pipeline.source_table.features


def test_the_published_schema_is_the_models() -> None:
    published = json.loads((REPOSITORY / "plugins" / "snowmaker" / "pipeline.schema.json").read_text())
    assert published == Pipeline.model_json_schema(), "run make schema"


REGRESSION = {
    "task": "regression",
    "model/threshold": None,
    "monitoring/performance": {},
    "promotion": {"floors": {"r2": 0.5}, "ceilings": {"rmse": 9}},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"training/estimator": "linear", "training/hyperparameters": {"C": 1}},
            "hyperparameter 'C' is unknown to the estimator linear of a regression; it knows alpha, max_iter",
        ),
        (
            {"promotion/floors": {"f1": 0.5}},
            "promotion.floors: f1 is no metric of regression; choose of rmse, mae, mape, r2",
        ),
        ({"training/class_weight": "balanced"}, "training.class_weight weighs classes, and a regression has none"),
        ({"model/threshold": 0.5}, "model.threshold decides between two classes, and a regression has none"),
        (
            {"monitoring/performance/breach_drop": 0.2},
            "monitoring.performance.breach_drop does not go with metric rmse; write breach_rise",
        ),
        (
            {"monitoring/performance": {"metric": "r2", "breach_rise": 0.5}},
            "monitoring.performance.breach_rise does not go with metric r2; write breach_drop",
        ),
    ],
)
def test_what_does_not_go_with_a_regression_is_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    load_pipeline(write(tmp_path, REGRESSION))
    with pytest.raises(PipelineError) as error:
        load_pipeline(write(tmp_path, REGRESSION | change))
    assert message in str(error.value)


def test_the_metric_its_thresholds_and_the_least_gain_follow_from_the_task(tmp_path: Path) -> None:
    binary = load_pipeline(write(tmp_path, {"monitoring/performance": {}, "promotion/min_gain": None}))
    assert (binary.metric, binary.performance_thresholds, binary.min_gain) == (
        "f1",
        PerformanceThresholds(0.05, 0.1),
        {"f1": 0.0},
    )
    regression = load_pipeline(write(tmp_path, REGRESSION))
    assert (regression.metric, regression.performance_thresholds, regression.min_gain) == (
        "rmse",
        PerformanceThresholds(0.1, 0.25),
        {"rmse": 0.0},
    )
    by_r2 = load_pipeline(write(tmp_path, REGRESSION | {"monitoring/performance": {"metric": "r2"}}))
    assert by_r2.performance_thresholds == PerformanceThresholds(0.05, 0.1)
    free = load_pipeline(write(tmp_path, REGRESSION | {"promotion": {"min_gain": {}}}))
    assert free.min_gain == {}


def test_names_are_qualified_and_quoted() -> None:
    pipeline = Pipeline.model_validate(MORTGAGE)
    assert pipeline.model_name.quoted == '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"'
    assert pipeline.predictions_table.quoted == '"ML"."MORTGAGE"."MORTGAGE_PREDICTIONS"'
    assert [f.kind for f in pipeline.source_table.features] == ["categorical"] * 3 + ["numeric"] * 2
