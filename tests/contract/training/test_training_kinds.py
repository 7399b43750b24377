"""Training jobs of several kinds in the AWS sandbox, reading from the Snowflake sandbox."""

from __future__ import annotations

import hashlib
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
SCHEMA = '"KINDS"."PUBLIC"'
FEATURES = [{"name": "COUNTY", "kind": "categorical"}, {"name": "INCOME", "kind": "numeric"}]
ROWS = """
WITH numbered AS (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 900)))
SELECT N AS ID, DATEADD('week', FLOOR(N / 150), '2024-01-01'::DATE) AS WEEK,
       CASE MOD(N, 4) WHEN 0 THEN 'north' WHEN 1 THEN 'east' WHEN 2 THEN 'west' END AS COUNTY,
       IFF(MOD(N, 40) = 0, NULL, 30 + MOD(N * 7919, 4000) / 100.0)::FLOAT AS INCOME,
       IFF(30 + MOD(N * 7919, 4000) / 100.0 + 10 * MOD(N, 4) > 62, 1, 0) AS ACCEPTED
FROM numbered
"""


@pytest.fixture(scope="module")
def tables(sandbox: Sandbox) -> Iterator[None]:
    """The same rows in two tables, in another order, and the secret to read them by."""
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:
        cursor.execute('CREATE DATABASE "KINDS"')
        cursor.execute(f"CREATE TABLE {SCHEMA}.FORWARD AS {ROWS}")
        cursor.execute(f"CREATE TABLE {SCHEMA}.BACKWARD AS SELECT * FROM {SCHEMA}.FORWARD ORDER BY ID DESC")
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="kinds/login", SecretString=json.dumps(sandbox.settings.connection()))
    yield
    secrets.delete_secret(SecretId="kinds/login", ForceDeleteWithoutRecovery=True)
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection, connection.cursor() as cursor:
        cursor.execute('DROP DATABASE "KINDS"')


@pytest.fixture
def train(tables: None, request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """Train through the operator."""

    def run(table: str = "FORWARD", **changes: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "source_dir": str(REPOSITORY / "include" / "training"),
            "table": f'{SCHEMA}."{table}"',
            "features": FEATURES,
            "label": "ACCEPTED",
            "week_column": "WEEK",
            "holdout_from": "2024-02-05",
            "secret_id": "kinds/login",
            "role_arn": "arn:aws:iam::123456789012:role/ml-sandbox-execution",
            "artefacts_uri": "s3://ml-sandbox/kinds",
            "image_uri": "image",
            "hyperparameters": {"num_boost_round": 20, "max_depth": 3, "subsample": 0.8, "nthread": 1},
            "max_runtime_seconds": 240,
            "deferrable": False,
            **changes,
        }
        ti = SimpleNamespace(dag_id="kinds", run_id=request.node.name, task_id="train", map_index=-1)
        return dict(SageMakerTrainOperator(task_id="train", **arguments).execute({"ti": ti}))

    return run


def read_files(result: dict[str, Any]) -> dict[str, bytes]:
    bucket, _, key = str(result["artefact_uri"]).removeprefix("s3://").partition("/")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]


@pytest.mark.parametrize("key", [(), ("ID",)], ids=["by row", "by key"])
def test_two_instances_read_every_row_once_in_whatever_order_it_lies(
    train: Callable[..., dict[str, Any]], key: tuple[str, ...]
) -> None:
    results = [train(table, instance_count=2, key=key) for table in ("FORWARD", "BACKWARD")]
    assert [result["rows"] for result in results] == [{"train": 750, "holdout": 150}] * 2
    files = [read_files(result) for result in results]
    digests = {hashlib.sha256(content["model.ubj"]).hexdigest() for content in files}
    assert len(digests) == 1
    card = json.loads(files[0]["model_card.json"])
    assert (card["instances"], card["snapshot"]["rows"]) == (2, 900)
    assert card["metrics"]["roc_auc"] > 0.9


def test_the_linear_estimator_trains_on_one_instance_only(train: Callable[..., dict[str, Any]]) -> None:
    result = train(estimator="linear", hyperparameters={"C": 0.5})
    assert sorted(read_files(result)) == ["model.json", "model_card.json", "preprocessing.json"]
    with pytest.raises(TrainingError, match="estimator linear trains on one instance, and there are 2"):
        train(estimator="linear", hyperparameters={"C": 0.5}, instance_count=2)
