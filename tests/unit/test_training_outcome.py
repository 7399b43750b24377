"""What existing jobs mean, how their ends are told, and what they cost."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from snowmaker import training_outcome
from snowmaker.exceptions import TrainingError
from snowmaker.training_costs import PRICES, cost_of, cost_row
from snowmaker.training_job import TaskIdentity
from snowmaker.training_outcome import Action, TrainingResult, decide, failure_of, is_ended, seconds_left

CHECKPOINTS = {"CheckpointConfig": {"S3Uri": "s3://b"}}
LIMITS = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}


@pytest.mark.parametrize(
    ("status", "on_existing", "action"),
    [
        (None, "reattach", Action.CREATE),
        (None, "fail", Action.CREATE),
        (None, "new", Action.CREATE),
        ("InProgress", "reattach", Action.WAIT),
        ("Completed", "reattach", Action.REUSE),
        ("Failed", "reattach", Action.NEXT_ATTEMPT),
        ("Stopping", "reattach", Action.NEXT_ATTEMPT),
        ("Stopped", "reattach", Action.NEXT_ATTEMPT),
        ("Deleting", "reattach", Action.NEXT_ATTEMPT),
        ("a status of the future", "reattach", Action.NEXT_ATTEMPT),
        # Under a name that only this try has, it is this try's own.
        ("InProgress", "new", Action.WAIT),
        ("Completed", "fail", Action.REFUSE),
        ("InProgress", "fail", Action.REFUSE),
    ],
)
def test_what_an_existing_job_means(status: str | None, on_existing: Any, action: Action) -> None:
    assert decide({"TrainingJobStatus": status} if status else None, on_existing) is action


def test_a_try_does_not_refuse_its_own_job() -> None:
    assert decide({"TrainingJobStatus": "InProgress"}, "fail", is_own=True) is Action.WAIT
    assert decide({"TrainingJobStatus": "Completed"}, "fail", is_own=True) is Action.REUSE


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("InProgress", False),
        ("Stopping", False),
        ("Stopped", True),
        ("Deleting", True),
        ("a status of the future", True),
    ],
)
def test_only_what_goes_on_is_waited_for(status: str, ended: bool) -> None:
    assert is_ended({"TrainingJobStatus": status}) is ended


@pytest.mark.parametrize(
    ("end", "told", "is_final"),
    [
        ({"FailureReason": "AlgorithmError: secret 's' does not exist, exit code: 1"}, "secret 's'", True),
        ({"FailureReason": "AlgorithmError: out of memory: choose an instance type"}, "out of memory", True),
        ({"FailureReason": "AlgorithmError: reading T broke off: …; train again"}, "broke off", False),
        ({"FailureReason": "AlgorithmError: algo-2 was lost: …, and train again"}, "algo-2", False),
        ({"FailureReason": "AlgorithmError: unexpected OSError: no space"}, "no space", False),
        ({"FailureReason": 'AlgorithmError: column "unexpected" is missing'}, "is missing", True),
        ({"FailureReason": "ClientError: no such image"}, "no such image", True),
        ({"FailureReason": "InternalServerError: We encountered an internal error."}, "internal error", False),
        ({"FailureReason": "CapacityError: Unable to provision requested ML compute capacity."}, "capacity", False),
        ({"SecondaryStatus": "Stopped", "TrainingJobStatus": "Stopped"}, "is Stopped: Stopped", False),
        ({"SecondaryStatus": "MaxRuntimeExceeded"}, "longer than its limit of 60 s; raise max_runtime_seconds", True),
        ({"SecondaryStatus": "MaxRuntimeExceeded", **CHECKPOINTS}, "raise max_runtime_seconds", False),
        ({"SecondaryStatus": "MaxWaitTimeExceeded"}, "not there within 90 s; raise max_wait_seconds", False),
        ({"TrainingJobStatus": "Deleting"}, "is Deleting: no reason given", False),
    ],
)
def test_an_end_is_told_and_retried_only_if_that_may_help(end: dict[str, Any], told: str, is_final: bool) -> None:
    description = {"TrainingJobName": "n", "TrainingJobStatus": "Failed", "StoppingCondition": LIMITS, **end}
    error = failure_of(description)
    assert told in str(error)
    assert "streams n/" in str(error)
    assert isinstance(error, TrainingError)
    assert isinstance(error, AirflowFailException) is is_final


def test_a_wait_counts_from_the_job_s_creation() -> None:
    minutes_ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)
    assert 2990 < seconds_left({"CreationTime": minutes_ago}, 3600) <= 3000
    assert seconds_left({}, 3600) == 3600
    assert seconds_left({"CreationTime": minutes_ago}, 30) == 60


def test_the_result_is_small_and_holds_no_setting_of_the_job() -> None:
    description = {
        "TrainingJobName": "n",
        "TrainingJobArn": "arn",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/jobs/n/output/model.tar.gz"},
        "BillableTimeInSeconds": 12,
        "Environment": {"PASSWORD": "hunter2"},
        "HyperParameters": {"password": "hunter2"},
    }
    card = {
        "metrics": {"f1": 0.5, "roc_auc": None},
        "rows": {"train": 3, "holdout": 1},
        "snapshot": {"timestamp": "2026-11-02T00:00:00+00:00", "rows": 4},
        "hyperparameters": {},
        "curves": {"roc": [[0, 0], [1, 1]]},
    }
    result = TrainingResult.of(description, table='"T"', card=card, digest="abc", cost=0.1).as_xcom()
    assert "hunter2" not in json.dumps(result)
    assert result == {
        "job_name": "n",
        "job_arn": "arn",
        "artefact_uri": "s3://b/jobs/n/output/model.tar.gz",
        "digest": "abc",
        "metrics": {"f1": 0.5},
        "table": '"T"',
        "snapshot": "2026-11-02T00:00:00+00:00",
        "rows": {"train": 3, "holdout": 1},
        "billable_seconds": 12,
        "estimated_cost": 0.1,
    }
    assert training_outcome.card_archive_uri(description) == "s3://b/jobs/n/output/output.tar.gz"


def test_every_instance_of_every_group_costs() -> None:
    groups = [
        {"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "a"},
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "b"},
    ]
    cost = cost_of({"ResourceConfig": {"InstanceGroups": groups}, "BillableTimeInSeconds": 3600}, PRICES)
    assert cost.estimated == pytest.approx(2 * 0.115 + 0.204)
    assert (cost.instance_type, cost.instance_count) == ("ml.m5.large,ml.c5.xlarge", 3)


def test_an_unknown_price_is_not_guessed() -> None:
    config = {"InstanceType": "ml.p6-b200.48xlarge", "InstanceCount": 1}
    cost = cost_of({"ResourceConfig": config, "BillableTimeInSeconds": 10}, PRICES)
    assert (cost.estimated, cost.hourly_price, cost.unpriced) == (None, None, ("ml.p6-b200.48xlarge",))


def test_a_job_that_never_started_costs_nothing_and_has_its_row() -> None:
    description = {
        "TrainingJobName": "n",
        "TrainingJobStatus": "Stopped",
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    cost = cost_of(description, PRICES)
    row = cost_row(description, cost, TaskIdentity("dag", "run", "train", 3), model="M", week="2026-11-02")
    assert (row["BILLABLE_SECONDS"], row["ESTIMATED_COST"], row["TRAINING_SECONDS"]) == (0, 0, None)
    assert (row["WEEK_START"], row["RUN_ID"], row["MAP_INDEX"]) == (dt.date(2026, 11, 2), "dag/run", 3)
