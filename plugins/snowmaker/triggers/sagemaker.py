"""The trigger that waits for a SageMaker training job."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from snowmaker.exceptions import ServiceBusyError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.hooks.training_log import TrainingLog
from snowmaker.task_states import goes_on_after_deferral, state_of
from snowmaker.training_outcome import FAILED_LOOKS_BORNE, is_ended, next_poll_delay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SageMakerTrainingTrigger(BaseTrigger):
    """Fires once, when the job has ended; what its end means is the operator's to say.

    What the job's hosts write meanwhile goes to the task's log; the event tells how far, so that the task goes on
    from there. A failing look at the job is repeated, ever slower, ten times in a row; then the event tells the
    error. Being throttled only slows it down.

    :param job_name: the job to wait for
    :param poll_interval: the longest pause between two looks, in seconds
    :param aws_conn_id: Airflow connection of type AWS
    :param region_name: region, if not the connection's
    :param verify: TLS verification, if not the connection's
    :param botocore_config: configuration of the boto3 clients, if not the connection's
    """

    def __init__(
        self,
        *,
        job_name: str,
        poll_interval: float,
        aws_conn_id: str | None,
        region_name: str | None,
        verify: bool | str | None,
        botocore_config: dict[str, Any] | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job_name = job_name
        self.poll_interval = poll_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._stopping: asyncio.Future[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return all that makes the same trigger elsewhere."""
        return (
            "snowmaker.triggers.sagemaker.SageMakerTrainingTrigger",
            {
                "job_name": self.job_name,
                "poll_interval": self.poll_interval,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": self.botocore_config,
            },
        )

    @cached_property
    def hook(self) -> SageMakerTrainingHook:
        """The hook, with every setting of the operator's."""
        return SageMakerTrainingHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    @cached_property
    def job_log(self) -> TrainingLog:
        """What the job's hosts write."""
        return TrainingLog(self.hook, self.job_name)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended."""
        try:
            async for event in self._watch():
                yield event
        except asyncio.CancelledError as ended:
            # With a reason if a person has ended the task. Airflow cancels a trigger anew every round until it is gone,
            # and may so break off its own call of on_kill before it has begun.
            if ended.args:
                self._begin_to_stop()
            raise

    async def _watch(self) -> AsyncIterator[TriggerEvent]:
        delay, failures, throttled = None, 0, False
        while True:
            try:
                # In a thread: the connection lookup, the client's set-up and the call all block.
                ended, lines = await asyncio.to_thread(self._look)
                for line in lines:
                    self.log.info("%s", line)
                failures, throttled = 0, False
                if ended:
                    yield self._event()
                    return
            except ServiceBusyError as error:
                throttled = True
                self.log.info("AWS asks for fewer looks at training job %s: %s", self.job_name, error)
            except Exception as error:
                failures += 1
                self.log.warning("Look %d at training job %s failed: %s", failures, self.job_name, error)
                if failures >= FAILED_LOOKS_BORNE:
                    yield self._event(error=f"{type(error).__name__}: {error}")
                    return
            delay = next_poll_delay(delay, self.poll_interval, throttled=throttled)
            await asyncio.sleep(delay)

    async def on_kill(self) -> None:
        """Stop the job if its task was ended by hand.

        Airflow calls this also for a task that was cleared, whose next try waits for the same job, and for a trigger
        that another triggerer has taken over.
        """
        await asyncio.shield(self._begin_to_stop())

    def _begin_to_stop(self) -> asyncio.Future[None]:
        """Do it in a thread, once, whatever becomes of whoever waits for it."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(asyncio.to_thread(self._stop_if_not_wanted))
        return self._stopping

    def _stop_if_not_wanted(self) -> None:
        state = state_of(self.task_instance)
        if goes_on_after_deferral(state):
            self.log.info("Training job %s goes on: its task is %s", self.job_name, state)
            return
        self.log.info("Stopping training job %s: its task is %s", self.job_name, state)
        self.hook.insist_on_stop(self.job_name)

    def _look(self) -> tuple[bool, list[str]]:
        ended = is_ended(self.hook.look(self.job_name))
        return ended, self.job_log.new_lines()

    def _event(self, **more: str) -> TriggerEvent:
        return TriggerEvent(  # type: ignore[no-untyped-call]
            {"job_name": self.job_name, "log_positions": self.job_log.positions, **more}
        )
