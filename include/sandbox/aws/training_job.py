"""What the sandbox knows of one training job: the request, the state and its history.

Pure bookkeeping; running the job is the runner's part. Field names are those of DescribeTrainingJob.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import threading
from typing import Any

from include.sandbox.aws import spot

NOT_ECHOED = frozenset({"Tags"})
TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data and the source archive",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "Interrupted": "Spot instances interrupted; waiting for capacity",
    "Restarting": "Spot capacity found; restarting the training job",
}
# What counts as training time; between an interruption and the restart nothing is used.
_AT_WORK = frozenset({"Downloading", "Training", "Uploading", "Stopping"})
_FAILURE_REASON_LIMIT = 1024


def now() -> dt.datetime:
    """Return the present moment in UTC."""
    return dt.datetime.now(dt.UTC)


class TrainingJob:
    """One job."""

    def __init__(self, request: dict[str, Any], *, account_id: str, region: str) -> None:
        """Take a CreateTrainingJob ``request`` and be Starting."""
        self.request = request
        self.region = region
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.retries = 0
        self.reused_by: str | None = None
        self.reused_at: dt.datetime | None = None
        self.training_job_name: str = request["TrainingJobName"]
        self.arn = f"arn:aws:sagemaker:{region}:{account_id}:training-job/{self.training_job_name}"
        self.creation_time = self.last_modified_time = now()
        self.training_start_time: dt.datetime | None = None
        self.training_end_time: dt.datetime | None = None
        self.training_job_status = "InProgress"
        self.secondary_status = "Starting"
        self.failure_reason: str | None = None
        self.metrics: dict[str, tuple[float, dt.datetime]] = {}
        self.transitions: list[dict[str, Any]] = []
        self._lock = threading.RLock()
        self.enter("Starting")

    @property
    def creation_tags(self) -> list[dict[str, str]]:
        """The tags that the request gave; later ones are in ``tags``."""
        return self.request.get("Tags") or []

    @property
    def is_terminal(self) -> bool:
        """Whether the job will not change any more."""
        return self.training_job_status in TERMINAL

    @property
    def artefact_uri(self) -> str:
        """Where the model is uploaded to."""
        return self.output_uri("model.tar.gz" if self.compresses else "model/")

    @property
    def compresses(self) -> bool:
        """Whether the outputs are packed into archives."""
        return bool(self.request["OutputDataConfig"].get("CompressionType") != "NONE")

    def output_uri(self, name: str) -> str:
        """Address of an output file of this job."""
        base = self.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        return f"{base}/{self.training_job_name}/output/{name}"

    def enter(self, secondary: str, *, status: str | None = None, reason: str | None = None) -> None:
        """Move on to a secondary status; ``status`` where the main one changes too."""
        with self._lock:
            if self.is_terminal or (self.training_job_status == "Stopping" and status is None):
                return
            moment = now()
            if self.transitions:
                self.transitions[-1]["EndTime"] = moment
            self.transitions.append({"Status": secondary, "StartTime": moment, "StatusMessage": MESSAGES[secondary]})
            self.secondary_status = secondary
            self.last_modified_time = moment
            if status:
                self.training_job_status = status
            if reason:
                self.failure_reason = reason[:_FAILURE_REASON_LIMIT]
            if secondary == "Downloading" and not self.training_start_time:
                self.training_start_time = moment
            if self.is_terminal:
                self.transitions[-1]["EndTime"] = moment
                self.training_end_time = moment

    def request_stop(self) -> bool:
        """Become Stopping; False where the job has ended or is stopping already."""
        with self._lock:
            if self.training_job_status != "InProgress":
                return False
            self.enter("Stopping", status="Stopping")
            return True

    def keep_alive_for(self, seconds: int) -> None:
        """Keep the hosts for so many seconds after the end."""
        with self._lock:
            self.request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = seconds
            self.last_modified_time = now()

    def take_retry(self) -> bool:
        """Be Starting once more, as RetryStrategy allows after an internal error; False where it does not."""
        with self._lock:
            allowed = (self.request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
            if self.training_job_status != "InProgress" or self.retries >= allowed:
                return False
            self.retries += 1
            self.enter("Starting")
            return True

    def note_metrics(self, line: str) -> None:
        """Remember the last value each metric definition finds in the log."""
        definitions = self.request["AlgorithmSpecification"].get("MetricDefinitions") or []
        for definition in definitions:
            found = re.search(definition["Regex"], line)
            if found:
                try:
                    self.metrics[definition["Name"]] = (float(found.group(1)), now())
                except (ValueError, IndexError):
                    continue

    def describe(self) -> dict[str, Any]:
        """Answer DescribeTrainingJob."""
        with self._lock:
            answer = {key: value for key, value in self.request.items() if key not in NOT_ECHOED}
            answer |= {
                "TrainingJobArn": self.arn,
                "TrainingJobStatus": self.training_job_status,
                "SecondaryStatus": self.secondary_status,
                "SecondaryStatusTransitions": [dict(transition) for transition in self.transitions],
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "ModelArtifacts": {"S3ModelArtifacts": self.artefact_uri},
            }
            answer |= self._describe_times()
            if self.failure_reason:
                answer["FailureReason"] = self.failure_reason
            if self.metrics:
                answer["FinalMetricDataList"] = [
                    {"MetricName": name, "Value": value, "Timestamp": moment}
                    for name, (value, moment) in self.metrics.items()
                ]
            return answer

    def _describe_times(self) -> dict[str, Any]:
        if not self.training_start_time:
            return {}
        times: dict[str, Any] = {"TrainingStartTime": self.training_start_time}
        if self.training_end_time:
            seconds = sum(_seconds(step) for step in self.transitions if step["Status"] in _AT_WORK)
            price = spot.PRICE if self.request.get("EnableManagedSpotTraining") else 1
            times["TrainingEndTime"] = self.training_end_time
            times["TrainingTimeInSeconds"] = max(math.ceil(seconds), 1)
            times["BillableTimeInSeconds"] = max(math.ceil(seconds * price), 1)
        return times

    def to_json(self) -> str:
        """Write the job down."""
        with self._lock:
            fields = {key: value for key, value in vars(self).items() if not key.startswith("_")}
            return json.dumps(fields, default=_time_to_json)

    @classmethod
    def from_json(cls, text: str) -> TrainingJob:
        """Read a job written by ``to_json``."""
        job = cls.__new__(cls)
        # Absent in files of earlier versions.
        job.retries, job.reused_by, job.reused_at = 0, None, None
        vars(job).update(json.loads(text, object_hook=_time_from_json))
        job.metrics = {name: (value, moment) for name, (value, moment) in job.metrics.items()}
        job._lock = threading.RLock()
        return job


def _seconds(transition: dict[str, Any]) -> float:
    return float((transition["EndTime"] - transition["StartTime"]).total_seconds())


def _time_to_json(value: Any) -> dict[str, str]:
    if isinstance(value, dt.datetime):
        return {"time": value.isoformat()}
    raise TypeError(f"cannot keep a {type(value).__name__} in JSON")


def _time_from_json(value: dict[str, Any]) -> Any:
    return dt.datetime.fromisoformat(value["time"]) if value.keys() == {"time"} else value
