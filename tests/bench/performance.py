"""How long it takes to measure a week of a million labelled predictions, against a plain join that counts them."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure

_ROWS = 1_000_000
_RUNS = 5
_FEATURES = 10
_SCHEMA = '"SANDBOX"."PUBLIC"'
_FILL = (
    f"""CREATE TABLE {_SCHEMA}."ROWS" AS SELECT
  {", ".join(f"UNIFORM(0::FLOAT, 1::FLOAT, RANDOM({i})) AS F{i}" for i in range(_FEATURES))},
  SEQ4() AS ID, MOD(SEQ4(), 5) AS REGION, IFF(UNIFORM(0, 9, RANDOM(99)) < 3, 1, 0) AS LABEL, '2024-01-01'::DATE AS DAY
FROM TABLE(GENERATOR(ROWCOUNT => {_ROWS}))""",
    f"""CREATE TABLE {_SCHEMA}."SCORED" AS SELECT R.WEEK_START, R.ROW_ID, 'M' AS MODEL_NAME, 'V1' AS MODEL_VERSION,
  R.F0 AS SCORE, IFF(R.F0 >= 0.5, 1, 0) AS PREDICTION, FALSE AS IS_SHADOW FROM (%s) R""",
)


def measure() -> Iterator[Figure]:
    """Measure in a sandbox of its own."""
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

    from snowmaker.scored_task import BinaryClassification
    from snowmaker.snowflake import labelled_rows
    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.snowflake.profiles import Segments
    from snowmaker.snowflake.source_rows import identified_rows
    from snowmaker.source import Source
    from snowmaker.week import Week

    source = Source.of(
        f"{_SCHEMA}.ROWS",
        week_column="DAY",
        label="LABEL",
        numeric=[f"F{i}" for i in range(_FEATURES)],
        key=["ID"],
    )
    week = Week.parse("2024-01-01", "monday")
    predictions = QualifiedName.parse(f"{_SCHEMA}.SCORED")
    regions = Segments(Identifier("REGION"), ("0", "1", "2", "3"))
    task = BinaryClassification()
    relation = labelled_rows.labelled_predictions(predictions, {"V1": source}, "M", [week])
    by_region = labelled_rows.labelled_predictions(predictions, {"V1": source}, "M", [week], segments=[regions])
    looked = labelled_rows.fingerprints(predictions, source, "M", week.shift(-25), week, sources={"V1": source})
    with snowflake.connector.connect(**login) as connection, connection.cursor() as cursor:

        def run(text: str, values: tuple[Any, ...]) -> list[Any]:
            return list(cursor.execute(text, values).fetchall())

        rows = identified_rows(source, week, week)
        cursor.execute(_FILL[0])
        run(_FILL[1] % rows.text, rows.values)
        counted = f"SELECT COUNT(*), COUNT_IF(LABEL = 1), COUNT_IF(SCORE >= 0.5) FROM ({relation.text})"
        if run(counted, relation.values)[0][0] != _ROWS:
            raise RuntimeError("not every row found its prediction")
        plain = _median(lambda: run(counted, relation.values))
        whole = task.measure(relation)
        split = task.measure(by_region, 1)
        all_metrics = _median(lambda: run(whole.text, whole.values))
        yield Figure("join and count 1M predictions", plain, "s")
        yield Figure("all nine metrics of them", all_metrics, "s")
        yield Figure("times join and count", all_metrics / plain, "")
        yield Figure("by five regions, too", _median(lambda: run(split.text, split.values)), "s")
        yield Figure("look whether labels changed", _median(lambda: run(looked.text, looked.values)), "s")


def _median(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
