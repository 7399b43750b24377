"""How long the sandbox's Snowflake takes to start and to answer, and what it keeps of 10,000 statements."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import snowflake.connector
from snowflake.connector import SnowflakeConnection

from bench.figure import Figure
from include.sandbox import process

STARTS = 5
TRIVIAL = 300
FEW, MANY = 1_000, 10_000


def measure() -> Iterator[Figure]:
    """Start it several times on one state, then let one run a load of many statements."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        process.start(state, only="snowflake").stop()
        seconds = []
        for _ in range(STARTS):
            started = time.perf_counter()
            running = process.start(state, only="snowflake")
            seconds.append(time.perf_counter() - started)
            running.stop()
        yield Figure("start to ready (median, warm)", statistics.median(seconds), "s", bound=3)
        yield from _answers(state)


def _answers(state: Path) -> Iterator[Figure]:
    running = process.start(state, only="snowflake")
    os.environ["REQUESTS_CA_BUNDLE"] = running.env["REQUESTS_CA_BUNDLE"]
    try:
        with snowflake.connector.connect(**running.settings.connection()) as connection:
            yield Figure("trivial statement (median)", _trivial(connection), "ms", bound=10)
            few = _load(connection, state, FEW)
            many = _load(connection, state, MANY - FEW)
            for what, unit, before, after in zip(("memory", "disk"), ("MiB", "MiB"), few, many, strict=True):
                yield Figure(f"{what} after {FEW:,} statements", before, unit)
                yield Figure(f"{what} after {MANY:,} statements", after, unit)
                # What is kept within bounds (history, results, the engine's own) may fill up to them.
                yield Figure(f"{what} for {MANY - FEW:,} more", after - before, unit, bound=150)
            yield Figure(f"trivial statement after {MANY:,}", _trivial(connection), "ms", bound=10)
    finally:
        running.stop()


def _trivial(connection: SnowflakeConnection) -> float:
    """The median of a trivial statement's times, in milliseconds."""
    cursor, seconds = connection.cursor(), []
    for _ in range(TRIVIAL):
        started = time.perf_counter()
        cursor.execute("SELECT 1").fetchall()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


def _load(connection: SnowflakeConnection, state: Path, statements: int) -> tuple[float, float]:
    """Run so many statements, and say what memory and disk the server has then, in MiB."""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS kept (n INT, v VARCHAR)")
    for number in range(statements // 10):
        cursor.execute(
            f"CREATE TEMPORARY TABLE scratch_{number} AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 1000))"
        )
        cursor.execute(f"INSERT INTO scratch_{number} VALUES (1), (2)")
        cursor.execute(f"SELECT * FROM scratch_{number}").fetchall()
        cursor.execute(f"DROP TABLE scratch_{number}")
        cursor.execute("INSERT INTO kept VALUES (%s, %s)", (number, "x" * 100))
        cursor.execute("UPDATE kept SET v = 'y' WHERE n = %s", (number,))
        cursor.execute("DELETE FROM kept WHERE n = %s", (number,))
        cursor.execute("SHOW TABLES LIKE 'KEPT'").fetchall()
        cursor.execute("CREATE OR REPLACE TABLE replaced AS SELECT * FROM kept")
        cursor.execute("SELECT COUNT(*) FROM TABLE(RESULT_SCAN(LAST_QUERY_ID(-2)))").fetchall()
    return _memory(state), _disk(state)


def _memory(state: Path) -> float:
    """The resident memory of the server, whose process is the second in the file `ready`."""
    pid = (state / "ready").read_text().split()[1]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _disk(state: Path) -> float:
    return sum(file.stat().st_size for file in state.rglob("*") if file.is_file()) / 2**20
