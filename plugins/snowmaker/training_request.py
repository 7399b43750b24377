"""The CreateTrainingJob request of a specification. Pure: what contradicts itself is told before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import TrainingSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snowmaker.source import TaskType
    from snowmaker.training_job import Resources, TrainingSpec

METRICS = {
    "binary_classification": (
        "accuracy",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "pr_auc",
        "log_loss",
        "brier",
        "calibration_error",
    ),
    "multiclass_classification": (
        "accuracy",
        "precision_macro",
        "recall_macro",
        "f1_macro",
        "roc_auc_macro",
        "log_loss",
    ),
    "regression": ("rmse", "mae", "mape", "r2"),
}
# What the escape hatch may say otherwise than the operator: nothing finds or describes the job by it.
_REPLACEABLE = (
    ("AlgorithmSpecification", "MetricDefinitions"),
    ("AlgorithmSpecification", "TrainingInputMode"),
    ("CheckpointConfig",),
)
# What only an argument may say, for the task's own conduct follows from it.
_ARGUMENTS = {
    ("TrainingJobName",): "the operator names its jobs itself, so that a retry finds them",
    ("EnableManagedSpotTraining",): "give spot",
    ("StoppingCondition", "MaxRuntimeInSeconds"): "give max_runtime_seconds",
    ("StoppingCondition", "MaxWaitTimeInSeconds"): "give max_wait_seconds",
}


def check_resources(resources: Resources) -> None:
    """Refuse arguments that contradict each other.

    :raises ValueError: which ones, and what to write instead
    """
    spot, wait = resources.spot, resources.max_wait_seconds
    if resources.instance_count < 1:
        raise ValueError(f"instance_count is {resources.instance_count}; a job has at least one instance")
    if wait is not None and not spot:
        raise ValueError(
            f"max_wait_seconds is {wait}, but only spot instances are waited for; set spot, or leave it out"
        )
    if wait is not None and wait < resources.max_runtime_seconds:
        raise ValueError(
            f"max_wait_seconds ({wait}) is below max_runtime_seconds ({resources.max_runtime_seconds}), which it "
            f"includes; raise it"
        )
    if spot and resources.keep_alive_seconds:
        raise ValueError("spot and keep_alive_seconds exclude each other: a warm pool has no spot instances; drop one")
    if bool(resources.subnets) != bool(resources.security_group_ids):
        raise ValueError("subnets and security_group_ids belong together; give both or neither")


def check_more(more: Mapping[str, Any]) -> None:
    """Refuse what the escape hatch must not say.

    :raises ValueError: what, and which argument says it
    """
    for path, _ in _leaves(more):
        if path in _ARGUMENTS:
            raise ValueError(f"create_training_job has {'.'.join(path)}: {_ARGUMENTS[path]}, and leave it out there")


def build_request(spec: TrainingSpec, *, name: str, first_name: str, image_uri: str, source_uri: str) -> dict[str, Any]:
    """Write the CreateTrainingJob request. It holds no credential: the job fetches its login by the secret's id.

    :param first_name: name of the specification's first attempt. Checkpoints lie under it, so that a later attempt
        at the same specification goes on where the one before it ended, and no other job ever reads them
    :raises TrainingSetupError: if ``spec.more`` contradicts the specification
    """
    resources = spec.resources
    hyperparameters = {
        "sagemaker_program": spec.entry_point,
        "sagemaker_submit_directory": source_uri,
        **{key: _to_text(value) for key, value in spec.hyperparameters.items()},
    }
    folder = spec.artefacts_uri.rstrip("/")
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": metric_definitions(spec.task),
        },
        "RoleArn": spec.role_arn,
        "HyperParameters": hyperparameters,
        "OutputDataConfig": _given(S3OutputPath=f"{folder}/jobs", KmsKeyId=resources.output_kms_key),
        "ResourceConfig": _resource_config(resources, spec.more),
        "StoppingCondition": {"MaxRuntimeInSeconds": resources.max_runtime_seconds},
        "Tags": [{"Key": key, "Value": value} for key, value in spec.tags.items()],
    }
    if resources.spot:
        request["EnableManagedSpotTraining"] = True
        # Without one SageMaker would wait a day for instances.
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = longest_run(resources)
    if resources.max_retry_attempts:
        request["RetryStrategy"] = {"MaximumRetryAttempts": resources.max_retry_attempts}
    if resources.spot or resources.max_retry_attempts:
        request["CheckpointConfig"] = {"S3Uri": f"{folder}/checkpoints/{first_name}"}
    if resources.subnets:
        request["VpcConfig"] = {
            "Subnets": list(resources.subnets),
            "SecurityGroupIds": list(resources.security_group_ids),
        }
    return _merge({key: value for key, value in request.items() if value != []}, spec.more)


def longest_run(resources: Resources) -> int:
    """Return after how many seconds SageMaker itself ends a job: its run time, with spot the wait for instances too."""
    return resources.max_wait_seconds or (2 if resources.spot else 1) * resources.max_runtime_seconds


def metric_definitions(task: TaskType) -> list[dict[str, str]]:
    """Say how SageMaker finds the metrics in the job's log, for its console."""
    return [{"Name": f"holdout:{metric}", "Regex": rf"^holdout:{metric}=([0-9.eE+-]+)$"} for metric in METRICS[task]]


def _resource_config(resources: Resources, more: Mapping[str, Any]) -> dict[str, Any]:
    instances = {"InstanceType": resources.instance_type, "InstanceCount": resources.instance_count}
    return _given(
        # Groups say their own types and counts; SageMaker refuses both side by side.
        **({} if (more.get("ResourceConfig") or {}).get("InstanceGroups") else instances),
        VolumeSizeInGB=resources.volume_size_gb,
        VolumeKmsKeyId=resources.volume_kms_key,
        KeepAlivePeriodInSeconds=resources.keep_alive_seconds or None,
    )


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _merge(request: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Add what the escape hatch says, at any depth; lists are one value."""
    for path, value in _leaves(more):
        place: Any = request
        for key in path[:-1]:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place
        found = place.get(path[-1]) if isinstance(place, dict) else place
        if found not in (None, value) and not any(path[: len(free)] == free for free in _REPLACEABLE):
            raise TrainingSetupError(
                f"create_training_job.{'.'.join(path)} is {value!r}, but the operator's own arguments make it "
                f"{found!r}; change the argument, and leave it out of create_training_job"
            )
        place[path[-1]] = value
    return request


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
