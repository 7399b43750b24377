"""An AWS sandbox of its own for these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import Server, Train


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("aws"))
    yield server
    server.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    server = Server(tmp_path / "state")
    yield server
    server.kill()


@pytest.fixture
def train(server: Server, request: pytest.FixtureRequest) -> Train:
    """Run scripts as training jobs under names of the test's own."""
    return Train(server, request.node.name)
