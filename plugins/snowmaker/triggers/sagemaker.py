"""The trigger that waits for a SageMaker training job."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.training_job import FAILED_LOOKS_BORNE, is_ended, next_poll_delay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SageMakerTrainingTrigger(BaseTrigger):
    """Fires once, when the job has ended; what its end means is the operator's to say.

    A failing look at the job is repeated, ever slower, ten times in a row; then the event tells the error.

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

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended."""
        delay, failures = None, 0
        while True:
            try:
                # In a thread: the connection lookup, the client's set-up and the call all block.
                description = await asyncio.to_thread(self._describe)
                failures = 0
            except Exception as error:
                failures += 1
                self.log.warning("Look %d at training job %s failed: %s", failures, self.job_name, error)
                if failures >= FAILED_LOOKS_BORNE:
                    yield self._event(error=f"{type(error).__name__}: {error}")
                    return
            else:
                if description is None or is_ended(description):
                    yield self._event()
                    return
            delay = next_poll_delay(delay, self.poll_interval)
            await asyncio.sleep(delay)

    async def on_kill(self) -> None:
        """Stop the job: somebody has ended the deferred task by hand."""
        await asyncio.to_thread(self._stop)

    def _event(self, **more: str) -> TriggerEvent:
        return TriggerEvent({"job_name": self.job_name, **more})  # type: ignore[no-untyped-call]

    def _describe(self) -> dict[str, Any] | None:
        return self.hook.describe(self.job_name)

    def _stop(self) -> None:
        self.hook.stop(self.job_name)
