"""What the demo's deployment consists of besides Airflow: the sandbox, its AWS objects, the mortgage weeks."""

from __future__ import annotations

import json
import os
from datetime import date, datetime
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from include.datasets import mortgage
from include.sandbox import process

if TYPE_CHECKING:
    from pathlib import Path

    from snowflake.connector import SnowflakeConnection

DATABASE, SCHEMA = "ML", "MORTGAGE"
BUCKET, ROLE, SECRET_ID = "snowmaker-demo", "snowmaker-training", "snowmaker/snowflake"
_TRUST_SAGEMAKER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_READ_THE_SECRET = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:*:*:secret:{SECRET_ID}-*",
        }
    ],
}


class Environment:
    """A sandbox and, in it, what one's own accounts would have: a bucket, a role, a secret, a table of weeks."""

    def __init__(self, sandbox: process.Sandbox) -> None:
        self.sandbox = sandbox
        self._before = {name: os.environ.get(name) for name in sandbox.env}
        os.environ.update(sandbox.env)

    @classmethod
    def start(cls, state: Path, *, any_port: bool = False) -> Environment:
        """Start the sandbox of a state directory and wait until it is ready.

        :raises SandboxError: if it does not start
        """
        port = 0 if any_port else None
        return cls(process.start(state, snowflake_port=port, aws_port=port))

    def stop(self) -> None:
        """End the sandbox, and point this process's clients to where they pointed before."""
        self.sandbox.stop()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def airflow_variables(self) -> dict[str, str]:
        """Make what training needs in AWS, unless it is there, and return Airflow's connections and settings."""
        return {
            **self.sandbox.env,
            "AIRFLOW__SNOWMAKER__SAGEMAKER_ROLE_ARN": _ensure_role(),
            "AIRFLOW__SNOWMAKER__ARTEFACTS_URI": f"s3://{_ensure_bucket()}/snowmaker",
            "AIRFLOW__SNOWMAKER__SNOWFLAKE_SECRET_ID": self._ensure_secret(),
        }

    def connect(self) -> SnowflakeConnection:
        """Connect to the demo's schema."""
        import snowflake.connector

        return snowflake.connector.connect(**{**self.sandbox.settings.connection(), **_demo_schema()})

    def load_mortgage_weeks(self, weeks: int, rows: int) -> date:
        """Load the weeks that are not there yet, and return the first day of the first."""
        mortgage.main(["load", "--database", DATABASE, "--schema", SCHEMA, "--weeks", str(weeks), "--rows", str(rows)])
        with self.connect() as connection:
            (first,) = connection.cursor().execute("SELECT MIN(WEEK_START_DATE) FROM MORTGAGE_APPLICATIONS").fetchone()
        return first.date() if isinstance(first, datetime) else first

    def _ensure_secret(self) -> str:
        client = boto3.client("secretsmanager")
        value = json.dumps({**self.sandbox.settings.connection(), **_demo_schema()})
        try:
            client.create_secret(Name=SECRET_ID, SecretString=value)
        except client.exceptions.ResourceExistsException:
            client.put_secret_value(SecretId=SECRET_ID, SecretString=value)
        return SECRET_ID


def _demo_schema() -> dict[str, str]:
    return {"database": DATABASE, "schema": SCHEMA}


def _ensure_bucket() -> str:
    try:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return BUCKET


def _ensure_role() -> str:
    client = boto3.client("iam")
    try:
        role = client.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST_SAGEMAKER))
    except client.exceptions.EntityAlreadyExistsException:
        role = client.get_role(RoleName=ROLE)
    client.put_role_policy(RoleName=ROLE, PolicyName="read-secret", PolicyDocument=json.dumps(_READ_THE_SECRET))
    return str(role["Role"]["Arn"])
