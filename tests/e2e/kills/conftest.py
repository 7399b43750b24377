"""One Airflow and one AWS sandbox, which all tests here share and kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.sandbox import process

from . import bundle
from .deployment import Deployment


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("kills")
    with Deployment(folder, process.start(folder / "sandbox", only="aws"), bundle.DAGS).up(bundle.DAG_IDS) as running:
        yield running
