"""SageMakerTrainOperator against jobs that really run: started once, stopped with its task, told apart."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferralTimeout, TaskDeferred

from snowmaker.exceptions import ServiceUnreachableError, TrainingError
from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .support import BUCKET, CREDENTIALS, SLEEP, Server, log_lines, wait_for_end, wait_until

WRITE_CARD = """
import json, os, pathlib
job = json.loads(pathlib.Path(__file__).with_name("job.json").read_text())
card = {"metrics": {"f1": 0.75, "roc_auc": None}, "rows": {"train": 10, "holdout": 2}, "label": job["label"]}
for variable in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"):
    pathlib.Path(os.environ[variable], "model_card.json").write_text(json.dumps(card))
"""
FAIL = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("no such column: AGE")
sys.exit(1)
"""

Operator = Callable[..., SageMakerTrainOperator]


@pytest.fixture(autouse=True)
def aws_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_to(server.url))


def connection_to(url: str) -> str:
    """Write an Airflow connection of type AWS."""
    login, password = CREDENTIALS["aws_access_key_id"], CREDENTIALS["aws_secret_access_key"]
    extra = {"region_name": CREDENTIALS["region_name"], "endpoint_url": url}
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})


@pytest.fixture
def operator(server: Server, tmp_path: Path) -> Operator:
    """Make the operator of one task; its code is ``script``."""

    def make(script: str, **changes: Any) -> SageMakerTrainOperator:
        (tmp_path / "train.py").write_text(script)
        return SageMakerTrainOperator(
            **{
                "task_id": "train",
                "source_dir": str(tmp_path),
                "table": '"D"."S"."T"',
                "features": [{"name": "INCOME", "kind": "numeric"}],
                "label": "ACCEPTED",
                "week_column": "WEEK",
                "holdout_from": "2024-02-05",
                "secret_id": "snowflake",
                "role_arn": server.role,
                "artefacts_uri": f"s3://{BUCKET}/training",
                "image_uri": "image",
                "max_runtime_seconds": 60,
                "deferrable": False,
                **changes,
            }
        )

    return make


@pytest.fixture
def context(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The context of a run of this test's own."""
    ti = SimpleNamespace(dag_id="retrain_loans", run_id=request.node.name, task_id="train", map_index=-1)
    return {"ti": ti}


@pytest.fixture
def jobs(server: Server) -> Callable[[], list[str]]:
    """Tell the names of the jobs made since the test began, oldest first."""
    sagemaker = server.client("sagemaker")

    def names() -> list[str]:
        summaries = sagemaker.get_paginator("list_training_jobs").paginate().build_full_result()
        return [summary["TrainingJobName"] for summary in summaries["TrainingJobSummaries"]]

    before = set(names())
    return lambda: [name for name in names() if name not in before]


def started_job(server: Server, jobs: Callable[[], list[str]]) -> str:
    (name,) = wait_until(jobs)
    wait_until(lambda: "started" in log_lines(server, name))
    return name


def test_it_returns_a_small_result(operator: Operator, context: dict[str, Any]) -> None:
    result = operator(WRITE_CARD).execute(context)
    assert result.pop("billable_seconds") >= 1
    name = result.pop("job_name")
    assert name.startswith("retrain-loans-train-")
    assert result == {
        "job_arn": f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}",
        "artefact_uri": f"s3://{BUCKET}/training/jobs/{name}/output/model.tar.gz",
        "metrics": {"f1": 0.75},
        "table": '"D"."S"."T"',
        "rows": {"train": 10, "holdout": 2},
    }


def test_deferred_it_returns_the_same(operator: Operator, context: dict[str, Any]) -> None:
    waited = operator(WRITE_CARD).execute(context)
    deferring = operator(WRITE_CARD, deferrable=True, on_existing="new")
    with pytest.raises(TaskDeferred) as deferred:
        deferring.execute(context)
    event = asyncio.run(first_event(deferred.value.trigger))
    result = operator(WRITE_CARD).resume_execution(deferred.value.method_name, {"event": event}, context)
    assert result["job_name"] == f"{waited['job_name']}-a2"
    unlike = {"job_name", "job_arn", "artefact_uri", "billable_seconds"}
    assert {k: v for k, v in result.items() if k not in unlike} == {k: v for k, v in waited.items() if k not in unlike}


async def first_event(trigger: Any) -> Any:
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    return events[0]


def test_a_retry_waits_for_the_running_job_and_reuses_the_completed_one(
    server: Server, operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    script = f"import time\nprint('started', flush=True)\ntime.sleep(1)\n{WRITE_CARD}"
    with pytest.raises(TaskDeferred):
        operator(script, deferrable=True).execute(context)
    name = started_job(server, jobs)
    first = operator(script).execute(context)
    again = operator(script).execute(context)
    assert first == again
    assert first["job_name"] == name
    assert jobs() == [name]


def test_tasks_side_by_side_share_one_job(
    operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    operators = [operator(WRITE_CARD) for _ in range(4)]
    results: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda o=o: results.append(o.execute(context))) for o in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
    assert len(jobs()) == 1


def test_another_specification_is_another_job(
    operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    operator(WRITE_CARD).execute(context)
    operator(WRITE_CARD, seed=8).execute(context)
    operator(WRITE_CARD, code_commit="another").execute(context)
    assert len(jobs()) == 2


def test_a_failed_job_is_told_and_gets_a_successor(
    operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    for _ in range(2):
        with pytest.raises(TrainingError, match="no such column: AGE"):
            operator(FAIL).execute(context)
    first, second = sorted(jobs())
    assert second == f"{first}-a2"


def test_an_existing_job_can_be_refused(operator: Operator, context: dict[str, Any]) -> None:
    operator(WRITE_CARD).execute(context)
    with pytest.raises(TrainingError, match="exists and on_existing is 'fail'"):
        operator(WRITE_CARD, on_existing="fail").execute(context)


def test_killing_a_waiting_task_stops_its_job(
    server: Server, operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    task = operator(SLEEP, poll_interval=0.2)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            task.execute(context)
        except TrainingError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    name = started_job(server, jobs)
    task.on_kill()
    thread.join(15)
    assert "is Stopped" in str(errors[0])
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


def test_killing_a_deferred_task_stops_its_job(
    server: Server, operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(SLEEP, deferrable=True).execute(context)
    name = started_job(server, jobs)
    asyncio.run(deferred.value.trigger.on_kill())
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


def test_a_deferral_that_times_out_stops_its_job(
    server: Server, operator: Operator, context: dict[str, Any], jobs: Callable[[], list[str]]
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(SLEEP, deferrable=True, queue_margin_seconds=40).execute(context)
    assert deferred.value.timeout.total_seconds() == 100
    name = started_job(server, jobs)
    with pytest.raises(TrainingError, match="has not ended within 0:01:40"):
        operator(SLEEP, queue_margin_seconds=40).resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


def test_a_timeout_after_the_job_has_ended_is_plainly_a_timeout(operator: Operator, context: dict[str, Any]) -> None:
    operator(WRITE_CARD).execute(context)
    with pytest.raises(TaskDeferralTimeout):
        operator(WRITE_CARD).resume_execution("__fail__", {"error": "Trigger timeout"}, context)


def test_a_stopped_job_is_a_failure(server: Server, operator: Operator, context: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="it ran longer than its limit of 1 s; raise max_runtime_seconds"):
        operator(SLEEP, max_runtime_seconds=1).execute(context)


def test_the_same_code_is_stored_once(server: Server, operator: Operator, context: dict[str, Any]) -> None:
    for _ in range(2):
        operator(WRITE_CARD, on_existing="new", label="THIS_TEST_S").execute(context)
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    name = operator(WRITE_CARD, label="THIS_TEST_S").execute(context)["job_name"]
    description = sagemaker.describe_training_job(TrainingJobName=name)
    source = description["HyperParameters"]["sagemaker_submit_directory"]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=source.removeprefix(f"s3://{BUCKET}/"))
    assert listed["KeyCount"] == 1


def test_a_script_without_a_card_is_told_what_is_missing(operator: Operator, context: dict[str, Any]) -> None:
    script = "import os, pathlib\npathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'other').touch()"
    with pytest.raises(TrainingError, match=r"holds no model_card\.json with metrics and rows"):
        operator(script).execute(context)


def test_nobody_at_the_endpoint_is_told(
    operator: Operator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_to("http://127.0.0.1:1"))
    task = operator(WRITE_CARD, botocore_config={"retries": {"total_max_attempts": 1}})
    with pytest.raises(ServiceUnreachableError, match="AWS cannot be reached"):
        task.execute(context)


def test_a_refused_request_is_told(operator: Operator, context: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="Could not assume role"):
        operator(WRITE_CARD, role_arn="arn:aws:iam::123456789012:role/nobody").execute(context)
