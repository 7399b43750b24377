"""How long a promotion takes, and a rollback, with the connection to Snowflake; the clients' imports apart."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.figure import Figure
from include.sandbox import process

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

MODEL = "SANDBOX.PUBLIC.PROMOTED"
_VERSIONS = 12


def measure() -> Iterator[Figure]:
    """Promote version after version, then roll back one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = process.start(Path(folder) / "sandbox", only="snowflake")
        os.environ.update(sandbox.env)
        try:
            yield from _measure(sandbox)
        finally:
            sandbox.stop()


def _measure(sandbox: process.Sandbox) -> Iterator[Figure]:
    from snowmaker.operators.promotion import PromoteModelOperator
    from snowmaker.operators.rollback import RollbackModelOperator

    versions = _make_versions(sandbox)
    seconds = []
    for champion, challenger in zip([None, *versions], versions, strict=False):
        verdict = {"challenger": challenger, "champion": champion, "rows": 0, "rules": [], "metrics": {}}
        promote = PromoteModelOperator(
            task_id="promote", model_name=MODEL, verdict=verdict, week="2026-01-05", reason="benchmark"
        )
        seconds.append(_run(promote, f"promotion of {challenger}"))
    # The first one makes the tables.
    yield Figure("first promotion of a model", seconds[0], "s", bound=2)
    yield Figure("promotion", statistics.median(seconds[1:]), "s", bound=2)
    seconds = []
    for number in range(len(versions) // 2):
        back = RollbackModelOperator(task_id="roll_back", model_name=MODEL, week="2026-01-12", reason="benchmark")
        seconds.append(_run(back, f"rollback {number}"))
    yield Figure("rollback", statistics.median(seconds), "s", bound=2)


def _make_versions(sandbox: process.Sandbox) -> list[str]:
    """Log a small model, and make copies of its version."""
    from sklearn.linear_model import LogisticRegression
    from snowflake.ml.registry import Registry
    from snowflake.snowpark import Session

    rows = pd.DataFrame({"A": [0.0, 1.0], "B": [1.0, 0.0]})
    session = Session.builder.configs(sandbox.settings.connection()).create()
    versions = [f"V{number}" for number in range(_VERSIONS)]
    Registry(session).log_model(
        LogisticRegression().fit(rows, [0, 1]),
        model_name=MODEL.split(".")[-1],
        version_name=versions[0],
        sample_input_data=rows,
    )
    for version in versions[1:]:
        session.sql(f"ALTER MODEL {MODEL} ADD VERSION {version} FROM MODEL {MODEL} VERSION V0").collect()
    session.close()
    return versions


def _run(task: BaseOperator, run_id: str) -> float:
    """Run an operator as a task of a run, and return its seconds."""
    moment = datetime(2026, 1, 19, tzinfo=UTC)
    run = SimpleNamespace(
        dag_id="bench", run_id=run_id, run_type="manual", run_after=moment, data_interval_end=None, conf={}
    )
    context: Any = {"dag_run": run, "ti": SimpleNamespace(id=run_id), "triggering_asset_events": {}}
    started = time.perf_counter()
    task.execute(context)
    return time.perf_counter() - started
