"""Callbacks of tasks that tell people what became of a model. Imported by DAG files: nothing heavy here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.exceptions import ChallengerRejectedError
from snowmaker.notifications import notice
from snowmaker.notifications.delivery import Destination, deliver, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from snowmaker.notifications.notice import Event, Notice

    Context = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NotificationCallback:
    """A callback of a task: makes a notice of what happened, and sends it to who has asked for it.

    :param notice_of: makes the notice of the model's name and the task's context, or None
    :param model: the model's name
    """

    notice_of: Callable[[str, Context], Notice | None]
    model: str
    destinations: tuple[Destination, ...]

    def __call__(self, context: Context) -> None:
        """Tell of it; whatever goes wrong with that is not the task's."""
        try:
            if found := self.notice_of(self.model, context):
                deliver(found, self.destinations, context)
        except Exception as error:
            log.error("Nobody is told of %s: %s", context["ti"].task_id, without_secrets(error))


@dataclass(frozen=True)
class NotificationCallbacks:
    """The callbacks of one model's tasks; each is empty if nobody has asked for its events.

    :param on_check: ``on_success_callback`` of the drift and performance checks
    :param on_approval: ``notifiers`` of the approval: called when a person is asked
    :param on_promotion: ``on_success_callback`` of the promotion
    :param on_rejection: ``on_skipped_callback`` of the promotion, for the gate's rejections, and one more
        ``on_failure_callback`` of it, for a person's
    :param on_rollback: ``on_success_callback`` of the rollback
    :param on_failure: ``on_failure_callback`` of every task; Airflow calls it after the last try
    """

    on_check: list[NotificationCallback]
    on_approval: list[NotificationCallback]
    on_promotion: list[NotificationCallback]
    on_rejection: list[NotificationCallback]
    on_rollback: list[NotificationCallback]
    on_failure: list[NotificationCallback]


def notification_callbacks(
    notifications: Iterable[Destination | Mapping[str, Any]], *, model: str
) -> NotificationCallbacks:
    """Make the callbacks of a model's tasks.

    :param notifications: who is told of what: destinations, or what ``Destination.of`` reads
    :param model: the model's name
    :raises ValueError: if a notification contradicts itself
    """
    told = tuple(one if isinstance(one, Destination) else Destination.of(one) for one in notifications)

    def callbacks(notice_of: Callable[[str, Context], Notice | None], *events: Event) -> list[NotificationCallback]:
        asked = tuple(destination for destination in told if set(events) & set(destination.events))
        return [NotificationCallback(notice_of, model, asked)] if asked else []

    return NotificationCallbacks(
        on_check=callbacks(_of_check, "warn", "breach", "degraded"),
        on_approval=callbacks(_of_approval, "approval"),
        on_promotion=callbacks(_of_promotion, "promotion"),
        on_rejection=callbacks(_of_rejection, "rejection"),
        on_rollback=callbacks(_of_rollback, "rollback"),
        on_failure=callbacks(_of_failure, "failure"),
    )


@dataclass(frozen=True)
class ByPipeline:
    """The callbacks of a task that serves all pipelines: those of the one that the run's param ``pipeline`` names.

    :param callbacks: by pipeline
    """

    callbacks: Mapping[str, Sequence[NotificationCallback]]

    def __call__(self, context: Context) -> None:
        """Tell who has asked for that pipeline's events."""
        for callback in self.callbacks.get(str((context.get("params") or {}).get("pipeline")), ()):
            callback(context)


def _of_check(model: str, context: Context) -> Notice | None:
    instance = context["ti"]
    result = instance.xcom_pull(task_ids=instance.task_id)
    if not result:
        return None
    if context["dag_run"].run_type == "backfill":
        log.info("A backfilled week is no news; nobody is told of %s", result.get("verdict"))
        return None
    return notice.of_check(model, instance.task.cause, result, _links(context, with_report=True))


def _of_approval(model: str, context: Context) -> Notice:
    from snowmaker.links.approval import approval_address

    instance = context["ti"]
    answer = approval_address(instance.dag_id, instance.run_id, instance.task_id)
    return notice.of_approval(model, instance.task.verdict, {"Answer": answer, **_links(context)})


def _of_promotion(model: str, context: Context) -> Notice:
    task = context["ti"].task
    return notice.of_promotion(model, task.week, task.verdict, task.reason, _links(context), task.approval)


def _of_rejection(model: str, context: Context) -> Notice | None:
    # A person's rejection fails the task, and so does all that is no rejection.
    error = context.get("exception")
    if isinstance(error, Exception) and not isinstance(error, ChallengerRejectedError | AirflowSkipException):
        return None
    return _of_promotion(model, context)


def _of_rollback(model: str, context: Context) -> Notice:
    instance = context["ti"]
    result = instance.xcom_pull(task_ids=instance.task_id)
    who = getattr(context["dag_run"], "triggering_user_name", None)
    return notice.of_rollback(model, result, instance.task.reason, who, _links(context))


def _of_failure(model: str, context: Context) -> Notice | None:
    instance, error = context["ti"], context.get("exception")
    if isinstance(error, ChallengerRejectedError):
        return None
    # A template that was not rendered yet tells no week.
    week = str(getattr(instance.task, "week", None) or (context.get("params") or {}).get("week") or "")
    told = without_secrets(error) if error else ""
    return notice.of_failure(model, "" if "{" in week else week, instance.task_id, told, _links(context))


def _links(context: Context, *, with_report: bool = False) -> dict[str, str]:
    from snowmaker.links.report import report_address

    instance = context["ti"]
    links = {"Run": instance.log_url}
    if with_report:
        links["Report"] = report_address(instance.dag_id, instance.run_id)
    return links
