"""What a sandbox's state directory says about it: user, password, ports, certificates.

Made at the first start and kept from then on, so that whoever has connected once can connect again.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from include.sandbox import certificates

HOST = "127.0.0.1"
DEFAULT_SNOWFLAKE_PORT = 18443
DEFAULT_AWS_PORT = 18500
ACCOUNT = "sandbox"
DATABASE = "SANDBOX"
SCHEMA = "PUBLIC"
WAREHOUSE = "COMPUTE_WH"
ROLE = "SYSADMIN"
REGION = "us-east-1"


@dataclass(frozen=True)
class Settings:
    """One sandbox. The state directory holds secrets: only its owner can read it."""

    state: Path
    user: str
    password: str
    aws_access_key_id: str
    aws_secret_access_key: str
    snowflake_port: int
    aws_port: int

    @property
    def certificate(self) -> Path:
        """The Snowflake server's certificate."""
        return self.state / "tls" / "server.pem"

    @property
    def key(self) -> Path:
        """The private key of the certificate."""
        return self.state / "tls" / "server-key.pem"

    @property
    def private_key(self) -> Path:
        """The first user's key to log in with, in place of the password."""
        return self.state / "rsa_key.p8"

    @property
    def public_key(self) -> Path:
        """The public half of the first user's key."""
        return self.state / "rsa_key.pub"

    @property
    def trust(self) -> Path:
        """The authorities to trust: the public ones, and the one that signed the certificate."""
        return self.state / "tls" / "trusted.pem"

    def environment(self) -> dict[str, str]:
        """The variables with which unmodified clients find the sandbox."""
        aws_url = f"http://{HOST}:{self.aws_port}"
        return {
            "AIRFLOW_CONN_SNOWFLAKE_DEFAULT": json.dumps(self._snowflake_connection()),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(self._aws_connection(aws_url)),
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws_secret_access_key,
            "REQUESTS_CA_BUNDLE": str(self.trust),
            "SSL_CERT_FILE": str(self.trust),
            "SNOWFLAKE_HOME": str(self.state),
            # The connector asks the metadata services of three clouds where it runs; offline that takes seconds.
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        }

    def connection(self) -> dict[str, str | int]:
        """The arguments of `snowflake.connector.connect`."""
        return {
            "account": ACCOUNT,
            "host": HOST,
            "port": self.snowflake_port,
            "protocol": "https",
            "user": self.user,
            "password": self.password,
            "database": DATABASE,
            "schema": SCHEMA,
            "warehouse": WAREHOUSE,
            "role": ROLE,
        }

    def keypair_connection(self) -> dict[str, str | int]:
        """The arguments of `snowflake.connector.connect` for logging in by key pair."""
        connection = {name: value for name, value in self.connection().items() if name != "password"}
        return {**connection, "authenticator": "SNOWFLAKE_JWT", "private_key_file": str(self.private_key)}

    def _snowflake_connection(self) -> dict[str, object]:
        extra = {"account": ACCOUNT, "host": HOST, "port": self.snowflake_port}
        extra |= {"database": DATABASE, "warehouse": WAREHOUSE, "role": ROLE}
        login = {"login": self.user, "password": self.password}
        return {"conn_type": "snowflake", **login, "schema": SCHEMA, "extra": extra}

    def _aws_connection(self, url: str) -> dict[str, object]:
        login = {"login": self.aws_access_key_id, "password": self.aws_secret_access_key}
        return {"conn_type": "aws", **login, "extra": {"region_name": REGION, "endpoint_url": url}}


def load(state: Path) -> Settings:
    """Read the settings of an existing state directory."""
    state = state.resolve()
    return Settings(state=state, **json.loads((state / "settings.json").read_text()))


def load_or_make(state: Path, snowflake_port: int | None, aws_port: int | None) -> Settings:
    """Read the settings, or make them at the first start. A port of 0 is any free one.

    Without a port the one of the last start is kept, or else the default taken.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)
    file = state / "settings.json"
    known = json.loads(file.read_text()) if file.exists() else _credentials()
    for name, wanted, default in (
        ("snowflake_port", snowflake_port, DEFAULT_SNOWFLAKE_PORT),
        ("aws_port", aws_port, DEFAULT_AWS_PORT),
    ):
        port = known.get(name, default) if wanted is None else wanted
        known[name] = port or known.get(name) or free_port()
    settings = Settings(state=state, **known)
    kept = asdict(settings)
    del kept["state"]
    write_private(file, json.dumps(kept, indent=2))
    certificates.ensure(state / "tls", HOST)
    _ensure_key_pair(settings)
    return settings


def write_clients_files(settings: Settings) -> None:
    """Write `env` (to source in a shell) and `connections.toml` (for Snowflake's clients)."""
    lines = [f"export {name}={_shell_quoted(value)}" for name, value in settings.environment().items()]
    write_private(settings.state / "env", "\n".join(lines) + "\n")
    sections = {"sandbox": settings.connection(), "sandbox_keypair": settings.keypair_connection()}
    lines = []
    for section, connection in sections.items():
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in connection.items()), ""]
    write_private(settings.state / "connections.toml", "\n".join(lines))


def _ensure_key_pair(settings: Settings) -> None:
    """Make the first user's key pair; the public half is written last, so a pair that is there is whole."""
    if settings.private_key.exists() and settings.public_key.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_private(settings.private_key, private.decode())
    write_private(settings.public_key, public.decode())


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read; a reader sees all of it or the one before."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(file)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """True if somebody listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _credentials() -> dict[str, str]:
    return {
        "user": "SANDBOX",
        "password": secrets.token_urlsafe(24),
        "aws_access_key_id": "AKIA" + secrets.token_hex(8).upper(),
        "aws_secret_access_key": secrets.token_urlsafe(30),
    }


def _shell_quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
