"""`train`, the program of a container of one's own: it runs a job's archive as SageMaker's images do."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import snowflake.connector

from include.sandbox.process import Sandbox

TRAINING = Path(__file__).parents[3] / "include" / "training"
LAUNCH = TRAINING / "launch.py"
BUCKET = "ml-sandbox"
ECHO = """import json, os, sys
print(json.dumps([sys.argv[1:], {name: value for name, value in os.environ.items() if name.startswith('SM_')}]))
"""


def upload(name: str, files: dict[str, bytes]) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"launch/{name}.tar.gz", Body=buffer.getvalue())
    return f"s3://{BUCKET}/launch/{name}.tar.gz"


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `train` over a private /opt/ml with given hyperparameters, as SageMaker starts a container."""
    started = []

    def run(hyperparameters: dict[str, str], **config: Any) -> subprocess.Popen[str]:
        folder = tmp_path / "input" / "config"
        folder.mkdir(parents=True)
        for name, content in {"hyperparameters": hyperparameters, **config}.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        env = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
        process = subprocess.Popen(
            [sys.executable, LAUNCH],
            env={**env, "ML_ROOT": str(tmp_path), "AWS_REGION": "us-east-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def script(name: str, text: str) -> dict[str, str]:
    return {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": upload(name, {"train.py": text.encode()}),
    }


def test_a_program_gets_its_arguments_and_the_hosts(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(
        {**script("echo", ECHO), "max_depth": "3", "eta": '"0.5"', "sagemaker_region": '"us-east-1"'},
        resourceconfig={"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]},
        inputdataconfig={"prices": {}},
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    words, variables = json.loads(output)
    assert words == ["--eta", "0.5", "--max_depth", "3"]
    assert variables["SM_MODEL_DIR"] == str(tmp_path / "model")
    assert variables["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "output" / "data")
    assert variables["SM_CHANNEL_PRICES"] == str(tmp_path / "input" / "data" / "prices")
    assert (json.loads(variables["SM_HOSTS"]), variables["SM_CURRENT_HOST"]) == (["algo-1", "algo-2"], "algo-2")


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "exit code 137.: most likely out of memory"),
        ("raise SystemExit(3)", 3, "the training program ended with exit code 3; see the job's log"),
        (
            "import os, pathlib; pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('own'); exit(4)",
            4,
            "own",
        ),
    ],
)
def test_how_the_program_ends_is_told(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, text: str, code: int, reason: str
) -> None:
    (tmp_path / "output").mkdir()
    process = start(script(f"ends-{code}", text))
    process.communicate(timeout=60)
    assert process.returncode == code
    assert re.search(reason, (tmp_path / "output" / "failure").read_text())


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"max_depth": "3"}, "the request is not one of script mode: sagemaker_submit_directory is None"),
        (
            {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{BUCKET}/launch/none.tar.gz"},
            r"s3://ml-sandbox/launch/none.tar.gz cannot be read: .*; allow the training role s3:GetObject",
        ),
    ],
)
def test_a_job_that_cannot_be_started_is_told(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, hyperparameters: dict[str, str], reason: str
) -> None:
    process = start(hyperparameters)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(reason, (tmp_path / "output" / "failure").read_text())


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        ({"other.py": b""}, "holds no train.py; mend sagemaker_program"),
        ({"../train.py": b""}, "cannot be unpacked: .*outside the destination"),
    ],
)
def test_a_wrong_archive_is_told(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, archive: dict[str, bytes], reason: str
) -> None:
    uri = upload("wrong", archive)
    process = start({"sagemaker_program": "train.py", "sagemaker_submit_directory": uri})
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(reason, (tmp_path / "output" / "failure").read_text())


def test_a_stop_ends_the_program_and_is_no_failure(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = start(script("sleep", "import time; print('runs', flush=True); time.sleep(600)"))
    assert process.stdout.readline() == "runs\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    assert not (tmp_path / "output" / "failure").exists()


# ---- the training script itself ----


@pytest.fixture(scope="module")
def rows(sandbox: Sandbox) -> Iterator[None]:
    """A table of four weeks, and secrets to read it by: by password, by key, and with a wrong password."""
    known = sandbox.settings
    with snowflake.connector.connect(**known.connection()) as connection:
        for statement in (
            "CREATE SCHEMA LAUNCHED",
            "CREATE TABLE ROWS_ (ID INT, AT DATE, CITY VARCHAR, SIZE FLOAT, LABEL INT)",
            """INSERT INTO ROWS_ WITH n AS (
                SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 400)))
            SELECT N, DATEADD('day', 7 * FLOOR(N / 100), '2024-01-01'::DATE),
                CASE MOD(N, 3) WHEN 0 THEN 'Bern' WHEN 1 THEN 'Rome' END, MOD(N * 7919, 100), MOD(N * 7919, 100) >= 50
            FROM n""",
        ):
            connection.cursor().execute(statement)
    by_key = {
        name: value
        for name, value in known.keypair_connection().items()
        if name not in ("private_key_file", "authenticator")
    }
    secrets = {
        "launch/password": known.connection(),
        "launch/key": {**by_key, "private_key": known.private_key.read_text()},
        "launch/wrong": {**known.connection(), "password": "planted-password"},
    }
    client = boto3.client("secretsmanager")
    for name, secret in secrets.items():
        client.create_secret(Name=name, SecretString=json.dumps(secret))
    yield
    for name in secrets:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with snowflake.connector.connect(**known.connection()) as connection:
        connection.cursor().execute("DROP SCHEMA SANDBOX.LAUNCHED")


def training_code(name: str, **changes: Any) -> dict[str, str]:
    """The hyperparameters of a request for our own training script."""
    document = {
        "secret_id": "launch/password",
        "table": '"SANDBOX"."LAUNCHED"."ROWS_"',
        "week_column": "AT",
        "features": [{"name": "CITY", "kind": "categorical"}, {"name": "SIZE", "kind": "numeric"}],
        "label": "LABEL",
        "task": "binary_classification",
        "holdout_from": dt.date(2024, 1, 22).isoformat(),
        "seed": 1,
        "key": ["ID"],
        **changes,
    }
    files = {str(path.relative_to(TRAINING)): path.read_bytes() for path in TRAINING.rglob("*.py")}
    uri = upload(name, {**files, "job.json": json.dumps(document).encode()})
    return {"sagemaker_program": "train.py", "sagemaker_submit_directory": uri, "num_boost_round": "5"}


def test_a_model_is_trained_by_a_key(
    rows: None, start: Callable[..., subprocess.Popen[str]], tmp_path: Path, sandbox: Sandbox
) -> None:
    process = start(training_code("key", secret_id="launch/key"))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    card = json.loads((tmp_path / "model" / "model_card.json").read_text())
    assert card["rows"] == {"train": 300, "holdout": 100}
    assert not [line for line in sandbox.settings.private_key.read_text().splitlines()[1:-1] if line in output]


def test_a_wrong_password_is_told_and_no_value_of_the_secret(
    rows: None, start: Callable[..., subprocess.Popen[str]], tmp_path: Path, sandbox: Sandbox
) -> None:
    process = start(training_code("wrong-password", secret_id="launch/wrong"))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason.startswith("Snowflake refused the login in the secret: 390100 Failed to connect to DB: <host>:")
    assert reason.endswith("mend user and password in the secret")
    connection = sandbox.settings.connection()
    values = ["planted-password", *(str(connection[key]) for key in ("user", "account", "warehouse", "role", "host"))]
    assert not [value for value in values if re.search(rf"\b{re.escape(value)}\b", output + reason)]


def test_two_instances_of_an_own_image_train_by_snowpark(rows: None, sandbox: Sandbox) -> None:
    sagemaker, name = boto3.client("sagemaker"), "launched-by-snowpark"
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": "own",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", str(LAUNCH)],
        },
        Environment={"ML_ROOT": "/opt/ml"},
        RoleArn="arn:aws:iam::123456789012:role/ml-sandbox-execution",
        HyperParameters=training_code("snowpark", reader="snowpark"),
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 180},
    )
    deadline = time.monotonic() + 180
    while (job := sagemaker.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        card = json.load(tar.extractfile("model_card.json"))
    assert (card["rows"], card["instances"]) == ({"train": 300, "holdout": 100}, 2)


# ---- the images, as far as they can be checked without building them ----


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.python"])
def test_a_dockerfile_takes_files_that_are_there(name: str) -> None:
    text = re.sub(r"\\\n", " ", (TRAINING / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    known = {"ARG", "FROM", "RUN", "COPY", "ENV"}
    assert {line.split()[0] for line in lines} <= known
    assert lines[:2] == [next(line for line in lines if line.startswith("ARG BASE_IMAGE=")), "FROM ${BASE_IMAGE}"]
    sources = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert sources
    assert not [source for source in sources if not (TRAINING / source).is_file()]
