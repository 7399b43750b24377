"""A schema for the reports, and a model with a year behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection

from include.sandbox.process import Sandbox

from .a_year import DATABASE, SCHEMA, Year


@pytest.fixture(scope="package")
def schema(sandbox: Sandbox) -> Iterator[SnowflakeConnection]:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        connection.cursor().execute(f"CREATE DATABASE {DATABASE}")
        connection.cursor().execute(f'CREATE SCHEMA {DATABASE}."{SCHEMA}"')
        yield connection
        os.environ.update(sandbox.env)
        connection.cursor().execute(f"DROP DATABASE {DATABASE}")


@pytest.fixture(scope="package")
def year(schema: SnowflakeConnection) -> Year:
    return Year.of(schema, "Loan % model").add_all()
