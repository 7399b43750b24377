"""The same small job through boto3, Airflow's stock operator and the SageMaker SDK: the same outcome."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from .support import BUCKET, CREDENTIALS, SLEEP, Server, Train, log_lines, training_request, upload_script, wait_for_end

# What a program of all three sees alike, whoever launches it.
SCRIPT = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--eta", type=float)
arguments = parser.parse_args()
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text()
print(f"f1={arguments.eta * 5}")
model = {"eta": arguments.eta, "rows": rows, "host": os.environ["SM_CURRENT_HOST"], "greeting": os.environ["GREETING"]}
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
"""
FAIL = """
import os, pathlib
pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('no AGE')
raise SystemExit(2)
"""
WAIT_FOR_GO = """
import boto3, time
s3 = boto3.client("s3")
while "Contents" not in s3.list_objects_v2(Bucket="ml-sandbox", Prefix="go"):
    time.sleep(0.05)
"""
MODEL = {"eta": 0.1, "rows": "1,2", "host": "algo-1", "greeting": "hello"}
METRICS = [{"Name": "f1", "Regex": "^f1=([0-9.]+)"}]

Request = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def aws(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point all clients to the sandbox."""
    extra = {"region_name": CREDENTIALS["region_name"], "endpoint_url": server.url}
    login = {"login": CREDENTIALS["aws_access_key_id"], "password": CREDENTIALS["aws_secret_access_key"]}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", **login, "extra": extra}))
    # The operator's readers of logs and S3 take their region from here only.
    monkeypatch.setenv("AWS_DEFAULT_REGION", CREDENTIALS["region_name"])
    server.client("s3").put_object(Bucket=BUCKET, Key="clients/a.csv", Body=b"1,2")


@pytest.fixture
def small_job(server: Server, request: pytest.FixtureRequest) -> Request:
    """Make the request of the small job, under a name of the test's own."""

    def make(script: str = SCRIPT) -> dict[str, Any]:
        name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")
        made = training_request(server, name, upload_script(server, name, script), hyperparameters={"eta": "0.1"})
        made["AlgorithmSpecification"]["MetricDefinitions"] = METRICS
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/clients"}
        channels = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
        return {**made, "InputDataConfig": channels, "Environment": {"GREETING": "hello"}}

    return make


def check(server: Server, name: str) -> None:
    """Expect the small job's outcome."""
    job = server.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed"
    assert [(metric["MetricName"], metric["Value"]) for metric in job["FinalMetricDataList"]] == [("f1", 0.5)]
    files = server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert json.loads(files["model.json"]) == MODEL
    assert "f1=0.5" in log_lines(server, name)


def event_of(deferred: TaskDeferred) -> dict[str, Any]:
    """Run a trigger to its event."""

    async def first() -> dict[str, Any]:
        async for event in deferred.trigger.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(asyncio.wait_for(first(), 60))


def test_boto3(server: Server, small_job: Request) -> None:
    request = small_job()
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=request["TrainingJobName"], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    check(server, request["TrainingJobName"])


def test_airflow_s_operator_waits(server: Server, small_job: Request) -> None:
    request = small_job()
    task = SageMakerTrainingOperator(task_id="train", config=request, print_log=False, check_interval=1)
    assert task.execute({})["Training"]["TrainingJobStatus"] == "Completed"
    check(server, request["TrainingJobName"])


@pytest.mark.slow
def test_airflow_s_operator_prints_the_log(
    server: Server, small_job: Request, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slow because that operator looks at the job's status twice a minute."""
    request = small_job()
    SageMakerTrainingOperator(task_id="train", config=request, print_log=True, check_interval=1).execute({})
    check(server, request["TrainingJobName"])
    printed = caplog.text + "".join(capfd.readouterr())
    assert "f1=0.5" in printed
    assert "Training job completed" in printed


@pytest.mark.parametrize("print_log", [True, False])
def test_airflow_s_operator_defers(server: Server, small_job: Request, print_log: bool) -> None:
    # A job that has ended already would not be waited for.
    server.client("s3").delete_object(Bucket=BUCKET, Key="go")
    request = small_job(WAIT_FOR_GO + SCRIPT)
    task = SageMakerTrainingOperator(
        task_id="train", config=request, print_log=print_log, check_interval=1, deferrable=True
    )
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({})
    server.client("s3").put_object(Bucket=BUCKET, Key="go", Body=b"")
    event = event_of(deferred.value)
    assert event["status"] == "success"
    assert task.execute_complete({}, event)["Training"]["TrainingJobStatus"] == "Completed"
    check(server, request["TrainingJobName"])


def test_airflow_s_operator_tells_the_failure(server: Server, small_job: Request) -> None:
    task = SageMakerTrainingOperator(task_id="train", config=small_job(FAIL), print_log=False, check_interval=1)
    with pytest.raises(AirflowException, match="no AGE"):
        task.execute({})


def test_airflow_s_operator_takes_another_name_for_a_second_job(server: Server, small_job: Request) -> None:
    request = small_job()
    names = [request["TrainingJobName"]]
    for _ in range(2):
        task = SageMakerTrainingOperator(task_id="train", config=dict(request), print_log=False, check_interval=1)
        names.append(task.execute({})["Training"]["TrainingJobName"])
    assert names[0] == names[1] != names[2]


@pytest.fixture
def model_trainer(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make a ModelTrainer of the SageMaker SDK whose entry point is a script."""
    # Set before the import: the SDK asks IAM about the role, and reports its use to Amazon.
    monkeypatch.setenv("SAGEMAKER_VALIDATE_ROLE", "false")
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(tmp_path / "sdk.yaml"))
    config = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
    (tmp_path / "sdk.yaml").write_text(config)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name.upper().replace("REGION_NAME", "AWS_REGION"), value)
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, MetricDefinition, OutputDataConfig, SourceCode

    def make(script: str, **changes: Any) -> Any:
        source = tmp_path / "source"
        source.mkdir()
        (source / "train.py").write_text(script)
        trainer = ModelTrainer(
            training_image="image",
            role=server.role,
            base_job_name=f"sdk-{len(script)}",
            sagemaker_session=Session(boto_session=boto3.Session(), default_bucket=BUCKET),
            source_code=SourceCode(source_dir=str(source), entry_script="train.py"),
            compute=Compute(instance_type="ml.m5.large", instance_count=changes.get("hosts", 1)),
            hyperparameters={"eta": 0.1},
            environment={"GREETING": "hello"},
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/sdk"),
        )
        return trainer.with_metric_definitions([MetricDefinition(name="f1", regex=METRICS[0]["Regex"])])

    yield make
    os.environ.pop("SAGEMAKER_USER_CONFIG_OVERRIDE", None)


def test_the_sdk_s_model_trainer(server: Server, model_trainer: Callable[..., Any]) -> None:
    from sagemaker.train.configs import InputData

    trainer = model_trainer(SCRIPT)
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{BUCKET}/clients/")])
    check(server, trainer._latest_training_job.training_job_name)


def test_the_sdk_s_model_trainer_on_two_hosts_tells_the_failure(
    server: Server, model_trainer: Callable[..., Any]
) -> None:
    script = (
        "import os, socket\n"
        "print(sorted(socket.gethostbyname(f'algo-{n}')[:4] for n in (1, 2)))\n"
        "raise ValueError(os.environ['SM_CURRENT_HOST'])\n"
    )
    trainer = model_trainer(script, hosts=2)
    trainer.train(wait=False)
    job = wait_for_end(server, trainer._latest_training_job.training_job_name)
    assert job["FailureReason"].startswith("AlgorithmError: Traceback")
    assert "'train.py', '--eta', '0.1'" in job["FailureReason"]
    lines = log_lines(server, job["TrainingJobName"])
    assert "['127.', '127.']" in lines
    assert "ValueError: algo-" in "\n".join(lines)


def test_the_sdk_s_job_can_be_stopped(server: Server, model_trainer: Callable[..., Any]) -> None:
    trainer = model_trainer(SLEEP)
    trainer.train(wait=False)
    trainer._latest_training_job.stop()
    name = trainer._latest_training_job.training_job_name
    assert wait_for_end(server, name)["TrainingJobStatus"] == "Stopped"


def test_a_container_s_own_entry_point_finds_its_paths(server: Server, train: Train) -> None:
    server.client("s3").put_object(Bucket=BUCKET, Key="container/main.py", Body=b"import sys; print(sys.argv[1])")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/container/"}
    job = train(
        "",
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "FastFile",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
            "ContainerArguments": ["--to=/opt/ml/model"],
        },
        HyperParameters={"where": "/opt/ml/model"},
        InputDataConfig=[{"ChannelName": "code", "DataSource": {"S3DataSource": source}}],
    )
    (line,) = log_lines(server, job["TrainingJobName"])
    assert line.startswith("--to=/")
    assert line.endswith("/algo-1/model")
    assert job["AlgorithmSpecification"]["ContainerArguments"] == ["--to=/opt/ml/model"]
