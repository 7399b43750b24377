"""A training job that cannot go on says why, so that a person can act on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector import errors

from include.training.trainer import reading
from include.training.trainer.failure import TrainingFailure
from include.training.trainer.hyperparameters import parse_hyperparameters

from .conftest import make_table

Train = Callable[..., Path]


def with_column(name: str, values: Any) -> dict[str, Any]:
    return {**make_table(), name: values}


@pytest.mark.parametrize(
    ("table", "changes", "reason"),
    [
        (
            make_table(),
            {"label": "ACCEPT"},
            'table "D"."S"."T" has no column ACCEPT; it has WEEK, COUNTY, INCOME, MEMBER, ACCEPTED',
        ),
        ({k: v[:0] for k, v in make_table().items()}, {}, "has no rows; check the training window"),
        (with_column("ACCEPTED", pa.nulls(600, pa.int8())), {}, "none of its 600 rows has both ACCEPTED and WEEK"),
        (with_column("ACCEPTED", pa.array([1] * 600)), {}, "label ACCEPTED is 1 in every training row"),
        (with_column("ACCEPTED", pa.array(list(range(600)))), {}, "has 500 classes, a binary label two"),
        (with_column("ACCEPTED", pa.array([0.5] * 600)), {}, "label ACCEPTED holds fractions"),
        (with_column("INCOME", pa.nulls(600, pa.float64())), {}, "feature INCOME has no value in any training row"),
        (with_column("COUNTY", pa.nulls(600, pa.string())), {}, "feature COUNTY has no value in any training row"),
        (with_column("INCOME", pa.array(["much"] * 600)), {}, "column INCOME is string where the numeric feature"),
        (make_table(), {"holdout_from": "2030-01-01"}, "the holdout is empty: rows of"),
        (make_table(), {"holdout_from": "2020-01-01"}, "no rows to train on: rows of"),
        (make_table(), {"table": "T; DROP TABLE T"}, "is no quoted name"),
        (make_table(), {"task": "ranking"}, "task 'ranking' is unknown"),
        (make_table(), {"features": [{"name": "INCOME", "kind": "vague"}]}, "is of unknown kind 'vague'"),
        (make_table(), {"features": [{"name": "ACCEPTED", "kind": "numeric"}]}, "ACCEPTED is named twice"),
        (make_table(), {"more": 1}, "job.json is malformed"),
    ],
)
def test_the_reason_is_told(train: Train, table: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssertionError) as caught:
        train(table, **changes)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max_dept", "3"], "hyperparameter 'max_dept' is unknown; did you mean max_depth?"),
        (["--num_boost_round", "many"], "num_boost_round: found 'many', expected a whole number from 1"),
        (["--max_depth"], "hyperparameter '--max_depth' has no value"),
    ],
)
def test_a_wrong_hyperparameter_is_told(arguments: list[str], reason: str) -> None:
    with pytest.raises(TrainingFailure) as caught:
        parse_hyperparameters(arguments)
    assert reason in str(caught.value)


def test_a_value_xgboost_refuses_is_told(train: Train) -> None:
    with pytest.raises(AssertionError, match=r"XGBoost refused to train: .*subsample"):
        train(make_table(), "--subsample", "7")


def test_an_unforeseen_error_is_told_too(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "read_training_set", lambda *_: 1 / 0)
    with pytest.raises(AssertionError, match=r"unexpected ZeroDivisionError: division by zero; see the job's log"):
        train(make_table())


def test_a_refused_login_is_told_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise errors.DatabaseError("Incorrect username or password was specified: hunter2", errno=250001)

    monkeypatch.setattr("snowflake.connector.connect", refuse)
    opening = reading.connection({"account": "a", "user": "u", "password": "hunter2"})
    with pytest.raises(TrainingFailure, match="refused the login in the secret") as caught:
        opening.__enter__()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", "secret 'login' does not exist in Secrets Manager of this region"),
        ("AccessDeniedException", "allow the training role secretsmanager:GetSecretValue"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    stub = Stubber(client)
    stub.add_client_error("get_secret_value", code)
    with stub, pytest.raises(TrainingFailure, match=reason):
        reading.read_secret("login")


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("hunter2", "is no JSON object"),
        ('["hunter2"]', "is no JSON object"),
        (json.dumps({"account": "a", "password": "hunter2"}), "lacks user"),
        (json.dumps({"account": "a", "user": "u"}), "lacks password or private_key"),
        (json.dumps({"account": "a", "user": "u", "pass": "hunter2"}), "keys ['pass'] are unknown"),
        (json.dumps({"account": "a", "user": "u", "private_key": "hunter2"}), "its BEGIN and END lines"),
    ],
)
def test_a_malformed_secret_is_told_and_never_shown(secret: str, reason: str) -> None:
    with pytest.raises(TrainingFailure) as caught:
        reading.connect_arguments("login", secret)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_username_is_understood_and_an_empty_field_is_none() -> None:
    secret = json.dumps({"account": "a", "username": "u", "password": "p", "role": "", "port": 443})
    assert reading.connect_arguments("login", secret) == {"account": "a", "user": "u", "password": "p", "port": 443}


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_a_private_key_is_understood_also_in_one_line(line_end: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    secret = json.dumps({"account": "a", "user": "u", "private_key": pem.replace("\n", line_end)})
    found = reading.connect_arguments("login", secret)["private_key"]
    assert serialization.load_der_private_key(found, None).private_numbers() == key.private_numbers()
