"""The login to Snowflake: from Secrets Manager by the secret's id, and never written anywhere.

No message holds a value of the secret, not even the user's or the account's name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .failure import TrainingFailure

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_CONNECT_ARGUMENTS = (
    "account",
    "user",
    "password",
    "authenticator",
    "host",
    "port",
    "protocol",
    "warehouse",
    "database",
    "schema",
    "role",
)
_KEYS = frozenset({*_CONNECT_ARGUMENTS, "username", "private_key", "private_key_passphrase"})


def read_secret(secret_id: str) -> dict[str, Any]:
    """Fetch a Snowflake login from Secrets Manager: a JSON object of connector arguments.

    :raises TrainingFailure: if the secret is missing, may not be read, or is no such JSON
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("secretsmanager", region_name=_region_of(secret_id))
        text = client.get_secret_value(SecretId=secret_id)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise TrainingFailure(
                f"secret {secret_id!r} does not exist in Secrets Manager of this region; "
                f"create it, or mend the secret's id"
            ) from None
        raise TrainingFailure(
            f"secret {secret_id!r} cannot be read ({code}); "
            f"allow the training role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key"
        ) from None
    except BotoCoreError as error:
        raise TrainingFailure(f"Secrets Manager cannot be reached: {error}") from None
    except KeyError:
        raise TrainingFailure(f"secret {secret_id!r} is binary; store the login as a JSON text") from None
    return connect_arguments(secret_id, text)


def _region_of(secret_id: str) -> str | None:
    """Return the region of a secret's ARN, or else the job's: SageMaker sets a variable that boto3 does not read."""
    is_arn = secret_id.startswith("arn:")
    return secret_id.split(":")[3] if is_arn else os.environ.get("AWS_REGION")


def connect_arguments(secret_id: str, text: str) -> dict[str, Any]:
    """Turn a secret's text into arguments of ``snowflake.connector.connect``.

    :raises TrainingFailure: naming what is missing or unknown, never a value
    """
    try:
        secret = json.loads(text)
    except ValueError:
        secret = None
    if not isinstance(secret, dict):
        raise TrainingFailure(f"secret {secret_id!r} is no JSON object with account, user and password or private_key")
    unknown = sorted(secret.keys() - _KEYS)
    if unknown:
        raise TrainingFailure(f"secret {secret_id!r}: keys {unknown} are unknown; known are {sorted(_KEYS)}")
    if "username" in secret:
        secret.setdefault("user", secret.pop("username"))
    missing = [key for key in ("account", "user") if not secret.get(key)]
    if not (secret.get("password") or secret.get("private_key")):
        missing.append("password or private_key")
    if missing:
        raise TrainingFailure(f"secret {secret_id!r} lacks {', '.join(missing)}")
    arguments = {key: secret[key] for key in _CONNECT_ARGUMENTS if secret.get(key)}
    if secret.get("private_key"):
        arguments["private_key"] = _private_key_der(secret_id, secret)
    return arguments


def _private_key_der(secret_id: str, secret: dict[str, Any]) -> bytes:
    from cryptography.hazmat.primitives import serialization

    passphrase = secret.get("private_key_passphrase")
    # Keys pasted into one line carry their line ends as backslash and n.
    pem = str(secret["private_key"]).replace("\\n", "\n")
    try:
        key = serialization.load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError):
        raise TrainingFailure(
            f"secret {secret_id!r}: private_key is no PEM key; paste it with its BEGIN and END lines, "
            f"and give private_key_passphrase if it is encrypted"
        ) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@contextmanager
def connection(arguments: dict[str, Any]) -> Iterator[SnowflakeConnection]:
    """Open a connection for the time of a ``with`` block.

    :raises TrainingFailure: if the login is refused or nobody answers
    """
    import snowflake.connector as connector

    try:
        opened = connector.connect(
            **arguments, login_timeout=60, application="snowmaker_training", client_session_keep_alive=False
        )
    except connector.errors.Error as error:
        text = _redact(str(error), arguments.get("password"))
        raise TrainingFailure(
            f"Snowflake refused the login of user {arguments['user']!r} to account {arguments['account']!r}: {text}; "
            f"check the secret, and that a network policy admits the training instances"
        ) from None
    try:
        yield opened
    finally:
        opened.close()


def _redact(text: str, password: str | None) -> str:
    return " ".join((text.replace(password, "***") if password else text).split())
