"""Rows on their way through models: order, overlap, faults, and the disk."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from include.sandbox.snowflake.scoring.predictions import Spool, through


def batch(first: int, rows: int = 10) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(range(first, first + rows), pa.int64())})


def test_results_come_in_order_two_at_a_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def work(given: pa.RecordBatch) -> pa.RecordBatch:
        both.wait()
        return given

    given = [batch(i) for i in range(6)]
    assert list(through(given, work, at_once=2, check=lambda: None)) == given


def test_a_fault_ends_it_without_reading_everything() -> None:
    read = []

    def batches() -> object:
        for i in range(100):
            read.append(i)
            yield batch(i)

    def work(given: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(through(batches(), work, at_once=2, check=lambda: None))  # type: ignore[arg-type]
    assert len(read) < 10


def test_a_stopped_statement_stops() -> None:
    def check() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        list(through([batch(0)], lambda b: b, at_once=1, check=check))


@pytest.mark.parametrize("batches", [1, 400])
def test_what_is_written_can_be_read_twice_and_leaves_nothing(tmp_path: Path, batches: int) -> None:
    spool = Spool(batch(0).schema, tmp_path / "spill")
    rows = 20_000
    for i in range(batches):
        spool.write(batch(i * rows, rows))
    with duckdb.connect() as engine:
        engine.register("t", spool.finish())
        found = engine.sql("SELECT COUNT(*) AS c, MIN(a.n) AS l, MAX(b.n) AS h FROM t a JOIN t b USING (n)")
        assert found.to_arrow_table().to_pylist() == [{"c": batches * rows, "l": 0, "h": batches * rows - 1}]
        assert len(list((tmp_path / "spill").glob("*"))) == (1 if batches > 1 else 0)
        engine.unregister("t")
    del spool
    gc.collect()
    assert not list((tmp_path / "spill").glob("*"))
