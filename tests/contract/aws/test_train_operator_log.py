"""The lines of all hosts appear in the task's log while it waits, each once, and hold nothing up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import boto3
import pytest
from airflow.sdk.exceptions import TaskDeferred

from snowmaker.hooks import training_log
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .operator_scripts import WRITE_CARD, event_of
from .support import CREDENTIALS

Operator = Callable[..., SageMakerTrainOperator]
Context = dict[str, Any]
LINES = f"""
import os, time
for number in range(25):
    print(f"line {{number}}", flush=True)
    time.sleep(0.05)
{WRITE_CARD}
print("the last line", flush=True)
"""
EXPECTED = sorted(
    f"[{host}] {line}" for host in ("algo-1", "algo-2") for line in (*(f"line {n}" for n in range(25)), "the last line")
)


def hosts_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("[algo-")]


@pytest.fixture(autouse=True)
def capture(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_waiting_task_shows_every_line_once(
    operator: Operator, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    operator(LINES, instance_count=2).execute(context)
    assert sorted(hosts_lines(caplog)) == EXPECTED


def test_trigger_and_task_show_every_line_once_between_them(
    operator: Operator, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator(LINES, instance_count=2, deferrable=True).execute(context)
    event = event_of(deferred.value.trigger)
    assert len(hosts_lines(caplog)) > 25
    operator(LINES).resume_execution(deferred.value.method_name, {"event": event}, context)
    assert sorted(hosts_lines(caplog)) == EXPECTED


def test_a_long_log_comes_page_by_page(
    operator: Operator, context: Context, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_log, "LINES_A_PAGE", 10)
    operator(LINES, instance_count=2).execute(context)
    assert sorted(hosts_lines(caplog)) == EXPECTED


def test_a_log_that_cannot_be_read_fails_nothing_and_is_told_once(
    operator: Operator, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    client, asked = SageMakerTrainingHook.client, []

    def elsewhere(hook: SageMakerTrainingHook, service: str, config: Any = None) -> Any:
        if service != "logs":
            return client(hook, service, config)
        asked.append(service)
        return boto3.client("logs", endpoint_url="http://127.0.0.1:1", config=config, **CREDENTIALS)

    with mock.patch.object(SageMakerTrainingHook, "client", elsewhere):
        result = operator(LINES).execute(context)
    assert result["metrics"] == {"f1": 0.75}
    assert asked
    warnings = [record for record in caplog.records if "cannot be read" in record.getMessage()]
    assert len(warnings) == 1
