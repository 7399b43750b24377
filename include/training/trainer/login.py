"""The login to Snowflake: from Secrets Manager by the secret's id, and never written anywhere.

No message holds a value of the secret, not even the user's or the account's name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .failure import TrainingFailure

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

LOGIN_TIMEOUT_SECONDS = 60
_NAMES = ("account", "user", "password", "host", "warehouse", "database", "schema", "role")
_CONNECT_ARGUMENTS = (*_NAMES, "port", "protocol", "authenticator")
_KEYS = frozenset({*_CONNECT_ARGUMENTS, "username", "private_key", "private_key_passphrase"})
# The others ask a person, or take a token that expires.
_AUTHENTICATORS = ("SNOWFLAKE", "SNOWFLAKE_JWT")
_NO_SECRET = {
    "ResourceNotFoundException": "does not exist in Secrets Manager of this region; create it, or mend the secret's id",
    "AccessDeniedException": "may not be read; allow the training role secretsmanager:GetSecretValue on it",
    "DecryptionFailure": "cannot be decrypted; allow the training role kms:Decrypt on its key",
    "InvalidRequestException": "has no value or is being deleted; restore it, or store the login in it",
}
_REFUSALS = (
    (r"not allowed to access Snowflake", "a network policy must admit the address that the training instances come by"),
    (r"^390100 ", "mend user and password in the secret"),
    (r"JWT token is invalid", "set the public half of the secret's key with ALTER USER ... SET RSA_PUBLIC_KEY"),
    (r"\b40[34]\b", "no Snowflake account answers there: mend account, or host, in the secret"),
    (r"Could not connect|HTTPSConnectionPool|HTTPConnectionPool|timed? ?out|Failed to resolve", "nobody answers there: "
     "mend account, or host, in the secret; training instances in a VPC need a NAT gateway or PrivateLink"),
)  # fmt: skip


def read_secret(secret_id: str) -> dict[str, Any]:
    """Fetch a Snowflake login from Secrets Manager: a JSON object of connector arguments.

    :raises TrainingFailure: if the secret is missing, may not be read, or is no such JSON
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Where no road leads to Secrets Manager, the instance is paid for while it tries.
    config = Config(connect_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
    try:
        client = boto3.client("secretsmanager", region_name=_region_of(secret_id), config=config)
        text = client.get_secret_value(SecretId=secret_id)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        reason = _NO_SECRET.get(code, "cannot be read; mend its id, or the training role's right to it")
        raise TrainingFailure(f"secret {secret_id!r} {reason} ({code})") from None
    except BotoCoreError as error:
        raise TrainingFailure(
            f"Secrets Manager cannot be reached: {error}; a job in a VPC needs an endpoint of it, or a NAT gateway"
        ) from None
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
    secret = _parse(secret_id, text)
    if "username" in secret:
        secret.setdefault("user", secret.pop("username"))
    missing = [key for key in ("account", "user") if key not in secret]
    if not secret.keys() & {"password", "private_key"}:
        missing.append("password or private_key")
    if missing:
        raise TrainingFailure(f"secret {secret_id!r} lacks {', '.join(missing)}")
    arguments = {key: secret[key] for key in _CONNECT_ARGUMENTS if key in secret}
    if "private_key" in secret:
        arguments["private_key"] = _private_key_der(secret_id, secret)
        arguments.pop("password", None)
    if "_" in arguments["account"] and "host" not in arguments:
        arguments["host"] = _host_of(arguments["account"])
    return arguments


def _parse(secret_id: str, text: str) -> dict[str, Any]:
    try:
        secret = json.loads(text)
    except ValueError:
        secret = None
    if not isinstance(secret, dict):
        raise TrainingFailure(f"secret {secret_id!r} is no JSON object with account, user and password or private_key")
    unknown = sorted(secret.keys() - _KEYS)
    if unknown:
        raise TrainingFailure(f"secret {secret_id!r}: keys {unknown} are unknown; known are {sorted(_KEYS)}")
    given = {key: value for key, value in secret.items() if value not in (None, "")}
    for key, value in given.items():
        if key == "port" and not str(value).isdecimal():
            raise TrainingFailure(f"secret {secret_id!r}: port is no number; leave it out for Snowflake's own")
        if key != "port" and not isinstance(value, str):
            raise TrainingFailure(f"secret {secret_id!r}: {key} is no text")
    if given.get("authenticator", "SNOWFLAKE").upper() not in _AUTHENTICATORS:
        raise TrainingFailure(
            f"secret {secret_id!r}: a job logs in by password or key; "
            f"let authenticator be one of {', '.join(_AUTHENTICATORS)}, or leave it out"
        )
    return given


def _host_of(account: str) -> str:
    """Return the host of an account whose name has underscores, which no certificate has."""
    return f"{account.replace('_', '-')}.snowflakecomputing.{'cn' if '.cn-' in account else 'com'}"


def _private_key_der(secret_id: str, secret: dict[str, Any]) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    passphrase = secret.get("private_key_passphrase")
    # Keys pasted into one line carry their line ends as backslash and n.
    pem = secret["private_key"].replace("\\n", "\n")
    try:
        key = serialization.load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise TrainingFailure(
            f"secret {secret_id!r}: private_key is no RSA key in PEM form; paste it with its BEGIN and END lines, "
            f"and give its private_key_passphrase if, and only if, it is encrypted"
        )
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
            **arguments,
            login_timeout=LOGIN_TIMEOUT_SECONDS,
            application="snowmaker_training",
            client_session_keep_alive=False,
            # An account may expect times in a form of its own; a snapshot's is ISO 8601.
            session_parameters={"TIMESTAMP_INPUT_FORMAT": "AUTO"},
        )
    except connector.errors.Error as error:
        raise TrainingFailure(_explain_refusal(error, arguments)) from None
    try:
        yield opened
    finally:
        opened.close()


def _explain_refusal(error: Error, arguments: dict[str, Any]) -> str:
    # The connector begins with the number, the SQL state and the query that there is none of.
    message = re.sub(r"^\d+( \(\w+\))?: (None: )?", "", str(error.msg))
    text = " ".join(f"{error.errno} {message}".split())
    hints = (hint for pattern, hint in _REFUSALS if re.search(pattern, text, re.IGNORECASE))
    hint = next(hints, "check the secret, and that a network policy admits the training instances")
    return f"Snowflake refused the login in the secret: {_redact(text, arguments)}; {hint}"


def _redact(text: str, arguments: dict[str, Any]) -> str:
    """Put a value's key in the place of each value."""
    values = sorted((arguments[key], key) for key in _NAMES if key in arguments)
    for value, key in sorted(values, key=lambda pair: -len(pair[0])):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"<{key}>", text, flags=re.IGNORECASE)
    return text
