"""What CreateTrainingJob refuses: what SageMaker refuses, and by name what the sandbox cannot honour."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from .support import BUCKET, Server, Train, training_request

SCRIPT = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{BUCKET}/code.tar.gz"}
IMAGE = {"TrainingImage": "image", "TrainingInputMode": "File"}
HOST = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
LIMITS = {"MaxRuntimeInSeconds": 60}


def group(name: str, count: int = 1) -> dict[str, Any]:
    return {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": count}


def channel(name: str = "train", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/", **changes.pop("source", {})}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **changes}


@pytest.fixture
def unchecked(server: Server) -> Any:
    """A client that leaves checking the parameters to the server."""
    return server.new_client("sagemaker", Config(retries={"total_max_attempts": 1}, parameter_validation=False))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name too long": ({"TrainingJobName": "a" * 64}, "less than or equal to 63"),
    "a name with an underscore": ({"TrainingJobName": "a_b"}, "'trainingJobName' failed to satisfy constraint"),
    "no role": ({"RoleArn": None}, "Value null at 'roleArn' .* Member must not be null"),
    "an unknown instance type": (
        {"ResourceConfig": HOST | {"InstanceType": "ml.huge"}},
        "'ml.huge' at 'resourceConfig.instanceType' .* enum value set",
    ),
    "a hyperparameter that is a number": (
        {"HyperParameters": SCRIPT | {"eta": 0.1}},
        "'hyperParameters.eta' .* string",
    ),
    "a hyperparameter too long": ({"HyperParameters": SCRIPT | {"x": "y" * 2501}}, "less than or equal to 2500"),
    "no stopping condition": ({"StoppingCondition": None}, "StoppingCondition must not be null"),
    "no runtime at all": ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "greater than or equal to 1"),
    "weeks of runtime": ({"StoppingCondition": {"MaxRuntimeInSeconds": 2419201}}, "must not exceed 2419200"),
    "spot without a wait": ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
    "spot with a short wait": (
        {"EnableManagedSpotTraining": True, "StoppingCondition": LIMITS | {"MaxWaitTimeInSeconds": 59}},
        "greater than or equal to MaxRuntimeInSeconds",
    ),
    "a wait without spot": ({"StoppingCondition": LIMITS | {"MaxWaitTimeInSeconds": 99}}, "managed spot training only"),
    "no instances": ({"ResourceConfig": HOST | {"InstanceCount": 0}}, "1 to 100 hosts"),
    "no volume": ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}, "must be at least 1"),
    "types and groups": ({"ResourceConfig": HOST | {"InstanceGroups": [group("a")]}}, "give one of the two"),
    "two groups of one name": (
        {"ResourceConfig": {"VolumeSizeInGB": 5, "InstanceGroups": [group("a"), group("a")]}},
        "must differ",
    ),
    "a warm pool of spot hosts": (
        {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": LIMITS | {"MaxWaitTimeInSeconds": 60},
            "ResourceConfig": HOST | {"KeepAlivePeriodInSeconds": 60},
        },
        "not supported with EnableManagedSpotTraining",
    ),
    "a VPC without security groups": ({"VpcConfig": {"Subnets": ["subnet-1"]}}, "securityGroupIds"),
    "an encryption key that is none": (
        {"OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out", "KmsKeyId": "a key!"}},
        "kmsKeyId",
    ),
    "an output that is not in S3": ({"OutputDataConfig": {"S3OutputPath": "https://x/y"}}, "is not an s3:// address"),
    "checkpoints elsewhere": (
        {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/checkpoints"}},
        "'/checkpoints'; this sandbox has directories under /opt/ml only",
    ),
    "checkpoints outside": (
        {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/c", "LocalPath": "/opt/ml/../../etc"}},
        "under /opt/ml only",
    ),
    "two channels of one name": ({"InputDataConfig": [channel(), channel()]}, "must differ"),
    "a channel of a group that is not there": (
        {"InputDataConfig": [channel(source={"InstanceGroupNames": ["x"]})]},
        r"no InstanceGroups \['x'\]",
    ),
    "augmented manifests": (
        {"InputDataConfig": [channel(source={"S3DataType": "AugmentedManifestFile"})]},
        r"types \['ManifestFile', 'S3Prefix'\] only",
    ),
    "pipes": ({"AlgorithmSpecification": IMAGE | {"TrainingInputMode": "Pipe"}}, "input mode Pipe"),
    "shuffling": ({"InputDataConfig": [channel(ShuffleConfig={"Seed": 1})]}, "InputDataConfig.ShuffleConfig"),
    "network isolation": ({"EnableNetworkIsolation": True}, "EnableNetworkIsolation"),
    "the debugger": ({"DebugHookConfig": {"S3OutputPath": "s3://x/y"}}, "DebugHookConfig"),
    "a built-in algorithm": (
        {"AlgorithmSpecification": {"AlgorithmName": "xgboost", "TrainingInputMode": "File"}},
        "AlgorithmSpecification.AlgorithmName",
    ),
    "no image": ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "cannot both be null"),
    "nothing to run": ({"HyperParameters": {"eta": "0.1"}}, "It runs ContainerEntrypoint, or the script"),
    "a launcher": ({"HyperParameters": SCRIPT | {"sagemaker_mpi_enabled": "true"}}, "sagemaker_mpi_enabled"),
    "a spot tag that says nothing": ({"Tags": [{"Key": "sandbox:spot", "Value": "twice"}]}, "expected words like"),
    "a metric that is no expression": (
        {"AlgorithmSpecification": IMAGE | {"MetricDefinitions": [{"Name": "f1", "Regex": "f1=("}]}},
        "The Regex of the metric f1 is 'f1=\\('",
    ),
    "a role that does not exist": (
        {"RoleArn": "arn:aws:iam::123456789012:role/nobody"},
        "Could not assume role arn:aws:iam::123456789012:role/nobody",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(server: Server, unchecked: Any, case: str) -> None:
    changes, message = REFUSED[case]
    request = training_request(server, "refused", SCRIPT["sagemaker_submit_directory"]) | changes
    with pytest.raises(ClientError, match=message) as caught:
        unchecked.create_training_job(**{name: value for name, value in request.items() if value is not None})
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_what_is_merely_noted_is_described_as_it_was_asked_for(train: Train) -> None:
    asked = {
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1", "sg-2"]},
        "ResourceConfig": HOST | {"VolumeKmsKeyId": "alias/volume"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out", "KmsKeyId": "alias/output"},
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": False,
        "RetryStrategy": {"MaximumRetryAttempts": 3},
        "StoppingCondition": LIMITS | {"MaxPendingTimeInSeconds": 7200},
        "ProfilerConfig": {"DisableProfiler": True},
    }
    job = train("pass", **asked)
    assert job["TrainingJobStatus"] == "Completed"
    assert {name: job[name] for name in asked} == asked


def post(server: Server, operation: str, body: str) -> requests.Response:
    """Call SageMaker without a client, which would check the request first."""
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=anyone/20260101/us-east-1/sagemaker/aws4_request",
        "Content-Type": "application/x-amz-json-1.1",
    }
    return requests.post(server.url, data=body, headers=headers, timeout=10)


def test_a_parameter_that_nobody_knows_is_refused(server: Server) -> None:
    request = training_request(server, "refused", SCRIPT["sagemaker_submit_directory"]) | {"Surprise": 1}
    answer = post(server, "CreateTrainingJob", json.dumps(request))
    assert answer.status_code == 400
    assert "does not know the parameter 'surprise'" in answer.text


def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    answer = post(server, "CreateTrainingJob", "TrainingJobName=x")
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


def test_every_call_is_answered_or_refused_by_name(server: Server) -> None:
    operations = server.client("sagemaker").meta.service_model.operation_names
    answers = {operation: post(server, operation, "{}") for operation in operations}
    assert {operation for operation, answer in answers.items() if "NotImplementedBySandbox" not in answer.text} == {
        "AddTags",
        "CreateTrainingJob",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeTrainingJob",
        "ListTags",
        "ListTrainingJobs",
        "Search",
        "StopTrainingJob",
        "UpdateTrainingJob",
    }
    assert [operation for operation, answer in answers.items() if answer.status_code >= 500] == []
