"""One finished demo, and an Airflow and a sandbox on what it left: dear, so all tests here share them.

``SNOWMAKER_E2E_FOLDER`` names a folder in which a demo has run (its ``sandbox`` and ``airflow``): a copy of it
is continued in half a minute, which makes work on these tests bearable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from running_demo import RunningDemo

from demo.decisions import Decisions, write_bundle
from demo.deployment import Deployment, PersonsApi
from include.demo.environment import Environment
from include.demo.local_airflow import LocalAirflow
from include.demo.processes import ProcessGroup
from include.sandbox.settings import free_port


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    if kept := os.environ.get("SNOWMAKER_E2E_FOLDER"):
        # A bundle is written anew.
        shutil.copytree(kept, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("bundle"))
    return folder


@pytest.fixture(scope="package")
def first_run(folder: Path) -> RunningDemo:
    """The demo from an empty folder to its end."""
    demo = RunningDemo(folder).start("--once", "--rows", "1000")
    demo.wait(540)
    return demo


@pytest.fixture(scope="package")
def second_run(first_run: RunningDemo) -> RunningDemo:
    """The demo run again where it ran before."""
    demo = RunningDemo(first_run.folder).start("--once", "--rows", "1000")
    demo.wait(180)
    return demo


@pytest.fixture(scope="package")
def deployment(second_run: RunningDemo) -> Iterator[Deployment]:
    """Airflow and the sandbox, up on what the demo left."""
    processes = ProcessGroup()
    with ExitStack() as stack:
        environment = Environment.start(second_run.state, any_port=True)
        stack.callback(environment.stop)
        # Silence is heard within a second.
        variables = {"AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1", **environment.airflow_variables()}
        bundle = write_bundle(second_run.folder / "bundle")
        airflow = LocalAirflow(second_run.home, free_port(), variables, bundle)
        stack.callback(processes.stop)
        airflow.start(processes)
        api = PersonsApi(airflow.url)
        api.wait_until_healthy(processes, 120)
        api.wait_for_dags({"score_mortgage", "retrain_mortgage"}, 90)
        yield Deployment(environment, airflow, api)


@pytest.fixture(scope="package")
def decisions(deployment: Deployment) -> Decisions:
    """A model whose versions people decide of."""
    return Decisions.begin(deployment)
