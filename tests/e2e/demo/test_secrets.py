"""The passwords of the demo's accounts stay where they belong, after runs that succeeded and runs that failed."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing

import boto3
import pytest

from demo.deployment import RETRAIN, SCORE, Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]


@pytest.fixture(scope="module", autouse=True)
def failed_run(deployment: Deployment) -> None:
    """A run whose error texts are there to be searched."""
    assert deployment.score(week="2018-01-01")[1] == "failed"


def test_logs_hold_no_secret(deployment: Deployment) -> None:
    files = [path for path in (deployment.airflow.home / "logs").rglob("*") if path.is_file()]
    texts = {str(path): path.read_text(errors="replace") for path in files}
    assert holding(texts, "2018-01-01"), "the failed run's log is among them"
    assert holding(texts, *secrets(deployment)) == []


def test_the_metadata_database_holds_no_secret(deployment: Deployment) -> None:
    # Among others rendered templates, XCom, params and logged events.
    texts: dict[str, str] = {}
    with closing(sqlite3.connect(f"file:{deployment.airflow.home / 'airflow.db'}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            texts[table] = repr(database.execute(f'SELECT * FROM "{table}"').fetchall())
    assert {"rendered_task_instance_fields", "xcom"} <= set(holding(texts, "MORTGAGE_PREDICTIONS", "V2026"))
    assert holding(texts, *secrets(deployment)) == []


def test_training_jobs_hold_no_secret(deployment: Deployment) -> None:
    sagemaker, s3 = boto3.client("sagemaker"), boto3.client("s3")
    names = [job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]]
    texts = {name: repr(sagemaker.describe_training_job(TrainingJobName=name)) for name in names}
    assert len(holding(texts, "num_boost_round")) >= 2
    for bucket in s3.list_buckets()["Buckets"]:
        for found in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            content = s3.get_object(Bucket=bucket["Name"], Key=found["Key"])["Body"].read()
            texts |= dict(members(found["Key"], content))
    assert holding(texts, "snowmaker/snowflake"), "a job is told the secret's name, in its archive of code"
    assert holding(texts, *secrets(deployment)) == []


def test_snowflake_holds_no_secret(deployment: Deployment) -> None:
    tables = [row[1] for row in deployment.query("SHOW TABLES IN SCHEMA ML.MORTGAGE")]
    ours = [name for name in tables if name != "MORTGAGE_APPLICATIONS"]
    assert {"MORTGAGE_PREDICTIONS", "SNOWMAKER_MODEL_EVENTS", "SNOWMAKER_DRIFT"} <= set(ours)
    texts = {name: repr(deployment.query(f'SELECT * FROM "{name}"')) for name in ours}
    texts["models"] = repr(deployment.query("SHOW MODELS IN SCHEMA ML.MORTGAGE"))
    texts["versions"] = repr(deployment.query("SHOW VERSIONS IN MODEL MORTGAGE_RESPONSE"))
    assert holding(texts, "training_job") == ["versions"], "the comments are among them"
    assert holding(texts, *secrets(deployment)) == []


@pytest.mark.parametrize("dag_id", [SCORE, RETRAIN])
def test_the_api_shows_no_secret(deployment: Deployment, dag_id: str) -> None:
    api = deployment.api
    texts = {
        f"{run['dag_run_id']} {task['task_id']}": json.dumps(task)
        for run in api.runs(dag_id)
        for task in api.tasks(dag_id, run["dag_run_id"])
    }
    assert holding(texts, "rendered_fields")
    assert holding(texts, *secrets(deployment)) == []


def secrets(deployment: Deployment) -> list[str]:
    settings = deployment.environment.sandbox.settings
    found = [settings.password, settings.aws_secret_access_key]
    assert all(len(secret) > 20 for secret in found)
    return found


def holding(texts: dict[str, str], *wanted: str) -> list[str]:
    """Name the texts in which one of the strings wanted occurs."""
    return sorted(name for name, text in texts.items() if any(one in text for one in wanted))


def members(key: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and text of an S3 object's files."""
    assert key.endswith(".tar.gz"), f"{key} is of a kind that this test cannot look into"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield f"{key}/{member.name}", file.read().decode(errors="replace")
