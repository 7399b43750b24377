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
# Before anything imports XGBoost: its threads spin at barriers, which on busy cores takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Folders whose tests share an Airflow that takes long to get ready: one process runs all of a folder's.
ONE_PROCESS = ("tests/e2e/demo", "tests/e2e/kills")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and begin with the ones that take longest."""
    root = Path(__file__).parents[1]
    for item in items:
        folder = item.path.parent.relative_to(root).as_posix()
        group = folder if folder in ONE_PROCESS else item.path.relative_to(root).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: "e2e" not in item.path.parts)


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
