"""What a SageMaker training job is asked to be: its identity, its specification, and the name that follows from them.

Pure: values in, values out. The request is ``training_request``'s, what an existing job means ``training_outcome``'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.source import TaskType

Estimator = Literal["xgboost", "linear"]
Reader = Literal["connector", "snowpark"]
ClassWeight = Literal["balanced"]

NAME_LIMIT = 63
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_PREFIX_LIMIT = 40
# Told to the job, but no part of what it is: a retry after a commit elsewhere, or with another tag, must find its job.
_NOT_IDENTIFYING = ("code_commit", "tags")


@dataclass(frozen=True)
class TaskIdentity:
    """Which task of which run: what a job belongs to.

    ``try_id`` is that of the task's try where each try is to have a job of its own, and empty otherwise.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_id: str = ""


@dataclass(frozen=True)
class Resources:
    """What a job runs on and for how long, named as ``SageMakerTrainOperator`` names it."""

    instance_type: str
    instance_count: int = 1
    volume_size_gb: int = 30
    max_runtime_seconds: int = 3600
    spot: bool = False
    max_wait_seconds: int | None = None
    keep_alive_seconds: int = 0
    max_retry_attempts: int = 0
    subnets: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    volume_kms_key: str | None = None
    output_kms_key: str | None = None


@dataclass(frozen=True)
class TrainingSpec:
    """Everything a training job is made from. Two equal ones train the same model on the same rows.

    ``source_digest`` is that of the training code, without the job's own document; ``more`` is what the request
    has beyond what the rest of the specification says.
    """

    source_digest: str
    entry_point: str
    table: str
    key: tuple[str, ...]
    features: tuple[Mapping[str, str], ...]
    label: str
    week_column: str
    task: TaskType
    holdout_from: str
    seed: int
    recency_half_life_weeks: float | None
    estimator: Estimator
    class_weight: ClassWeight | None
    reader: Reader
    threshold: float
    hyperparameters: Mapping[str, Any]
    secret_id: str
    role_arn: str
    artefacts_uri: str
    image_uri: str | None
    framework_version: str
    resources: Resources
    more: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    code_commit: str | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """Digest of all that makes the job what it is."""
        content = {key: value for key, value in asdict(self).items() if key not in _NOT_IDENTIFYING}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def document(self) -> bytes:
        """The ``job.json`` that the training code reads beside its entry point."""
        content = {
            "secret_id": self.secret_id,
            "table": self.table,
            "key": list(self.key),
            "week_column": self.week_column,
            "features": [dict(feature) for feature in self.features],
            "label": self.label,
            "task": self.task,
            "holdout_from": self.holdout_from,
            "seed": self.seed,
            "recency_half_life_weeks": self.recency_half_life_weeks,
            "estimator": self.estimator,
            "class_weight": self.class_weight,
            "reader": self.reader,
            "threshold": self.threshold,
            "code_commit": self.code_commit,
        }
        return json.dumps(content, indent=1).encode()


def job_name(identity: TaskIdentity, fingerprint: str, attempt: int = 1) -> str:
    """Name a job after its task and specification: a readable prefix and a hash, at most 63 characters.

    >>> job_name(TaskIdentity("retrain_mortgage", "manual__1", "train"), "abc", attempt=2)
    'retrain-mortgage-train-3683d8390e70-a2'
    """
    readable = re.sub(r"[^a-zA-Z0-9]+", "-", f"{identity.dag_id}-{identity.task_id}")
    prefix = readable[:_PREFIX_LIMIT].strip("-") or "job"
    told_by = json.dumps([*asdict(identity).values(), fingerprint])
    name = f"{prefix}-{hashlib.sha256(told_by.encode()).hexdigest()[:12]}"
    return name if attempt == 1 else f"{name}-a{attempt}"
