"""An AWS sandbox of its own for these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .support import Server, training_request, upload_script, wait_for_end


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
def train(server: Server, request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """Run a script as a training job under a name of the test's own; return the ended job's description."""

    def run(script: str, **changes: Any) -> dict[str, Any]:
        name = changes.pop("name", request.node.name.replace("_", "-")[:63])
        source = upload_script(server, name, script)
        server.client("sagemaker").create_training_job(**training_request(server, name, source, **changes))
        return wait_for_end(server, name)

    return run
