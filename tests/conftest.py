"""What every test can ask for: a sandbox of the session's own, and a connection to its Snowflake."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from xdist.scheduler import LoadFileScheduling

from include.sandbox import process

# Before anything imports Airflow: its home is not the one of whoever runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="snowmaker-tests-")
# Before anything imports XGBoost: its threads spin at barriers, which on busy cores takes many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Each of its tests needs an Airflow, and two of those at once are more than two cores bear.
END_TO_END = "tests/e2e"


class ByFile(LoadFileScheduling):
    """Keeps a file's tests in one process, and all end-to-end tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return END_TO_END if file.startswith(f"{END_TO_END}/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(END_TO_END))


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
