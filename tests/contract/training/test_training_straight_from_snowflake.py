"""A training job of ours in the AWS sandbox that reads from the Snowflake sandbox: the whole training side."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import snowflake.connector

from include.sandbox.process import Sandbox
from snowmaker.exceptions import TrainingError
from snowmaker.operators.sagemaker import SageMakerTrainOperator

REPOSITORY = Path(__file__).parents[3]
BUCKET = "ml-sandbox"
TABLE = '"TRAINING"."LOANS"."Loan applications"'
FEATURES = [
    {"name": "INCOME", "kind": "numeric"},
    {"name": "COUNTY", "kind": "categorical"},
    {"name": "member", "kind": "numeric"},
    {"name": "ROOMS", "kind": "categorical"},
]
INSERT = f"""
INSERT INTO {TABLE}
WITH numbered AS (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 700)))
SELECT DATEADD('day', 7 * FLOOR(N / 100), '2024-01-01 09:30:00'::TIMESTAMP_NTZ),
       CASE MOD(N, 4) WHEN 0 THEN 'St. Mary''s' WHEN 1 THEN 'a/b' WHEN 2 THEN 'c-d' END,
       IFF(MOD(N, 40) = 0, NULL, 30 + MOD(N * 7919, 4000) / 100.0),
       MOD(N, 3) = 0,
       MOD(N, 5),
       IFF(N >= 600, NULL, IFF(30 + MOD(N * 7919, 4000) / 100.0 + 10 * (MOD(N, 4)) > 62, 1, 0))
FROM numbered
"""


@pytest.fixture(scope="module")
def loans(sandbox: Sandbox) -> Iterator[None]:
    """A table of seven weeks, the last of them without labels, and the secret to read it by."""
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:
        cursor.execute('CREATE DATABASE "TRAINING"')
        cursor.execute('CREATE SCHEMA "TRAINING"."LOANS"')
        cursor.execute(
            f'CREATE TABLE {TABLE} (WEEK TIMESTAMP_NTZ, COUNTY VARCHAR, INCOME NUMBER(12, 2), "member" BOOLEAN, '
            f"ROOMS NUMBER, ACCEPTED NUMBER)"
        )
        cursor.execute(INSERT)
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="training/good", SecretString=json.dumps(sandbox.settings.connection()))
    wrong = {**sandbox.settings.connection(), "password": "no such password"}
    secrets.create_secret(Name="training/wrong", SecretString=json.dumps(wrong))
    yield
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:
        cursor.execute('DROP DATABASE "TRAINING"')
    for name in ("training/good", "training/wrong"):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def train(loans: None) -> Callable[..., dict[str, Any]]:
    """Train through the operator."""

    def run(**changes: Any) -> dict[str, Any]:
        arguments = {
            "source_dir": str(REPOSITORY / "include" / "training"),
            "table": TABLE,
            "features": FEATURES,
            "label": "ACCEPTED",
            "week_column": "WEEK",
            "holdout_from": "2024-02-05",
            "secret_id": "training/good",
            "role_arn": "arn:aws:iam::123456789012:role/ml-sandbox-execution",
            "artefacts_uri": f"s3://{BUCKET}/training",
            "image_uri": "image",
            "hyperparameters": {"num_boost_round": 30, "max_depth": 3, "early_stopping_rounds": 5},
            "max_runtime_seconds": 60,
            "deferrable": False,
            **changes,
        }
        # One run for all tests: the good job is trained once, and found again by the others.
        ti = SimpleNamespace(dag_id="retrain_loans", run_id="contract", task_id="train", map_index=-1)
        return SageMakerTrainOperator(task_id="train", **arguments).execute({"ti": ti})

    return run


def read_artefact(uri: str) -> dict[str, bytes]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def test_a_model_is_trained_and_told(train: Callable[..., dict[str, Any]]) -> None:
    result = train()
    assert result["rows"] == {"train": 500, "holdout": 100}
    assert result["metrics"]["f1"] > 0.9
    files = read_artefact(result["artefact_uri"])
    assert sorted(files) == ["model.ubj", "model_card.json", "preprocessing.json"]
    columns = {column["name"]: column for column in json.loads(files["preprocessing.json"])["columns"]}
    assert list(columns) == ["COUNTY", "ROOMS", "INCOME", "member"]
    assert columns["COUNTY"]["categories"] == ["St. Mary's", "a/b", "c-d"]
    assert columns["ROOMS"]["categories"] == ["0", "1", "2", "3", "4"]
    card = json.loads(files["model_card.json"])
    assert card["window"] == {"train": ["2024-01-01", "2024-01-29"], "holdout": ["2024-02-05", "2024-02-05"]}
    assert card["metrics"] == result["metrics"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"secret_id": "training/none"}, "secret 'training/none' does not exist"),
        ({"secret_id": "training/wrong"}, "Snowflake refused the login in the secret"),
        ({"table": '"TRAINING"."LOANS"."NONE"'}, 'table "TRAINING"."LOANS"."NONE" does not exist'),
        ({"label": "ACCEPT"}, "has no column ACCEPT; it has WEEK, COUNTY, INCOME, member, ROOMS, ACCEPTED"),
    ],
)
def test_a_failure_reaches_the_task_with_its_reason(
    train: Callable[..., dict[str, Any]], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        train(**changes)
    assert reason in str(caught.value)
    assert "no such password" not in str(caught.value)


def test_no_credential_is_in_the_job_its_log_or_its_archive(
    train: Callable[..., dict[str, Any]], sandbox: Sandbox
) -> None:
    result = train()
    description = boto3.client("sagemaker").describe_training_job(TrainingJobName=result["job_name"])
    logs = boto3.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=result["job_name"])["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    source = read_artefact(description["HyperParameters"]["sagemaker_submit_directory"])
    told = [str(description), str(events), str(result), *map(str, source.values())]
    told += map(str, read_artefact(result["artefact_uri"]).values())
    assert len(events) > 5
    assert not [text for text in told if sandbox.settings.password in text]
