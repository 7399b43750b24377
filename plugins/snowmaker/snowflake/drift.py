"""Drift in the warehouse: which rows a week's profiles are of, and what earlier weeks' checks said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.profile import LABEL, PREDICTION, SCORE
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.predictions import NOT_SHADOW
from snowmaker.snowflake.profiles import Column, Count, side_by_side
from snowmaker.snowflake.source_rows import in_weeks, week_start
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.snowflake.tables import SNOWMAKER_ENGINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source
    from snowmaker.week import Week

PREDICTED = (
    Column(SCORE, Identifier("SCORE"), "numeric"),
    Column(PREDICTION, Identifier("PREDICTION"), "categorical"),
)
"""The predictions' columns that are profiled: the score, and of several classes the one that is predicted."""

_VERDICTS = "CASE VERDICT WHEN 'breach' THEN 2 WHEN 'warn' THEN 1 WHEN 'ok' THEN 0 END"


def week_rows(source: Source, columns: Sequence[Identifier], week: Week) -> Statement:
    """Select columns of a week's rows."""
    condition = in_weeks(source.week_column, week, week)
    return Statement(f"SELECT {listed(columns)} FROM {source.table} WHERE {condition.text}", condition.values)


def rows_of_weeks(source: Source, columns: Sequence[Identifier], weeks: Sequence[Week]) -> Statement:
    """Select columns of some weeks' rows, in the order of time."""
    condition = in_weeks(source.week_column, weeks[0], weeks[-1])
    among = listed("%s::DATE" for _ in weeks)
    return Statement(
        f"SELECT {listed(columns)} FROM {source.table} WHERE {condition.text} AND {week_start(source)} IN ({among})",
        (*condition.values, *(week.start for week in weeks)),
    )


def scores_of_weeks(
    predictions: QualifiedName, model: str, version: str, columns: Sequence[Identifier], weeks: Sequence[Week]
) -> Statement:
    """Select columns of a version's predictions of some weeks."""
    return Statement(
        f"SELECT {listed(columns)} FROM {predictions} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s "
        f"AND {NOT_SHADOW} AND WEEK_START IN ({listed('%s::DATE' for _ in weeks)})",
        (model, version, *(week.start for week in weeks)),
    )


def count_both(features: Count, rows: Statement, scores: Count, predictions: Statement) -> Statement:
    """Count a week's rows and its predictions in one statement, a scan each.

    The predictions have only the segments whose columns they have; those stand first among the features'.
    """
    shared = range(len(scores.segments))
    own = range(len(scores.segments), len(features.segments))
    return side_by_side(
        features.statement(rows),
        scores.statement(predictions),
        on=[
            *(f"EQUAL_NULL({features.segment_name(k)}, {scores.segment_name(k)})" for k in shared),
            *(f"{features.segment_name(k)} IS NULL" for k in own),
        ],
    )


def week_labels(source: Source, week: Week) -> Statement:
    """Select the labels of a week that have come."""
    rows = week_rows(source, [source.label], week)
    return Statement(f"{rows.text} AND {source.label} IS NOT NULL", rows.values)


def scored_weeks(predictions: QualifiedName, model: str, version: str, last: Week, most: int) -> Statement:
    """List the first weeks that a version scored, up to a week (WEEK_START)."""
    return Statement(
        f"SELECT WEEK_START FROM {predictions} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s "
        f"AND {NOT_SHADOW} AND WEEK_START <= %s::DATE GROUP BY WEEK_START ORDER BY WEEK_START LIMIT {most:d}",
        (model, version, last.start),
    )


def count_weeks(source: Source, relation: Statement) -> Statement:
    """Count a relation's rows (N) and their WEEKS."""
    return Statement(
        f"SELECT COUNT(*) AS N, COUNT(DISTINCT {week_start(source)}) AS WEEKS FROM ({relation.text})", relation.values
    )


def keep_rows(table: QualifiedName, relation: Statement) -> Statement:
    """Keep a relation's rows for the session, so that what is asked of them is asked of the same ones."""
    return Statement(f"CREATE OR REPLACE TEMPORARY TABLE {table} AS {relation.text}", relation.values)


def recent_verdicts(
    table: QualifiedName, model: str, version: str, week: Week, weeks: int, engine: str = SNOWMAKER_ENGINE
) -> Statement:
    """List the worst verdict of the weeks up to ``week``, newest first: 2 a breach, 1 a warning, NULL not judged.

    The label is left out: it is checked when it comes, weeks later.
    """
    return Statement(
        f"SELECT WEEK_START, MAX({_VERDICTS}) AS WORST FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s "
        f"AND WEEK_START > %s::DATE AND WEEK_START <= %s::DATE AND ENGINE = %s AND FEATURE <> %s GROUP BY WEEK_START "
        f"ORDER BY WEEK_START DESC",
        (model, version, week.shift(-weeks).start, week.start, engine, LABEL),
    )
