"""What the contract tests of the AWS sandbox share: a server as a child process, and training requests."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

REPOSITORY = Path(__file__).parents[3]
BUCKET = "ml-sandbox"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CREDENTIALS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "anyone",
    "aws_secret_access_key": "anything",
}


SLEEP = "import time, sys\nprint('started', flush=True)\ntime.sleep(600)\n"


class Server:
    """A running AWS sandbox, which may be ended and started again on the same state."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._clients: dict[tuple[str, str, str], Any] = {}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "include.sandbox.aws", "--state", self.state, "--port", "0", "--stop-grace", "1"],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        words = self.process.stdout.readline().split()
        self.url = words[3]
        self.role = words[-1].removeprefix("role=")

    def client(self, service: str) -> Any:
        if (self.url, service) not in self._clients:
            # Making one takes longer than most calls.
            self._clients[self.url, service] = self.new_client(service)
        return self._clients[self.url, service]

    def new_client(self, service: str, config: Config | None = None, **changes: str) -> Any:
        config = config or Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
        return boto3.client(service, endpoint_url=self.url, config=config, **{**CREDENTIALS, **changes})

    def archive(self, uri: str) -> dict[str, bytes]:
        """Return the files of a tar.gz in S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


class Train:
    """Runs scripts as training jobs of one test."""

    def __init__(self, server: Server, test: str) -> None:
        self._server = server
        self._prefix = re.sub(r"[^a-zA-Z0-9]+", "-", test).strip("-")[:50].strip("-")

    def __call__(self, script: str, **changes: Any) -> dict[str, Any]:
        """Run a job to its end and return its description."""
        return self.wait(self.start("", script, **changes))

    def start(self, suffix: str, script: str, **changes: Any) -> str:
        """Start a job and return its name."""
        name = f"{self._prefix}-{suffix}".strip("-")
        source = upload_script(self._server, name, script, **changes.pop("files", {}))
        request = training_request(self._server, name, source, **changes)
        self._server.client("sagemaker").create_training_job(**request)
        return name

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until a job has ended and return its description."""
        return wait_for_end(self._server, name)


def upload_script(server: Server, name: str, text: str, **more_files: str) -> str:
    """Store a source archive with a script and return its address."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in {"train.py": text, **more_files}.items():
            info = tarfile.TarInfo(path)
            info.size = len(content.encode())
            tar.addfile(info, io.BytesIO(content.encode()))
    server.client("s3").put_object(Bucket=BUCKET, Key=f"code/{name}.tar.gz", Body=buffer.getvalue())
    return f"s3://{BUCKET}/code/{name}.tar.gz"


def training_request(server: Server, name: str, source: str, **changes: Any) -> dict[str, Any]:
    """A CreateTrainingJob request for a script; ``hyperparameters`` are added to the script-mode ones."""
    hyperparameters = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": source,
        **changes.pop("hyperparameters", {}),
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": server.role,
        "HyperParameters": hyperparameters,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Poll until ``condition`` is true and return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not come true within {seconds} s")


def wait_for_end(server: Server, name: str, client: Any = None) -> dict[str, Any]:
    """Wait until a job has ended and return its description."""
    sagemaker = client or server.client("sagemaker")

    def ended() -> dict[str, Any] | None:
        description = sagemaker.describe_training_job(TrainingJobName=name)
        return description if description["TrainingJobStatus"] in {"Completed", "Failed", "Stopped"} else None

    return wait_until(ended)


def log_lines(server: Server, job: str) -> list[str]:
    """Return what a job has written so far; nothing before its log streams exist."""
    logs = server.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
