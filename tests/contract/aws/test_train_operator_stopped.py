"""A training job is stopped with its task, and its end is told as it was."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowTaskTimeout, TaskDeferred
from airflow.sdk.execution_time.timeout import timeout

from snowmaker.exceptions import TrainingError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .operator_scripts import WRITE_CARD
from .support import SLEEP, Server, wait_for_end

Operator = Callable[..., SageMakerTrainOperator]
Context = dict[str, Any]
TIMED_OUT = {"error": "Trigger timeout"}


def test_killing_a_waiting_task_stops_its_job(
    server: Server, operator: Operator, context: Context, started_job: Callable[[], str]
) -> None:
    task = operator(SLEEP)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            task.execute(context)
        except TrainingError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    name = started_job()
    task.on_kill()
    thread.join(30)
    assert "is Stopped" in str(errors[0])
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize("call", ["upload_once", "create"])
def test_a_task_that_is_killed_while_it_creates_its_job_leaves_none_running(
    server: Server, operator: Operator, context: Context, jobs: Callable[[], list[str]], call: str
) -> None:
    task, original = operator(SLEEP), getattr(SageMakerTrainingHook, call)

    def be_killed_before(*arguments: Any) -> Any:
        task.on_kill()
        return original(*arguments)

    with (
        mock.patch.object(SageMakerTrainingHook, call, be_killed_before),
        pytest.raises(TrainingError, match="is not wanted any more: its task was ended"),
    ):
        task.execute(context)
    assert all(wait_for_end(server, name)["TrainingJobStatus"] == "Stopped" for name in jobs())
    assert len(jobs()) == (call == "create")


def test_killing_a_deferred_task_stops_its_job(
    server: Server, operator: Operator, context: Context, started_job: Callable[[], str]
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(SLEEP, deferrable=True).execute(context)
    name = started_job()
    asyncio.run(deferred.value.trigger.on_kill())
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


def test_an_execution_timeout_stops_the_job_and_waits_for_that(
    server: Server, operator: Operator, context: Context, started_job: Callable[[], str]
) -> None:
    """The timeout is Airflow's own: a signal that raises in the midst of the wait."""
    names: list[str] = []

    def time_out() -> None:
        names.append(started_job())
        os.kill(os.getpid(), signal.SIGALRM)

    thread = threading.Thread(target=time_out)
    thread.start()
    with pytest.raises(AirflowTaskTimeout), timeout(60):
        operator(SLEEP).execute(context)
    thread.join()
    (name,) = names
    described = server.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert described["TrainingJobStatus"] == "Stopped"


def test_a_deferral_ends_with_the_shorter_of_patience_and_execution_timeout(
    server: Server, operator: Operator, context: Context
) -> None:
    for execution_timeout, seconds in ((None, 100), (dt.timedelta(seconds=70), 70)):
        task = operator(SLEEP, deferrable=True, queue_margin_seconds=40, execution_timeout=execution_timeout)
        with pytest.raises(TaskDeferred) as deferred:
            task.execute(context)
        assert seconds - 10 < deferred.value.timeout.total_seconds() <= seconds
    server.client("sagemaker").stop_training_job(TrainingJobName=deferred.value.trigger.job_name)


@pytest.mark.parametrize("has_store", [True, False])
def test_a_deferral_that_times_out_stops_its_job(
    server: Server, operator: Operator, context: Context, started_job: Callable[[], str], has_store: bool
) -> None:
    if not has_store:
        del context["task_state_store"]
    with pytest.raises(TaskDeferred):
        operator(SLEEP, deferrable=True).execute(context)
    name = started_job()
    with pytest.raises(TrainingError, match=f"{name} has not ended in time: .* It was told to stop: Stopped"):
        operator(SLEEP).resume_execution("__fail__", TIMED_OUT, context)
    described = server.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert described["TrainingJobStatus"] == "Stopped"


def test_a_deferral_that_times_out_after_all_takes_the_result(operator: Operator, context: Context) -> None:
    result = operator(WRITE_CARD).execute(context)
    assert operator(WRITE_CARD).resume_execution("__fail__", TIMED_OUT, context) == result


def test_a_task_whose_trigger_fails_waits_itself(
    operator: Operator, context: Context, jobs: Callable[[], list[str]]
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(f"import time\ntime.sleep(1)\n{WRITE_CARD}", deferrable=True).execute(context)
    failed = {"error": "Trigger failure", "traceback": ["ImportError"]}
    result = operator(WRITE_CARD).resume_execution("__fail__", failed, context)
    assert [result["job_name"]] == jobs() == [deferred.value.trigger.job_name]


def test_a_job_that_is_stopping_is_waited_for_before_its_successor_starts(
    server: Server, operator: Operator, new_try: Callable[[], Context], started_job: Callable[[], str]
) -> None:
    ignoring = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEP}"
    with pytest.raises(TaskDeferred):
        operator(ignoring, deferrable=True).execute(new_try())
    name = started_job()
    server.client("sagemaker").stop_training_job(TrainingJobName=name)
    create, statuses = SageMakerTrainingHook.create, []

    def look_first(hook: SageMakerTrainingHook, request: Any) -> bool:
        statuses.append(hook.look(name)["TrainingJobStatus"])
        return create(hook, request)

    with mock.patch.object(SageMakerTrainingHook, "create", look_first), pytest.raises(TaskDeferred) as deferred:
        operator(ignoring, deferrable=True).execute(new_try())
    assert statuses == ["Stopped"]
    assert deferred.value.trigger.job_name == f"{name}-a2"
    server.client("sagemaker").stop_training_job(TrainingJobName=f"{name}-a2")


def test_a_job_that_sagemaker_stops_is_a_failure_that_says_why(operator: Operator, context: Context) -> None:
    with pytest.raises(TrainingError, match="longer than its limit of 1 s; raise max_runtime_seconds") as raised:
        operator(SLEEP, max_runtime_seconds=1).execute(context)
    assert isinstance(raised.value, AirflowFailException)
