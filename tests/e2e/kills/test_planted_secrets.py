"""Secrets planted in every place a secret can stand are found in no other place, after good runs and bad ones."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import snowflake.connector
from running_demo import until

from include.demo.local_airflow import REPOSITORY
from include.sandbox import process, settings

from . import planted
from .bundle import TASK
from .deployment import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TABLE = '"PLANTED"."PUBLIC"."LOANS"'
CREATE = f"""
CREATE TABLE {TABLE} AS
WITH numbered AS (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 700)))
SELECT DATEADD('day', 7 * FLOOR(N / 100), '2024-01-01'::DATE)::DATE AS WEEK,
       MOD(N * 7919, 4000) / 100.0 AS INCOME, IFF(MOD(N * 7919, 4000) > 2000, 1, 0) AS ACCEPTED
FROM numbered
"""
RAISE = """
import json
import boto3
secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId="planted/password")["SecretString"])
raise ValueError(f"no use for the password of {secret['user']}")
"""
DAGS = """
from airflow.sdk import DAG
from snowmaker.operators.sagemaker import SageMakerTrainOperator


def make(dag_id, **arguments):
    params = {"secret_id": "planted/password", "source_dir": TRAINING}
    with DAG(dag_id, schedule=None, params=params):
        SageMakerTrainOperator(
            task_id="train",
            source_dir="{{ params.source_dir }}",
            table='"PLANTED"."PUBLIC"."LOANS"',
            features=[{"name": "INCOME", "kind": "numeric"}],
            label="ACCEPTED",
            week_column="WEEK",
            holdout_from="2024-02-05",
            secret_id="{{ params.secret_id }}",
            hyperparameters={"num_boost_round": 5},
            role_arn="arn:aws:iam::123456789012:role/ml-sandbox-execution",
            artefacts_uri="s3://ml-sandbox/planted",
            image_uri="image",
            poll_interval=2,
            costs_table='"PLANTED"."PUBLIC"."SNOWMAKER_RUN_COSTS"',
            **arguments,
        )


make("waiting", deferrable=False)
make("deferring", deferrable=True, snowflake_conn_id="snowflake_key")
make("refused", deferrable=False, snowflake_conn_id="snowflake_wrong")
"""
# What each run is given, and how it ends.
RUNS: dict[str, tuple[str, dict[str, str], str]] = {
    "password": ("waiting", {"secret_id": "planted/password"}, "success"),
    "key": ("deferring", {"secret_id": "planted/key"}, "success"),
    "wrong password": ("waiting", {"secret_id": "planted/wrong-password"}, "failed"),
    "unknown key": ("deferring", {"secret_id": "planted/unknown-key"}, "failed"),
    "broken key": ("deferring", {"secret_id": "planted/broken-key"}, "failed"),
    "exception": ("refused", {"source_dir": "raise"}, "failed"),
}


class Watch(threading.Thread):
    """Reads environment and command line of the training processes as they come and go."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self.texts: dict[str, bytes] = {}
        self._deployment = deployment
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.1):
            for script in self._deployment.scripts():
                try:
                    told = [*script.cmdline(), *(f"{name}={value}" for name, value in script.environ().items())]
                except psutil.Error:
                    continue
                self.texts[f"process {script.pid}"] = "\n".join(told).encode()

    def stop(self) -> None:
        self._ended.set()
        self.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def secrets(folder: Path) -> dict[str, str]:
    """All that must stay secret. The sandbox's own password and keys are as good as planted ones."""
    sandbox = settings.load_or_make(folder / "sandbox", 0, 0)
    key = sandbox.private_key.read_text()
    phrases = {name: f"Planted-{number}-{'x/+y&' * 3}" for number, name in enumerate(("connection", "secret"))}
    return {
        "password": sandbox.password,
        "AWS secret key": sandbox.aws_secret_access_key,
        "private key": key,
        "connection's key": planted.encrypt_key(key, phrases["connection"]),
        "connection's passphrase": phrases["connection"],
        "secret's key": planted.encrypt_key(key, phrases["secret"]),
        "secret's passphrase": phrases["secret"],
        "connection's wrong password": "Planted-wrong-Y29ubmVjdGlvbg-password",
        "wrong password": "Planted-wrong-Zm9yZ2V0-password",
        "unknown key": planted.make_key(),
        "broken key": "-----BEGIN PRIVATE KEY-----\n" + 2 * ("Planted+broken/" * 4 + "abcd\n") + "-----END",
    }


@pytest.fixture(scope="module")
def deployment(folder: Path, secrets: dict[str, str]) -> Iterator[Deployment]:
    """A deployment with the secrets in its connections, and in Secrets Manager."""
    sandbox = process.start(folder / "sandbox")
    wrong = json.loads(sandbox.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    wrong["password"] = secrets["connection's wrong password"]
    by_key = json.loads(sandbox.env["AIRFLOW_CONN_SNOWFLAKE_DEFAULT"])
    by_key["password"] = secrets["connection's passphrase"]
    content = base64.b64encode(secrets["connection's key"].encode()).decode()
    by_key["extra"] |= {"private_key_content": content, "authenticator": "SNOWFLAKE_JWT"}
    dags = f"TRAINING = {str(REPOSITORY / 'include' / 'training')!r}\n{DAGS}"
    connections = {"AIRFLOW_CONN_SNOWFLAKE_KEY": json.dumps(by_key), "AIRFLOW_CONN_SNOWFLAKE_WRONG": json.dumps(wrong)}
    running = Deployment(folder, sandbox, dags, connections)
    (folder / "raise").mkdir()
    (folder / "raise" / "train.py").write_text(RAISE)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.env.items():
            patch.setenv(name, value)
        with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
            connection.cursor().execute("CREATE DATABASE PLANTED")
            connection.cursor().execute(CREATE)
        store_secrets(running, secrets)
        with running.up({"waiting", "deferring", "refused"}):
            yield running


def store_secrets(deployment: Deployment, secrets: dict[str, str]) -> None:
    login = deployment.sandbox.settings.connection()
    keyless = {name: value for name, value in login.items() if name != "password"}
    keyless["authenticator"] = "SNOWFLAKE_JWT"
    stored: dict[str, dict[str, Any]] = {
        "password": login,
        "key": {
            **keyless,
            "private_key": secrets["secret's key"],
            "private_key_passphrase": secrets["secret's passphrase"],
        },
        "wrong-password": {**login, "password": secrets["wrong password"]},
        "unknown-key": {**keyless, "private_key": secrets["unknown key"]},
        "broken-key": {**keyless, "private_key": secrets["broken key"]},
    }
    for name, value in stored.items():
        deployment.client("secretsmanager").create_secret(Name=f"planted/{name}", SecretString=json.dumps(value))


@pytest.fixture(scope="module")
def texts(deployment: Deployment, folder: Path) -> dict[str, bytes]:
    """All that the runs have left anywhere, and what their processes showed."""
    watch = Watch(deployment)
    watch.start()
    runs = {}
    for name, (dag_id, params, _) in RUNS.items():
        told = {key: str(folder / value) if key == "source_dir" else value for key, value in params.items()}
        runs[name] = dag_id, deployment.api.trigger(dag_id, told)
    for name, (dag_id, run_id) in runs.items():
        until(lambda run=(dag_id, run_id): deployment.api.run(*run)["state"] in ("success", "failed"), 150, name)
    watch.stop()
    ended = {name: deployment.api.run(*run)["state"] for name, run in runs.items()}
    assert ended == {name: state for name, (_, _, state) in RUNS.items()}
    state = deployment.sandbox.settings.state
    kept = (state / "aws" / "secrets.json",)
    found = planted.read_files(deployment.airflow.home) | planted.read_files(state / "aws", without=kept)
    found |= planted.read_files(folder / "bundle")
    with snowflake.connector.connect(**deployment.sandbox.settings.connection()) as connection:
        costs = connection.cursor().execute('SELECT * FROM "PLANTED"."PUBLIC"."SNOWMAKER_RUN_COSTS"').fetchall()
    found |= {"costs": repr(costs).encode()}
    found |= {"sandbox.log": (state / "sandbox.log").read_bytes(), **watch.texts}
    return found | jobs_texts(deployment) | api_texts(deployment, runs)


def jobs_texts(deployment: Deployment) -> dict[str, bytes]:
    """Descriptions, tags and log events of all jobs, and all objects in S3."""
    sagemaker, logs, s3 = (deployment.client(service) for service in ("sagemaker", "logs", "s3"))
    found: dict[str, bytes] = {}
    for job in sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]:
        name = job["TrainingJobName"]
        tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
        found[f"job {name}"] = repr((sagemaker.describe_training_job(TrainingJobName=name), tags)).encode()
    group = "/aws/sagemaker/TrainingJobs"
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
        found[f"log {name}"] = "\n".join(event["message"] for event in events).encode()
    for bucket in s3.list_buckets()["Buckets"]:
        for listed in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            content = s3.get_object(Bucket=bucket["Name"], Key=listed["Key"])["Body"].read()
            found |= dict(planted.members(f"s3 {listed['Key']}", content))
    return found


def api_texts(deployment: Deployment, runs: dict[str, tuple[str, str]]) -> dict[str, bytes]:
    """What a person sees of the runs: tasks with their rendered fields, XComs, logs."""
    found: dict[str, bytes] = {}
    for name, (dag_id, run_id) in runs.items():
        api = deployment.api
        shown = [api.tasks(dag_id, run_id), api.xcom_values(dag_id, run_id, TASK), api.first_log(dag_id, run_id, TASK)]
        found[f"API on {name}"] = json.dumps(shown).encode()
    return found


def test_the_search_finds_what_is_there(texts: dict[str, bytes], secrets: dict[str, str], folder: Path) -> None:
    wanted = planted.needles(secrets)
    homes = {
        path.name: path.read_bytes()
        for path in (folder / "sandbox" / "settings.json", folder / "sandbox" / "aws" / "secrets.json")
    }
    in_secrets = {"password", "secret's key", "secret's passphrase", "wrong password", "unknown key", "broken key"}
    told = {f"{name} in secrets.json" for name in in_secrets}
    told |= {"password in settings.json", "AWS secret key in settings.json"}
    assert set(planted.found_in(homes, wanted)) == told
    whole = {name: base64.b64encode(f"a text with {secret} in it".encode()) for name, secret in secrets.items()}
    assert {hit.split(" in ")[0] for hit in planted.found_in(whole, wanted)} == set(secrets)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("airflow.db", "planted/wrong-password"),
        ("run_id=", "Snowflake refused the login"),
        ("scheduler.log", "DagRun Finished"),
        ("triggerer.log", "Starting the triggerer"),
        ("costs", "deferring-train"),
        ("run_id=", "snowflake_wrong"),
        ("job waiting-train", "sagemaker_submit_directory"),
        ("log refused-train", "ValueError: no use for the password of SANDBOX"),
        ("s3 planted/code", "planted/unknown-key"),
        ("process ", "SM_HPS"),
        ("API on key", "rendered_fields"),
        ("API on broken key", "private_key is no"),
    ],
)
def test_the_search_looks_where_it_should(texts: dict[str, bytes], place: str, told: str) -> None:
    assert any(place in name and told.encode() in text for name, text in texts.items())


def test_no_planted_secret_is_found_anywhere(texts: dict[str, bytes], secrets: dict[str, str]) -> None:
    assert planted.found_in(texts, planted.needles(secrets)) == []
