"""How fast a training job reads its rows from Snowflake, by one host and by two, and the memory it takes.

Compared with `pandas.read_sql` of the same rows in the same run: the sandbox is faster or slower with the machine.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from bench.figure import Figure

_ROWS = 1_000_000
_NUMBERS = [f"F{i}" for i in range(8)] + [f"I{i}" for i in range(8)]
_CATEGORIES = ["CITY", "PLAN"]
_COLUMNS = [*_CATEGORIES, *_NUMBERS, "LABEL", "WEEK"]
_TABLE = '"SANDBOX"."PUBLIC"."ROWS"'
_RUNS = 3
_FILL = f"""
CREATE TABLE {_TABLE} AS SELECT
  ['Bern', 'Oslo', 'Rome'][MOD(SEQ4(), 3)]::VARCHAR AS CITY, 'plan ' || MOD(SEQ4(), 50) AS PLAN,
  {", ".join(f"UNIFORM(0::FLOAT, 1::FLOAT, RANDOM({i})) AS F{i}" for i in range(8))},
  {", ".join(f"UNIFORM(0, 1000, RANDOM({i + 8})) AS I{i}" for i in range(8))},
  MOD(SEQ4(), 2) AS LABEL, DATEADD('day', 7 * MOD(SEQ4(), 20), '2024-01-01'::DATE) AS WEEK, SEQ4() AS ID
FROM TABLE(GENERATOR(ROWCOUNT => {_ROWS}))
"""


@dataclass(frozen=True)
class _Read:
    """One process's reading; times of the machine's clock, sizes in MB."""

    rows: int
    started: float
    ended: float
    data: float
    grown: float


def measure() -> Iterator[Figure]:
    """Read in a sandbox of its own."""
    from include.sandbox import process

    with tempfile.TemporaryDirectory() as folder:
        sandbox = process.start(Path(folder) / "sandbox", only="snowflake")
        try:
            os.environ.update(sandbox.env)
            yield from _figures(sandbox.settings.connection())
        finally:
            sandbox.stop()


def _figures(login: dict[str, Any]) -> Iterator[Figure]:
    import snowflake.connector

    with snowflake.connector.connect(**login) as connection:
        connection.cursor().execute(_FILL)
    by_pandas, alone, shared, keyless = [], [], [], []
    for _ in range(_RUNS):
        by_pandas.append(_run(login, hosts=1, key=None))
        alone.append(_run(login, hosts=1, key=("ID",)))
        shared.append(_run(login, hosts=2, key=("ID",)))
        keyless.append(_run(login, hosts=1, key=()))
    base = _speed(by_pandas)
    yield Figure("pandas.read_sql 1M x 20", base, "rows/s")
    yield Figure("a host of one reads", _speed(alone), "rows/s")
    yield Figure("times read_sql", _speed(alone) / base, "", bound=5, at_least=True)
    yield Figure("two hosts read", _speed(shared), "rows/s")
    yield Figure("times read_sql", _speed(shared) / base, "", bound=5, at_least=True)
    # Ordered by a hash of the row, which the sandbox computes slowly.
    yield Figure("without a key, times read_sql", _speed(keyless) / base, "")
    grown = statistics.median(run[0].grown for run in alone)
    yield Figure("data of a host of one", alone[0][0].data, "MB")
    yield Figure("peak memory for it", grown, "MB")
    yield Figure("beyond the data", grown - alone[0][0].data, "MB", bound=200)


def _speed(runs: list[list[_Read]]) -> float:
    return statistics.median(
        sum(read.rows for read in run) / (max(read.ended for read in run) - min(read.started for read in run))
        for run in runs
    )


def _run(login: dict[str, Any], hosts: int, key: tuple[str, ...] | None) -> list[_Read]:
    """Read in fresh processes that begin together; without a key but None, by pandas."""
    context = get_context("spawn")
    barrier = context.Barrier(hosts)
    with ProcessPoolExecutor(hosts, mp_context=context, initializer=_meet_at, initargs=(barrier,)) as pool:
        futures = [pool.submit(_read, login, key, rank, hosts) for rank in range(hosts)]
        return [future.result() for future in futures]


def _meet_at(barrier: Barrier) -> None:
    global _meeting  # noqa: PLW0603
    _meeting = barrier


def _read(login: dict[str, Any], key: tuple[str, ...] | None, rank: int, hosts: int) -> _Read:
    import pandas as pd
    import snowflake.connector

    from include.training.trainer.reading import Shard, read_shard, take_snapshot

    job = _job(key or ())
    with snowflake.connector.connect(**login) as connection:
        snapshot = take_snapshot(connection, job)
        read_shard(connection, job, snapshot, Shard(0, 1000))  # all is imported then
        before = _memory("VmRSS")
        _meeting.wait()
        started = time.perf_counter()
        if key is None:
            frame = pd.read_sql(f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE}", connection)
            rows, size = len(frame), frame.memory_usage().sum()
        else:
            table = read_shard(connection, job, snapshot, Shard(rank, hosts))
            rows, size = len(table), table.nbytes
        ended = time.perf_counter()
    return _Read(rows, started, ended, size / 1e6, _memory("VmHWM") - before)


def _job(key: tuple[str, ...]) -> Any:
    from include.training.trainer.job import Feature, Job

    features = [Feature(name, "categorical") for name in _CATEGORIES] + [Feature(name, "numeric") for name in _NUMBERS]
    return Job(
        secret_id="",
        table=_TABLE,
        week_column="WEEK",
        features=tuple(features),
        label="LABEL",
        task="binary_classification",
        holdout_from=dt.date(2024, 5, 1),
        seed=0,
        key=key,
    )


def _memory(kind: str) -> float:
    """The process's resident memory in MB: now, or at its highest."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind)]
    return int(line.split()[1]) * 1024 / 1e6
