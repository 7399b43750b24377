"""What CreateTrainingJob refuses: what the service itself would, and by name what this sandbox cannot honour."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sagemaker.exceptions import AWSValidationException

from include.sandbox.aws import objects, shapes
from include.sandbox.aws.container import Program, program_of
from include.sandbox.aws.script_mode import ScriptMode
from include.sandbox.aws.spot import Interruptions

LONGEST_RUN = 28 * 86400
MOST_HOSTS = 100
_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::\d{12}:role/(?:.*/)?([\w+=,.@-]+)")
# Parameters whose effect is missing here. An empty, false or "None" value asks for nothing.
NOT_HONOURED = (
    "AlgorithmSpecification.AlgorithmName",
    "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
    "AlgorithmSpecification.TrainingImageConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "EnableNetworkIsolation",
    "ExperimentConfig",
    "InfraCheckConfig.EnableInfraCheck",
    "InputDataConfig.CompressionType",
    "InputDataConfig.DataSource.DatasetSource",
    "InputDataConfig.DataSource.FileSystemDataSource",
    "InputDataConfig.DataSource.S3DataSource.AttributeNames",
    "InputDataConfig.DataSource.S3DataSource.HubAccessConfig",
    "InputDataConfig.DataSource.S3DataSource.ModelAccessConfig",
    "InputDataConfig.RecordWrapperType",
    "InputDataConfig.ShuffleConfig",
    "MlflowConfig",
    "ModelPackageConfig",
    "ProfilerConfig.ProfilingIntervalInMilliseconds",
    "ProfilerConfig.ProfilingParameters",
    "ProfilerConfig.S3OutputPath",
    "ProfilerRuleConfigurations",
    "RemoteDebugConfig.EnableRemoteDebug",
    "ResourceConfig.InstancePlacementConfig",
    "ResourceConfig.InstancePreferences",
    "ResourceConfig.TrainingPlanArn",
    "ServerlessJobConfig",
    "SessionChainingConfig.EnableSessionTagChaining",
    "TensorBoardOutputConfig",
)
_READABLE = {"S3Prefix", "ManifestFile"}


def check_creation(request: dict[str, Any]) -> Program:
    """Return what a CreateTrainingJob request wants to have run.

    :raises AWSValidationException: if the service would refuse it, or this sandbox cannot do it
    """
    shapes.check("CreateTrainingJob", request)
    # Required by the service, though not by its model: serverless jobs lack them.
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if not request.get(name):
            raise AWSValidationException(f"{name} must not be null.")
    # Each check may count on what the earlier ones found right.
    for fault in itertools.chain(
        _not_honoured(request),
        _resource_faults(request["ResourceConfig"]),
        _stopping_faults(request),
        _warm_pool_faults(request),
        _data_faults(request),
        _metric_faults(request["AlgorithmSpecification"]),
        _tag_faults(request),
        _role_faults(request["RoleArn"]),
    ):
        raise AWSValidationException(fault)
    return _checked_program(request)


def _not_honoured(request: dict[str, Any]) -> Iterator[str]:
    for path in NOT_HONOURED:
        if any(value not in (None, False, "None") and value != {} and value != [] for value in _values(request, path)):
            yield f"This sandbox does not implement {path} of CreateTrainingJob."


def _values(value: Any, path: str) -> Iterator[Any]:
    """Give all that stands at a dotted path, lists on the way included."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        name, _, rest = path.partition(".")
        yield from _values(value.get(name), rest)


def _resource_faults(resources: dict[str, Any]) -> Iterator[str]:
    groups = resources.get("InstanceGroups") or []
    single = [name for name in ("InstanceType", "InstanceCount") if resources.get(name) is not None]
    if groups and single:
        yield f"ResourceConfig has InstanceGroups and {' and '.join(single)}; give one of the two."
    elif not groups and len(single) < 2:
        yield "ResourceConfig must have InstanceType and InstanceCount, or InstanceGroups."
    elif not resources.get("VolumeSizeInGB"):
        yield "ResourceConfig.VolumeSizeInGB must be at least 1."
    else:
        counts = [group["InstanceCount"] for group in groups or [resources]]
        if min(counts) < 1 or sum(counts) > MOST_HOSTS:
            yield f"ResourceConfig asks for {counts} instances; this sandbox runs 1 to {MOST_HOSTS} hosts."
    names = [group["InstanceGroupName"] for group in groups]
    if len(set(names)) < len(names):
        yield f"ResourceConfig.InstanceGroups have the names {names}; they must differ."


def _stopping_faults(request: dict[str, Any]) -> Iterator[str]:
    limits, spot = request["StoppingCondition"], request.get("EnableManagedSpotTraining")
    runtime, wait = limits.get("MaxRuntimeInSeconds", 86400), limits.get("MaxWaitTimeInSeconds")
    if runtime > LONGEST_RUN:
        yield f"MaxRuntimeInSeconds is {runtime}; it must not exceed {LONGEST_RUN}."
    if wait is not None and not spot:
        yield "MaxWaitTimeInSeconds is for managed spot training only; set EnableManagedSpotTraining, or leave it out."
    if spot and (wait is None or wait < runtime):
        yield "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds."


def _warm_pool_faults(request: dict[str, Any]) -> Iterator[str]:
    resources = request["ResourceConfig"]
    if resources.get("KeepAlivePeriodInSeconds"):
        if request.get("EnableManagedSpotTraining"):
            yield "KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining."
        if resources.get("InstanceGroups"):
            yield "KeepAlivePeriodInSeconds is not supported with InstanceGroups."


def _data_faults(request: dict[str, Any]) -> Iterator[str]:
    """Give what is wrong with inputs, outputs and checkpoints."""
    yield from _channel_faults(request)
    addresses = [("OutputDataConfig.S3OutputPath", request["OutputDataConfig"]["S3OutputPath"])]
    checkpoints = request.get("CheckpointConfig")
    if checkpoints:
        addresses.append(("CheckpointConfig.S3Uri", checkpoints["S3Uri"]))
        local = checkpoints.get("LocalPath") or "/opt/ml/checkpoints"
        if not re.fullmatch(r"/opt/ml(/[\w-][\w.-]*)+", local):
            yield f"CheckpointConfig.LocalPath is {local!r}; this sandbox has directories under /opt/ml only."
    for path, uri in addresses:
        try:
            objects.split(uri)
        except ValueError as error:
            yield f"{path}: {error}"


def _channel_faults(request: dict[str, Any]) -> Iterator[str]:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig") or []]
    if len(set(names)) < len(names):
        yield f"InputDataConfig has the channels {names}; their names must differ."
    groups = {group["InstanceGroupName"] for group in request["ResourceConfig"].get("InstanceGroups") or []}
    for channel in request.get("InputDataConfig") or []:
        name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource") or {}
        if source.get("S3DataType") not in _READABLE:
            yield f"channel {name}: this sandbox reads S3DataSource of the types {sorted(_READABLE)} only."
        unknown = sorted(set(source.get("InstanceGroupNames") or []) - groups)
        if unknown:
            yield f"channel {name}: ResourceConfig has no InstanceGroups {unknown}."
    modes = [*_values(request, "InputDataConfig.InputMode"), request["AlgorithmSpecification"]["TrainingInputMode"]]
    if "Pipe" in modes:
        yield "This sandbox does not implement the input mode Pipe; use File or FastFile."


def _metric_faults(algorithm: dict[str, Any]) -> Iterator[str]:
    for definition in algorithm.get("MetricDefinitions") or []:
        name, text = definition["Name"], definition["Regex"]
        try:
            re.compile(text)
        except re.error as error:
            yield f"The Regex of the metric {name} is {text!r}, which is no regular expression: {error}"


def _tag_faults(request: dict[str, Any]) -> Iterator[str]:
    try:
        Interruptions.of(request.get("Tags") or [])
    except ValueError as error:
        yield f"{error}"


def _role_faults(arn: str) -> Iterator[str]:
    role = _ROLE.fullmatch(arn)
    if not role or role[1] not in {r.name for r in iam_backends[DEFAULT_ACCOUNT_ID]["aws"].roles.values()}:
        yield (
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            "principal 'sagemaker.amazonaws.com' to assume the role."
        )


def _checked_program(request: dict[str, Any]) -> Program:
    if not request["AlgorithmSpecification"].get("TrainingImage"):
        raise AWSValidationException("AlgorithmName and TrainingImage cannot both be null.")
    program = program_of(request)
    if program is None:
        raise AWSValidationException(
            "This sandbox pulls no images. It runs ContainerEntrypoint, or the script named by the hyperparameters "
            "sagemaker_program and sagemaker_submit_directory; both are missing."
        )
    launchers = sorted(
        name
        for name, value in (program.framework if isinstance(program, ScriptMode) else {}).items()
        if name.endswith("_enabled") and value
    )
    if launchers:
        raise AWSValidationException(
            f"This sandbox does not implement the launchers of the hyperparameters {launchers}."
        )
    return program
