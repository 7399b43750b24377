"""Stops the training job of a deferred task that is ended from outside, in the process that ends it.

Airflow tells the task's trigger, too, but only if a triggerer runs it already. Loaded by all of Airflow's processes:
what looks at triggers and AWS is imported only where there is such a task.
"""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from snowmaker.task_states import is_over

if TYPE_CHECKING:
    from collections.abc import Iterable

TRIGGER = "snowmaker.triggers.sagemaker.SageMakerTrainingTrigger"

log = logging.getLogger(__name__)


@hookimpl
def on_task_instance_failed(task_instance: Any) -> None:
    """Look whether a person has marked a deferred task, or its run, as failed."""
    _stop_jobs_of([task_instance])


@hookimpl
def on_task_instance_success(task_instance: Any) -> None:
    """Look whether a person has marked a deferred task, or its run, as successful."""
    _stop_jobs_of([task_instance])


@hookimpl
def on_task_instance_skipped(task_instance: Any) -> None:
    """Look whether a person has marked a deferred task as skipped."""
    _stop_jobs_of([task_instance])


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:
    """Look whether the run's time was up while a task of it was deferred; Airflow skips it then."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    deferred = select(TaskInstance).where(
        TaskInstance.dag_id == dag_run.dag_id,
        TaskInstance.run_id == dag_run.run_id,
        TaskInstance.state == "skipped",
        TaskInstance.trigger_id.is_not(None),
    )
    _stop_jobs_of(session.scalars(deferred).all())


def _stop_jobs_of(instances: Iterable[Any]) -> None:
    """Stop the jobs that ended tasks have waited for, once their end is in the database."""
    for instance in instances:
        # Others come here too: tasks that tell their own end, and those of dead workers, which belong to no session.
        if getattr(instance, "trigger_id", None) is None or not is_over(str(instance.state)):
            continue
        trigger = instance.trigger
        if trigger is None or trigger.classpath != TRIGGER:
            continue
        # The answer to the person, or the scheduler's round, does not wait for AWS.
        stop = Thread(target=_stop, args=(dict(trigger.kwargs), str(instance.state)), daemon=True)
        _start_when_committed(instance, stop)


def _start_when_committed(instance: Any, thread: Thread) -> None:
    from sqlalchemy import event
    from sqlalchemy.orm import object_session

    session, waiting = object_session(instance), [thread]

    def start(_: Any) -> None:
        if waiting:
            waiting.pop().start()

    event.listen(session, "after_commit", start, once=True)
    # Sessions live on after a rollback, and commit something else.
    event.listen(session, "after_rollback", lambda _: waiting.clear(), once=True)


def _stop(arguments: dict[str, Any], state: str) -> None:
    from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

    try:
        trigger = SageMakerTrainingTrigger(**arguments)
        log.info("Stopping training job %s: its deferred task is %s", trigger.job_name, state)
        trigger.hook.insist_on_stop(trigger.job_name)
    except Exception as error:
        log.error("Training job %s may still run, look at it in SageMaker: %s", arguments.get("job_name"), error)
