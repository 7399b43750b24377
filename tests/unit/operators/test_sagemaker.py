"""The decisions of a training task, and the trigger, without a server."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from snowmaker import training_job, training_source
from snowmaker.exceptions import TrainingError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook
from snowmaker.operators.sagemaker import SageMakerTrainOperator
from snowmaker.training_job import Action, TaskIdentity, TrainingResult, TrainingSpec, decide
from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

SETTINGS = {
    "aws_conn_id": "aws_other",
    "region_name": "eu-west-1",
    "verify": False,
    "botocore_config": {"read_timeout": 5},
}


def make_spec(**changes: Any) -> TrainingSpec:
    return TrainingSpec(
        **{
            "source_digest": "0" * 64,
            "entry_point": "train.py",
            "table": '"D"."S"."T"',
            "features": ({"name": "INCOME", "kind": "numeric"},),
            "label": "ACCEPTED",
            "week_column": "WEEK",
            "task": "binary_classification",
            "holdout_from": "2024-02-05",
            "seed": 7,
            "recency_half_life_weeks": None,
            "hyperparameters": {"max_depth": 4, "eta": 0.1, "tree_method": "hist"},
            "secret_id": "snowflake",
            "role_arn": "arn:aws:iam::123456789012:role/train",
            "artefacts_uri": "s3://bucket/folder/",
            "image_uri": None,
            "framework_version": "3.0-5",
            "instance_type": "ml.m5.xlarge",
            "instance_count": 1,
            "volume_size_gb": 30,
            "max_runtime_seconds": 3600,
            **changes,
        }
    )


texts = st.text(max_size=80)


@given(texts, texts, texts, st.integers(-1, 99), st.integers(1, 999))
def test_every_name_is_one_that_sagemaker_takes(dag: str, run: str, task: str, index: int, attempt: int) -> None:
    name = training_job.job_name(TaskIdentity(dag, run, task, index), "fingerprint", attempt)
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)


def test_names_differ_by_task_and_by_specification_and_by_nothing_else() -> None:
    task = TaskIdentity("dag", "run", "task")
    others = [
        TaskIdentity("dag", "run2", "task"),
        TaskIdentity("dag", "run", "task", 0),
        TaskIdentity("dag-run", "", "task"),
    ]
    fingerprint = make_spec().fingerprint
    names = {training_job.job_name(t, fingerprint) for t in (task, *others)}
    names.add(training_job.job_name(task, make_spec(seed=8).fingerprint))
    names.add(training_job.job_name(task, make_spec(source_digest="1").fingerprint))
    assert len(names) == 6
    assert make_spec(code_commit="abc").fingerprint == fingerprint


def test_the_request_holds_the_secret_s_id_nowhere_and_the_hyperparameters_as_text() -> None:
    request = training_job.build_request(make_spec(), name="n", image_uri="i", source_uri="s3://bucket/source.tar.gz")
    assert request["HyperParameters"] == {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://bucket/source.tar.gz",
        "max_depth": "4",
        "eta": "0.1",
        "tree_method": "hist",
    }
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://bucket/folder/jobs"}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert "Environment" not in request


def test_the_metric_definitions_find_what_the_training_code_prints() -> None:
    definitions = training_job.metric_definitions("regression")
    assert [d["Name"] for d in definitions] == ["holdout:rmse", "holdout:mae", "holdout:r2"]
    assert re.search(definitions[2]["Regex"], "holdout:r2=-1.5e-05")[1] == "-1.5e-05"
    assert not re.search(definitions[0]["Regex"], "[0]\tholdout:rmse=1.0")


@pytest.mark.parametrize(
    ("status", "on_existing", "action"),
    [
        (None, "reattach", Action.CREATE),
        (None, "fail", Action.CREATE),
        (None, "new", Action.CREATE),
        ("InProgress", "reattach", Action.WAIT),
        ("Completed", "reattach", Action.REUSE),
        ("Failed", "reattach", Action.NEXT_ATTEMPT),
        ("Stopping", "reattach", Action.NEXT_ATTEMPT),
        ("Stopped", "reattach", Action.NEXT_ATTEMPT),
        ("Deleting", "reattach", Action.NEXT_ATTEMPT),
        ("a status of the future", "reattach", Action.NEXT_ATTEMPT),
        ("InProgress", "new", Action.NEXT_ATTEMPT),
        ("Completed", "fail", Action.REFUSE),
    ],
)
def test_what_an_existing_job_means(status: str | None, on_existing: Any, action: Action) -> None:
    assert decide({"TrainingJobStatus": status} if status else None, on_existing) is action


def test_the_result_is_small_and_holds_no_setting_of_the_job() -> None:
    description = {
        "TrainingJobName": "n",
        "TrainingJobArn": "arn",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/jobs/n/output/model.tar.gz"},
        "BillableTimeInSeconds": 12,
        "Environment": {"PASSWORD": "hunter2"},
        "HyperParameters": {"password": "hunter2"},
    }
    card = {"metrics": {"f1": 0.5, "roc_auc": None}, "rows": {"train": 3, "holdout": 1}, "hyperparameters": {}}
    result = TrainingResult.of(description, '"T"', card).as_xcom()
    assert "hunter2" not in json.dumps(result)
    assert result["metrics"] == {"f1": 0.5}
    assert training_job.card_archive_uri(description) == "s3://b/jobs/n/output/output.tar.gz"


def test_the_archive_is_the_same_for_the_same_files_and_leaves_out_caches(tmp_path: Path) -> None:
    for path in ("train.py", "trainer/fit.py", "trainer/__pycache__/fit.pyc", ".env"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    files = training_source.read_source(tmp_path, "train.py")
    assert sorted(files) == ["train.py", "trainer/fit.py"]
    packed = training_source.pack(files)
    (tmp_path / "train.py").touch()
    assert training_source.pack(dict(reversed(training_source.read_source(tmp_path, "train.py").items()))) == packed
    assert training_source.digest({"a": b"bc"}) != training_source.digest({"ab": b"c"})


@pytest.mark.parametrize(
    ("files", "reason"), [(["other.py"], "holds no train.py"), (["train.py", "job.json"], "holds a job.json")]
)
def test_a_wrong_source_directory_is_told(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(TrainingError, match=reason):
        training_source.read_source(tmp_path, "train.py")


def test_metric_definitions_that_an_image_refuses_are_left_out() -> None:
    message = "You can't override the metric definitions for Amazon SageMaker algorithms."
    error = ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "CreateTrainingJob")
    client = mock.Mock()
    client.create_training_job.side_effect = [error, {}]
    request = training_job.build_request(make_spec(), name="n", image_uri="i", source_uri="s3://b/s.tar.gz")
    with mock.patch.object(SageMakerTrainingHook, "conn", client):
        assert SageMakerTrainingHook(aws_conn_id=None).create(request)
    first, second = (call.kwargs["AlgorithmSpecification"] for call in client.create_training_job.call_args_list)
    assert first.keys() - second.keys() == {"MetricDefinitions"}


def test_a_rendered_field_is_not_touched_before_it_is_rendered() -> None:
    arguments = {
        field: f"{{{{ params.{field} }}}}" for field in SageMakerTrainOperator.template_fields if field != "verify"
    }
    task = SageMakerTrainOperator(task_id="train", label="Y", **arguments)
    assert all(getattr(task, field) == value for field, value in arguments.items())


@pytest.mark.parametrize(
    ("argument", "reason"), [({"on_existing": "maybe"}, "choose one of reattach"), ({"poll_interval": 0}, "above 0")]
)
def test_a_wrong_argument_is_told_where_it_is_given(argument: dict[str, Any], reason: str) -> None:
    needed = dict.fromkeys(
        ["source_dir", "table", "features", "label", "week_column", "holdout_from", "secret_id", "role_arn"], ""
    )
    with pytest.raises(ValueError, match=reason):
        SageMakerTrainOperator(task_id="train", artefacts_uri="s3://b", **needed, **argument)


def make_trigger() -> SageMakerTrainingTrigger:
    return SageMakerTrainingTrigger(job_name="n", poll_interval=30, **SETTINGS)


def test_a_trigger_is_made_again_from_what_it_serializes() -> None:
    path, arguments = make_trigger().serialize()
    assert path == f"{SageMakerTrainingTrigger.__module__}.{SageMakerTrainingTrigger.__qualname__}"
    assert SageMakerTrainingTrigger(**arguments).serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == arguments


def test_a_trigger_s_hook_has_every_setting_of_the_connection() -> None:
    with mock.patch.object(AwsBaseHook, "__init__", return_value=None) as made:
        _ = make_trigger().hook
    assert made.call_args.kwargs == {
        "aws_conn_id": "aws_other",
        "region_name": "eu-west-1",
        "verify": False,
        "config": {"read_timeout": 5},
        "client_type": "sagemaker",
    }


def run_trigger(answers: list[Any]) -> tuple[list[Any], list[float]]:
    """Run a trigger to its end over prepared answers; return its events and the pauses it made."""
    trigger = make_trigger()
    hook = mock.create_autospec(SageMakerTrainingHook, instance=True)
    hook.describe.side_effect = answers
    trigger.__dict__["hook"] = hook

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    with mock.patch("snowmaker.triggers.sagemaker.asyncio.sleep", autospec=True) as sleep:
        events = asyncio.run(collect())
    return events, [call.args[0] for call in sleep.call_args_list]


def test_a_trigger_fires_once_and_polls_ever_slower() -> None:
    running = {"TrainingJobStatus": "InProgress"}
    events, pauses = run_trigger([running] * 30 + [{"TrainingJobStatus": "Stopped"}])
    assert events == [{"job_name": "n"}]
    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


def test_a_trigger_bears_some_failures_but_not_for_ever() -> None:
    events, _ = run_trigger([OSError("reset")] * 9 + [{"TrainingJobStatus": "Completed"}])
    assert events == [{"job_name": "n"}]
    events, _ = run_trigger([OSError("reset")] * 10)
    assert events == [{"job_name": "n", "error": "OSError: reset"}]


def make_task() -> SageMakerTrainOperator:
    """A task whose hook is a stand-in."""
    needed = dict.fromkeys(SageMakerTrainOperator.template_fields, "s3://b")
    task = SageMakerTrainOperator(task_id="train", label="Y", **needed)
    task.__dict__["hook"] = mock.create_autospec(SageMakerTrainingHook, instance=True, conn_region_name="eu-west-1")
    return task


def test_a_task_links_to_its_job_once_there_is_one() -> None:
    task = make_task()
    (link,) = task.operator_extra_links
    assert link.get_link(task, ti_key=None) == ""
    completed = {"TrainingJobName": "n", "TrainingJobStatus": "Stopped"}
    task.hook.describe.return_value = completed
    with pytest.raises(TrainingError, match="training job n is Stopped"):
        task.execute_complete({}, {"job_name": "n"})
    address = "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/jobs/n"
    assert link.get_link(task, ti_key=None) == address


def test_a_waiting_task_bears_some_failures_but_not_for_ever() -> None:
    task = make_task()
    ended = {"TrainingJobName": "n", "TrainingJobStatus": "Completed"}
    running = {"TrainingJobName": "n", "TrainingJobStatus": "InProgress"}
    with mock.patch("snowmaker.operators.sagemaker.time.sleep", autospec=True):
        task.hook.describe.side_effect = [TrainingError("throttled")] * 9 + [ended]
        assert task._wait(running) == ended
        task.hook.describe.side_effect = [TrainingError("throttled")] * 10
        with pytest.raises(TrainingError, match="throttled"):
            task._wait(running)


def test_a_trigger_s_error_fails_the_task_and_leaves_the_job_running() -> None:
    task = make_task()
    with pytest.raises(TrainingError, match="cannot be looked at: OSError: reset; it is not stopped"):
        task.execute_complete({}, {"job_name": "n", "error": "OSError: reset"})
    task.hook.stop.assert_not_called()
