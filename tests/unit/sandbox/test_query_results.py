from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from include.sandbox.snowflake.protocol.query_results import ResultStore
from include.sandbox.snowflake.results import Result

ROWS = 10_000  # of eight bytes


def result(number: int) -> Result:
    return Result(pa.table({"n": [number] * ROWS}), ["BIGINT"], query_id=str(number))


def test_older_results_go_to_files_and_come_back(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results", memory=200_000)
    for number in range(5):
        store.put(result(number))
    assert len(list((tmp_path / "results").iterdir())) == 3
    for number in range(5):
        found = store.get(str(number))
        assert found
        assert found.table.equals(result(number).table)
        assert found.types == ["BIGINT"]


def test_what_is_too_much_is_forgotten_oldest_first(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results", memory=0, disk=250_000)
    for number in range(8):
        store.put(result(number))
    assert [number for number in range(8) if store.get(str(number))] == [4, 5, 6, 7]
    assert len(list((tmp_path / "results").iterdir())) == 3
    few = ResultStore(tmp_path / "results", number=2)
    for number in range(4):
        few.put(result(number))
    assert [number for number in range(4) if few.get(str(number))] == [2, 3]


def test_a_new_start_begins_with_nothing(tmp_path: Path) -> None:
    ResultStore(tmp_path / "results", memory=0).put(result(1))
    again = ResultStore(tmp_path / "results")
    assert again.get("1") is None
    assert list((tmp_path / "results").iterdir()) == []
