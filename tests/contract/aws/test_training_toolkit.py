"""The SageMaker training toolkit as a second launcher: a script sees and does the same under both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .support import BUCKET, Server, Train

pytestmark = pytest.mark.slow

# What the toolkit needs of PyPI; its other requirements are in this environment, or unused here.
TOOLKIT = ["sagemaker-training==5.1.4", "retrying", "inotify_simple==1.3.5", "paramiko", "bcrypt", "pynacl", "invoke"]
# Writes down what it sees. Paths are written from the base directory on, which differs.
REPORT = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent
files = {}
for folder in ("code", "input"):
    for path in sorted((base / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files[str(path.relative_to(base))] = path.read_text()
seen = {
    "variables": {name: value for name, value in os.environ.items() if name.startswith("SM_")},
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "files": files,
    "job": os.environ["TRAINING_JOB_NAME"],
    "environment": os.environ["GREETING"],
}
text = json.dumps(seen).replace(str(base), "/opt/ml")
pathlib.Path(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"] + ".json").write_text(text)
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "output.txt").write_text("output")
"""
WITH_REASON = """
import os, pathlib
pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("no such column: AGE")
raise SystemExit(3)
"""
SHELL = '#!/bin/sh\nprintf \'%s|\' "$@" "$SM_HP_N" > $SM_MODEL_DIR/shell.txt\n'
HYPERPARAMETERS = {
    "eta": "0.1",
    "n": "5",
    "d": '{"b": 2, "a": "x y"}',
    "flag": "true",
    "items": "[1, 2]",
    "nothing": "null",
    "quoted": '"5"',
    "words": "a b; echo $HOME",
    "batch-size": "12",
    "sagemaker_job_name": '"anything"',
    "sagemaker_custom": "7",
}


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toolkit in a folder of its own: it wants versions that this project does not have."""
    folder = tmp_path_factory.mktemp("toolkit")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *TOOLKIT]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def both(server: Server, train: Train, toolkit: Path) -> Any:
    """Run one request under the sandbox's launcher, and by the toolkit in a container."""

    def run(script: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        changes.setdefault("hyperparameters", HYPERPARAMETERS)
        environment = {"GREETING": "hello"}
        own = train.start("own", script, Environment=environment, **changes)
        container = {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-m", "sagemaker_training.cli.train"],
        }
        theirs = {
            **environment,
            "PYTHONPATH": str(toolkit),
            "SAGEMAKER_BASE_DIR": "/opt/ml",
            "S3_ENDPOINT_URL": server.url,
        }
        other = train.start("toolkit", script, Environment=theirs, AlgorithmSpecification=container, **changes)
        return train.wait(own), train.wait(other)

    return run


def reports(server: Server, job: dict[str, Any]) -> dict[str, Any]:
    """Read what the script saw, with the job's own name taken out."""
    files = server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    return {
        name: json.loads(text.decode().replace(job["TrainingJobName"], "JOB"))
        for name, text in files.items()
        if name.endswith(".json")
    }


def plain(reason: str) -> str:
    """Take the interpreter's path out of a failure reason."""
    return re.sub(r"/\S*/bin/python\S*", "python", reason)


def test_a_script_sees_the_same_on_two_hosts(server: Server, both: Any) -> None:
    server.client("s3").put_object(Bucket=BUCKET, Key="toolkit/part/a.csv", Body=b"1,2")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/toolkit"}
    jobs = both(
        REPORT,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
        InputDataConfig=[
            {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}},
            {"ChannelName": "other", "DataSource": {"S3DataSource": source}},
        ],
    )
    assert [job.get("FailureReason") for job in jobs] == [None, None]
    own, theirs = (reports(server, job) for job in jobs)
    assert set(own) == set(theirs) == {"algo-1.json", "algo-2.json"}
    for host, seen in own.items():
        expected = theirs[host]
        ours, wanted = (json.loads(side["variables"].pop("SM_TRAINING_ENV")) for side in (seen, expected))
        assert len(seen["variables"]) > 40
        assert seen == expected
        assert ours.items() <= wanted.items()
    assert own["algo-2.json"]["files"]["input/data/train/part/a.csv"] == "1,2"
    assert own["algo-1.json"]["arguments"][:5] == ["train.py", "--batch-size", "12", "-d", "a=x y,b=2"]
    for job in jobs:
        output = job["ModelArtifacts"]["S3ModelArtifacts"].replace("model.tar.gz", "output.tar.gz")
        assert server.archive(output) == {"output.txt": b"output"}


@pytest.mark.parametrize("script", [WITH_REASON, "raise SystemExit(3)", "import nothing_like_it"])
def test_a_script_fails_for_the_same_reason(both: Any, script: str) -> None:
    own, theirs = both(script, hyperparameters={"eta": "0.1"})
    assert own["TrainingJobStatus"] == theirs["TrainingJobStatus"] == "Failed"
    assert plain(own["FailureReason"]) == plain(theirs["FailureReason"])


def test_a_shell_script_gets_the_same_words(server: Server, both: Any) -> None:
    hyperparameters = HYPERPARAMETERS | {"sagemaker_program": "train.sh"}
    written = [
        server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])["shell.txt"]
        for job in both("", hyperparameters=hyperparameters, files={"train.sh": SHELL})
    ]
    assert written[0] == written[1]
    assert b"--words|a b; echo $HOME|" in written[0]
