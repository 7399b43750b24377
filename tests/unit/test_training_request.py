"""The CreateTrainingJob request, and what it refuses to ask for."""

from __future__ import annotations

import re
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from snowmaker.exceptions import TrainingSetupError
from snowmaker.training_job import Resources, TrainingSpec
from snowmaker.training_request import build_request, check_more, check_resources, longest_run, metric_definitions

SUBNETS = {"subnets": ("subnet-1",), "security_group_ids": ("sg-1", "sg-2")}


def request_of(*, more: dict[str, Any] | None = None, tags: dict[str, str] | None = None, **resources: Any) -> Any:
    spec = TrainingSpec(
        source_digest="0" * 64,
        entry_point="train.py",
        table='"D"."S"."T"',
        key=(),
        features=({"name": "INCOME", "kind": "numeric"},),
        label="ACCEPTED",
        week_column="WEEK",
        task="binary_classification",
        holdout_from="2024-02-05",
        seed=7,
        recency_half_life_weeks=None,
        estimator="xgboost",
        class_weight=None,
        reader="connector",
        threshold=0.5,
        hyperparameters={"max_depth": 4, "eta": 0.1, "tree_method": "hist"},
        secret_id="snowflake",
        role_arn="arn:aws:iam::123456789012:role/train",
        artefacts_uri="s3://bucket/folder/",
        image_uri=None,
        framework_version="3.0-5",
        resources=Resources(**{"instance_type": "ml.m5.xlarge", **resources}),
        more=more or {},
        tags=tags or {},
    )
    return build_request(spec, name="n-a2", first_name="n", image_uri="i", source_uri="s3://bucket/source.tar.gz")


def test_a_plain_request_holds_only_what_is_asked_for_and_nothing_of_the_secret() -> None:
    assert request_of() == {
        "TrainingJobName": "n-a2",
        "AlgorithmSpecification": {
            "TrainingImage": "i",
            "TrainingInputMode": "File",
            "MetricDefinitions": metric_definitions("binary_classification"),
        },
        "RoleArn": "arn:aws:iam::123456789012:role/train",
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://bucket/source.tar.gz",
            "max_depth": "4",
            "eta": "0.1",
            "tree_method": "hist",
        },
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/folder/jobs"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def test_everything_that_can_be_asked_for_is_in_the_request_and_as_the_api_wants_it() -> None:
    request = request_of(
        instance_count=2,
        spot=True,
        max_wait_seconds=7200,
        max_retry_attempts=3,
        volume_kms_key="key-1",
        output_kms_key="key-2",
        tags={"team": "loans"},
        more={"EnableNetworkIsolation": False, "AlgorithmSpecification": {"ContainerArguments": ["a"]}},
        **SUBNETS,
    )
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert request["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert request["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1", "sg-2"]}
    assert request["ResourceConfig"]["VolumeKmsKeyId"] == "key-1"
    assert request["OutputDataConfig"]["KmsKeyId"] == "key-2"
    assert request["Tags"] == [{"Key": "team", "Value": "loans"}]
    assert request["EnableNetworkIsolation"] is False
    assert request["AlgorithmSpecification"]["ContainerArguments"] == ["a"]
    assert request["AlgorithmSpecification"]["TrainingImage"] == "i"
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    assert not ParamValidator().validate(request, shape).has_errors()


@pytest.mark.parametrize("resources", [{"spot": True}, {"max_retry_attempts": 1}])
def test_attempts_at_one_specification_share_their_checkpoints(resources: dict[str, Any]) -> None:
    assert request_of(**resources)["CheckpointConfig"] == {"S3Uri": "s3://bucket/folder/checkpoints/n"}


def test_spot_instances_are_not_waited_for_for_a_day() -> None:
    assert request_of(spot=True)["StoppingCondition"]["MaxWaitTimeInSeconds"] == 7200
    assert longest_run(Resources(instance_type="t", spot=True, max_runtime_seconds=50, max_wait_seconds=70)) == 70
    assert longest_run(Resources(instance_type="t", max_runtime_seconds=50)) == 50


def test_a_warm_pool_is_asked_for() -> None:
    assert request_of(keep_alive_seconds=600)["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600


def test_instance_groups_take_the_place_of_type_and_count() -> None:
    groups = [{"InstanceType": "ml.m5.large", "InstanceCount": 2, "InstanceGroupName": "workers"}]
    request = request_of(more={"ResourceConfig": {"InstanceGroups": groups}})
    assert request["ResourceConfig"] == {"InstanceGroups": groups, "VolumeSizeInGB": 30}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"RoleArn": "other"}, "create_training_job.RoleArn is 'other', but .* make it 'arn:aws:iam"),
        (
            {"HyperParameters": {"sagemaker_program": "x"}},
            "create_training_job.HyperParameters.sagemaker_program is 'x'",
        ),
        ({"ResourceConfig": {"InstanceCount": 3}}, "ResourceConfig.InstanceCount is 3, but .* make it 1"),
        ({"RoleArn": {"Nested": 1}}, "RoleArn.Nested is 1"),
    ],
)
def test_the_escape_hatch_contradicts_no_argument(more: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingSetupError, match=told):
        request_of(more=more)


def test_the_escape_hatch_may_say_otherwise_what_nothing_depends_on() -> None:
    more = {"CheckpointConfig": {"S3Uri": "s3://mine"}, "AlgorithmSpecification": {"TrainingInputMode": "FastFile"}}
    request = request_of(spot=True, more=more)
    assert request["CheckpointConfig"] == {"S3Uri": "s3://mine"}
    assert request["AlgorithmSpecification"]["TrainingInputMode"] == "FastFile"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"TrainingJobName": "mine"}, "the operator names its jobs itself"),
        ({"EnableManagedSpotTraining": True}, "give spot"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 5}}, "give max_runtime_seconds"),
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 5}}, "give max_wait_seconds"),
    ],
)
def test_what_the_task_s_conduct_follows_from_is_for_the_arguments_to_say(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_more(more)


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        ({"instance_count": 0}, "a job has at least one instance"),
        ({"max_wait_seconds": 10}, "set spot, or leave it out"),
        ({"spot": True, "max_wait_seconds": 10}, "is below max_runtime_seconds"),
        ({"spot": True, "keep_alive_seconds": 10}, "a warm pool has no spot instances"),
        ({"subnets": ("s",)}, "give both or neither"),
        ({"security_group_ids": ("s",)}, "give both or neither"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(resources: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_resources(Resources(instance_type="ml.m5.xlarge", **resources))


def test_the_metric_definitions_find_what_the_training_code_prints() -> None:
    definitions = metric_definitions("regression")
    assert [d["Name"] for d in definitions] == ["holdout:rmse", "holdout:mae", "holdout:mape", "holdout:r2"]
    assert re.search(definitions[3]["Regex"], "holdout:r2=-1.5e-05")[1] == "-1.5e-05"
    assert not re.search(definitions[0]["Regex"], "[0]\tholdout:rmse=1.0")
