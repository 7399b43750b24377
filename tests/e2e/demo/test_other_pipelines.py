"""Three more models through the same DAGs, which differ from the mortgage one by their pipeline file only."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from demo.decisions import APPROVED_PIPELINE
from demo.deployment import Deployment
from demo.other_pipelines import EXAMPLES, Example, Runs
from include.datasets.churn import CHURN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]


@pytest.fixture(scope="module")
def retrained(deployment: Deployment) -> Runs:
    """Each as of a week in which nothing has shifted yet."""
    for example in EXAMPLES:
        example.load(deployment)
    return Runs.of_all(deployment.api, "retrain", lambda example: example.as_of, 300)


@pytest.fixture(scope="module")
def scored(deployment: Deployment, retrained: Runs) -> Runs:
    """The week after."""
    return Runs.of_all(deployment.api, "score", lambda example: example.scored, 180)


@pytest.fixture(scope="module")
def scored_later(deployment: Deployment, scored: Runs) -> Runs:
    """A week by when the labels of the one scored before are due."""
    return Runs.of_all(deployment.api, "score", lambda example: example.later, 180)


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest) -> Example:
    return request.param


def test_the_first_version_becomes_champion(deployment: Deployment, retrained: Runs, example: Example) -> None:
    promoted = retrained.result(example, "promote")
    versions = deployment.query(f"SHOW VERSIONS IN MODEL ML.{example.schema}.{example.model}")

    assert promoted["previous"] is None
    assert [row for row in versions if promoted["champion"] in row]
    events = deployment.query(
        f"SELECT EVENT, MODEL_VERSION FROM ML.{example.schema}.SNOWMAKER_MODEL_EVENTS ORDER BY SEQUENCE"
    )
    assert events == [("NOMINATED", promoted["champion"]), ("PROMOTED", promoted["champion"])]


def test_the_person_who_approved_it_is_on_record(deployment: Deployment, retrained: Runs) -> None:
    (example,) = (one for one in EXAMPLES if one.name == APPROVED_PIPELINE)
    told = deployment.query(
        f"SELECT DECIDED_BY, DECISION FROM ML.{example.schema}.SNOWMAKER_MODEL_EVENTS WHERE EVENT = 'PROMOTED'"
    )
    assert told == [("Anonymous", "as good as told")]
    others = {name: states for name in retrained.ids if "approve" in (states := retrained.states(name))}
    assert others.keys() == {APPROVED_PIPELINE}


def test_the_holdout_is_predicted_nearly_as_well_as_can_be(retrained: Runs, example: Example) -> None:
    verdict = retrained.result(example, "evaluate")

    found = verdict["metrics"][verdict["challenger"]][example.metric]
    possible = example.possible(example.holdout)
    assert possible - 0.05 < found < possible + 0.03


def test_every_row_of_the_week_is_scored_once_by_the_champion(
    deployment: Deployment, retrained: Runs, scored: Runs, example: Example
) -> None:
    champion = retrained.result(example, "promote")["champion"]
    settled = scored.result(example, "check_input")

    found = deployment.query(
        f"SELECT MODEL_VERSION, COUNT(*), COUNT(DISTINCT ROW_ID), COUNT(SCORE), COUNT(PREDICTION) "
        f"FROM ML.{example.schema}.{example.name}_PREDICTIONS WHERE WEEK_START = %s GROUP BY 1",
        example.monday(example.scored),
    )
    assert settled["week"] == example.monday(example.scored)
    assert found == [(champion, *[example.generator.rows] * 4)]


def test_a_week_like_those_of_training_has_not_drifted(scored: Runs, example: Example) -> None:
    assert scored.result(example, "check_drift")["verdict"] == "ok"


def test_a_shift_is_told_by_the_feature_that_shifted(scored_later: Runs, example: Example) -> None:
    found = scored_later.result(example, "check_drift")

    assert found["verdict"] == "breach"
    assert found["worst_feature"] in example.shifted


def test_a_week_was_predicted_nearly_as_well_as_can_be(
    deployment: Deployment, scored_later: Runs, example: Example
) -> None:
    """Measured when its labels are due, against those the table has."""
    ((found, rows),) = deployment.query(
        f"SELECT VALUE, ROW_COUNT FROM ML.{example.schema}.SNOWMAKER_PERFORMANCE "
        f"WHERE WEEK_START = %s AND METRIC = %s AND SEGMENT = ''",
        *(example.monday(example.scored), example.metric),
    )
    possible = example.possible([example.scored])
    assert rows == example.generator.rows
    assert possible - 0.06 < found < possible + 0.03


def test_results_stay_under_10_kilobytes(retrained: Runs, example: Example) -> None:
    sizes = {task: retrained.size(example, task) for task in retrained.states(example.name)}

    assert sizes["train"] > 100
    assert {task: size for task, size in sizes.items() if size >= 10_000} == {}


def test_what_training_cost_is_written_down(deployment: Deployment, retrained: Runs, example: Example) -> None:
    trained = retrained.result(example, "train")

    ((job, cost),) = deployment.query(
        f"SELECT JOB_NAME, ESTIMATED_COST FROM ML.{example.schema}.SNOWMAKER_RUN_COSTS WHERE STATUS = 'Completed'"
    )
    assert job == trained["job_name"]
    assert cost == pytest.approx(trained["estimated_cost"])


def test_house_values_are_learned_by_two_hosts(retrained: Runs) -> None:
    card, job = trained_model(retrained, "house_values")

    assert job["ResourceConfig"]["InstanceCount"] == 2
    assert card["instances"] == 2
    assert card["rows"] == {"train": 9 * 2000, "holdout": 2000}
    assert card["snapshot"]["rows"] == 10 * 2000
    assert card["task"] == "regression"
    logs = boto3.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job["TrainingJobName"]
    )
    hosts = {stream["logStreamName"].split("/")[1][:6] for stream in logs["logStreams"]}
    assert hosts == {"algo-1", "algo-2"}


def test_values_are_dollars_and_no_class(deployment: Deployment, scored: Runs) -> None:
    ((least, most, differ),) = deployment.query(
        "SELECT MIN(SCORE), MAX(SCORE), COUNT_IF(SCORE <> PREDICTION) FROM ML.HOUSING.HOUSE_VALUES_PREDICTIONS"
    )
    assert 5_000 < least < 100_000
    assert 500_000 < most < 3_000_000
    assert differ == 0


def test_churn_is_learned_from_100_000_customers_with_balanced_classes(deployment: Deployment, retrained: Runs) -> None:
    card, _ = trained_model(retrained, "customer_churn")

    ((rows, customers),) = deployment.query(
        "SELECT COUNT(*), COUNT(DISTINCT CUSTOMER_ID) FROM ML.CHURN.CUSTOMER_RENEWALS"
    )
    assert rows == customers == 100_000
    assert card["class_weight"] == "balanced"
    # Weighed equally, leaving is foreseen about as often as it must be for a threshold to mean something.
    bins = card["curves"]["calibration"]
    foreseen = sum(one["rate"] * one["rows"] for one in bins if one["mean_score"] >= 0.5)
    assert foreseen / sum(one["rate"] * one["rows"] for one in bins) > 0.6
    assert card["threshold"] == 0.6
    assert card["metrics"]["recall"] > 0.5
    assert card["rows"]["train"] == 35 * CHURN.rows


def trained_model(retrained: Runs, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the model card that a retraining left, and its job as SageMaker describes it."""
    (example,) = (one for one in EXAMPLES if one.name == name)
    trained = retrained.result(example, "train")
    place = urlsplit(trained["artefact_uri"])
    archive = boto3.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        card = json.load(files.extractfile("model_card.json"))  # type: ignore[arg-type]
    return card, boto3.client("sagemaker").describe_training_job(TrainingJobName=trained["job_name"])
