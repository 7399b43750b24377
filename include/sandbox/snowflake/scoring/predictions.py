"""Rows on their way through models: read in batches, predicted a batch at once, kept on disk when they are many."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

_IN_MEMORY = 32 * 2**20


class Spool:
    """Batches of rows that are written once and read any number of times; the engine reads it like a table."""

    def __init__(self, schema: pa.Schema, folder: Path) -> None:
        self.schema = schema
        self._folder = folder
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: Path | None = None
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        if self._writer is not None:
            self._writer.write_batch(batch)
            return
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > _IN_MEMORY:
            self._to_disk()

    def _to_disk(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".arrow", dir=self._folder)
        os.close(handle)
        self._file = Path(name)
        weakref.finalize(self, self._file.unlink, missing_ok=True)  # when the statement has forgotten its tables
        self._writer = pa.ipc.new_stream(name, self.schema)
        for batch in self._batches:
            self._writer.write_batch(batch)
        self._batches.clear()

    def finish(self) -> Spool:
        """No more rows come."""
        if self._writer is not None:
            self._writer.close()
        return self

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Let the engine read the rows, from the first one each time."""
        reader = pa.RecordBatchReader.from_batches(self.schema, self._read())
        return reader.__arrow_c_stream__(requested_schema)

    def _read(self) -> Iterator[pa.RecordBatch]:
        yield from self._batches
        if self._file is not None:
            with pa.OSFile(str(self._file)) as file, pa.ipc.open_stream(file) as reader:
                yield from reader


def through(
    batches: Iterable[pa.RecordBatch],
    work: Callable[[pa.RecordBatch], pa.RecordBatch],
    *,
    at_once: int,
    check: Callable[[], None],
) -> Iterator[pa.RecordBatch]:
    """Each batch's result, in order; the next ones are read and worked on meanwhile, `at_once` at a time.

    `check` is asked between batches whether to go on: it raises where the statement has been stopped.
    """
    pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="predict")
    running: deque[Future[pa.RecordBatch]] = deque()
    try:
        for batch in batches:
            check()
            running.append(pool.submit(work, batch))
            if len(running) > at_once:
                yield running.popleft().result()
        while running:
            check()
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
