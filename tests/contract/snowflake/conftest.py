"""Where the contract tests run: in the sandbox, or with `SNOWFLAKE_CONFORMANCE` set, in that account.

The variable names a connection of Snowflake's connections.toml. Either way the tests have a schema of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh


@pytest.fixture(scope="session")
def account(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What to connect with; database and schema are the tests' own."""
    name = os.environ.get("SNOWFLAKE_CONFORMANCE")
    # Only without an account is a sandbox started.
    options = {"connection_name": name} if name else request.getfixturevalue("sandbox").settings.connection()
    schema = fresh("CONTRACT")
    with snowflake.connector.connect(**options) as connection, connection.cursor() as cursor:
        database = connection.database
        cursor.execute(f"CREATE SCHEMA {database}.{schema}")
        yield {**options, "database": database, "schema": schema}
        cursor.execute(f"DROP SCHEMA {database}.{schema} CASCADE")


@pytest.fixture
def connection(account: dict[str, Any]) -> Iterator[SnowflakeConnection]:
    """A connection of the test's own."""
    with snowflake.connector.connect(**account) as connected:
        yield connected


@pytest.fixture
def connect(account: dict[str, Any]) -> Iterator[Callable[[], SnowflakeCursor]]:
    """Open several sessions; all are closed at the end."""
    opened = []

    def open_one() -> SnowflakeCursor:
        opened.append(snowflake.connector.connect(**account))
        return opened[-1].cursor()

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture(scope="module")
def session(account: dict[str, Any]) -> Iterator[Session]:
    """A Snowpark session for a module's tests."""
    session = Session.builder.configs(account).create()
    yield session
    session.close()


@pytest.fixture(scope="module")
def registry(session: Session, account: dict[str, Any]) -> Registry:
    """The model registry in the tests' schema."""
    return Registry(session, database_name=account["database"], schema_name=account["schema"])
