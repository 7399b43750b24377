"""The server around the training jobs: what it refuses, and what survives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, Shape, StructureShape

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
        ("secretsmanager", "rotate_secret", {"SecretId": "x"}),
        ("logs", "start_query", {"startTime": 0, "endTime": 1, "queryString": "x"}),
        ("iam", "simulate_custom_policy", {"PolicyInputList": ["{}"], "ActionNames": ["s3:GetObject"]}),
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
    named = str(caught.value).replace("_", "").lower()
    assert call.replace("_", "") in named or service in named


def smallest(shape: Shape, within: tuple[str, ...] = ()) -> Any:
    """The smallest value that a shape of botocore's service model allows."""
    if isinstance(shape, StructureShape):
        return {name: smallest(shape.members[name], within) for name in shape.required_members}
    if isinstance(shape, ListShape):
        inner = (*within, shape.name)
        return [] if shape.name in within else [smallest(shape.member, inner)] * max(shape.metadata.get("min", 1), 1)
    if shape.type_name == "map":
        return {}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "a" * max(shape.metadata.get("min", 3), 3)
    return {"blob": b"x", "boolean": True, "timestamp": 1}.get(shape.type_name, 1)


@pytest.mark.parametrize("service", ["s3", "secretsmanager", "logs", "iam", "sts", "sagemaker"])
def test_no_call_of_any_service_is_tried_twice(server: Server, service: str) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, parameter_validation=False)
    client = server.new_client(service, config=config)
    tried = 0
    for name, operation in client.meta.method_to_api_mapping.items():
        model = client.meta.service_model.operation_model(operation)
        if (model.endpoint or {}).get("hostPrefix") and service != "sagemaker":
            continue  # it would go to another address
        try:
            answer = getattr(client, name)(**(smallest(model.input_shape) if model.input_shape else {}))
        except ClientError as error:
            answer = error.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500, name
        assert answer["ResponseMetadata"]["RetryAttempts"] == 0, name
        tried += 1
    assert tried > 10


def test_sdks_can_ask_what_a_role_may_do(server: Server) -> None:
    iam = server.client("iam")
    trust = json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}})
    role = iam.create_role(RoleName="asked", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::mine/*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/secret"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="asked", PolicyName="p", PolicyDocument=policy)

    def decisions(arn: str, *resources: str) -> list[str]:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["s3:GetObject"], ResourceArns=list(resources)
        )
        return [result["EvalDecision"] for result in answer["EvaluationResults"]]

    names = ["arn:aws:s3:::mine/k", "arn:aws:s3:::other/k", "arn:aws:s3:::mine/secret"]
    assert decisions(role, *names) == ["allowed", "implicitDeny", "explicitDeny"]
    assert decisions(server.role, *names) == ["allowed"] * 3
    with pytest.raises(ClientError, match="cannot be found"):
        decisions(f"{role}x", "*")
    condition = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statements[0], "Condition": condition}]})
    iam.put_role_policy(RoleName="asked", PolicyName="p", PolicyDocument=policy)
    with pytest.raises(ClientError, match=r"does not implement .*Condition"):
        decisions(role, "*")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_a_name_that_is_not_loopback_s_is_refused(server: Server, host: str) -> None:
    for path in ("/moto-api/", f"/{BUCKET}"):
        assert requests.get(f"{server.url}{path}", headers={"Host": host}, timeout=5).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example:8080"])
def test_a_web_page_of_another_place_is_refused(server: Server, origin: str) -> None:
    assert requests.get(f"{server.url}/{BUCKET}", headers={"Origin": origin}, timeout=5).status_code == 403
    assert requests.options(f"{server.url}/", headers={"Origin": origin}, timeout=5).status_code == 403


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:7", f"{BUCKET}.localhost"])
def test_loopback_s_names_are_answered(server: Server, host: str) -> None:
    assert requests.get(f"{server.url}/moto-api/", headers={"Host": host}, timeout=5).status_code == 200


def test_a_bucket_may_be_part_of_the_host_s_name(server: Server) -> None:
    server.client("s3").put_object(Bucket=BUCKET, Key="by/host", Body=b"body")
    answer = requests.get(f"{server.url}/by/host", headers={"Host": f"{BUCKET}.localhost"}, timeout=5)
    assert answer.text == "body"


def test_a_request_too_large_is_refused(server: Server) -> None:
    with pytest.raises(ClientError, match="exceeds"):
        server.client("secretsmanager").create_secret(Name="n", SecretString="x" * (17 << 20))


def test_the_state_is_its_owner_s_alone(server: Server) -> None:
    server.client("secretsmanager").create_secret(Name="private", SecretString="x")
    server.client("s3").put_object(Bucket=BUCKET, Key="private", Body=b"x")
    modes = {path: path.stat().st_mode & 0o077 for path in [server.state, *Path(server.state).rglob("*")]}
    assert [path for path, mode in modes.items() if mode] == []


def test_it_answers_for_liveness_on_loopback_only(server: Server) -> None:
    assert requests.get(f"{server.url}/moto-api/", timeout=5).status_code == 200
    assert server.url.startswith("http://127.0.0.1:")


def test_moto_s_own_reset_is_not_reachable(server: Server) -> None:
    assert requests.post(f"{server.url}/moto-api/reset", timeout=5).status_code == 404
    server.client("s3").head_bucket(Bucket=BUCKET)


def test_jobs_survive_kill_9_and_what_ran_is_failed(own_server: Server) -> None:
    create = own_server.client("sagemaker").create_training_job
    create(**training_request(own_server, "done", upload_script(own_server, "done", "pass")))
    before = wait_for_end(own_server, "done")
    create(**training_request(own_server, "running", upload_script(own_server, "running", SLEEP)))
    wait_until(lambda: "started" in log_lines(own_server, "running"))

    own_server.kill()
    own_server.start()

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
