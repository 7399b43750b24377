"""One Airflow and one AWS sandbox, which all tests here share and kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .deployment import Deployment


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from Deployment.running(tmp_path_factory.mktemp("kills"))
