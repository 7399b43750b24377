"""How long a frame takes to a table and back."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from bench.figure import Figure

_ROWS = 1_000_000
_RUNS = 5


def frame(rows: int) -> pd.DataFrame:
    """Rows of two text columns, four of whole numbers, four of floats and a timestamp."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "CITY": rng.choice(["Bern", "Oslo", "Rome"], rows),
            "PLAN": rng.choice(["basic", "extra"], rows),
            **{f"I{i}": rng.integers(0, 1_000_000, rows) for i in range(4)},
            **{f"F{i}": rng.normal(0, 1, rows) for i in range(4)},
            "AT": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10_000_000, rows), unit="s"),
        }
    )


def measure() -> Iterator[Figure]:
    """Write and read in a sandbox of its own."""
    from include.sandbox import process

    with tempfile.TemporaryDirectory() as folder:
        sandbox = process.start(Path(folder) / "sandbox", only="snowflake")
        try:
            os.environ["REQUESTS_CA_BUNDLE"] = sandbox.env["REQUESTS_CA_BUNDLE"]
            yield from _figures(sandbox.settings.connection(), frame(_ROWS))
        finally:
            sandbox.stop()


def _figures(options: dict[str, object], made: pd.DataFrame) -> Iterator[Figure]:
    from snowflake.connector.pandas_tools import write_pandas
    from snowflake.snowpark import Session

    session = Session.builder.configs(options).create()
    connection = session.connection

    def write(compression: str) -> None:
        write_pandas(
            connection, made, "FRAME", auto_create_table=True, overwrite=True, use_logical_type=True,
            compression=compression,
        )  # fmt: skip

    def read() -> None:
        if len(session.table("FRAME").to_pandas()) != _ROWS:
            raise RuntimeError("the frame read is not the frame written")

    yield Figure("write_pandas 1M x 11, snappy", _median(lambda: write("snappy")), "s", bound=5)
    yield Figure("to_pandas 1M x 11", _median(read), "s", bound=2)
    # By default the client packs with gzip before it sends anything: nearly all of this is its own time.
    yield Figure("write_pandas 1M x 11, gzip", _median(lambda: write("gzip"), runs=1), "s")
    yield Figure(
        "of it packing, in the client", _median(lambda: made.to_parquet(BytesIO(), compression="gzip"), 1), "s"
    )
    session.close()


def _median(run: Callable[[], None], runs: int = _RUNS) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
