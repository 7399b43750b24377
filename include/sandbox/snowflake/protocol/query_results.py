"""The results of earlier statements, for RESULT_SCAN and for clients that ask later or again.

Big ones that are not the newest lie in files; what is too old or too much is forgotten.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from include.sandbox.snowflake.results import Result

_DAY = 86_400.0
_SMALL = 16 * 1024  # bytes of a result that is not worth a file


@dataclass
class _Kept:
    result: Result
    since: float
    bytes: int
    file: Path | None = None


class ResultStore:
    """Results by query id, those of the whole account."""

    def __init__(self, folder: Path, *, memory: int = 64 << 20, disk: int = 2 << 30, number: int = 2_000) -> None:
        self._folder = folder
        self._limits = {"memory": memory, "disk": disk}
        self._number = number
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._used = {"memory": 0, "disk": 0}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def put(self, result: Result) -> None:
        """Keep a result; older ones may go to files or be forgotten for it."""
        with self._lock:
            self._forget(result.query_id)
            kept = _Kept(result, time.monotonic(), result.table.nbytes)
            self._kept[result.query_id] = kept
            self._used["memory"] += kept.bytes
            self._spill(newest=result.query_id)
            while len(self._kept) > self._number or self._used["disk"] > self._limits["disk"] or self._is_stale():
                self._forget(next(iter(self._kept)))

    def get(self, query_id: str) -> Result | None:
        """A statement's result, if it is still known."""
        with self._lock:
            kept = self._kept.get(query_id)
            if kept is None or kept.file is None:
                return kept.result if kept else None
            with pa.memory_map(str(kept.file)) as source:
                return replace(kept.result, table=pa.ipc.open_file(source).read_all())

    def _spill(self, newest: str) -> None:
        for query_id, kept in self._kept.items():
            if self._used["memory"] <= self._limits["memory"]:
                return
            if kept.file is None and kept.bytes > _SMALL and query_id != newest:
                file = self._folder / f"{query_id}.arrow"
                with pa.ipc.new_file(file, kept.result.table.schema) as writer:
                    writer.write_table(kept.result.table)
                kept.result = replace(kept.result, table=kept.result.table.slice(0, 0))
                kept.file = file
                self._used["memory"] -= kept.bytes
                self._used["disk"] += kept.bytes

    def _is_stale(self) -> bool:
        return next(iter(self._kept.values())).since < time.monotonic() - _DAY

    def _forget(self, query_id: str) -> None:
        if kept := self._kept.pop(query_id, None):
            self._used["disk" if kept.file else "memory"] -= kept.bytes
            if kept.file:
                kept.file.unlink(missing_ok=True)
