"""A training task's conduct where a service or Airflow misbehaves: hook, trigger, kills, links."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from botocore.exceptions import ClientError

from snowmaker.exceptions import ServiceBusyError, TrainingError, TrainingSetupError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook, find_image
from snowmaker.hooks.training_log import TrainingLog
from snowmaker.links.sagemaker import JobAddress
from snowmaker.operators.sagemaker import SageMakerTrainOperator
from snowmaker.training_run import TrainingRun
from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

SETTINGS = {
    "aws_conn_id": "aws_other",
    "region_name": "eu-west-1",
    "verify": False,
    "botocore_config": {"read_timeout": 5},
}
NEEDED = dict.fromkeys(
    ["source_dir", "table", "features", "week_column", "holdout_from", "secret_id", "role_arn", "artefacts_uri"],
    "s3://b",
) | {"label": "Y"}
RUNNING = {"TrainingJobName": "n", "TrainingJobStatus": "InProgress"}
ENDED = {"TrainingJobName": "n", "TrainingJobStatus": "Completed"}
INSTANCE = SimpleNamespace(
    dag_id="dag", run_id="run", task_id="train", map_index=-1, id="1", xcom_push=lambda **_: None
)


def make_hook() -> Any:
    """A stand-in for SageMaker, with an empty log."""
    hook = mock.create_autospec(
        SageMakerTrainingHook, instance=True, conn_region_name="eu-west-1", conn_partition="aws"
    )
    hook.client.return_value.get_paginator.return_value.paginate.return_value = []
    return hook


def make_task(**changes: Any) -> SageMakerTrainOperator:
    task = SageMakerTrainOperator(task_id="train", **{**NEEDED, **changes})
    task.__dict__["hook"] = make_hook()
    return task


# The hook


def with_client(client: mock.Mock) -> Any:
    return mock.patch.object(SageMakerTrainingHook, "conn", client)


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


def test_metric_definitions_that_an_image_refuses_are_left_out() -> None:
    message = "You can't override the metric definitions for Amazon SageMaker algorithms."
    client = mock.Mock()
    client.create_training_job.side_effect = [refusal("ValidationException", message), {}]
    request = {"TrainingJobName": "n", "AlgorithmSpecification": {"TrainingImage": "i", "MetricDefinitions": []}}
    with with_client(client):
        assert SageMakerTrainingHook(aws_conn_id=None).create(request)
    first, second = (call.kwargs["AlgorithmSpecification"] for call in client.create_training_job.call_args_list)
    assert first.keys() - second.keys() == {"MetricDefinitions"}


@pytest.mark.parametrize(
    ("code", "error", "is_final"),
    [
        ("ValidationException", TrainingError, True),
        ("AccessDeniedException", TrainingError, True),
        ("ResourceLimitExceeded", TrainingError, False),
        ("InternalFailure", TrainingError, False),
        ("ThrottlingException", ServiceBusyError, False),
    ],
)
def test_only_a_refusal_for_good_is_final(code: str, error: type[Exception], is_final: bool) -> None:
    client = mock.Mock()
    client.create_training_job.side_effect = refusal(code)
    with with_client(client), pytest.raises(error, match=code) as raised:
        SageMakerTrainingHook(aws_conn_id=None).create({"TrainingJobName": "n"})
    assert isinstance(raised.value, AirflowFailException) is is_final


def test_a_kill_is_repeated_until_sagemaker_has_heard_it() -> None:
    client = mock.Mock()
    client.stop_training_job.side_effect = [refusal("ThrottlingException"), refusal("InternalFailure"), {}]
    with with_client(client), mock.patch("snowmaker.hooks.sagemaker.time.sleep", autospec=True):
        SageMakerTrainingHook(aws_conn_id=None).insist_on_stop("n")
        assert client.stop_training_job.call_count == 3
        client.stop_training_job.side_effect = refusal("AccessDeniedException")
        with pytest.raises(TrainingError, match=r"StopTrainingJob of training job n .AccessDeniedException"):
            SageMakerTrainingHook(aws_conn_id=None).insist_on_stop("n")


# The operator's arguments


def test_a_rendered_field_is_not_touched_before_it_is_rendered() -> None:
    arguments = {
        field: f"{{{{ params.{field} }}}}"
        for field in SageMakerTrainOperator.template_fields
        if field not in ("verify", "create_training_job")
    }
    task = SageMakerTrainOperator(task_id="train", label="Y", **arguments)
    assert all(getattr(task, field) == value for field, value in arguments.items())


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ({"on_existing": "maybe"}, "choose one of reattach"),
        ({"estimator": "forest"}, "estimator is 'forest'; choose one of xgboost, linear"),
        ({"class_weight": "heavy"}, "choose one of None, balanced"),
        ({"reader": "csv"}, "choose one of connector, snowpark"),
        ({"poll_interval": 0}, "above 0"),
        ({"max_wait_seconds": 9}, "set spot"),
        ({"create_training_job": {"TrainingJobName": "mine"}}, "names its jobs itself"),
    ],
)
def test_a_wrong_argument_is_told_where_it_is_given(argument: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SageMakerTrainOperator(task_id="train", **{**NEEDED, **argument})


# The trigger


def make_trigger() -> SageMakerTrainingTrigger:
    trigger = SageMakerTrainingTrigger(job_name="n", poll_interval=30, **SETTINGS)
    trigger._task_instance = INSTANCE
    return trigger


def test_a_trigger_is_made_again_from_what_it_serializes() -> None:
    path, arguments = make_trigger().serialize()
    assert path == f"{SageMakerTrainingTrigger.__module__}.{SageMakerTrainingTrigger.__qualname__}"
    assert SageMakerTrainingTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments


def test_every_service_is_called_with_every_setting_of_the_connection() -> None:
    with mock.patch.object(AwsBaseHook, "__init__", return_value=None) as made:
        hook = make_trigger().hook
    settings = {"aws_conn_id": "aws_other", "region_name": "eu-west-1", "verify": False, "config": {"read_timeout": 5}}
    assert made.call_args.kwargs == {**settings, "client_type": "sagemaker"}
    hook = SageMakerTrainingHook(**settings)
    with mock.patch("snowmaker.hooks.sagemaker.AwsBaseHook", autospec=True) as sibling:
        hook.client("s3")
    given = sibling.call_args.kwargs
    assert (given["aws_conn_id"], given["region_name"], given["verify"]) == ("aws_other", "eu-west-1", False)
    assert given["config"].read_timeout == 5


def run_trigger(answers: list[Any]) -> tuple[list[Any], list[float]]:
    """Run a trigger to its end over prepared answers; return its events and the pauses it made."""
    trigger = make_trigger()
    trigger.__dict__["hook"] = make_hook()
    trigger.hook.look.side_effect = answers

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    with mock.patch("snowmaker.triggers.sagemaker.asyncio.sleep", autospec=True) as sleep:
        events = asyncio.run(collect())
    return events, [call.args[0] for call in sleep.call_args_list]


def test_a_trigger_fires_once_and_polls_ever_slower() -> None:
    events, pauses = run_trigger([RUNNING] * 30 + [{"TrainingJobStatus": "Stopped"}])
    assert events == [{"job_name": "n", "log_positions": {}}]
    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


def test_a_trigger_bears_some_failures_but_not_for_ever() -> None:
    events, _ = run_trigger([OSError("reset")] * 9 + [ENDED])
    assert events == [{"job_name": "n", "log_positions": {}}]
    events, _ = run_trigger([OSError("reset")] * 10)
    assert events == [{"job_name": "n", "log_positions": {}, "error": "OSError: reset"}]


def test_throttling_slows_a_trigger_down_and_never_ends_it() -> None:
    events, pauses = run_trigger([ServiceBusyError("slowly")] * 20 + [ENDED])
    assert events == [{"job_name": "n", "log_positions": {}}]
    assert pauses[:4] == [0.5, 1.5, 4.5, 13.5]


@pytest.mark.parametrize(
    ("state", "is_stopped"),
    [("failed", True), ("success", True), (None, False), ("deferred", False), ("running", False)],
)
def test_a_trigger_that_is_ended_stops_the_job_only_if_its_task_is_over(state: str | None, is_stopped: bool) -> None:
    trigger = make_trigger()
    trigger.__dict__["hook"] = make_hook()
    with mock.patch.object(
        RuntimeTaskInstance, "get_task_states", autospec=True, return_value={"run": {"train": state}}
    ):
        asyncio.run(trigger.on_kill())
    assert trigger.hook.insist_on_stop.called is is_stopped


def test_a_trigger_whose_task_was_deleted_stops_the_job() -> None:
    trigger = make_trigger()
    trigger.__dict__["hook"] = make_hook()
    with mock.patch.object(RuntimeTaskInstance, "get_task_states", autospec=True, return_value={}):
        asyncio.run(trigger.on_kill())
    trigger.hook.insist_on_stop.assert_called_once_with("n")


@pytest.mark.parametrize(("reason", "is_stopped"), [("a person has ended it", True), (None, False)])
def test_a_trigger_that_is_ended_while_it_looks_stops_the_job_although_nobody_waits(
    reason: str | None, is_stopped: bool
) -> None:
    trigger = make_trigger()
    trigger.__dict__["hook"] = make_hook()
    looking = threading.Event()
    trigger.hook.look.side_effect = lambda _: looking.set() or RUNNING

    async def end_while_it_looks() -> None:
        waiting = asyncio.create_task(anext(trigger.run()))
        await asyncio.to_thread(looking.wait, 10)
        waiting.cancel(reason)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if trigger._stopping:
            await trigger._stopping

    states = {"run": {"train": "failed"}}
    with mock.patch.object(RuntimeTaskInstance, "get_task_states", autospec=True, return_value=states):
        asyncio.run(end_while_it_looks())
    assert trigger.hook.insist_on_stop.called is is_stopped


def test_a_trigger_that_is_ended_again_meanwhile_stops_the_job_all_the_same() -> None:
    trigger = make_trigger()
    trigger.__dict__["hook"] = make_hook()
    asked, answered = threading.Event(), threading.Event()

    def answer(**_: Any) -> dict[str, dict[str, str]]:
        asked.set()
        answered.wait(10)
        return {"run": {"train": "failed"}}

    async def end_twice() -> None:
        ending = asyncio.create_task(trigger.on_kill())
        await asyncio.to_thread(asked.wait, 10)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        answered.set()
        await trigger._begin_to_stop()

    with mock.patch.object(RuntimeTaskInstance, "get_task_states", side_effect=answer):
        asyncio.run(end_twice())
    trigger.hook.insist_on_stop.assert_called_once_with("n")


@pytest.mark.parametrize(("version", "region"), [("0.1", "us-east-1"), ("3.2-0", "mars-north-1")])
def test_an_image_that_there_is_not_is_told(version: str, region: str) -> None:
    with pytest.raises(TrainingSetupError, match=f"{version}' in {region}.*give image_uri"):
        find_image(version, region)


# The operator's life


@pytest.mark.parametrize(
    ("state", "is_stopped"), [("running", True), ("failed", True), ("restarting", False), (None, False)]
)
def test_a_killed_task_stops_its_job_unless_it_is_to_run_again(state: str | None, is_stopped: bool) -> None:
    task = make_task()
    run = task._begin({"ti": INSTANCE})
    run.name = "n"
    with mock.patch.object(
        RuntimeTaskInstance, "get_task_states", autospec=True, return_value={"run": {"train": state}}
    ):
        task.on_kill()
    assert task.hook.insist_on_stop.called is is_stopped


@pytest.mark.parametrize(("state", "is_stopped"), [("failed", True), ("restarting", False)])
def test_a_task_killed_in_a_call_to_airflow_asks_again_when_that_is_over(state: str, is_stopped: bool) -> None:
    task = make_task()
    run = task._begin({"ti": INSTANCE})
    run.name = "n"
    call_is_over, decided = threading.Event(), threading.Event()

    def answer(**_: Any) -> dict[str, dict[str, str]]:
        call_is_over.wait(10)
        return {"run": {"train": state}}

    task.hook.insist_on_stop.side_effect = task.hook.stop.side_effect = lambda _: decided.set()
    decide = task._stop_if_not_wanted
    with (
        mock.patch.object(RuntimeTaskInstance, "get_task_states", side_effect=answer),
        mock.patch.object(task, "_stop_if_not_wanted", side_effect=lambda *a: (decide(*a), decided.set())),
    ):
        task.on_kill()
        assert not decided.is_set()
        call_is_over.set()
        assert decided.wait(10)
    assert (task.hook.insist_on_stop.called or task.hook.stop.called) is is_stopped


def test_a_task_that_somebody_has_ended_does_not_defer() -> None:
    task = make_task()
    run = task._begin({"ti": INSTANCE})
    run.name = "n"
    task.hook.describe.return_value = {**ENDED, "TrainingJobStatus": "Stopped"}
    over = mock.patch.object(RuntimeTaskInstance, "get_task_states", return_value={"run": {"train": "failed"}})
    with over, pytest.raises(TrainingError, match="is being stopped: its task is failed"):
        task._defer(run, RUNNING)
    task.hook.stop.assert_called_once_with("n")


def make_run(hook: Any) -> TrainingRun:
    return TrainingRun(hook, mock.sentinel.identity)


def test_a_waiting_task_bears_some_failures_but_not_for_ever() -> None:
    hook = make_hook()
    arguments = {"seconds": 3600, "poll_interval": 30, "job_log": TrainingLog(hook, "n")}
    with mock.patch("snowmaker.training_run.time.sleep", autospec=True):
        hook.look.side_effect = [TrainingError("reset")] * 9 + [ServiceBusyError("slowly")] * 20 + [ENDED]
        assert make_run(hook).wait(RUNNING, **arguments) == ENDED
        hook.look.side_effect = [TrainingError("reset")] * 10
        with pytest.raises(TrainingError, match="reset"):
            make_run(hook).wait(RUNNING, **arguments)


def test_a_job_is_told_to_stop_until_sagemaker_hears_it() -> None:
    hook = make_hook()
    hook.stop.side_effect = [ServiceBusyError("slowly"), None]
    hook.describe.return_value = {**ENDED, "TrainingJobStatus": "Stopped"}
    with mock.patch("snowmaker.training_run.time.sleep", autospec=True):
        description = make_run(hook).stop_and_wait("n")
    assert description == hook.describe.return_value
    assert hook.stop.call_count == 2


def test_a_trigger_s_error_fails_the_task_and_leaves_the_job_running() -> None:
    task = make_task()
    with pytest.raises(TrainingError, match="cannot be looked at: OSError: reset; it is not stopped"):
        task.execute_complete({"ti": INSTANCE}, {"job_name": "n", "error": "OSError: reset"})
    task.hook.stop.assert_not_called()


# Links


def test_a_task_links_to_its_job_and_log_once_there_is_one() -> None:
    task = make_task()
    to_job, to_log = task.operator_extra_links
    assert to_job.get_link(task, ti_key=None) == to_log.get_link(task, ti_key=None) == ""
    task.hook.look.return_value = {"TrainingJobName": "n", "TrainingJobStatus": "Stopped"}
    with pytest.raises(TrainingError, match="training job n is Stopped"):
        task.execute_complete({"ti": INSTANCE}, {"job_name": "n"})
    console = "https://eu-west-1.console.aws.amazon.com"
    assert to_job.get_link(task, ti_key=None) == f"{console}/sagemaker/home?region=eu-west-1#/jobs/n"
    assert to_log.get_link(task, ti_key=None) == (
        f"{console}/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        f"$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Dn$252F"
    )
    assert to_job.xcom_key != to_log.xcom_key


def test_a_link_leads_to_the_partition_s_own_console() -> None:
    address = JobAddress("aws-us-gov", "us-gov-west-1", "n")
    assert address.job_page.startswith("https://us-gov-west-1.console.amazonaws-us-gov.com/sagemaker/")
