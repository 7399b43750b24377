"""How fast the sandbox runs a model over a table, beside the same model over the same rows in memory.

Each figure's two sides are measured in turn, in one run; the medians are compared.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil

from bench.figure import Figure
from include.sandbox import process

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS = 1_000_000
REPEATS = 5
TEXTS = {"CITY": ["Bern", "Lima", "Oslo", "Paris", "Rome"], "PLAN": ["basic", "extra", "pro"]}
FEATURES = [*TEXTS, *(f"F{i}" for i in range(8))]
CALL = f"MODEL(BENCH, V1)!PREDICT_PROBA({', '.join(FEATURES)})"
SCORE = f"{CALL}:output_feature_1::FLOAT"


def measure() -> Iterator[Figure]:
    """Measure inference in tables, in queries and by the client."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = process.start(Path(folder), only="snowflake")
        os.environ.update(sandbox.env)
        try:
            yield from _measure(sandbox)
        finally:
            sandbox.stop()


def _measure(sandbox: process.Sandbox) -> Iterator[Figure]:
    from snowflake.ml.registry import Registry
    from snowflake.snowpark import Session
    from snowflake.snowpark.functions import col

    rows = _rows(ROWS)
    model = _model(rows)
    session = Session.builder.configs(sandbox.settings.connection()).create()
    cursor = session.connection.cursor()
    registry = Registry(session)
    logged = registry.log_model(
        model, model_name="BENCH", version_name="V1", sample_input_data=rows[FEATURES].head(500)
    )
    session.write_pandas(rows, "PEOPLE", auto_create_table=True)
    cursor.execute("CREATE TABLE CITIES AS SELECT DISTINCT CITY FROM PEOPLE WHERE CITY <> 'Oslo'")

    def in_memory() -> np.ndarray:
        return np.asarray(model.predict_proba(rows[FEATURES])[:, 1])

    def create_table() -> None:
        cursor.execute(f"CREATE OR REPLACE TABLE SCORES AS SELECT ID, {SCORE} AS SCORE FROM PEOPLE")

    def query() -> None:
        text = f"SELECT P.ID, {SCORE.replace('CITY', 'P.CITY')} AS SCORE FROM PEOPLE P JOIN CITIES C ON P.CITY = C.CITY"
        cursor.execute(f"{text} WHERE P.ID >= 0").fetch_pandas_all()

    def run() -> None:
        scored = logged.run(session.table("PEOPLE"), function_name="predict_proba")
        scored.select("ID", col('"output_feature_1"')).to_pandas()

    def run_all() -> None:
        logged.run(session.table("PEOPLE"), function_name="predict_proba").to_pandas()

    create_table()
    scores = cursor.execute("SELECT SCORE FROM SCORES ORDER BY ID").fetch_pandas_all()["SCORE"]
    if not np.array_equal(scores, in_memory()):
        raise RuntimeError("the sandbox's scores are not the model's")
    four = " UNION ALL ".join(["SELECT * FROM PEOPLE"] * 4)
    cursor.execute(f"CREATE TABLE FOUR AS {four}")
    one, more = (_peak(sandbox, cursor, table) for table in ("PEOPLE", "FOUR"))
    yield Figure("peak memory, 1M rows", one / 2**20, "MiB")
    yield Figure("peak memory, 4M rows against 1M", more / one, "x", bound=1.25)
    part = float((rows["CITY"] != "Oslo").mean())
    yield _ratio("CREATE TABLE AS SELECT MODEL()!..", in_memory, create_table, 1.0, 0.9)
    yield _ratio("SELECT MODEL()!.. filter and join", in_memory, query, part, 0.7)
    yield _ratio("mv.run(frame), scores to pandas", in_memory, run, 1.0, 0.7)
    yield _ratio("mv.run(frame), all columns to pandas", in_memory, run_all, 1.0, None)
    session.close()


def _rows(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.choice(values, count).astype(object) for name, values in TEXTS.items()}
    columns |= {name: rng.normal(size=count) for name in FEATURES[len(TEXTS) :]}
    return pd.DataFrame({"ID": np.arange(count), **columns})


def _model(rows: pd.DataFrame) -> Pipeline:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder
    from xgboost import XGBClassifier

    known = rows.head(50_000)
    encode = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(TEXTS))], remainder="passthrough"
    ).set_output(transform="pandas")
    steps = [("encode", encode), ("model", XGBClassifier(n_estimators=100, max_depth=5, random_state=0))]
    return Pipeline(steps).fit(
        known[FEATURES], ((known["F0"] + known["F1"] > 0) ^ (known["CITY"] == "Rome")).astype(int)
    )


def _ratio(
    name: str, one: Callable[[], object], other: Callable[[], object], part: float, bound: float | None
) -> Figure:
    """How many rows a second `other` does of those that `one` does; `part` of the rows are in it."""
    times: dict[Callable[[], object], list[float]] = {one: [], other: []}
    for _ in range(REPEATS):
        for side, seconds in times.items():
            started = time.perf_counter()
            side()
            seconds.append(time.perf_counter() - started)
    in_memory, in_sandbox = (statistics.median(seconds) for seconds in times.values())
    return Figure(name, in_memory / in_sandbox * part, "x in memory", bound=bound, at_least=True)


def _peak(sandbox: process.Sandbox, cursor: Any, table: str) -> float:
    """The most memory that the server has while it scores a table."""
    server = max(psutil.Process(sandbox.process.pid).children(), key=lambda child: child.memory_info().rss)
    with _watching(server) as seen:
        cursor.execute(f"CREATE OR REPLACE TABLE SCORES AS SELECT ID, {SCORE} AS SCORE FROM {table}")
    return max(seen)


@contextmanager
def _watching(server: psutil.Process) -> Iterator[list[float]]:
    seen = [float(server.memory_info().rss)]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.append(float(server.memory_info().rss))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        done.set()
        watching.join()
