"""How long the sandbox takes for wide statements: hundreds of counts in one scan, as a drift check asks for.

Compared with min, max and count of the same columns and rows in the same run, and with a tenth of the columns.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure

_EDGES = [place / 10 for place in range(1, 10)]
_RUNS = 7
# (rows, columns): a big week, and a table of many features.
_BIG, _FEW, _MANY = (1_000_000, 30), (50_000, 30), (50_000, 300)


def measure() -> Iterator[Figure]:
    """Count in a sandbox of its own."""
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
        cursor = connection.cursor()
        for rows, columns in (_BIG, _MANY):
            cursor.execute(_fill(rows, columns))
        plain, counts, profile = _medians(cursor, [(_BIG, _extremes), (_BIG, _counts), (_BIG, _profile)])
        yield Figure("min, max, count of 1M x 30", plain, "s")
        yield Figure("300 counts of them", counts, "s")
        yield Figure("times min, max, count", counts / plain, "", bound=4.5)
        yield Figure("and means and deviations", profile, "s")
        yield Figure("times min, max, count", profile / plain, "", bound=5.5)
        few, many = _medians(cursor, [(_FEW, _profile), (_MANY, _profile)])
        yield Figure("the same of 50k x 30", few, "s")
        yield Figure("of 50k x 300", many, "s")
        yield Figure("times, for ten times as many", many / few, "", bound=15)


def _fill(rows: int, columns: int) -> str:
    # A few rows are of another week, so that the engine reads all: of whole blocks it knows the extremes already.
    week = "IFF(MOD(SEQ4(), 1000) = 0, '2026-01-12', '2026-01-05')::DATE AS WEEK"
    numbers = ", ".join(f"UNIFORM(0::FLOAT, 1::FLOAT, RANDOM()) AS F{i}" for i in range(columns))
    return f"CREATE TABLE {_table(rows)} AS SELECT {week}, {numbers} FROM TABLE(GENERATOR(ROWCOUNT => {rows}))"


def _table(rows: int) -> str:
    return f'"SANDBOX"."PUBLIC"."ROWS_{rows}"'


def _medians(cursor: Any, asked: list[tuple[tuple[int, int], Callable[[int], list[str]]]]) -> list[float]:
    """How long each statement takes until its one row is there; they take turns, so they have the same machine."""
    times: list[list[float]] = [[] for _ in asked]
    for _ in range(_RUNS):
        for ((rows, columns), ask), taken in zip(asked, times, strict=True):
            text = f"SELECT {', '.join(ask(columns))} FROM {_table(rows)} WHERE WEEK = '2026-01-05'::DATE"
            started = time.perf_counter()
            cursor.execute(text).fetchall()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]


def _extremes(columns: int) -> list[str]:
    return [f"MIN(F{i}) AS A{i}, MAX(F{i}) AS B{i}, COUNT(F{i}) AS C{i}" for i in range(columns)]


def _counts(columns: int) -> list[str]:
    return [
        ", ".join(f"COUNT_IF(CAST(F{i} AS FLOAT) <= {edge}) AS C{i}_{j}" for j, edge in enumerate(_EDGES))
        + f", COUNT_IF(F{i} IS NULL) AS N{i}"
        for i in range(columns)
    ]


def _profile(columns: int) -> list[str]:
    """The deviation from sums of squares of what is left of a known middle, which a scan makes quickly."""
    left = "(CAST(F{0} AS FLOAT) - 0.5)"
    sums = f"SUM({left}) AS M{{0}}, SUM({left} * {left}) AS S{{0}}"
    return [*_counts(columns), *(sums.format(i) for i in range(columns))]
