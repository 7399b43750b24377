"""Which ended tasks' jobs the listener stops, and when; tests/e2e/kills has it in a whole Airflow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.models import DagRun, TaskInstance
from airflow.models.base import Base
from airflow.models.trigger import Trigger
from airflow.plugins_manager import is_valid_plugin
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session

from snowmaker import listener
from snowmaker.airflow_plugin import SnowmakerPlugin
from snowmaker.exceptions import TrainingError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

TABLES = ("dag_run", "log_template", "task_instance", "trigger")
MOMENT = datetime(2026, 3, 9, 6, tzinfo=UTC)


@pytest.fixture
def session() -> Iterator[Session]:
    """A session in an empty database of Airflow's."""
    engine = create_engine("sqlite://")
    tables = [Base.metadata.tables[name] for name in TABLES]
    Base.metadata.create_all(engine, tables=tables)
    with Session(engine) as opened:
        yield opened


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> SimpleQueue[Any]:
    """The jobs that are stopped, each with the AWS connection and region it is done with."""
    told: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(
        SageMakerTrainingHook, "insist_on_stop", lambda hook, name: told.put((name, hook.aws_conn_id, hook.region_name))
    )
    return told


def waiting_task(session: Session, job_name: str, state: str, *, classpath: str = listener.TRIGGER) -> Any:
    """Add a run with one task that has waited for a job, and is in a state now."""
    trigger = Trigger.from_object(
        SageMakerTrainingTrigger(
            job_name=job_name,
            poll_interval=1,
            aws_conn_id="aws_of_the_task",
            region_name="eu-west-1",
            verify=None,
            botocore_config={"retries": {"mode": "standard"}},
        )
    )
    trigger.classpath = classpath
    run = DagRun(dag_id="retrain", run_id=job_name, run_type="manual", state="failed", run_after=MOMENT)
    session.add_all([run, trigger])
    session.flush()
    values = {
        "id": uuid4(),
        "dag_id": "retrain",
        "run_id": job_name,
        "task_id": "train",
        "state": state,
        "trigger_id": trigger.id,
        "max_tries": 0,
        "pool": "default_pool",
        "pool_slots": 1,
        "executor_config": {},
    }
    session.execute(insert(TaskInstance).values(values))
    return session.scalars(select(TaskInstance).where(TaskInstance.run_id == job_name)).one()


@pytest.mark.parametrize(
    ("tell", "state"),
    [
        (listener.on_task_instance_failed, "failed"),
        (listener.on_task_instance_success, "success"),
        (listener.on_task_instance_skipped, "skipped"),
    ],
    ids=["failed", "success", "skipped"],
)
def test_the_job_of_an_ended_task_is_stopped_once_its_end_is_committed(
    session: Session, stopped: SimpleQueue[Any], tell: Any, state: str
) -> None:
    tell(task_instance=waiting_task(session, "job-1", state))
    assert stopped.empty()
    session.commit()
    assert stopped.get(timeout=10) == ("job-1", "aws_of_the_task", "eu-west-1")


def test_no_job_is_stopped_of_a_task_whose_end_is_taken_back(session: Session, stopped: SimpleQueue[Any]) -> None:
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-1", "failed"))
    session.rollback()
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-2", "failed"))
    session.commit()
    assert stopped.get(timeout=10)[0] == "job-2"
    assert stopped.empty()


def test_the_jobs_of_a_run_whose_time_is_up_are_stopped(session: Session, stopped: SimpleQueue[Any]) -> None:
    waiting_task(session, "job-of-another-run", "skipped")
    over = waiting_task(session, "job-1", "skipped")
    listener.on_dag_run_failed(dag_run=over.dag_run)
    session.commit()
    assert stopped.get(timeout=10)[0] == "job-1"
    assert stopped.empty()


def test_other_triggers_and_tasks_that_tell_their_own_end_are_none_of_its_business(
    session: Session, stopped: SimpleQueue[Any]
) -> None:
    other = waiting_task(session, "job-1", "failed", classpath="airflow.triggers.testing.SuccessTrigger")
    listener.on_task_instance_failed(task_instance=other)
    listener.on_task_instance_failed(task_instance=SimpleNamespace(state="failed"))
    listener.on_dag_run_failed(dag_run=DagRun(dag_id="retrain", run_id="elsewhere", run_type="manual"))
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-2", "failed"))
    session.commit()
    assert stopped.get(timeout=10)[0] == "job-2"
    assert stopped.empty()


def test_a_task_of_a_dead_worker_is_none_of_its_business(session: Session, stopped: SimpleQueue[Any]) -> None:
    dead = waiting_task(session, "job-1", "failed")
    dead.trigger_id = None
    session.flush()
    session.refresh(dead)
    session.expunge(dead)
    listener.on_task_instance_failed(task_instance=dead)
    session.commit()
    assert stopped.empty()


def test_the_job_of_a_task_that_is_to_be_tried_again_goes_on(session: Session, stopped: SimpleQueue[Any]) -> None:
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-1", "up_for_retry"))
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-2", "failed"))
    session.commit()
    assert stopped.get(timeout=10)[0] == "job-2"
    assert stopped.empty()


def test_a_job_that_cannot_be_stopped_is_told_of_in_the_log(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: SageMakerTrainingHook, name: str) -> None:
        raise TrainingError(f"AWS refused StopTrainingJob of training job {name}")

    monkeypatch.setattr(SageMakerTrainingHook, "insist_on_stop", refuse)
    listener.on_task_instance_failed(task_instance=waiting_task(session, "job-1", "failed"))
    before = set(threading.enumerate())
    session.commit()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert "Training job job-1 may still run, look at it in SageMaker: AWS refused StopTrainingJob" in caplog.text


def test_airflow_finds_the_listener() -> None:
    assert is_valid_plugin(SnowmakerPlugin)
    assert listener in SnowmakerPlugin.listeners
