"""The server around the training jobs: what it refuses, and what survives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from .support import (
    BUCKET,
    REPOSITORY,
    SLEEP,
    Server,
    log_lines,
    process_exists,
    training_request,
    upload_script,
    wait_for_end,
    wait_until,
)


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("sagemaker", "list_endpoints", {}),
        ("sagemaker", "stop_transform_job", {"TransformJobName": "x"}),
        ("iam", "simulate_principal_policy", {"PolicySourceArn": "a" * 20, "ActionNames": ["s3:GetObject"]}),
        ("dynamodb", "list_tables", {}),
        ("s3", "get_bucket_metadata_table_configuration", {"Bucket": BUCKET}),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    server: Server, service: str, call: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="sandbox") as caught:
        getattr(server.client(service), call)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_it_answers_for_liveness_on_loopback_only(server: Server) -> None:
    assert requests.get(f"{server.url}/moto-api/", timeout=5).status_code == 200
    assert server.url.startswith("http://127.0.0.1:")


def test_moto_s_own_reset_is_not_reachable(server: Server) -> None:
    assert requests.post(f"{server.url}/moto-api/reset", timeout=5).status_code == 404
    server.client("s3").head_bucket(Bucket=BUCKET)


def test_objects_secrets_and_jobs_survive_kill_9(own_server: Server) -> None:
    s3, secrets = own_server.client("s3"), own_server.client("secretsmanager")
    s3.put_object(Bucket=BUCKET, Key="a/b c.txt", Body=b"one\ntwo", Metadata={"k": "v"})
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    s3.create_bucket(Bucket="another")
    arn = secrets.create_secret(Name="login", SecretString="first")["ARN"]
    secrets.put_secret_value(SecretId="login", SecretString="second")
    create = own_server.client("sagemaker").create_training_job
    create(**training_request(own_server, "done", upload_script(own_server, "done", "pass")))
    before = wait_for_end(own_server, "done")
    create(**training_request(own_server, "running", upload_script(own_server, "running", SLEEP)))
    wait_until(lambda: "started" in log_lines(own_server, "running"))

    own_server.kill()
    own_server.start()

    s3, secrets = own_server.client("s3"), own_server.client("secretsmanager")
    kept = s3.get_object(Bucket=BUCKET, Key="a/b c.txt")
    assert (kept["Body"].read(), kept["Metadata"]) == (b"one\ntwo", {"k": "v"})
    assert {b["Name"] for b in s3.list_buckets()["Buckets"]} == {BUCKET, "another"}
    assert "gone" not in {o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "second"
    sagemaker = own_server.client("sagemaker")
    after = sagemaker.describe_training_job(TrainingJobName="done")
    del before["ResponseMetadata"], after["ResponseMetadata"]
    assert after == before
    running = sagemaker.describe_training_job(TrainingJobName="running")
    assert running["TrainingJobStatus"] == "Failed"
    assert "sandbox ended while the job ran" in running["FailureReason"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_training_process_outlives_the_server(own_server: Server, number: signal.Signals) -> None:
    script = "import subprocess\np = subprocess.Popen(['sleep', '600'])\nprint(p.pid, flush=True)\np.wait()"
    own_server.client("sagemaker").create_training_job(
        **training_request(own_server, "orphan", upload_script(own_server, "orphan", script))
    )
    (pid,) = wait_until(lambda: log_lines(own_server, "orphan"))
    assert process_exists(int(pid))
    os.kill(own_server.process.pid, number)
    assert own_server.process.wait(10) in {0, -signal.SIGKILL}
    wait_until(lambda: not process_exists(int(pid)))


def test_a_second_server_on_the_same_state_is_refused(server: Server) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "include.sandbox.aws", "--state", server.state, "--port", "0"],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 1
    assert "is in use by another AWS sandbox" in second.stderr
