"""An AWS sandbox of its own for these tests; an operator that trains there, and the tries of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from snowmaker.operators.sagemaker import SageMakerTrainOperator

from .operator_scripts import Store, connection_to
from .support import BUCKET, Server, Train, log_lines, wait_until


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


@pytest.fixture
def aws_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_to(server.url))


@pytest.fixture
def operator(server: Server, aws_connection: None, tmp_path: Path) -> Callable[..., SageMakerTrainOperator]:
    """Make the operator of one task; its code is ``script``."""

    def make(script: str, **changes: Any) -> SageMakerTrainOperator:
        (tmp_path / "train.py").write_text(script)
        return SageMakerTrainOperator(
            **{
                "task_id": "train",
                "source_dir": str(tmp_path),
                "table": '"D"."S"."T"',
                "features": [{"name": "INCOME", "kind": "numeric"}],
                "label": "ACCEPTED",
                "week_column": "WEEK",
                "holdout_from": "2024-02-05",
                "secret_id": "snowflake",
                "role_arn": server.role,
                "artefacts_uri": f"s3://{BUCKET}/training",
                "image_uri": "image",
                "max_runtime_seconds": 60,
                "poll_interval": 0.5,
                "deferrable": False,
                **changes,
            }
        )

    return make


@pytest.fixture
def store() -> Store:
    """What Airflow keeps about the task over its tries."""
    return Store()


@pytest.fixture
def new_try(request: pytest.FixtureRequest, store: Store) -> Callable[[], dict[str, Any]]:
    """Make the context of the task's next try, in a run of this test's own."""
    numbers = count(1)

    def make() -> dict[str, Any]:
        number, xcoms = next(numbers), {}
        ti = SimpleNamespace(
            dag_id="retrain_loans",
            run_id=request.node.name,
            task_id="train",
            map_index=-1,
            id=f"{request.node.name} {number}",
            xcoms=xcoms,
            xcom_push=lambda key, value: xcoms.update({key: value}),
        )
        return {"ti": ti, "task_state_store": store}

    return make


@pytest.fixture
def context(new_try: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The context of the task's first try."""
    return new_try()


@pytest.fixture
def jobs(server: Server) -> Callable[[], list[str]]:
    """Tell the names of the jobs made since the test began, oldest first."""
    sagemaker = server.client("sagemaker")

    def names() -> list[str]:
        summaries = sagemaker.get_paginator("list_training_jobs").paginate().build_full_result()
        return [summary["TrainingJobName"] for summary in summaries["TrainingJobSummaries"]]

    before = set(names())
    return lambda: [name for name in names() if name not in before]


@pytest.fixture
def started_job(server: Server, jobs: Callable[[], list[str]]) -> Callable[[], str]:
    """Wait for the test's only job to have written its first line; return its name."""

    def wait() -> str:
        (name,) = wait_until(jobs)
        wait_until(lambda: "started" in log_lines(server, name))
        return name

    return wait
