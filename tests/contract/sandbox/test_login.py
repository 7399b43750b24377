"""Who gets in, and where a session is then."""

from __future__ import annotations

import base64
import hashlib
import stat
import subprocess
import sys
import time
import tomllib
from typing import Any

import jwt
import pytest
import requests
import snowflake.connector
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from snowflake.connector.errors import DatabaseError, ForbiddenError
from snowflake_support import refused

from include.sandbox.process import Sandbox


def test_a_connection_by_name_lands_in_the_sandbox_database(sandbox: Sandbox) -> None:
    # In a process of its own: the connector reads SNOWFLAKE_HOME when it is imported.
    script = (
        "import snowflake.connector as s\n"
        "query = 'SELECT CURRENT_DATABASE(), CURRENT_SCHEMA(), CURRENT_WAREHOUSE(), CURRENT_ROLE(), CURRENT_USER()'\n"
        "with s.connect(connection_name='sandbox') as c: print(*c.cursor().execute(query).fetchone())\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["SANDBOX", "PUBLIC", "COMPUTE_WH", "SYSADMIN", "SANDBOX"]


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"user": "NOBODY"}])
def test_a_wrong_user_or_password_is_told_so(sandbox: Sandbox, wrong: dict[str, str]) -> None:
    with refused(390100, "Incorrect username or password was specified"):
        snowflake.connector.connect(**{**sandbox.settings.connection(), **wrong})


def test_the_first_user_has_a_key_that_only_its_owner_can_read(sandbox: Sandbox) -> None:
    known = sandbox.settings
    assert stat.S_IMODE(known.private_key.stat().st_mode) == 0o600
    connections = tomllib.loads((known.state / "connections.toml").read_text())
    assert connections["sandbox_keypair"] == known.keypair_connection()
    assert "password" not in connections["sandbox_keypair"]
    with snowflake.connector.connect(**known.keypair_connection()) as connection:
        assert connection.cursor().execute("SELECT CURRENT_USER()").fetchone() == (known.user,)


def test_another_key_does_not_open(sandbox: Sandbox) -> None:
    connection = {**sandbox.settings.keypair_connection(), "private_key": new_key()}
    del connection["private_key_file"]
    with refused(390144, "JWT token is invalid"):
        snowflake.connector.connect(**connection)


def claims(sandbox: Sandbox, **changed: Any) -> str:
    """A token as the connector makes it, signed with the first user's key, with some claims changed."""
    key = load_pem_private_key(sandbox.settings.private_key.read_bytes(), None)
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    subject, now = f"SANDBOX.{sandbox.settings.user}", int(time.time())
    payload = {"iss": f"{subject}.{fingerprint}", "sub": subject, "iat": now, "exp": now + 60, **changed}
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, key, algorithm="RS256")


def log_in(sandbox: Sandbox, **data: Any) -> dict[str, Any]:
    """The answer to a log-in request."""
    known = sandbox.settings
    url = f"https://{known.connection()['host']}:{known.snowflake_port}/session/v1/login-request"
    body = {"data": {"ACCOUNT_NAME": "SANDBOX", "LOGIN_NAME": known.user, **data}}
    answer: dict[str, Any] = requests.post(url, json=body, verify=str(known.trust), timeout=10).json()
    return answer


def test_a_token_is_good_for_its_user_and_its_time_only(sandbox: Sandbox) -> None:
    good = log_in(sandbox, AUTHENTICATOR="SNOWFLAKE_JWT", TOKEN=claims(sandbox))
    assert good["success"]
    now = int(time.time())
    for changed in (
        {"exp": now - 120, "iat": now - 180},
        {"exp": now + 86_400},
        {"exp": None},
        {"sub": "SANDBOX.SOMEBODY"},
        {"sub": f"ELSEWHERE.{sandbox.settings.user}"},
        {"iss": "SANDBOX.SANDBOX.SHA256:AAAA"},
    ):
        answer = log_in(sandbox, AUTHENTICATOR="SNOWFLAKE_JWT", TOKEN=claims(sandbox, **changed))
        assert (answer["success"], answer["code"]) == (False, "390144"), changed
    unsigned = jwt.encode(jwt.decode(claims(sandbox), options={"verify_signature": False}), None, algorithm="none")
    assert log_in(sandbox, AUTHENTICATOR="SNOWFLAKE_JWT", TOKEN=unsigned)["code"] == "390144"


@pytest.mark.parametrize("authenticator", ["OAUTH", "USERNAME_PASSWORD_MFA", "PROGRAMMATIC_ACCESS_TOKEN", "ID_TOKEN"])
def test_other_ways_in_are_refused_by_name(sandbox: Sandbox, authenticator: str) -> None:
    answer = log_in(sandbox, AUTHENTICATOR=authenticator, TOKEN="x", PASSWORD=sandbox.settings.password)
    assert answer["code"] == "000002"
    assert authenticator in answer["message"]


def test_the_browser_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(DatabaseError, match="authenticator EXTERNALBROWSER"):
        snowflake.connector.connect(**{**sandbox.settings.connection(), "authenticator": "externalbrowser"})


def test_another_account_is_not_here(sandbox: Sandbox) -> None:
    with pytest.raises(ForbiddenError, match="Verify the account name is correct"):
        snowflake.connector.connect(**{**sandbox.settings.connection(), "account": "elsewhere"})


def test_a_role_that_is_not_there_is_refused_at_log_in(sandbox: Sandbox) -> None:
    with refused(390189, "Role 'NOBODYS' specified in the connect string"):
        snowflake.connector.connect(**{**sandbox.settings.connection(), "role": "NOBODYS"})


def test_a_parameter_that_cannot_be_honoured_is_refused_at_log_in(sandbox: Sandbox) -> None:
    options = {**sandbox.settings.connection(), "session_parameters": {"TIMEZONE": "Europe/Oslo"}}
    with refused(2, "TIMEZONE = Europe/Oslo"):
        snowflake.connector.connect(**options)


def test_a_session_that_has_ended_is_told_so(sandbox: Sandbox) -> None:
    with snowflake.connector.connect(**sandbox.settings.connection()) as other:
        connection = snowflake.connector.connect(**sandbox.settings.connection())
        cursor = connection.cursor()
        (number,) = cursor.execute("SELECT CURRENT_SESSION()").fetchone()
        other.cursor().execute(f"SELECT SYSTEM$ABORT_SESSION({number})")
        with refused(390111, "Session no longer exists"):
            cursor.execute("SELECT 1")
        connection.close()


def test_more_users_log_in_by_password_or_key(sandbox: Sandbox) -> None:
    key = new_key()
    public = load_der_private_key(base64.b64decode(key), None).public_key()
    text = base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    plain = {k: v for k, v in sandbox.settings.connection().items() if k not in {"user", "password", "role"}}
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE OR REPLACE ROLE scorer")
        cursor.execute("CREATE OR REPLACE USER alice PASSWORD = 'it''s mine' DEFAULT_ROLE = scorer")
        with snowflake.connector.connect(**{**plain, "user": "alice", "password": "it's mine"}) as hers:
            assert hers.cursor().execute("SELECT CURRENT_USER(), CURRENT_ROLE()").fetchone() == ("ALICE", "SCORER")
        with refused(390144):
            snowflake.connector.connect(**plain, user="alice", authenticator="SNOWFLAKE_JWT", private_key=key)
        cursor.execute(f"ALTER USER alice SET RSA_PUBLIC_KEY = '{text}'")
        with snowflake.connector.connect(**plain, user="alice", authenticator="SNOWFLAKE_JWT", private_key=key) as hers:
            assert hers.cursor().execute("SELECT CURRENT_USER()").fetchone() == ("ALICE",)
        cursor.execute("ALTER USER alice UNSET PASSWORD")
        with refused(390100):
            snowflake.connector.connect(**plain, user="alice", password="it's mine")
        cursor.execute("ALTER USER alice SET DISABLED = TRUE")
        with refused(390101, "User access disabled"):
            snowflake.connector.connect(**plain, user="alice", authenticator="SNOWFLAKE_JWT", private_key=key)
        described = dict(row[:2] for row in cursor.execute("DESC USER alice").fetchall())
        assert described["PASSWORD"] == "null"
        assert described["RSA_PUBLIC_KEY_FP"].startswith("SHA256:")
        with refused(2140, "Invalid public key"):
            cursor.execute("ALTER USER alice SET RSA_PUBLIC_KEY_2 = 'nonsense'")
        cursor.execute("DROP USER alice")


def new_key() -> str:
    """A private key as the connector takes it: base 64 of its DER form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def test_connecting_creates_no_database(sandbox: Sandbox) -> None:
    elsewhere = {**sandbox.settings.connection(), "database": "NOT_THERE", "schema": "NOWHERE"}
    with snowflake.connector.connect(**elsewhere) as connection:
        cursor = connection.cursor()
        assert cursor.execute("SHOW DATABASES LIKE 'NOT_THERE'").fetchall() == []
        with refused(90105, "does not have a current database"):
            cursor.execute("CREATE TABLE t (a INT)")


def test_the_airflow_hook_works_unchanged(sandbox: Sandbox) -> None:
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

    hook = SnowflakeHook(snowflake_conn_id="snowflake_default")
    assert hook.get_first("SELECT CURRENT_SCHEMA()") == ("PUBLIC",)
    session = hook.get_snowpark_session()
    assert session.sql("SELECT 1 AS ONE").collect()[0]["ONE"] == 1
    session.close()
