"""One regression with a search through both DAGs: trained, chosen, logged, promoted, scored and checked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
import snowflake.connector
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, r2_score, root_mean_squared_error
from snowflake.connector.pandas_tools import write_pandas

from include.demo.environment import Environment
from include.sandbox.process import Sandbox
from snowmaker.exceptions import InputDataError
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.scoring import BatchInferenceOperator
from snowmaker.pipeline import Pipeline
from snowmaker.verdicts import Degradation

from .bundle import Bundle, Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DATABASE, SCHEMA = "DAGS", "RENTS"
WEEKS = [f"2026-01-{day:02d}" for day in (5, 12, 19, 26)] + ["2026-02-02"]
ROWS = 150
PIPELINE = {
    "name": "rents",
    "task": "regression",
    "schedule": None,
    "snowflake": {"database": DATABASE, "schema": SCHEMA},
    "source": {
        "table": "FLATS",
        "week_column": "OFFERED_ON",
        "key": ["FLAT_ID"],
        "features": {"categorical": ["QUARTER"], "numeric": ["ROOMS", "AGE"]},
        "label": "RENT",
        "label_delay_weeks": 1,
    },
    "training": {
        "window_weeks": 4,
        "max_runtime_minutes": 5,
        "tags": {"team": "rents"},
        "hyperparameters": {"num_boost_round": 40, "learning_rate": 0.3},
        # The last one is refused by XGBoost.
        "search": {"max_depth": [1, 4, -1]},
    },
    "monitoring": {"performance": {"warn_rise": 0.5, "breach_rise": 1.0}},
    "promotion": {"floors": {"r2": 0.5}, "ceilings": {"rmse": 100}},
}


def flats() -> pd.DataFrame:
    """Rents by rooms, quarter and age, which only deep enough trees tell from each other."""
    rng = np.random.default_rng(3)
    size = ROWS * len(WEEKS)
    frame = pd.DataFrame(
        {
            "OFFERED_ON": pd.to_datetime(np.repeat(WEEKS, ROWS)).date,
            "FLAT_ID": np.arange(size),
            "QUARTER": rng.choice(["Old Town", "St. Mary's", "a/b", None], size),
            "ROOMS": rng.integers(1, 6, size),
            "AGE": np.where(rng.random(size) < 0.1, np.nan, rng.uniform(0, 100, size)),
        }
    )
    dear = frame["QUARTER"].map({"Old Town": 2.0, "St. Mary's": 1.0}).fillna(0.5)
    frame["RENT"] = np.round(300 + 200 * frame["ROOMS"] * dear + rng.normal(0, 20, size), 2)
    return frame


@dataclass
class Story:
    """Retraining as of the fourth week, the scoring of the fourth and fifth, the fifth's again in the shadow.

    ``scored`` is the fifth's run.
    """

    retrained: Run
    scored: Run
    shadowed: Run
    printed: str
    frame: pd.DataFrame
    connection: snowflake.connector.SnowflakeConnection

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Run a statement in the schema."""
        with self.connection.cursor(snowflake.connector.DictCursor) as cursor:
            return list(cursor.execute(sql).fetchall())


@pytest.fixture(scope="module")
def story(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    frame = flats()
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"CREATE SCHEMA {DATABASE}.{SCHEMA}")
        cursor.execute(
            "CREATE TABLE FLATS (OFFERED_ON DATE, FLAT_ID NUMBER, QUARTER VARCHAR, ROOMS NUMBER, AGE FLOAT, "
            "RENT NUMBER(12, 2))"
        )
        write_pandas(connection, frame, "FLATS")
        environment = Environment(sandbox).airflow_variables()
        bundle = Bundle.make(tmp_path_factory.mktemp("dags"), environment, PIPELINE)
        runs, printed = bundle.run(
            ("retrain_rents", {"week": WEEKS[3], "window_weeks": 3}),
            ("score_rents", {"week": WEEKS[3]}),
            ("score_rents", {"week": WEEKS[4]}),
            ("shadow_rents", {"week": WEEKS[4], "model_version": "production"}),
        )
        yield Story(runs[0], runs[2], runs[3], printed, frame, connection)
        cursor.execute(f"DROP DATABASE {DATABASE}")


def test_every_combination_is_trained_and_one_that_fails_sinks_no_other(story: Story) -> None:
    states = dict(story.retrained.states)
    assert states.pop("train[2]") == "failed"
    assert states == {
        "training_set": "success",
        "train[0]": "success",
        "train[1]": "success",
        "choose": "success",
        "log_model": "success",
        "freeze_baseline": "success",
        "evaluate": "success",
        "explain": "success",
        "promote": "success",
    }
    # XGBoost's refusal is told once; trying again would not mend it.
    assert story.retrained.tries["train[2]"] == 1
    assert "train[2] failed, so {'max_depth': -1} is left out" in story.printed
    assert story.retrained.labels["train[1]"] == "{'learning_rate': 0.3, 'num_boost_round': 40, 'max_depth': 4}"


def test_the_best_on_the_holdout_is_chosen_and_logged(story: Story) -> None:
    results = story.retrained.results
    chosen = dict(results["choose"])
    tried = chosen.pop("tried")
    assert chosen == results["train[1]"]
    assert chosen["metrics"]["rmse"] < 50 < results["train[0]"]["metrics"]["rmse"]
    assert [one["hyperparameters"] for one in tried] == [{"max_depth": depth} for depth in (1, 4, -1)]
    assert [one["value"] for one in tried] == [*(results[f"train[{i}]"]["metrics"]["rmse"] for i in (0, 1)), None]
    assert [one["job_name"] for one in tried] == [*(results[f"train[{i}]"]["job_name"] for i in (0, 1)), None]
    assert results["log_model"]["metrics"] == chosen["metrics"]
    assert max(len(json.dumps(result)) for result in results.values()) < 10_000


def test_each_combination_is_a_job_of_its_own_with_its_cost(story: Story) -> None:
    costs = story.rows("SELECT * FROM SNOWMAKER_RUN_COSTS ORDER BY MAP_INDEX")
    assert [(row["MAP_INDEX"], row["STATUS"]) for row in costs] == [(0, "Completed"), (1, "Completed"), (2, "Failed")]
    assert {(row["MODEL_NAME"], str(row["WEEK_START"])) for row in costs} == {('"DAGS"."RENTS"."RENTS"', WEEKS[3])}
    sagemaker = boto3.client("sagemaker")
    for row, depth in zip(costs, ("1", "4", "-1"), strict=True):
        job = sagemaker.describe_training_job(TrainingJobName=row["JOB_NAME"])
        given = {name: job["HyperParameters"][name] for name in ("max_depth", "num_boost_round", "learning_rate")}
        assert given == {"max_depth": depth, "num_boost_round": "40", "learning_rate": "0.3"}
        assert sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == [{"Key": "team", "Value": "rents"}]


def test_the_gate_measures_the_challenger_as_its_training_job_did(story: Story) -> None:
    verdict = story.retrained.results["evaluate"]
    assert verdict["passed"]
    assert [rule["rule"] for rule in verdict["rules"]] == ["r2", "rmse", "schema"]
    metrics = verdict["metrics"][verdict["challenger"]]
    assert metrics == pytest.approx(story.retrained.results["train[1]"]["metrics"], rel=1e-6)
    assert story.retrained.results["promote"] == {"champion": verdict["challenger"], "previous": None}
    events = story.rows("SELECT EVENT, REASON FROM SNOWMAKER_MODEL_EVENTS ORDER BY SEQUENCE")
    assert events == [{"EVENT": "NOMINATED", "REASON": None}, {"EVENT": "PROMOTED", "REASON": "manual run"}]


def test_in_the_shadow_the_champion_says_the_same_beside_itself(story: Story) -> None:
    assert story.shadowed.states == {"check_input": "success", "score": "success", "compare": "success"}
    compared = story.shadowed.results["compare"]
    champion = story.scored.results["score"]["model_version"]
    assert (compared["version"], compared["against"], compared["week"]) == (champion, champion, WEEKS[4])
    assert (compared["rows"], compared["equal_predictions"], compared["labelled"]) == (ROWS, 1, ROWS)
    assert compared["correlation"] == pytest.approx(1)
    assert compared["metrics"]["rmse"]["version"] == pytest.approx(compared["metrics"]["rmse"]["against"])
    rows = story.rows("SELECT IS_SHADOW, COUNT(*) AS N FROM RENTS_PREDICTIONS GROUP BY 1 ORDER BY 1")
    assert rows == [{"IS_SHADOW": False, "N": 2 * ROWS}, {"IS_SHADOW": True, "N": ROWS}]


def test_a_prediction_is_the_score_and_near_the_truth(story: Story) -> None:
    assert set(story.scored.states.values()) == {"success"}
    predictions = story.rows(
        "SELECT FLAT_ID, SCORE, PREDICTION FROM RENTS_PREDICTIONS_CURRENT WHERE WEEK_START = '2026-02-02'"
    )
    assert len(predictions) == story.scored.results["score"]["rows"] == ROWS
    assert all(row["PREDICTION"] == row["SCORE"] for row in predictions)
    assert any(row["PREDICTION"] % 1 for row in predictions)
    truth = story.frame.set_index("FLAT_ID")["RENT"]
    errors = [row["SCORE"] - truth[row["FLAT_ID"]] for row in predictions]
    assert np.sqrt(np.mean(np.square(errors))) < 50


def test_a_labelled_week_is_measured_as_scikit_learn_measures_it(story: Story) -> None:
    predictions = story.rows("SELECT FLAT_ID, SCORE FROM RENTS_PREDICTIONS_CURRENT WHERE WEEK_START = '2026-01-26'")
    truth = story.frame.set_index("FLAT_ID")["RENT"].loc[[row["FLAT_ID"] for row in predictions]].to_numpy()
    scores = np.array([row["SCORE"] for row in predictions])
    expected = {
        "rmse": root_mean_squared_error(truth, scores),
        "mae": mean_absolute_error(truth, scores),
        "mape": mean_absolute_percentage_error(truth, scores),
        "r2": r2_score(truth, scores),
    }
    measured = story.rows("SELECT * FROM SNOWMAKER_PERFORMANCE WHERE WEEK_START = '2026-01-26'")
    assert {row["METRIC"]: row["VALUE"] for row in measured} == pytest.approx(expected, rel=1e-9)
    assert {row["METRIC"]: row["VERDICT"] for row in measured} == {
        "rmse": "ok",
        "mae": None,
        "mape": None,
        "r2": None,
    }
    checked = story.scored.results["check_performance"]
    assert checked["weeks"] == {WEEKS[3]: pytest.approx(expected["rmse"], rel=1e-9)}
    assert (checked["metric"], checked["verdict"], checked["degraded"]) == ("rmse", "ok", False)
    assert checked["estimated"] == {}
    own = story.retrained.results["evaluate"]["metrics"][checked["model_version"]]
    assert {row["METRIC"]: row["REFERENCE"] for row in measured} == pytest.approx(own, rel=1e-6)


def test_the_score_of_any_size_has_a_baseline_and_a_drift(story: Story) -> None:
    (baseline,) = story.rows("SELECT PROFILE FROM SNOWMAKER_BASELINES WHERE FEATURE = 'score'")
    profile = json.loads(baseline["PROFILE"])
    edges = profile["bins"]["edges"]
    assert len(edges) == 9
    assert 300 < edges[0] < edges[-1] < 2500
    assert sum(profile["counts"]) == ROWS
    drifts = story.rows("SELECT WEEK_START, VALUE FROM SNOWMAKER_DRIFT WHERE FEATURE = 'score' AND METRIC = 'psi'")
    assert sorted(str(row["WEEK_START"]) for row in drifts) == WEEKS[3:]
    assert all(0 < row["VALUE"] < 0.5 for row in drifts)


def test_an_error_that_rises_by_its_share_degrades_the_version(
    story: Story, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # The same flats at twice the rent: the label tells no row from another, so they find their predictions.
    story.rows("CREATE VIEW DEARER_FLATS AS SELECT * EXCLUDE RENT, 2 * RENT AS RENT FROM FLATS")
    pipeline = Pipeline.model_validate({**PIPELINE, "source": {**PIPELINE["source"], "table": "DEARER_FLATS"}})
    result = PerformanceCheckOperator(
        task_id="check_performance",
        source=pipeline.source_table,
        model_name=pipeline.model_name.quoted,
        model_version=story.scored.results["score"]["model_version"],
        predictions_table=pipeline.predictions_table.quoted,
        week=WEEKS[4],
        label_delay_weeks=1,
        task=pipeline.task,
        metric=pipeline.metric,
        thresholds=pipeline.performance_thresholds,
        degraded_when=Degradation(breaches=1, of_weeks=1),
    ).execute(task_context())
    assert (result["verdict"], result["degraded"]) == ("breach", True)
    told = f", 1 of the last 1 weeks breached, since {WEEKS[3]}"
    assert told in caplog.text + capfd.readouterr().out


def test_a_table_of_another_tasks_predictions_is_refused(story: Story) -> None:
    pipeline = Pipeline.model_validate({**PIPELINE, "name": "classes", "model": {"name": "RENTS"}})
    as_classes = "SELECT * EXCLUDE PREDICTION, 1::NUMBER(38, 0) AS PREDICTION"
    story.rows(f"CREATE TABLE CLASSES_PREDICTIONS AS {as_classes} FROM RENTS_PREDICTIONS")
    score = BatchInferenceOperator(
        task_id="score",
        source=pipeline.source_table,
        model_name=pipeline.model_name.quoted,
        predictions_table=pipeline.predictions_table.quoted,
        week=WEEKS[4],
        task="regression",
    )
    with pytest.raises(InputDataError, match=r"PREDICTION of .* is NUMBER\(38,0\), but this task's .* are FLOAT"):
        score.execute(task_context())


def task_context() -> Any:
    """The context of a task's try, with what these operators look at."""
    run = SimpleNamespace(dag_id="score_rents", run_id="by hand")
    return {"dag_run": run, "ti": SimpleNamespace(id=uuid.uuid4())}
