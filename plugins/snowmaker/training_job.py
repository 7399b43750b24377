"""Decisions about a SageMaker training job: its name, its request, what an existing job means, its result.

Pure: values in, values out. The hook talks to AWS, the operator owns the task's life.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.source import TaskType

OnExisting = Literal["reattach", "fail", "new"]

TERMINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
NAME_LIMIT = 63
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
FIRST_POLL_SECONDS = 0.5
# So many looks in a row may fail, throttled or on a broken network, before the wait is given up.
FAILED_LOOKS_BORNE = 10
_PREFIX_LIMIT = 40
_POLL_GROWTH = 1.3
_METRICS = {
    "binary_classification": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
    "multiclass_classification": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
    "regression": ("rmse", "mae", "r2"),
}


@dataclass(frozen=True)
class TaskIdentity:
    """Which task of which run: what a job belongs to."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class TrainingSpec:
    """Everything a training job is made from. Two equal ones train the same model on the same rows.

    ``source_digest`` is that of the training code, without the job's own document.
    """

    source_digest: str
    entry_point: str
    table: str
    features: tuple[Mapping[str, str], ...]
    label: str
    week_column: str
    task: TaskType
    holdout_from: str
    seed: int
    recency_half_life_weeks: float | None
    hyperparameters: Mapping[str, Any]
    secret_id: str
    role_arn: str
    artefacts_uri: str
    image_uri: str | None
    framework_version: str
    instance_type: str
    instance_count: int
    volume_size_gb: int
    max_runtime_seconds: int
    # Told to the job, but no part of what it is: a retry after a commit elsewhere must find its job.
    code_commit: str | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """Digest of all that makes the job what it is."""
        content = {key: value for key, value in asdict(self).items() if key != "code_commit"}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def document(self) -> bytes:
        """The ``job.json`` that the training code reads beside its entry point."""
        content = {
            "secret_id": self.secret_id,
            "table": self.table,
            "week_column": self.week_column,
            "features": [dict(feature) for feature in self.features],
            "label": self.label,
            "task": self.task,
            "holdout_from": self.holdout_from,
            "seed": self.seed,
            "recency_half_life_weeks": self.recency_half_life_weeks,
            "code_commit": self.code_commit,
        }
        return json.dumps(content, indent=1).encode()


def job_name(identity: TaskIdentity, fingerprint: str, attempt: int = 1) -> str:
    """Name a job after its task and specification: a readable prefix and a hash, at most 63 characters.

    >>> job_name(TaskIdentity("retrain_mortgage", "manual__1", "train"), "abc", attempt=2)
    'retrain-mortgage-train-06677027335f-a2'
    """
    readable = re.sub(r"[^a-zA-Z0-9]+", "-", f"{identity.dag_id}-{identity.task_id}")
    prefix = readable[:_PREFIX_LIMIT].strip("-") or "job"
    told_by = json.dumps([*asdict(identity).values(), fingerprint])
    name = f"{prefix}-{hashlib.sha256(told_by.encode()).hexdigest()[:12]}"
    return name if attempt == 1 else f"{name}-a{attempt}"


def build_request(spec: TrainingSpec, *, name: str, image_uri: str, source_uri: str) -> dict[str, Any]:
    """Write the CreateTrainingJob request. It holds no credential: the job fetches its login by the secret's id."""
    hyperparameters = {
        "sagemaker_program": spec.entry_point,
        "sagemaker_submit_directory": source_uri,
        **{key: _to_text(value) for key, value in spec.hyperparameters.items()},
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": metric_definitions(spec.task),
        },
        "RoleArn": spec.role_arn,
        "HyperParameters": hyperparameters,
        "OutputDataConfig": {"S3OutputPath": f"{spec.artefacts_uri.rstrip('/')}/jobs"},
        "ResourceConfig": {
            "InstanceType": spec.instance_type,
            "InstanceCount": spec.instance_count,
            "VolumeSizeInGB": spec.volume_size_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": spec.max_runtime_seconds},
    }


def metric_definitions(task: TaskType) -> list[dict[str, str]]:
    """Say how SageMaker finds the metrics in the job's log, for its console."""
    return [{"Name": f"holdout:{metric}", "Regex": rf"^holdout:{metric}=([0-9.eE+-]+)$"} for metric in _METRICS[task]]


class Action(Enum):
    """What an existing, or missing, job under a name means for the task."""

    CREATE = "there is none: create it"
    WAIT = "it runs: wait for it"
    REUSE = "it has completed: take its result"
    NEXT_ATTEMPT = "it ended badly, or another one is wanted: try the next name"
    REFUSE = "it is there, and must not be"


def decide(description: Mapping[str, Any] | None, on_existing: OnExisting) -> Action:
    """Decide what to do about the job of a name, by its description.

    >>> decide({"TrainingJobStatus": "InProgress"}, "reattach")
    <Action.WAIT: 'it runs: wait for it'>
    """
    if description is None:
        return Action.CREATE
    if on_existing == "fail":
        return Action.REFUSE
    if on_existing == "new":
        return Action.NEXT_ATTEMPT
    by_status = {"InProgress": Action.WAIT, "Completed": Action.REUSE}
    # Also one that is stopping or being deleted: it will not give a model any more.
    return by_status.get(description["TrainingJobStatus"], Action.NEXT_ATTEMPT)


def next_poll_delay(previous: float | None, limit: float) -> float:
    """Poll fast at first, so that short jobs end fast, then ever slower up to ``limit`` seconds.

    >>> next_poll_delay(None, 30), next_poll_delay(10, 30), next_poll_delay(29, 30)
    (0.5, 13.0, 30)
    """
    return min(FIRST_POLL_SECONDS if previous is None else previous * _POLL_GROWTH, limit)


def is_ended(description: Mapping[str, Any]) -> bool:
    """Whether a job will not change any more."""
    return description["TrainingJobStatus"] in TERMINAL_STATUSES


def explain_end(description: Mapping[str, Any]) -> str:
    """Say why a job gave no model, and where to look."""
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    reason = description.get("FailureReason") or description.get("SecondaryStatus") or "no reason given"
    if description.get("SecondaryStatus") == "MaxRuntimeExceeded":
        limit = description["StoppingCondition"]["MaxRuntimeInSeconds"]
        reason = f"it ran longer than its limit of {limit} s; raise max_runtime_seconds"
    return f"training job {name} is {status}: {reason} (its log: CloudWatch group {LOG_GROUP}, streams {name}/…)"


@dataclass(frozen=True)
class TrainingResult:
    """What a training task returns: small, and without environment, hyperparameters or credentials."""

    job_name: str
    job_arn: str
    artefact_uri: str
    metrics: dict[str, float]
    table: str
    rows: dict[str, int]
    billable_seconds: int

    @classmethod
    def of(cls, description: Mapping[str, Any], table: str, card: Mapping[str, Any]) -> TrainingResult:
        """Read it from a completed job's description and its model card."""
        return cls(
            job_name=description["TrainingJobName"],
            job_arn=description["TrainingJobArn"],
            artefact_uri=description["ModelArtifacts"]["S3ModelArtifacts"],
            metrics={name: value for name, value in card["metrics"].items() if value is not None},
            table=table,
            rows=dict(card["rows"]),
            billable_seconds=int(description.get("BillableTimeInSeconds", 0)),
        )

    def as_xcom(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        return asdict(self)


def card_archive_uri(description: Mapping[str, Any]) -> str:
    """Address of the small archive beside the model that holds its model card."""
    artefact: str = description["ModelArtifacts"]["S3ModelArtifacts"]
    return f"{artefact.removesuffix('model.tar.gz')}output.tar.gz"


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
