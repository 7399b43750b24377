from __future__ import annotations

import base64
import socket
from unittest.mock import create_autospec

import pytest
from airflow.sdk import Connection

from snowmaker.exceptions import ConnectionSetupError, ServiceUnreachableError
from snowmaker.hooks.warehouse import StatementError, WarehouseHook, WarehouseSession, check_settings, connection_error
from snowmaker.snowflake.statement import Statement

PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, "account is empty"),
        ({"account": "my_org-acc_1"}, "has underscores.*write 'my-org-acc-1'"),
        ({"account": "a", "private_key_content": "MIIEvQIBADANBg"}, "private_key_content has no '-----BEGIN"),
        ({"account": "a", "private_key_content": PEM.replace("END", "")}, "BEGIN and END lines included"),
        (
            {"account": "a", "private_key_file": "/nowhere/key.p8"},
            "'/nowhere/key.p8' cannot be read here .No such file",
        ),
        ({"account": "a", "session_parameters": "QUERY_TAG=MIIE"}, "session_parameters is no JSON object"),
    ],
)
def test_settings_that_fail_late_are_refused_at_once(extra: dict[str, str], message: str) -> None:
    with pytest.raises(ConnectionSetupError, match=message) as error:
        check_settings("snow", extra)
    assert "'snow'" in str(error.value)
    assert "MIIE" not in str(error.value)


@pytest.mark.parametrize("key", [PEM, base64.b64encode(PEM.encode()).decode()])
def test_whole_keys_pass_as_text_and_as_base64(key: str) -> None:
    check_settings("snow", {"account": "my-org", "private_key_content": key})


def test_underscores_matter_only_where_the_account_makes_the_host_name() -> None:
    check_settings("snow", {"account": "my_org", "host": "localhost"})


@pytest.mark.parametrize(
    ("errno", "message", "kind", "told"),
    [
        (250001, "Failed to connect to DB: Incorrect username or password was specified.", ConnectionSetupError,
         "refused login or password"),
        (250001, "JWT token is invalid. [f3c]", ConnectionSetupError, "RSA_PUBLIC_KEY"),
        (250001, "IP 1.2.3.4 is not allowed to access Snowflake.", ConnectionSetupError, "network policy"),
        (290404, "404 Not Found", ConnectionSetupError, "290404"),
        (251012, "connection timed out", ServiceUnreachableError, "no connection"),
        (250001, "Could not connect to Snowflake backend after 2 attempt(s).Aborting", ServiceUnreachableError,
         "no connection"),
    ],
)  # fmt: skip
def test_login_errors_say_what_to_do(errno: int, message: str, kind: type[Exception], told: str) -> None:
    error = connection_error("snow", errno, message)
    assert type(error) is kind
    assert told in str(error)


def test_a_server_that_is_not_running_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connection = Connection(
        conn_id="snow", conn_type="snowflake", login="u", password="secret-word", extra=
        f'{{"account": "local", "host": "127.0.0.1", "port": {port}}}'
    )  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_SNOW", connection.get_uri())
    with (
        pytest.raises(ServiceUnreachableError, match=rf"nobody answers at 127.0.0.1:{port}.*make sandbox") as error,
        WarehouseHook(snowflake_conn_id="snow").session(),
    ):
        pass
    assert "secret-word" not in str(error.value)


def test_percent_signs_reach_the_server_once_with_and_without_values() -> None:
    from snowflake.connector import SnowflakeConnection

    connection = create_autospec(SnowflakeConnection, instance=True)
    cursor = connection.cursor.return_value.__enter__.return_value
    session = WarehouseSession(connection, "snow")
    session.execute(Statement('SELECT "RATE %%"'))
    session.execute(Statement('SELECT "RATE %%" WHERE x = %s', (1,)))
    calls = [call.args for call in cursor.execute.call_args_list]
    assert calls == [('SELECT "RATE %"',), ('SELECT "RATE %%" WHERE x = %s', (1,))]


def test_a_dead_session_is_told_as_such_also_when_it_cannot_roll_back() -> None:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import DatabaseError

    connection = create_autospec(SnowflakeConnection, instance=True)
    session = WarehouseSession(connection, "snow")

    def replace() -> None:
        with session.transaction():
            connection.cursor.side_effect = DatabaseError(msg="Connection is closed", errno=250002)
            session.execute(Statement("DELETE FROM T"))

    with pytest.raises(StatementError, match=r"250002.*Connection is closed.*DELETE FROM T"):
        replace()
