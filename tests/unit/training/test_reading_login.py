"""The login in a secret: what is understood, what is refused, and that no value of it is ever told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from include.training.trainer import login
from include.training.trainer.failure import TrainingFailure

PLANTED = {
    "account": "planted-account",
    "user": "PLANTED_USER",
    "password": "planted.pass+word/1",
    "role": "PLANTED_ROLE",
    "warehouse": "PLANTED_WAREHOUSE",
    "database": "PLANTED_DATABASE",
    "schema": "PLANTED_SCHEMA",
}
BY_PASSWORD = {"account": "a", "user": "u", "password": "hunter2"}


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any, passphrase: str | None = None) -> str:
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    return str(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock).decode())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ResourceNotFoundException", "does not exist in Secrets Manager of this region; create it, or mend"),
        ("AccessDeniedException", "may not be read; allow the training role secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "cannot be decrypted; allow the training role kms:Decrypt"),
        ("InvalidRequestException", "has no value or is being deleted; restore it"),
        ("ExpiredTokenException", r"cannot be read; .* \(ExpiredTokenException\)"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    stub = Stubber(client)
    stub.add_client_error("get_secret_value", code, "arn:aws:iam::1:role/told is not authorized")
    with stub, pytest.raises(TrainingFailure, match=f"secret 'the/login' {reason}"):
        login.read_secret("the/login")


def test_a_binary_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    stub = Stubber(client)
    stub.add_response("get_secret_value", {"SecretBinary": b"hunter2"})
    with stub, pytest.raises(TrainingFailure, match="is binary; store the login as a JSON text"):
        login.read_secret("the/login")


def test_secrets_manager_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with pytest.raises(TrainingFailure, match=r"Secrets Manager cannot be reached: .*a job in a VPC needs an endpoint"):
        login.read_secret("the/login")


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("hunter2", "is no JSON object"),
        ('["hunter2"]', "is no JSON object"),
        ({"account": "a", "password": "hunter2"}, "lacks user"),
        ({"account": "a", "user": "u", "password": ""}, "lacks password or private_key"),
        ({**BY_PASSWORD, "pass": "hunter2"}, r"keys \['pass'\] are unknown; known are \['account',"),
        ({**BY_PASSWORD, "role": ["hunter2"]}, "role is no text"),
        ({**BY_PASSWORD, "port": "hunter2"}, "port is no number"),
        ({**BY_PASSWORD, "authenticator": "externalbrowser"}, "logs in by password or key; let authenticator be one"),
        ({"account": "a", "user": "u", "private_key": "hunter2"}, "paste it with its BEGIN and END lines"),
    ],
)
def test_a_malformed_secret_is_told_and_never_shown(secret: Any, reason: str) -> None:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    with pytest.raises(TrainingFailure, match=reason) as caught:
        login.connect_arguments("login", text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_both_names_of_the_user_are_understood_and_what_is_empty_is_left_out() -> None:
    secret = json.dumps({"account": "a", "username": "u", "password": "p", "role": "", "schema": None, "port": 443})
    assert login.connect_arguments("login", secret) == {"account": "a", "user": "u", "password": "p", "port": 443}


def test_an_account_with_underscores_has_a_host_without() -> None:
    secret = {**BY_PASSWORD, "account": "my_org-acc_1"}
    assert login.connect_arguments("login", json.dumps(secret))["host"] == "my-org-acc-1.snowflakecomputing.com"
    given = {**secret, "host": "private.example"}
    assert login.connect_arguments("login", json.dumps(given))["host"] == "private.example"


@pytest.mark.parametrize("passphrase", [None, "of the key"])
@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_a_private_key_is_understood(rsa_key: rsa.RSAPrivateKey, line_end: str, passphrase: str | None) -> None:
    secret = {"account": "a", "user": "u", "private_key": pem(rsa_key, passphrase).replace("\n", line_end)}
    if passphrase:
        secret["private_key_passphrase"] = passphrase
    found = login.connect_arguments("login", json.dumps({**secret, "password": "not needed"}))
    assert serialization.load_der_private_key(found.pop("private_key"), None).private_numbers() == (
        rsa_key.private_numbers()
    )
    assert found == {"account": "a", "user": "u"}


def spoilt_keys(key: rsa.RSAPrivateKey) -> dict[str, dict[str, str]]:
    whole = pem(key)
    return {
        "without its lines": {"private_key": "".join(whole.splitlines()[1:-1])},
        "cut short": {"private_key": whole[:400]},
        "locked": {"private_key": pem(key, "right")},
        "with the wrong passphrase": {"private_key": pem(key, "right"), "private_key_passphrase": "wrong"},
        "with a needless passphrase": {"private_key": whole, "private_key_passphrase": "wrong"},
        "of another kind": {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))},
    }


@pytest.mark.parametrize(
    "fault",
    [
        "without its lines",
        "cut short",
        "locked",
        "with the wrong passphrase",
        "with a needless passphrase",
        "of another kind",
    ],
)
def test_a_spoilt_key_is_told_and_never_shown(rsa_key: rsa.RSAPrivateKey, fault: str) -> None:
    secret = {"account": "a", "user": "u", **spoilt_keys(rsa_key)[fault]}
    with pytest.raises(TrainingFailure, match="private_key is no RSA key in PEM form") as caught:
        login.connect_arguments("login", json.dumps(secret))
    assert not [line for line in secret["private_key"].splitlines() if line in str(caught.value)]


@pytest.fixture
def snowflake() -> Iterator[Callable[[int, dict[str, Any]], int]]:
    """A server that answers each log-in with a status and a body; its port."""
    servers = []

    def start(status: int, body: dict[str, Any]) -> int:
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refusal(port: int) -> str:
    secret = {**PLANTED, "host": "127.0.0.1", "port": port, "protocol": "http"}
    opening = login.connection(login.connect_arguments("login", json.dumps(secret)))
    with pytest.raises(TrainingFailure) as caught:
        opening.__enter__()
    told = str(caught.value)
    assert told.startswith("Snowflake refused the login in the secret: ")
    assert not [value for value in (*PLANTED.values(), "127.0.0.1") if value.lower() in told.lower()]
    assert caught.value.__cause__ is None
    return told


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        (
            "390422",
            "Incoming request with IP/Token 198.51.100.7 is not allowed to access Snowflake. Contact PLANTED_USER's "
            "local security administrator.",
            "a network policy must admit the address that the training instances come by",
        ),
        ("390100", "Incorrect username or password was specified.", "mend user and password in the secret"),
        ("390144", "JWT token is invalid. [planted_user]", "ALTER USER ... SET RSA_PUBLIC_KEY"),
        ("390101", "User planted_user is locked", "check the secret, and that a network policy admits"),
    ],
)
def test_a_refused_login_says_what_to_do(
    snowflake: Callable[[int, dict[str, Any]], int], code: str, message: str, hint: str
) -> None:
    told = refusal(snowflake(200, {"success": False, "code": code, "message": message, "data": {}}))
    assert code in told
    assert told.endswith(hint) or hint in told
    if code == "390422":
        assert "198.51.100.7" in told


@pytest.mark.parametrize("status", [403, 404])
def test_a_wrong_account_is_told(
    snowflake: Callable[[int, dict[str, Any]], int], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "LOGIN_TIMEOUT_SECONDS", 1)
    assert "no Snowflake account answers there: mend account, or host" in refusal(snowflake(status, {}))


def test_silence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOGIN_TIMEOUT_SECONDS", 1)
    assert "nobody answers there: mend account, or host" in refusal(1)
