"""A training job's log, read little by little: the lines of all its hosts, each one once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from snowmaker.training_job import LOG_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snowmaker.hooks.sagemaker import SageMakerTrainingHook

LINES_A_PAGE = 1000
# A look must not hold the wait up: what a host writes beyond this comes with the next one.
PAGES_A_LOOK = 1
# At the end no look comes any more; what goes beyond is in CloudWatch.
PAGES_AT_THE_END = 20
TRIES_AT_THE_END = 3
_SILENCE_SECONDS = 60.0
# A log that cannot be had quickly is done without, for the job's state is what the task waits for.
_QUICK = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})

log = logging.getLogger(__name__)


class TrainingLog:
    """What a job's hosts have written since the last look.

    :param positions: where to go on, by log stream, as another reader's ``positions`` told; default: the beginning
    """

    def __init__(self, hook: SageMakerTrainingHook, job_name: str, positions: dict[str, str] | None = None) -> None:
        self.positions = dict(positions or {})
        self._hook = hook
        self._job_name = job_name
        self._client: Any = None
        self._silent_until = 0.0

    def new_lines(self, *, at_the_end: bool = False) -> list[str]:
        """Return the new lines, each after its host's name; none if the log cannot be read, which is told once."""
        if not at_the_end and time.monotonic() < self._silent_until:
            return []
        lines: list[str] = []
        for _ in range(TRIES_AT_THE_END if at_the_end else 1):
            try:
                self._client = self._client or self._hook.client("logs", _QUICK)
                for stream in self._streams():
                    # One by one: what has been read before an error is not read again.
                    for line in self._new_lines_of(stream, PAGES_AT_THE_END if at_the_end else PAGES_A_LOOK):
                        lines.append(line)
                break
            except ClientError as error:
                # There is no log group before the account's first job has written.
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    self._fall_silent(error)
            except BotoCoreError as error:
                self._fall_silent(error)
        return lines

    def _streams(self) -> Iterator[str]:
        # Anew each time: hosts begin to write one after another, and after an interruption under other names.
        pages = self._client.get_paginator("describe_log_streams").paginate(
            logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self._job_name}/"
        )
        for page in pages:
            yield from (stream["logStreamName"] for stream in page["logStreams"])

    def _new_lines_of(self, stream: str, pages: int) -> Iterator[str]:
        short = stream.removeprefix(f"{self._job_name}/")
        host = "-".join(short.split("-")[:2])
        for _ in range(pages):
            position = self.positions.get(short)
            answer = self._client.get_log_events(
                logGroupName=LOG_GROUP,
                logStreamName=stream,
                startFromHead=True,
                limit=LINES_A_PAGE,
                **({"nextToken": position} if position else {}),
            )
            self.positions[short] = answer["nextForwardToken"]
            yield from (f"[{host}] {event['message'].rstrip()}" for event in answer["events"])
            if answer["nextForwardToken"] == position:
                break

    def _fall_silent(self, error: Exception) -> None:
        if not self._silent_until:
            log.warning(
                "The log of training job %s cannot be read: %s; the wait goes on without it", self._job_name, error
            )
        self._silent_until = time.monotonic() + _SILENCE_SECONDS
