"""A stand-in for the connection to Snowflake, at its edge: a table in memory, given as Arrow batches."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.training.trainer import main, reading

Described = namedtuple("Described", "name")
FIRST_WEEK = dt.date(2024, 1, 1)


class FakeCursor:
    """Answers the three statements of a training job from a table in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._answer = table

    def __enter__(self) -> FakeCursor:
        return self

    def __exit__(self, *_: object) -> None:
        return

    @property
    def description(self) -> list[Described]:
        return [Described(name) for name in self._table.column_names]

    def execute(self, statement: str) -> None:
        columns = re.findall(r'(?:CAST\()?"((?:[^"]|"")+)"(?: AS \w+\))? AS C\d+', statement)
        if columns:
            label, week = columns[-2:]
            valid = pa.compute.and_(self._table[label].is_valid(), self._table[week].is_valid())
            self._answer = self._table.filter(valid).select(columns)

    def fetchone(self) -> tuple[int]:
        return (self._table.num_rows,)

    def fetch_arrow_batches(self) -> Iterator[pa.Table]:
        """Two batches, as the real one gives a big result in several."""
        half = self._answer.num_rows // 2
        return iter([self._answer.slice(0, half), self._answer.slice(half)])


class FakeConnection:
    """A connection that knows one table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def cursor(self) -> FakeCursor:
        return FakeCursor(self._table)

    def close(self) -> None:
        return


def make_table(rows: int = 600, weeks: int = 6, seed: int = 0) -> dict[str, Any]:
    """Columns of a made-up table whose label follows from INCOME and COUNTY."""
    rng = np.random.default_rng(seed)
    income = rng.normal(50, 10, rows).round(2)
    county = rng.choice(["St. Mary's", "a/b", "c-d"], rows)
    accepted = (income + 10 * (county == "a/b") + rng.normal(0, 2, rows) > 53).astype(int)
    week = [FIRST_WEEK + dt.timedelta(weeks=i * weeks // rows) for i in range(rows)]
    return {
        "WEEK": pa.array(week, pa.date32()),
        "COUNTY": pa.array([None if i % 50 == 0 else text for i, text in enumerate(county)], pa.string()),
        "INCOME": pa.array([None if i % 40 == 0 else number for i, number in enumerate(income)], pa.float64()),
        "MEMBER": pa.array([bool(i % 3) for i in range(rows)]),
        "ACCEPTED": pa.array(accepted, pa.int8()),
    }


def make_job(**changes: Any) -> dict[str, Any]:
    """The content of job.json for the made-up table."""
    return {
        "secret_id": "login",
        "table": '"D"."S"."T"',
        "week_column": "WEEK",
        "features": [
            {"name": "INCOME", "kind": "numeric"},
            {"name": "COUNTY", "kind": "categorical"},
            {"name": "MEMBER", "kind": "numeric"},
        ],
        "label": "ACCEPTED",
        "task": "binary_classification",
        "holdout_from": "2024-02-05",
        "seed": 7,
        "recency_half_life_weeks": 2.0,
        "code_commit": "0123abc",
        **changes,
    }


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the training entry point over a table in memory; return the model directory.

    A failure is raised with the text that lies in output/failure.
    """

    def run(rows: dict[str, Any] | pa.Table, *arguments: str, name: str = "run", **changes: Any) -> Path:
        root = tmp_path / name
        (root / "code").mkdir(parents=True)
        (root / "code" / "job.json").write_text(json.dumps(make_job(**changes)))
        monkeypatch.setenv("SM_MODEL_DIR", str(root / "model"))
        monkeypatch.setenv("SM_OUTPUT_DIR", str(root / "output"))
        monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(root / "output" / "data"))
        monkeypatch.setattr(main, "SOURCE_DIR", root / "code")
        monkeypatch.setattr(reading, "read_secret", lambda _: {"account": "a", "user": "u", "password": "p"})
        monkeypatch.setattr(
            "snowflake.connector.connect",
            lambda **_: FakeConnection(rows if isinstance(rows, pa.Table) else pa.table(rows)),
        )
        code = main.main(arguments or ("--num_boost_round", "20", "--max_depth", "3"))
        failure = root / "output" / "failure"
        if failure.exists():
            assert code == 1
            raise AssertionError(failure.read_text())
        assert code == 0
        return root / "model"

    return run
