"""How long a weekly drift check takes beside a plain look at the same columns, and beside what others take.

The statement is the weekly check's own, sent by its own code; "plain" is min, max and count of each column. The others
get the same rows in memory, each in an environment of its own (made under .bench), for they need other libraries.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench.figure import Figure

_SCRIPTS = Path(__file__).parent / "others"
_ENVIRONMENTS = Path(__file__).parents[2] / ".bench"
_RUNS = 7
_OTHERS = {
    "evidently PSI preset": ("evidently_psi.py", ["evidently==0.7.23", "pandas<3", "pyarrow"], 100),
    # Two passes of numpy over a frame in memory, which costs more to get; so it has no bound.
    "nannyml JS": ("nannyml_js.py", ["nannyml==0.13.1", "pandas<3", "pyarrow", "statsmodels"], None),
}
# As it was before the sandbox's certificates went in, which pip would take for the only ones to trust.
_ENVIRONMENT = dict(os.environ)
_BASELINE, _WEEK = date(2026, 1, 5), date(2026, 1, 12)


@dataclass(frozen=True)
class _Size:
    """How large the week is, and the baseline."""

    rows: int
    features: int
    baseline: int

    @property
    def table(self) -> str:
        return f"WEEKS_{self.rows}_{self.features}"

    @property
    def name(self) -> str:
        rows = f"{self.rows // 1_000_000}M" if self.rows >= 1_000_000 else f"{self.rows // 1000}k"
        return f"{rows} x {self.features}"


_NORMAL = _Size(1_000_000, 30, 1_000_000)
_LONG = _Size(10_000_000, 30, 500_000)
_NARROW, _WIDE = _Size(100_000, 30, 20_000), _Size(100_000, 300, 20_000)


def measure() -> Iterator[Figure]:
    """Check weeks in a sandbox of its own."""
    from include.sandbox import process

    with tempfile.TemporaryDirectory() as folder:
        sandbox = process.start(Path(folder) / "sandbox", only="snowflake")
        try:
            os.environ.update(sandbox.env)
            yield from _figures(Path(folder))
        finally:
            sandbox.stop()


def _figures(folder: Path) -> Iterator[Figure]:
    from snowmaker.hooks.warehouse import WarehouseHook

    with WarehouseHook().session() as session:
        with _filled(session, _NORMAL) as (check, plain):
            checks, plains = _in_turns(check, plain)
            own = statistics.median(checks)
            yield Figure(f"drift of {_NORMAL.name}, warm baseline", own, "s")
            yield Figure("min, max, count of the same", statistics.median(plains), "s")
            yield Figure("times min, max, count", own / statistics.median(plains), "", bound=3)
            yield from _others(session, folder, own)
        before = _peak_mb()
        with _filled(session, _LONG) as (check, _):
            long = statistics.median(_timed(check) for _ in range(3))
            yield Figure(f"drift of {_LONG.name}", long, "s")
            yield Figure("times, for ten times the rows", long / own, "", bound=12)
        yield Figure("worker's memory grown meanwhile", _peak_mb() - before, "MB", bound=20)
        few, many = (_median_of(session, size) for size in (_NARROW, _WIDE))
        yield Figure(f"drift of {_NARROW.name}", few, "s")
        yield Figure(f"drift of {_WIDE.name}", many, "s")
        yield Figure("times, for ten times the features", many / few, "", bound=15)


def _median_of(session: Any, size: _Size) -> float:
    with _filled(session, size) as (check, _):
        return statistics.median(_timed(check) for _ in range(_RUNS))


@contextmanager
def _filled(session: Any, size: _Size) -> Iterator[tuple[Any, Any]]:
    """Make the table and the baseline of its first week; give the check of its second, and the plain look at it."""
    from snowmaker.drift import DriftRules, compare_segments
    from snowmaker.operators import profiling
    from snowmaker.snowflake import drift as drift_sql
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.source_rows import in_weeks
    from snowmaker.snowflake.statement import Statement, listed
    from snowmaker.source import Source
    from snowmaker.week import Week

    names = [f"F{i}" for i in range(size.features)]
    source = Source.of(f"SANDBOX.PUBLIC.{size.table}", week_column="WEEK", label="LABEL", numeric=names)
    columns = profiling.feature_columns(source, dict.fromkeys(names, "FLOAT"))
    predictions = QualifiedName.parse("SANDBOX.PUBLIC.PREDICTIONS")
    _fill(session, size, names)
    before, week = Week(_BASELINE), Week(_WEEK)
    score, model = drift_sql.PREDICTED[:1], ("M", "V1")

    def scores(of: Week) -> Statement:
        return drift_sql.scores_of_weeks(predictions, *model, [column.column for column in score], [of])

    baseline = profiling.profile_scored_weeks(
        session, source, columns, [], scores(before), score, [before], bins=10, categories=60
    )

    def check() -> None:
        rows = drift_sql.week_rows(source, [column.column for column in columns], week)
        profiles = profiling.measure_week(session, columns, rows, scores(week), baseline)
        if len({drift.feature for drift in compare_segments(baseline, profiles, DriftRules())}) != size.features + 2:
            raise RuntimeError("not every feature was checked")

    condition = in_weeks(source.week_column, week, week)
    extremes = listed(f"MIN({name}), MAX({name}), COUNT({name})" for name in names)
    plain = Statement(f"SELECT {extremes} FROM {source.table} WHERE {condition.text}", condition.values)
    check()
    yield check, lambda: _only_row(session, plain)
    for table in (source.table, predictions):
        session.execute(Statement(f"DROP TABLE {table}"))


def _fill(session: Any, size: _Size, names: list[str]) -> None:
    from snowmaker.snowflake.statement import Statement

    # The baseline's rows stand among the week's: of blocks of one week the engine knows the extremes without a look.
    every = 1 + size.rows // size.baseline
    week = f"IFF(MOD(SEQ4(), {every}) = 0, '{_BASELINE}', '{_WEEK}')::DATE"
    rows = f"FROM TABLE(GENERATOR(ROWCOUNT => {size.rows * every // (every - 1)}))"
    numbers = ", ".join(f"NORMAL(0::FLOAT, 1::FLOAT, RANDOM()) AS {name}" for name in names)
    session.execute(
        Statement(f"CREATE TABLE SANDBOX.PUBLIC.{size.table} AS SELECT {week} AS WEEK, 0 AS LABEL, {numbers} {rows}")
    )
    session.execute(
        Statement(
            f"CREATE TABLE SANDBOX.PUBLIC.PREDICTIONS AS SELECT {week} AS WEEK_START, 'M' AS MODEL_NAME, "
            f"'V1' AS MODEL_VERSION, UNIFORM(0::FLOAT, 1::FLOAT, RANDOM()) AS SCORE, FALSE AS IS_SHADOW {rows}"
        )
    )


def _only_row(session: Any, statement: Any) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values).fetchall()


def _in_turns(*asked: Any) -> list[list[float]]:
    """Time each in turn, so that they have the same machine."""
    times: list[list[float]] = [[] for _ in asked]
    for _ in range(_RUNS):
        for ask, taken in zip(asked, times, strict=True):
            taken.append(_timed(ask))
    return times


def _timed(run: Any) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _others(session: Any, folder: Path, own: float) -> Iterator[Figure]:
    """Give the others the same rows, which they need out of the warehouse first; once, for it takes minutes."""
    files = [folder / f"{week}.parquet" for week in (_BASELINE, _WEEK)]
    for week, file in zip((_BASELINE, _WEEK), files, strict=True):
        with session.connection.cursor() as cursor:
            started = time.perf_counter()
            cursor.execute(f"SELECT * EXCLUDE (WEEK, LABEL) FROM SANDBOX.PUBLIC.{_NORMAL.table} WHERE WEEK = '{week}'")
            frame = cursor.fetch_pandas_all()
            fetched = time.perf_counter() - started
            frame.to_parquet(file)
    yield Figure("getting the week as a frame", fetched, "s")
    quiet = {**_ENVIRONMENT, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    for name, (script, packages, bound) in _OTHERS.items():
        done = subprocess.run(
            [_environment(name.split()[0], packages), str(_SCRIPTS / script), *map(str, files)],
            env=quiet, capture_output=True, text=True, check=True,
        )  # fmt: skip
        taken = float(done.stdout.split()[-1])
        yield Figure(f"{name} of the same frame", taken, "s")
        yield Figure("times the drift check", taken / own, "", bound=bound, at_least=True)


def _environment(name: str, packages: list[str]) -> str:
    """Make an environment once, and return its Python."""
    folder = _ENVIRONMENTS / f"venv-{name}"
    python = str(folder / "bin" / "python")
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], env=_ENVIRONMENT, check=True)
        (folder / "ready").touch()
    return python
