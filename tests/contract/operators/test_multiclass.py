"""One model of several classes through all operators: trained by a job, logged, judged, promoted, scored, checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from include.datasets.tickets import TEAMS, TICKETS, Scenario
from include.datasets.weekly_table import WeeklyTable
from snowmaker.artefact import build_model, unpack
from snowmaker.drift import DriftRules
from snowmaker.drift_metrics import psi
from snowmaker.explainable_model import contributions
from snowmaker.operators.explain import ExplainModelOperator
from snowmaker.operators.sagemaker import SageMakerTrainOperator
from snowmaker.profile import Profile
from snowmaker.source import Source
from snowmaker.week import Week

from .lab import DATABASE, Lab, Model, fresh, task_context

REPOSITORY = Path(__file__).parents[3]
ROWS = 400
WEEKS = [Week.parse("2026-01-05", "monday").shift(i) for i in range(7)]
AS_OF, SCORED, LATER = WEEKS[3], WEEKS[4], WEEKS[6]
"""The version of the first four weeks, the next week, and the week in which that one's labels are due."""
TEXT = ["PRODUCT", "CHANNEL", "TOPIC", "CUSTOMER_TYPE"]
NUMBERS = ["MESSAGE_WORDS", "FAILED_LOGINS", "LINE_RESETS", "DAYS_SINCE_INVOICE", "CONTRACT_MONTHS"]
TASK = {"task": "multiclass_classification"}


def source_of(table: str, label: str = "SOLVED_BY") -> Source:
    return Source.of(
        table, week_column="OPENED_WEEK", label=label, categorical=TEXT, numeric=NUMBERS, key=["TICKET_ID"]
    )


def model_input(rows: pd.DataFrame) -> pd.DataFrame:
    raw = rows[TEXT].astype(object).where(rows[TEXT].notna(), None)
    return raw.assign(**{name: rows[name].astype("float64") for name in NUMBERS})


@dataclass
class Story:
    """What the operators returned, and the model that they work with."""

    model: Model
    frame: pd.DataFrame
    trained: dict[str, Any]
    logged: dict[str, Any]
    verdict: dict[str, Any]
    scored: dict[str, Any]
    in_memory: Any

    @property
    def version(self) -> str:
        return str(self.logged["model_version"])

    def rows(self, week: Week) -> pd.DataFrame:
        return self.frame[self.frame["OPENED_WEEK"] == week.start].sort_values("TICKET_ID").reset_index(drop=True)

    def chances(self, rows: pd.DataFrame) -> np.ndarray:
        """What the model says in memory, of the rows in their order."""
        return np.asarray(self.in_memory.predict_proba(model_input(rows)))

    def predictions(self, week: Week) -> pd.DataFrame:
        found = self.model.predicted(week).sort_values("TICKET_ID").reset_index(drop=True)
        return found.assign(PROBABILITIES=found["PROBABILITIES"].map(json.loads))


@pytest.fixture(scope="module")
def tickets(lab: Lab) -> tuple[str, pd.DataFrame]:
    """Seven weeks of tickets in a table, in which nothing shifts."""
    scenario = Scenario(new_product_week=None, reorganisation_week=None)
    table = WeeklyTable(
        lab.connection, TICKETS.dataset(7, scenario), database=DATABASE, schema="SUPPORT", table=fresh("TICKETS")
    )
    table.load(weeks=len(WEEKS), rows=ROWS, last_week=WEEKS[-1].start, labels_after_weeks=0)
    weeks = range(1, len(WEEKS) + 1)
    make = {"first_week": WEEKS[0].start, "rows": ROWS, "seed": 7, "scenario": scenario}
    return table.name, pd.concat([TICKETS.week(number, **make) for number in weeks], ignore_index=True)


@pytest.fixture(scope="module")
def story(lab: Lab, tickets: tuple[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Story:
    name, frame = tickets
    model = lab.model()
    model.source = source_of(name)
    made = model.training_set(AS_OF, label_delay_weeks=0, window_weeks="4", **TASK)
    trained = train(lab, model, made)
    logged = model.log(trained["artefact_uri"])
    holdout = {"training_table": made["table"], "first_week": made["holdout_first"], "last_week": made["holdout_last"]}
    verdict = model.evaluate(
        logged["model_version"], floors={"f1_macro": 0.4}, ceilings={"log_loss": 1.5}, min_gain={}, **TASK, **holdout
    )
    model.promote(verdict, AS_OF)
    model.freeze(logged["model_version"], **TASK, **holdout)
    scored = model.score(SCORED, **TASK)
    folder = tmp_path_factory.mktemp("multiclass")
    (folder / "unpacked").mkdir()
    bucket, _, key = trained["artefact_uri"].removeprefix("s3://").partition("/")
    boto3.client("s3").download_file(bucket, key, str(folder / "model.tar.gz"))
    in_memory = build_model(unpack(folder / "model.tar.gz", folder / "unpacked"))
    return Story(model, frame, trained, logged, verdict, scored, in_memory)


def train(lab: Lab, model: Model, training_set: dict[str, Any]) -> dict[str, Any]:
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="multiclass/login", SecretString=json.dumps(lab.sandbox.settings.connection()))
    ti = SimpleNamespace(dag_id="tickets", run_id=fresh("run"), task_id="train", map_index=-1)
    try:
        return SageMakerTrainOperator(
            task_id="train",
            source_dir=str(REPOSITORY / "include" / "training"),
            table=training_set["table"],
            key=["TICKET_ID"],
            features=model.source.features_for_training,
            label=model.source.label.name,
            week_column="OPENED_WEEK",
            holdout_from=training_set["holdout_first"],
            secret_id="multiclass/login",
            role_arn="arn:aws:iam::123456789012:role/ml-sandbox-execution",
            artefacts_uri="s3://ml-sandbox/multiclass",
            image_uri="image",
            hyperparameters={"num_boost_round": 25, "max_depth": 3, "nthread": 1},
            max_runtime_seconds=240,
            deferrable=False,
            **TASK,
        ).execute({"ti": ti})
    finally:
        secrets.delete_secret(SecretId="multiclass/login", ForceDeleteWithoutRecovery=True)


def test_a_version_tells_its_classes_in_the_order_of_its_outputs(story: Story) -> None:
    (row,) = story.model.shown()
    assert json.loads(row["comment"])["classes"] == list(TEAMS)
    assert json.loads(row["model_attributes"])["task"] == "TABULAR_MULTI_CLASSIFICATION"
    assert set(story.logged["metrics"]) == {
        *("accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc_macro", "log_loss"),
    }
    functions = story.model.lab.frame_of(f"SHOW FUNCTIONS IN MODEL {story.model.name} VERSION {story.version}")
    assert set(functions["name"]) == {"PREDICT", "PREDICT_PROBA", "EXPLAIN"}


def test_what_a_version_looks_at_is_told_for_each_class_and_for_all(story: Story) -> None:
    table = story.model.source.table.quoted
    explained = ExplainModelOperator(
        task_id="explain", source=story.model.source, model_name=story.model.name, model_version=story.version,
        training_table=table, first_week=str(SCORED), last_week=str(SCORED),
    ).execute(task_context())  # fmt: skip
    *parts, _ = contributions(story.in_memory, model_input(story.rows(SCORED)))
    sizes = pd.DataFrame([np.abs(part).mean(axis=0) for part in parts], index=[*TEXT, *NUMBERS], columns=TEAMS)
    shares = (sizes / sizes.sum()).assign(**{"": sizes.mean(axis=1) / sizes.mean(axis=1).sum()})
    rows = story.model.lab.rows(
        f"SELECT CLASS, FEATURE, SHARE, ROW_COUNT FROM {story.model.lab.name('SNOWMAKER_ATTRIBUTIONS')} "
        f"WHERE MODEL_NAME = %s ORDER BY CLASS, PLACE",
        story.model.name,
    )
    assert {row[3] for row in rows} == {explained["rows"]} == {ROWS}
    for name in ("", *TEAMS):
        found = {feature: share for class_name, feature, share, _ in rows if class_name == name}
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert found == pytest.approx(shares[name].to_dict(), abs=1e-6)
    assert [one["feature"] for one in explained["top"]] == shares[""].nlargest(5).index.tolist()


def test_a_row_gets_the_likeliest_class_its_probability_and_those_of_all(story: Story) -> None:
    assert story.scored == {"week": str(SCORED), "model_version": story.version, "rows": ROWS}
    found, rows = story.predictions(SCORED), story.rows(SCORED)
    expected = story.chances(rows)
    assert found["TICKET_ID"].astype(int).tolist() == rows["TICKET_ID"].tolist()
    assert found["PREDICTION"].tolist() == [TEAMS[place] for place in expected.argmax(axis=1)]
    assert found["SCORE"].to_numpy(float) == pytest.approx(expected.max(axis=1), abs=1e-6)
    assert all(list(one) == sorted(TEAMS) for one in found["PROBABILITIES"])
    assert np.array([[one[team] for team in TEAMS] for one in found["PROBABILITIES"]]) == pytest.approx(
        expected, abs=1e-6
    )


def test_the_gate_measures_the_challenger_as_its_training_job_did(story: Story) -> None:
    assert [(rule["rule"], rule["passed"]) for rule in story.verdict["rules"]] == [
        ("f1_macro", True),
        ("log_loss", True),
        ("schema", True),
    ]
    assert story.verdict["metrics"][story.version] == pytest.approx(story.trained["metrics"], rel=1e-5)
    assert story.model.champion == story.version


def test_a_labelled_week_is_measured_as_scikit_learn_measures_it(story: Story) -> None:
    result = story.model.check_performance(LATER, story.version, **TASK)
    truth, chances = story.rows(SCORED)["SOLVED_BY"], story.chances(story.rows(SCORED)).astype(float)
    predicted = [TEAMS[place] for place in chances.argmax(axis=1)]
    expected = {
        "accuracy": accuracy_score(truth, predicted),
        "f1_macro": f1_score(truth, predicted, average="macro"),
        "log_loss": log_loss(truth, chances / chances.sum(axis=1, keepdims=True), labels=list(TEAMS)),
        "roc_auc_macro": roc_auc_score(truth, chances / chances.sum(axis=1, keepdims=True), multi_class="ovr"),
    }
    measured = measured_of(story.model, SCORED)
    overall = measured[measured["CLASS"] == ""].set_index("METRIC")
    assert overall["VALUE"].astype(float)[list(expected)].to_dict() == pytest.approx(expected, rel=1e-5)
    assert overall["REFERENCE"].astype(float).to_dict() == pytest.approx(story.logged["metrics"])
    assert result["weeks"] == {str(SCORED): pytest.approx(expected["f1_macro"], rel=1e-5)}
    by_team = (
        measured[(measured["METRIC"] == "f1") & (measured["CLASS"] != "")].set_index("CLASS")["VALUE"].astype(float)
    )
    assert by_team.to_dict() == pytest.approx(
        dict(zip(TEAMS, f1_score(truth, predicted, average=None, labels=list(TEAMS)), strict=True))
    )
    profile = story.model.lab.frame_of(
        f"SELECT PROFILE FROM {story.model.lab.name('SNOWMAKER_PROFILES')} "
        f"WHERE MODEL_NAME = '{story.model.name}' AND WEEK_START = '{SCORED}' AND FEATURE = 'label'"
    )["PROFILE"].item()
    assert Profile.from_json(profile).counts == (*((truth == team).sum() for team in TEAMS), 0, 0)


def measured_of(model: Model, week: Week) -> pd.DataFrame:
    table = model.lab.name("SNOWMAKER_PERFORMANCE")
    return model.lab.frame_of(f"SELECT * FROM {table} WHERE MODEL_NAME = '{model.name}' AND WEEK_START = '{week}'")


def test_the_predicted_class_is_checked_for_drift_like_a_text_feature(story: Story) -> None:
    model = story.model
    result = model.check_drift(SCORED, story.version)
    assert result["verdict"] == "ok"
    where = f"WHERE MODEL_NAME = '{model.name}'"
    profiles = {}
    for table, week in (("BASELINES", WEEKS[3]), ("PROFILES", SCORED)):
        frame = model.lab.frame_of(f"SELECT FEATURE, PROFILE FROM {model.lab.name(f'SNOWMAKER_{table}')} {where}")
        assert set(frame["FEATURE"]) >= {*TEXT, *NUMBERS, "score", "prediction"}
        profile = Profile.from_json(dict(zip(frame["FEATURE"], frame["PROFILE"], strict=True))["prediction"])
        chosen = [TEAMS[place] for place in story.chances(story.rows(week)).argmax(axis=1)]
        assert profile.bins.categories == TEAMS
        assert profile.counts == (*(chosen.count(team) for team in TEAMS), 0, 0)
        profiles[table] = profile
    drift = model.lab.frame_of(
        f"SELECT METRIC, VALUE, VERDICT FROM {model.lab.name('SNOWMAKER_DRIFT')} {where} AND FEATURE = 'prediction'"
    )
    values = dict(zip(drift["METRIC"], drift["VALUE"], strict=True))
    assert values["psi"] == pytest.approx(psi(profiles["BASELINES"].counts, profiles["PROFILES"].counts))
    assert dict(zip(drift["METRIC"], drift["VERDICT"], strict=True))["psi"] == "ok"


def test_teams_that_are_predicted_otherwise_than_before_are_a_drift_of_the_prediction(story: Story) -> None:
    model = Model(story.model.lab, story.model.name)
    view = model.lab.name(fresh("Only one topic"))
    model.lab.rows(f"CREATE VIEW {view} AS SELECT * FROM {story.model.source.table.quoted} WHERE TOPIC = 'Device'")
    model.source = source_of(view)
    model.score(SCORED, model_version=story.version, **TASK)
    rules = DriftRules(ignored=frozenset({*TEXT, *NUMBERS, "score"}))
    result = model.check_drift(SCORED, story.version, rules=rules)
    assert (result["verdict"], result["worst_feature"]) == ("breach", "prediction")


def test_a_baseline_of_the_first_scored_weeks_has_the_predicted_class_too(story: Story) -> None:
    model = Model(story.model.lab, story.model.lab.name(fresh("Copied")))
    model.source = story.model.source
    model.lab.rows(f'CREATE MODEL {model.name} WITH VERSION V1 FROM MODEL {story.model.name} VERSION "{story.version}"')
    model.lab.rows(f"ALTER MODEL {model.name} MODIFY VERSION V1 SET COMMENT = '{json.dumps({'classes': TEAMS})}'")
    model.score(SCORED, model_version="V1", **TASK)
    model.check_drift(SCORED, "V1", baseline_weeks=1)
    drift = model.lab.frame_of(
        f"SELECT METRIC, VALUE FROM {model.lab.name('SNOWMAKER_DRIFT')} "
        f"WHERE MODEL_NAME = '{model.name}' AND FEATURE = 'prediction'"
    )
    assert dict(zip(drift["METRIC"], drift["VALUE"], strict=True))["psi"] == 0
