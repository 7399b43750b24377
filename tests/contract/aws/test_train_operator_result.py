"""What a training task returns and leaves behind: the result, the row of costs, links, lineage."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snowflake.connector
from airflow.providers.common.compat.openlineage.facet import Dataset
from airflow.sdk.exceptions import TaskDeferred
from snowflake.connector import SnowflakeConnection

from include.sandbox.process import Sandbox
from snowmaker.exceptions import SnowmakerError, TrainingError
from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .operator_scripts import FAIL, WRITE_CARD, event_of
from .support import BUCKET, SLEEP, Server

Operator = Callable[..., SageMakerTrainOperator]
Context = dict[str, Any]
COSTS = '"RUN_COSTS"."S"."SNOWMAKER_RUN_COSTS"'


def test_it_returns_a_small_result(server: Server, operator: Operator, context: Context) -> None:
    result = operator(WRITE_CARD, prices={"ml.m5.xlarge": 3600}).execute(context)
    seconds = result.pop("billable_seconds")
    assert seconds >= 1
    assert result.pop("estimated_cost") == seconds
    name = result.pop("job_name")
    assert name.startswith("retrain-loans-train-")
    model = server.client("s3").get_object(Bucket=BUCKET, Key=f"training/jobs/{name}/output/model.tar.gz")
    assert result == {
        "job_arn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}",
        "artefact_uri": f"s3://{BUCKET}/training/jobs/{name}/output/model.tar.gz",
        "digest": hashlib.sha256(model["Body"].read()).hexdigest(),
        "metrics": {"f1": 0.75},
        "table": '"D"."S"."T"',
        "snapshot": "2026-11-02T00:00:00+00:00",
        "rows": {"train": 10, "holdout": 2},
    }


def test_deferred_it_returns_the_same(operator: Operator, new_try: Callable[[], Context]) -> None:
    context = new_try()
    with pytest.raises(TaskDeferred) as deferred:
        operator(WRITE_CARD, deferrable=True).execute(context)
    event = event_of(deferred.value.trigger)
    result = operator(WRITE_CARD).resume_execution(deferred.value.method_name, {"event": event}, context)
    # A completed job is reused, so this is what waiting for it gives.
    assert operator(WRITE_CARD).execute(new_try()) == result


def test_a_script_without_a_card_is_told_what_is_missing(operator: Operator, context: Context) -> None:
    script = "import os, pathlib\npathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'other').touch()"
    with pytest.raises(TrainingError, match=r"holds no model_card\.json with metrics and rows"):
        operator(script).execute(context)


def test_what_is_asked_for_reaches_sagemaker(server: Server, operator: Operator, context: Context) -> None:
    task = operator(
        WRITE_CARD,
        spot=True,
        max_wait_seconds=90,
        subnets=["subnet-1"],
        security_group_ids=["sg-1"],
        tags={"team": "loans"},
        create_training_job={"Environment": {"MODE": "quick"}},
    )
    name = task.execute(context)["job_name"]
    sagemaker = server.client("sagemaker")
    described = sagemaker.describe_training_job(TrainingJobName=name)
    assert described["EnableManagedSpotTraining"] is True
    assert described["StoppingCondition"]["MaxWaitTimeInSeconds"] == 90
    assert described["CheckpointConfig"]["S3Uri"] == f"s3://{BUCKET}/training/checkpoints/{name}"
    assert described["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert described["Environment"]["MODE"] == "quick"
    tags = sagemaker.list_tags(ResourceArn=described["TrainingJobArn"])["Tags"]
    assert {"Key": "team", "Value": "loans"} in tags


def test_the_links_are_there_as_soon_as_the_job_is(operator: Operator, context: Context) -> None:
    """And lead to the console, not to the job's own settings."""
    with pytest.raises(TaskDeferred) as deferred:
        operator(WRITE_CARD, deferrable=True).execute(context)
    name = deferred.value.trigger.job_name
    assert context["ti"].xcoms == {
        "_link_TrainingJobLink": f"https://us-east-1.console.aws.amazon.com/sagemaker/home?region=us-east-1#/jobs/{name}",
        "_link_TrainingLogLink": "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:"
        f"log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3D{name}$252F",
    }
    event_of(deferred.value.trigger)


def test_lineage_leads_from_the_table_to_the_artefact(
    operator: Operator, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"account": "myorg-myaccount"}
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_OTHER", json.dumps({"conn_type": "snowflake", "extra": extra}))
    task = operator(WRITE_CARD, snowflake_conn_id="snowflake_other")
    table = Dataset(namespace="snowflake://myorg-myaccount", name="D.S.T")
    assert task.get_openlineage_facets_on_failure(context["ti"]).inputs == [table]
    name = task.execute(context)["job_name"]
    lineage = task.get_openlineage_facets_on_complete(context["ti"])
    assert lineage.inputs == [table]
    artefact = f"training/jobs/{name}/output/model.tar.gz"
    assert lineage.outputs == [Dataset(namespace=f"s3://{BUCKET}", name=artefact)]


# The row of costs


@pytest.fixture(scope="module")
def warehouse(sandbox: Sandbox) -> Iterator[SnowflakeConnection]:
    # Other tests' sandboxes may have pointed the clients of this process to themselves meanwhile.
    os.environ.update(sandbox.env)
    with snowflake.connector.connect(**sandbox.settings.connection()) as connected:
        connected.cursor().execute('CREATE DATABASE "RUN_COSTS"')
        connected.cursor().execute('CREATE SCHEMA "RUN_COSTS".S')
        yield connected
        connected.cursor().execute('DROP DATABASE "RUN_COSTS"')


@pytest.fixture
def cost_rows(warehouse: SnowflakeConnection, request: pytest.FixtureRequest) -> Callable[[], list[dict[str, Any]]]:
    """The rows of this test's run."""

    def read() -> list[dict[str, Any]]:
        cursor = warehouse.cursor(snowflake.connector.DictCursor)
        run = f"retrain_loans/{request.node.name}"
        cursor.execute(f"SELECT * FROM {COSTS} WHERE RUN_ID = %s ORDER BY JOB_NAME", (run,))
        return cursor.fetchall()

    return read


def test_a_completed_job_has_one_row_however_often_it_is_looked_at(
    operator: Operator, new_try: Callable[[], Context], cost_rows: Callable[[], list[dict[str, Any]]]
) -> None:
    about = {"costs_table": COSTS, "model_name": '"ML"."S"."M"', "week": "2026-11-02"}
    for _ in range(2):
        result = operator(WRITE_CARD, **about).execute(new_try())
    (row,) = cost_rows()
    assert row.pop("WRITTEN_AT")
    assert str(row.pop("WEEK_START")) == "2026-11-02"
    assert row.pop("TRAINING_SECONDS") is not None
    assert row.pop("RUN_ID").startswith("retrain_loans/")
    assert row == {
        "JOB_NAME": result["job_name"],
        "MODEL_NAME": '"ML"."S"."M"',
        "TASK_ID": "train",
        "MAP_INDEX": -1,
        "STATUS": "Completed",
        "INSTANCE_TYPE": "ml.m5.xlarge",
        "INSTANCE_COUNT": 1,
        "BILLABLE_SECONDS": result["billable_seconds"],
        "HOURLY_PRICE": 0.23,
        "ESTIMATED_COST": result["estimated_cost"],
    }


def test_failed_and_stopped_jobs_have_theirs(
    operator: Operator, new_try: Callable[[], Context], cost_rows: Callable[[], list[dict[str, Any]]]
) -> None:
    with pytest.raises(TrainingError, match="no such column"):
        operator(FAIL, costs_table=COSTS).execute(new_try())
    with pytest.raises(TaskDeferred):
        operator(SLEEP, costs_table=COSTS, deferrable=True).execute(new_try())
    operator(WRITE_CARD, costs_table=COSTS).execute(new_try())
    assert sorted(row["STATUS"] for row in cost_rows()) == ["Completed", "Failed", "Stopped"]


def test_a_row_that_cannot_be_written_hides_no_failure_and_is_told_after_a_success(
    operator: Operator, new_try: Callable[[], Context], warehouse: SnowflakeConnection, jobs: Callable[[], list[str]]
) -> None:
    nowhere = '"RUN_COSTS"."NO SUCH SCHEMA"."SNOWMAKER_RUN_COSTS"'
    with pytest.raises(TrainingError, match="no such column: AGE"):
        operator(FAIL, costs_table=nowhere).execute(new_try())
    with pytest.raises(SnowmakerError, match="NO SUCH SCHEMA"):
        operator(WRITE_CARD, costs_table=nowhere).execute(new_try())
    before = jobs()
    assert operator(WRITE_CARD, costs_table=COSTS).execute(new_try())["job_name"] in before
    assert jobs() == before
