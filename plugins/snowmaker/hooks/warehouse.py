"""The hook to Snowflake: connects, runs statements, turns the connector's errors into ours."""

from __future__ import annotations

import socket
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

from snowmaker.exceptions import (
    ConnectionSetupError,
    ServiceUnreachableError,
    SnowmakerError,
    WarehouseError,
)
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snowflake.connector import SnowflakeConnection

    from snowmaker.snowflake.identifiers import QualifiedName

LOCK_SECONDS = 600
"""How long a statement waits for somebody else's transaction. Snowmaker's are short; Snowflake would wait 12 hours."""

_OBJECT_MISSING = 2003
_WRONG_ARGUMENTS = 1044
# Classes of SQLSTATE: what is not found, not supported, not right in the data, not right in the statement, and what a
# function written by people raises.
_FOR_GOOD = {"02", "0A", "22", "42", "P0"}
_LOCK_TIMED_OUT = 625
_LOGIN_REFUSED = {250001, 390100, 390144, 390189, 390201, 390432}
_KEY_BEGINNING = "-----BEGIN"


class WarehouseHook(SnowflakeHook):
    """Snowflake through one connection, for the length of a task.

    Reads the standard Snowflake connection of Airflow. Settings that are known to fail late or unclearly are
    refused before anything is sent.
    """

    @contextmanager
    def session(self) -> Iterator[WarehouseSession]:
        """Open a session; it is closed, and an open transaction rolled back, at the end.

        :raises ConnectionSetupError: if the settings are wrong, or the login is refused
        :raises ServiceUnreachableError: if nobody answers at the address
        """
        with closing(self._connect()) as connection:
            session = WarehouseSession(connection, self.get_conn_id())
            try:
                yield session
            finally:
                session.close_snowpark()

    def _connect(self) -> SnowflakeConnection:
        from snowflake.connector.errors import Error

        conn_id = self.get_conn_id()
        extra = self.get_connection(conn_id).extra_dejson
        check_settings(conn_id, extra)
        self._check_reachable(conn_id, extra)
        self.session_parameters = _session_parameters(self.session_parameters or extra.get("session_parameters") or {})
        try:
            return self.get_conn()
        except Error as error:
            raise connection_error(conn_id, error.errno, error.raw_msg or error.msg or "") from None
        except (ValueError, TypeError) as error:
            # From the library that reads the private key.
            told = " ".join(str(error).split())
            raise ConnectionSetupError(
                f"Airflow connection {conn_id!r}: the private key cannot be read: {told}; mend it, or the connection's "
                f"password if the key is encrypted"
            ) from None

    def _check_reachable(self, conn_id: str, extra: dict[str, Any]) -> None:
        # The connector tries a dead address for minutes; a look first takes a moment.
        if extra.get("proxy_host") or extra.get("authenticator") == "externalbrowser":
            return
        host = extra.get("host") or ".".join(
            part for part in (extra.get("account"), extra.get("region"), "snowflakecomputing.com") if part
        )
        port = int(extra.get("port") or 443)
        try:
            socket.create_connection((host, port), timeout=10).close()
        except OSError as error:
            local = host in ("localhost", "127.0.0.1", "::1")
            remedy = "start the sandbox (make sandbox)" if local else "mend account, host or the network"
            raise ServiceUnreachableError(
                f"Airflow connection {conn_id!r}: nobody answers at {host}:{port} ({error}); {remedy}"
            ) from None


class WarehouseSession:
    """An open session; statements run one after another, each committed by itself unless in a transaction."""

    def __init__(self, connection: SnowflakeConnection, conn_id: str) -> None:
        self.connection = connection
        self.conn_id = conn_id
        # The comments of Snowmaker's own tables, None where there is none; hooks/own_tables.py looks once.
        self.own_tables: dict[QualifiedName, str | None] = {}

    def rows(self, statement: Statement) -> list[dict[str, Any]]:
        """Run a statement and return its rows, keyed by column name."""
        with self._run(statement) as cursor:
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def rows_if_any(self, statement: Statement) -> list[dict[str, Any]]:
        """Run a statement and return its rows; none if the object it asks does not exist."""
        try:
            return self.rows(statement)
        except StatementError as error:
            if error.object_is_missing:
                return []
            raise

    def row(self, statement: Statement) -> dict[str, Any]:
        """Run a statement that gives exactly one row."""
        (row,) = self.rows(statement)
        return row

    def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it changed."""
        with self._run(statement) as cursor:
            return cursor.rowcount or 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it."""
        self.execute(Statement("BEGIN"))
        try:
            yield
        except BaseException:
            with suppress(WarehouseError):  # the first error is the one to tell
                self.execute(Statement("ROLLBACK"))
            raise
        self.execute(Statement("COMMIT"))

    @cached_property
    def snowpark(self) -> Any:
        """A Snowpark session over this connection."""
        from snowflake.snowpark import Session

        return Session.builder.configs({"connection": self.connection}).create()

    def close_snowpark(self) -> None:
        """End the Snowpark session, and the connection with it, if there was one; Snowpark keeps it for ever."""
        if "snowpark" in self.__dict__:
            self.snowpark.close()

    @contextmanager
    def _run(self, statement: Statement) -> Iterator[Any]:
        from snowflake.connector.errors import Error

        try:
            with self.connection.cursor() as cursor:
                # Without values the connector does not undouble percent signs; see snowflake/identifiers.py.
                if statement.values:
                    cursor.execute(statement.text, statement.values)
                else:
                    cursor.execute(statement.text.replace("%%", "%"))
                yield cursor
        except Error as error:
            raise StatementError(self.conn_id, statement, error) from None


class StatementError(WarehouseError):
    """Snowflake refused a statement."""

    def __init__(self, conn_id: str, statement: Statement, error: Any) -> None:
        self.errno: int | None = error.errno
        self.sqlstate = str(getattr(error, "sqlstate", None) or "")
        detail = " ".join(str(error.raw_msg or error.msg or error).split())
        super().__init__(
            f"Airflow connection {conn_id!r}: Snowflake refused a statement ({error.errno}): {detail} "
            f"[{statement.summary}]"
        )

    @property
    def is_for_good(self) -> bool:
        """Whether the statement, or the data it meets, is what is wrong: another try would end alike."""
        return self.sqlstate[:2] in _FOR_GOOD

    @property
    def arguments_are_wrong(self) -> bool:
        """Whether a function was called with arguments that it does not take."""
        return self.errno == _WRONG_ARGUMENTS

    @property
    def object_is_missing(self) -> bool:
        """Whether the table, model or version does not exist, or may not be seen by the role."""
        return self.errno == _OBJECT_MISSING

    @property
    def lock_timed_out(self) -> bool:
        """Whether somebody else's open transaction kept the statement from its rows for too long."""
        return self.errno == _LOCK_TIMED_OUT


def _session_parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Add the session parameters that Snowmaker needs to those that a connection asks for; they go with the login."""
    # A timestamp's day, and so its week, depends on the session's time zone.
    needed = {"TIMEZONE": "UTC", "LOCK_TIMEOUT": LOCK_SECONDS}
    return {name: value for name, value in asked.items() if name.upper() not in needed} | needed


def check_settings(conn_id: str, extra: dict[str, Any]) -> None:
    """Refuse settings that Snowflake would answer with a misleading error.

    :raises ConnectionSetupError: naming the connection, the setting and what to write instead
    """
    account = str(extra.get("account") or "")
    if not account:
        raise ConnectionSetupError(f"Airflow connection {conn_id!r}: account is empty; write e.g. myorg-account")
    if "_" in account and not extra.get("host"):
        raise ConnectionSetupError(
            f"Airflow connection {conn_id!r}: account {account!r} has underscores, which host names cannot have "
            f"(TLS fails); write {account.replace('_', '-')!r}"
        )
    if not isinstance(extra.get("session_parameters") or {}, dict):
        raise ConnectionSetupError(
            f"Airflow connection {conn_id!r}: session_parameters is no JSON object; write e.g. "
            f'{{"QUERY_TAG": "airflow"}}'
        )
    for setting in ("private_key_content", "private_key_file"):
        if extra.get(setting):
            _check_key(conn_id, setting, str(extra[setting]))


def _check_key(conn_id: str, setting: str, value: str) -> None:
    try:
        key = value if setting == "private_key_content" else Path(value).read_text(errors="replace")
    except OSError as error:
        raise ConnectionSetupError(
            f"Airflow connection {conn_id!r}: {setting} {value!r} cannot be read here ({error.strerror}); mend the "
            f"path, or put the file's text into private_key_content"
        ) from None
    if not _looks_like_a_key(key):
        raise ConnectionSetupError(
            f"Airflow connection {conn_id!r}: {setting} has no '{_KEY_BEGINNING} … PRIVATE KEY-----' "
            f"line; it must be the whole PEM file, its BEGIN and END lines included"
        )


def _looks_like_a_key(text: str) -> bool:
    import base64
    import binascii

    if _KEY_BEGINNING in text:
        return "-----END" in text
    try:
        return _KEY_BEGINNING.encode() in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False


def connection_error(conn_id: str, errno: int | None, message: str) -> SnowmakerError:
    """Say what a failed login means and what to do.

    :param errno: the connector's error number
    :param message: the connector's text, without its number
    """
    text = " ".join(message.split())
    where = f"Airflow connection {conn_id!r}"
    if "Incorrect username or password" in text:
        return ConnectionSetupError(f"{where}: Snowflake refused login or password; mend them in the connection")
    if "JWT token is invalid" in text:
        return ConnectionSetupError(
            f"{where}: Snowflake refused the private key; set the user's RSA_PUBLIC_KEY to its public half"
        )
    if "certificate verify failed" in text:
        return ConnectionSetupError(
            f"{where}: the server's certificate is not trusted; point REQUESTS_CA_BUNDLE and SSL_CERT_FILE to a "
            f"bundle with its authority (the sandbox: source .sandbox/env)"
        )
    if "not allowed to access Snowflake" in text or "network policy" in text.lower():
        return ConnectionSetupError(
            f"{where}: a network policy refuses this machine's address; add it to the policy ({text})"
        )
    # The number is that of a refused login, too.
    went_away = "Could not connect to Snowflake backend" in text
    if (errno in _LOGIN_REFUSED and not went_away) or errno == 290404:
        return ConnectionSetupError(f"{where}: Snowflake refused the connection ({errno}): {text}")
    return ServiceUnreachableError(f"{where}: no connection to Snowflake ({errno}): {text}")
