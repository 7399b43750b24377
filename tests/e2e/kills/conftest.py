"""One Airflow and one sandbox, which all tests here share and kill."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.demo.environment import Environment
from include.sandbox import process

from . import bundle, loop
from .deployment import Deployment
from .loop import Loop


@pytest.fixture(scope="package")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The sandbox, and this process's clients pointed to it."""
    environment = Environment(process.start(tmp_path_factory.mktemp("kills") / "sandbox"))
    yield environment
    environment.stop()


@pytest.fixture(scope="package")
def deployment(environment: Environment) -> Iterator[Deployment]:
    folder = environment.sandbox.settings.state.parent
    # The sandbox's own role, for those that were made are gone when it starts again.
    variables = {**environment.airflow_variables(), "AIRFLOW__SNOWMAKER__SAGEMAKER_ROLE_ARN": bundle.ROLE_ARN}
    created = Deployment(folder, environment.sandbox, bundle.DAGS, variables)
    loop.write(created.airflow.bundle)
    with created.up(bundle.DAG_IDS) as running:
        yield running


@pytest.fixture(scope="package")
def weekly_loop(deployment: Deployment, environment: Environment) -> Loop:
    deployment.api.wait_for_dags({loop.SCORE, loop.RETRAIN, loop.ROLL_BACK}, 60)
    return Loop(deployment, environment)
