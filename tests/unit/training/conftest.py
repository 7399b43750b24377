"""Stand-ins for Snowflake at the reader's edge: a table in memory, whose rows are shared out to the hosts."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.training.trainer import main, reading
from include.training.trainer.job import Job
from include.training.trainer.statements import Shard, Snapshot

FIRST_WEEK = dt.date(2024, 1, 1)
TIMESTAMP = "2024-03-01T00:00:00+00:00"
WEEK_COLUMN = "WEEK"


def as_read(table: pa.Table, job: Job, chunks: int = 2) -> pa.Table:
    """Give a table the types and the order of columns that a shard has, in several chunks."""
    kinds = {"categorical": pa.dictionary(pa.int32(), pa.string()), "numeric": pa.float64()}
    columns = [_cast(table[feature.name], kinds[feature.kind]) for feature in job.ordered_features]
    label = table[job.label]
    label = label.cast(pa.int64()) if pa.types.is_integer(label.type) else label
    names = [*(feature.name for feature in job.ordered_features), job.label, reading.WEEK]
    shard = pa.table([*columns, label, table[WEEK_COLUMN]], names=names)
    size = max(1, -(-shard.num_rows // chunks))
    return pa.concat_tables([shard.slice(start, size) for start in range(0, max(shard.num_rows, 1), size)])


def _cast(column: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(to):
        return column.cast(pa.string()).dictionary_encode()
    return (column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column).cast(to)


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


def stand_in(
    patch: Callable[[Any, str, Any], None],
    table: pa.Table,
    chunks: int = 2,
    shard_of: Callable[[int], int] | None = None,
) -> None:
    """Put a table in memory in the place of Snowflake's.

    :param shard_of: the rank that reads a row; without it rows are dealt out in turn
    """

    @contextmanager
    def connection(_: Any) -> Iterator[None]:
        yield None

    def read_shard(_: Any, job: Job, __: Snapshot, shard: Shard) -> pa.Table:
        ranks = np.array([shard_of(row) if shard_of else row % shard.count for row in range(table.num_rows)])
        return as_read(table.filter(pa.array(ranks == shard.rank)), job, chunks)

    patch(reading, "read_secret", lambda _: {})
    patch(reading, "connection", connection)
    patch(reading, "take_snapshot", lambda *_: Snapshot(TIMESTAMP, table.num_rows, by_key=False))
    patch(reading, "read_shard", read_shard)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the training entry point over a table in memory; return the model directory.

    A failure is raised with the text that lies in output/failure.
    """

    def run(
        rows: dict[str, Any] | pa.Table, *arguments: str, name: str = "run", chunks: int = 2, **changes: Any
    ) -> Path:
        root = tmp_path / name
        (root / "code").mkdir(parents=True, exist_ok=True)
        (root / "code" / "job.json").write_text(json.dumps(make_job(**changes)))
        monkeypatch.setenv("SM_MODEL_DIR", str(root / "model"))
        monkeypatch.setenv("SM_OUTPUT_DIR", str(root / "output"))
        monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(root / "output" / "data"))
        monkeypatch.setattr(main, "SOURCE_DIR", root / "code")
        stand_in(monkeypatch.setattr, rows if isinstance(rows, pa.Table) else pa.table(rows), chunks)
        given = list(arguments)
        if changes.get("estimator") != "linear":
            # One thread: several would wait for each other where other tests run.
            given = [*(given or ["--num_boost_round", "20", "--max_depth", "3"]), "--nthread", "1"]
        code = main.main(given)
        failure = root / "output" / "failure"
        if failure.exists():
            assert code == 1
            raise AssertionError(failure.read_text())
        assert code == 0
        return root / "model"

    return run
