"""A training job is started once, whatever becomes of its task's tries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from snowmaker.exceptions import ServiceUnreachableError, TrainingError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .operator_scripts import FAIL, WRITE_CARD, Store, connection_to
from .support import BUCKET, SLEEP, Server, wait_for_end

Operator = Callable[..., SageMakerTrainOperator]
Context = dict[str, Any]
Jobs = Callable[[], list[str]]
SLOW = f"import time\nprint('started', flush=True)\ntime.sleep(1)\n{WRITE_CARD}"


class WorkerLostError(BaseException):
    """Ends a try as a lost worker does: nothing of the operator's runs after it."""


def status_of(server: Server, name: str) -> str:
    return server.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"]


def begin(operator: SageMakerTrainOperator, context: Context) -> str:
    """Run a deferrable operator until it defers; return its job's name."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value.trigger.job_name


def test_a_retry_waits_for_the_running_job_and_reuses_the_completed_one(
    operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    name = begin(operator(SLOW, deferrable=True), new_try())
    first = operator(SLOW).execute(new_try())
    again = operator(SLOW).execute(new_try())
    assert first == again
    assert first["job_name"] == name
    assert jobs() == [name]


def test_without_a_task_state_store_it_does_too(operator: Operator, new_try: Callable[[], Context], jobs: Jobs) -> None:
    name = begin(operator(SLOW, deferrable=True), {"ti": new_try()["ti"]})
    assert operator(SLOW).execute({"ti": new_try()["ti"]})["job_name"] == name
    assert jobs() == [name]


@pytest.mark.parametrize("call", ["upload_once", "create"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_is_lost_around_a_call_leaves_nothing_behind_that_a_retry_does_not_take_up(
    operator: Operator, new_try: Callable[[], Context], jobs: Jobs, call: str, moment: str
) -> None:
    original = getattr(SageMakerTrainingHook, call)

    def lose(*arguments: Any) -> Any:
        if moment == "after":
            original(*arguments)
        raise WorkerLostError

    with mock.patch.object(SageMakerTrainingHook, call, lose), pytest.raises(WorkerLostError):
        operator(WRITE_CARD).execute(new_try())
    result = operator(WRITE_CARD).execute(new_try())
    assert jobs() == [result["job_name"]]


def test_tasks_side_by_side_share_one_job(operator: Operator, context: Context, jobs: Jobs) -> None:
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


def test_a_job_that_is_not_seen_yet_is_not_created_twice(operator: Operator, new_try: Callable[[], Context]) -> None:
    """DescribeTrainingJob may lag behind CreateTrainingJob."""
    name = begin(operator(SLOW, deferrable=True), new_try())
    describe, unseen = SageMakerTrainingHook.describe, [None] * 4
    with mock.patch.object(
        SageMakerTrainingHook, "describe", lambda hook, job: unseen.pop() if unseen else describe(hook, job)
    ):
        assert operator(SLOW).execute(new_try())["job_name"] == name
    assert not unseen


def test_what_is_only_told_to_the_job_does_not_make_another_one(
    operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    operator(WRITE_CARD).execute(new_try())
    operator(WRITE_CARD, code_commit="another", tags={"team": "loans"}).execute(new_try())
    assert len(jobs()) == 1


def test_an_older_job_of_another_specification_is_stopped_first(
    server: Server, operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    older = begin(operator(SLEEP, deferrable=True), new_try())
    result = operator(WRITE_CARD).execute(new_try())
    assert status_of(server, older) == "Stopped"
    assert sorted(jobs()) == sorted([older, result["job_name"]])


def test_a_failed_job_is_told_and_gets_a_successor(
    operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    for _ in range(2):
        with pytest.raises(TrainingError, match="no such column: AGE") as raised:
            operator(FAIL).execute(new_try())
        # The same rows give the same failure: whoever clears the task has mended something.
        assert isinstance(raised.value, AirflowFailException)
    first, second = sorted(jobs())
    assert second == f"{first}-a2"


def test_attempts_that_were_deleted_do_not_hide_the_running_one(
    server: Server, operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    with pytest.raises(TrainingError):
        operator(FAIL).execute(new_try())
    (first,) = jobs()
    with pytest.raises(TrainingError):
        operator(FAIL).execute(new_try())
    server.client("sagemaker").delete_training_job(TrainingJobName=first)
    with pytest.raises(TrainingError):
        operator(FAIL).execute(new_try())
    assert sorted(jobs()) == [f"{first}-a2", f"{first}-a3"]


def test_fail_refuses_what_another_try_has_left(operator: Operator, new_try: Callable[[], Context]) -> None:
    operator(WRITE_CARD).execute(new_try())
    with pytest.raises(TrainingError, match="exists and on_existing is 'fail'") as raised:
        operator(WRITE_CARD, on_existing="fail").execute(new_try())
    assert isinstance(raised.value, AirflowFailException)


def test_fail_does_not_refuse_the_try_s_own_job(operator: Operator, context: Context, jobs: Jobs) -> None:
    name = begin(operator(SLOW, on_existing="fail", deferrable=True), context)
    assert operator(SLOW, on_existing="fail").execute(context)["job_name"] == name
    assert jobs() == [name]


def test_new_gives_each_try_a_job_of_its_own_and_leaves_no_other_running(
    server: Server, operator: Operator, new_try: Callable[[], Context], jobs: Jobs
) -> None:
    first_try = new_try()
    older = begin(operator(SLEEP, on_existing="new", deferrable=True), first_try)
    assert begin(operator(SLEEP, on_existing="new", deferrable=True), first_try) == older
    newer = begin(operator(SLEEP, on_existing="new", deferrable=True), new_try())
    assert wait_for_end(server, older)["TrainingJobStatus"] == "Stopped"
    assert status_of(server, newer) == "InProgress"
    assert sorted(jobs()) == sorted([older, newer])
    server.client("sagemaker").stop_training_job(TrainingJobName=newer)


def test_the_same_code_is_stored_once(
    server: Server, operator: Operator, new_try: Callable[[], Context], store: Store
) -> None:
    for _ in range(2):
        name = operator(WRITE_CARD, on_existing="new", label="THIS_TEST_S").execute(new_try())["job_name"]
    description = server.client("sagemaker").describe_training_job(TrainingJobName=name)
    source = description["HyperParameters"]["sagemaker_submit_directory"]
    listed = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=source.removeprefix(f"s3://{BUCKET}/"))
    assert listed["KeyCount"] == 1


def test_nobody_at_the_endpoint_is_told(operator: Operator, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_to("http://127.0.0.1:1"))
    task = operator(WRITE_CARD, botocore_config={"retries": {"total_max_attempts": 1}})
    with pytest.raises(ServiceUnreachableError, match="AWS cannot be reached"):
        task.execute(context)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"role_arn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        ({"create_training_job": {"NoSuchThing": 1}}, "Unknown parameter in input: .NoSuchThing."),
        ({"create_training_job": {"RoleArn": "x"}}, "create_training_job.RoleArn is 'x'"),
        ({"costs_table": '"D"."S"."COSTS"'}, "its last part must be SNOWMAKER_RUN_COSTS"),
        ({"artefacts_uri": "bucket/folder"}, "is no S3 address"),
        ({"role_arn": ""}, "role_arn is empty"),
    ],
)
def test_what_cannot_work_is_told_and_not_retried(
    operator: Operator, context: Context, jobs: Jobs, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(TrainingError, match=told) as raised:
        operator(WRITE_CARD, **changes).execute(context)
    assert isinstance(raised.value, AirflowFailException)
    assert not jobs()
