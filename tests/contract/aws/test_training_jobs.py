"""Training jobs really run, under SageMaker's contract, as boto3 sees them."""

from __future__ import annotations

import json
import os
import threading

import pytest
from botocore.exceptions import ClientError

from .support import (
    BUCKET,
    SLEEP,
    Server,
    Train,
    log_lines,
    process_exists,
    training_request,
    upload_script,
    wait_for_end,
    wait_until,
)

WRITE_MODEL = """
import json, os, sys, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "arguments.json").write_text(json.dumps(sys.argv[1:]))
pathlib.Path(os.environ["SM_MODEL_DIR"], "environment.json").write_text(json.dumps(dict(os.environ)))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("report")
for value in (0.5, 0.75):
    print(f"holdout:f1={value}")
"""


def error_code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def test_a_job_trains_and_its_model_lies_in_s3(server: Server, train: Train) -> None:
    job = train(
        WRITE_MODEL,
        hyperparameters={"max_depth": "5", "eta": "0.1"},
        Environment={"GREETING": "hello"},
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "holdout:f1", "Regex": "holdout:f1=([0-9.]+)"}],
        },
    )
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    assert job["BillableTimeInSeconds"] >= 1
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("holdout:f1", 0.75)]
    files = server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert json.loads(files["arguments.json"]) == ["--eta", "0.1", "--max_depth", "5"]
    environment = json.loads(files["environment.json"])
    assert environment["GREETING"] == "hello"
    assert json.loads(environment["SM_HPS"]) == {"max_depth": 5, "eta": 0.1}
    assert environment["SM_CURRENT_HOST"] == "algo-1"
    output = job["ModelArtifacts"]["S3ModelArtifacts"].replace("model.tar.gz", "output.tar.gz")
    assert server.archive(output) == {"report.txt": b"report"}
    assert log_lines(server, job["TrainingJobName"]) == ["holdout:f1=0.5", "holdout:f1=0.75"]


def test_the_states_are_passed_with_distinct_messages(train: Train) -> None:
    transitions = train("pass")["SecondaryStatusTransitions"]
    assert [t["Status"] for t in transitions] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert len({t["StatusMessage"] for t in transitions}) == 5
    assert all(t["EndTime"] >= t["StartTime"] for t in transitions)


def test_a_script_sees_none_of_the_server_s_own_environment(server: Server, train: Train) -> None:
    job = train(WRITE_MODEL)
    environment = json.loads(server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])["environment.json"])
    assert set(environment).isdisjoint(
        set(os.environ)
        - {"PATH", "LANG", "LC_ALL", "TMPDIR", "HOME"}
        - {
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "AWS_CA_BUNDLE",
            "PYTHONUNBUFFERED",
            "OMP_WAIT_POLICY",
            "AWS_ENDPOINT_URL",
            "AWS_DEFAULT_REGION",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        }
    )
    assert environment["AWS_ENDPOINT_URL"] == server.url
    assert environment["HOME"] != os.environ["HOME"]


def test_what_a_script_writes_as_its_failure_is_the_failure_reason(server: Server, train: Train) -> None:
    job = train(
        "import os, pathlib, sys\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('no such column: AGE')\n"
        "print('last words')\nsys.exit(3)"
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no such column: AGE, exit code: 1"
    assert log_lines(server, job["TrainingJobName"]) == ["last words"]


def test_a_channel_is_downloaded(server: Server, train: Train) -> None:
    server.client("s3").put_object(Bucket=BUCKET, Key="data/part/a.csv", Body=b"1,2")
    channel = {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/"}},
    }
    script = "import os, pathlib\nprint(pathlib.Path(os.environ['SM_CHANNEL_TRAIN'], 'part/a.csv').read_text())"
    job = train(script, InputDataConfig=[channel])
    assert log_lines(server, job["TrainingJobName"]) == ["1,2"]


def test_a_missing_source_archive_fails_the_job_naming_it(server: Server) -> None:
    source = f"s3://{BUCKET}/nowhere.tar.gz"
    server.client("sagemaker").create_training_job(**training_request(server, "no-source", source))
    assert wait_for_end(server, "no-source")["FailureReason"] == f"ClientError: no S3 object at {source}"


def test_a_stopped_job_gets_sigterm_and_is_stopped(server: Server) -> None:
    script = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('asked to stop')))\n" + SLEEP
    )
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(server, "to-stop", upload_script(server, "to-stop", script)))
    wait_until(lambda: "started" in log_lines(server, "to-stop"))
    sagemaker.stop_training_job(TrainingJobName="to-stop")
    assert sagemaker.describe_training_job(TrainingJobName="to-stop")["TrainingJobStatus"] in {
        "Stopping",
        "Stopped",
    }
    job = wait_for_end(server, "to-stop")
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"
    assert log_lines(server, "to-stop") == ["started", "asked to stop"]
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName="to-stop")


def test_a_job_that_ignores_sigterm_is_killed_with_its_children(server: Server) -> None:
    script = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(server, "stubborn", upload_script(server, "stubborn", script)))
    (pid,) = wait_until(lambda: log_lines(server, "stubborn"))
    sagemaker.stop_training_job(TrainingJobName="stubborn")
    assert wait_for_end(server, "stubborn")["TrainingJobStatus"] == "Stopped"
    wait_until(lambda: not process_exists(int(pid)))


def test_the_runtime_limit_stops_the_job(train: Train) -> None:
    job = train(SLEEP, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_taken_name_is_refused_and_one_of_many_racers_wins(server: Server) -> None:
    request = training_request(server, "taken", upload_script(server, "taken", "pass"))
    answers: list[str] = []

    def create() -> None:
        try:
            server.client("sagemaker").create_training_job(**request)
            answers.append("created")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["ResourceInUse"] * 4 + ["created"]
    assert wait_for_end(server, "taken")["TrainingJobStatus"] == "Completed"


def test_an_unknown_job_is_a_validation_error(server: Server) -> None:
    with pytest.raises(ClientError, match="Requested resource not found") as caught:
        server.client("sagemaker").describe_training_job(TrainingJobName="nobody")
    assert error_code(caught) == "ValidationException"


def test_a_deleted_job_is_gone(server: Server, train: Train) -> None:
    name = train("pass")["TrainingJobName"]
    sagemaker = server.client("sagemaker")
    sagemaker.delete_training_job(TrainingJobName=name)
    with pytest.raises(ClientError, match="not found"):
        sagemaker.describe_training_job(TrainingJobName=name)


def test_outputs_are_left_unpacked_where_asked(server: Server, train: Train) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"}
    job = train(WRITE_MODEL, OutputDataConfig=output)
    base = f"s3://{BUCKET}/out/{job['TrainingJobName']}/output/"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{base}model/"
    prefix = base.removeprefix(f"s3://{BUCKET}/")
    listed = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert [item["Key"].removeprefix(prefix) for item in listed] == [
        "model/arguments.json",
        "model/environment.json",
        "output/report.txt",
    ]
