"""One job's way through its states: start, download, train, perhaps be interrupted and start again, upload."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.sandbox.aws import access, container, objects
from include.sandbox.aws.attempt import Attempt
from include.sandbox.aws.checkpoints import Checkpoints
from include.sandbox.aws.container import Program
from include.sandbox.aws.hosts import Cluster, Host
from include.sandbox.aws.spot import Interruptions
from include.sandbox.aws.training_job import TrainingJob, now

_SYNC_SECONDS = 0.1
INTERRUPTED = "Interrupted"
DAY = 86400


@dataclass(frozen=True)
class Surroundings:
    """What a run needs of its server.

    :param environment: variables with which programs reach the sandbox
    :param stop_grace: seconds between SIGTERM and SIGKILL
    :param save: writes the job down
    :param write_line: takes log stream and line
    """

    environment: dict[str, str]
    stop_grace: float
    save: Callable[[], None]
    write_line: Callable[[str, str], None]


class Run:
    """One job's run. ``execute`` is called once; ``stop`` at any time, from another thread."""

    def __init__(self, job: TrainingJob, program: Program, root: Path, surroundings: Surroundings) -> None:
        """Keep the hosts' directories under ``root``."""
        self.job = job
        self.root = root
        self._program = program
        self._around = surroundings
        self._interruptions = Interruptions.of(job.creation_tags)
        cluster = Cluster.of(job.request)
        self._hosts = [Host(name, cluster, root / name) for name in cluster.names]
        self._attempt: Attempt | None = None
        self._stopped = threading.Event()
        self._trained = 0.0
        self._outcome: tuple[str, str, str | None] = ("Stopped", "Stopped", None)

    def stop(self) -> None:
        """Stop the programs, and start none any more."""
        self._stopped.set()
        if self._attempt:
            self._attempt.stop(self._around.stop_grace)

    def execute(self) -> None:
        """Prepare, train and upload. The end of the job is decided here, and entered by ``conclude``."""
        interrupted = 0
        cause = self._train(interrupted)
        while cause == INTERRUPTED:
            interrupted += 1
            self._enter(INTERRUPTED)
            cause = self._wait_for_capacity()
            if cause is None:
                self._enter("Restarting")
                cause = self._train(interrupted)
        self._decide(cause)
        self._around.save()
        self._upload()

    def conclude(self) -> None:
        """Enter the final state; nothing where a setup error did so already."""
        secondary, status, reason = self._outcome
        self.job.enter(secondary, status=status, reason=reason)

    def _enter(self, secondary: str) -> None:
        self.job.enter(secondary)
        self._around.save()

    def _train(self, interrupted: int) -> str | None:
        """Train on fresh hosts, and return what ended it before its own end."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._enter("Downloading")
        for host in self._hosts:
            container.prepare(host, self.job.request, self._program)
        checkpoints = Checkpoints(self._hosts, self.job.request.get("CheckpointConfig"))
        checkpoints.restore()
        self._attempt = Attempt(self._hosts, self._program, self._write_line)
        if self._stopped.is_set():
            return None
        self._enter("Training")
        watch = _Watch(self, checkpoints, interrupted)
        self._attempt.start(self.job.request, self._around.environment, self.job.arn)
        if self._stopped.is_set():
            self._attempt.stop(self._around.stop_grace)
        cause = self._attempt.wait(watch.cause_to_stop, self._around.stop_grace)
        self._trained += watch.seconds
        checkpoints.sync(final=True)
        return cause

    def limit_exceeded(self, seconds: float) -> str | None:
        """Return the limit that the job has passed after so many seconds of this training, if any."""
        limits = self.job.request["StoppingCondition"]
        if self._trained + seconds > limits.get("MaxRuntimeInSeconds", DAY):
            return "MaxRuntimeExceeded"
        waited = now() - self.job.creation_time
        if "MaxWaitTimeInSeconds" in limits and waited > dt.timedelta(seconds=limits["MaxWaitTimeInSeconds"]):
            return "MaxWaitTimeExceeded"
        return None

    def interruption_is_due(self, interrupted: int, seconds: float, uploads: int) -> bool:
        """Tell whether the spot hosts are to be taken away now."""
        spot = self.job.request.get("EnableManagedSpotTraining", False)
        return bool(spot and self._interruptions.is_due(interrupted, seconds, uploads))

    def _wait_for_capacity(self) -> str | None:
        end = time.monotonic() + self._interruptions.pause
        while time.monotonic() < end and not self._stopped.is_set():
            exceeded = self.limit_exceeded(0)
            if exceeded:
                return exceeded
            self._stopped.wait(0.05)
        return None

    def _write_line(self, stream: str, line: str) -> None:
        self._around.write_line(f"{self.job.training_job_name}/{stream}", line)
        self.job.note_metrics(line)

    def _decide(self, cause: str | None) -> None:
        failed = self._attempt.failed if self._attempt else []
        if self.job.training_job_status == "Stopping":
            self._outcome = ("Stopped", "Stopped", None)
        elif cause:
            self._outcome = (cause, "Stopped", None)
        elif failed:
            self._outcome = ("Failed", "Failed", container.failure_reason(failed[0][0], self._program, failed[0][1]))
        else:
            self.job.enter("Uploading")
            self._outcome = ("Completed", "Completed", None)

    def _upload(self) -> None:
        """Upload model and output data, of stopped and failed jobs too, as the service does."""
        packed: list[tuple[str, list[Path]]] = [
            ("model", [host.model for host in self._hosts]),
            ("output", [host.output_data for host in self._hosts]),
        ]
        for name, folders in packed:
            if not self.job.compresses:
                for path, file in container.files_of(folders).items():
                    objects.upload(self.job.output_uri(f"{name}/{path}"), file)
                continue
            target = self.root / f"{name}.tar.gz"
            self.root.mkdir(parents=True, exist_ok=True)
            has_files = container.pack(folders, target)
            if has_files or (name == "model" and self._outcome[1] == "Completed"):
                objects.upload(self.job.output_uri(target.name), target)


class _Watch:
    """What is looked after while programs run: limits, checkpoints and interruptions."""

    def __init__(self, run: Run, checkpoints: Checkpoints, interrupted: int) -> None:
        self._run = run
        self._checkpoints = checkpoints
        self._interrupted = interrupted
        self._started = self._synced = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def cause_to_stop(self) -> str | None:
        """Bring checkpoints to S3 when it is time, and tell why to stop, if there is a cause."""
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._checkpoints.sync()
            self._synced = time.monotonic()
        if self._run.interruption_is_due(self._interrupted, self.seconds, self._checkpoints.uploads):
            return INTERRUPTED
        return self._run.limit_exceeded(self.seconds)


def environment_for(job: TrainingJob, endpoint_url: str) -> dict[str, Any]:
    """Return the variables with which a job's programs reach the sandbox."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": job.region,
        "AWS_REGION": job.region,
        **access.assume(job.request["RoleArn"], job.region, "SageMaker"),
    }
