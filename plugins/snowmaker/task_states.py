"""What Airflow says of a task that somebody has ended: whether its job is still wanted."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = "unknown"
CLEARED = "none"
# A next try is to come, or has begun, and waits for the job.
_NEXT_TRY = frozenset({CLEARED, "scheduled", "queued", "restarting", "up_for_retry", "up_for_reschedule"})

_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})

T = TypeVar("T")


def goes_on(state: str) -> bool:
    """Whether a task that was ended while it ran still wants its job: it was cleared, and is to run again.

    A task whose process alone was ended still counts as running: its job is to be stopped.
    """
    return state in _NEXT_TRY


def goes_on_after_deferral(state: str) -> bool:
    """Whether a task whose trigger was ended still wants its job: cleared, or waiting with another triggerer."""
    return state in _NEXT_TRY | {"deferred", "running"}


def is_over(state: str) -> bool:
    """Whether a task has come to its end, and no try of it goes on."""
    return state in _OVER


def state_of(instance: Any) -> str:
    """Ask Airflow for the state of a task instance; ``none`` if it was cleared, ``unknown`` if it does not say."""
    try:
        # Of the class, for a trigger's task instance is a plain record.
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = RuntimeTaskInstance.get_task_states(
            dag_id=instance.dag_id,
            task_ids=[instance.task_id],
            run_ids=[instance.run_id],
            map_index=instance.map_index,
        )
        # A mapped task's key ends in its index.
        (state,) = states[instance.run_id].values()
    except Exception:
        # A run that was deleted, an API server that does not answer: whoever asks decides without.
        return UNKNOWN
    return CLEARED if state is None else str(getattr(state, "value", state))


def within(seconds: float, call: Callable[[], T]) -> T | None:
    """Return what a call returns, or None if it fails or takes longer; it goes on in its own thread then."""
    answers: queue.SimpleQueue[T | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(call())
        except Exception:
            answers.put(None)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return None
