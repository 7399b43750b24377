"""What every test can ask for: a sandbox of the session's own, and a connection to its Snowflake."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import snowflake.connector

from include.sandbox import process

# Before anything imports Airflow: its home is not the one of whoever runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="snowmaker-tests-")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Sandbox]:
    """A running sandbox on free ports; the clients' environment variables point to it."""
    running = process.start(tmp_path_factory.mktemp("sandbox"))
    before = {name: os.environ.get(name) for name in running.env}
    os.environ.update(running.env)
    yield running
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    running.stop()


@pytest.fixture
def connection(sandbox: process.Sandbox) -> Iterator[snowflake.connector.SnowflakeConnection]:
    """A connection to the sandbox's Snowflake, with its database and schema in use."""
    with snowflake.connector.connect(**sandbox.settings.connection()) as connected:
        yield connected


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """An empty state directory for a sandbox of a test's own."""
    return tmp_path / "state"
