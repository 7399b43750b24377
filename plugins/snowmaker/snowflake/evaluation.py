"""The rows that two versions are judged on: copied once, scored once by each, and kept for the session only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.scoring import scored_rows
from snowmaker.snowflake.source_rows import in_some_weeks, in_weeks
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.snowflake.profiles import Segments
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Feature, Source
    from snowmaker.week import Week

ROW_GROUP = "SNOWMAKER_GROUP"
_SEGMENT, _LABEL = "SNOWMAKER_SEGMENT", "SNOWMAKER_LABEL"


def judged_rows(
    table: QualifiedName,
    training_table: QualifiedName,
    source: Source,
    weeks: Sequence[Week],
    *,
    features: Iterable[Feature],
    groups: int,
    segments: Sequence[Segments],
) -> Statement:
    """Copy the rows to judge by, each with one of ``groups`` random groups and the place of each of its segments.

    The group is a hash of all that the training set has of a row, and of an ordinal among rows that are alike in all
    of it: the same at every try, and as good as drawn by lot.

    :param features: those of all versions that are to score the rows
    """
    condition = in_some_weeks(source.week_column, weeks)
    taken = tuple(dict.fromkeys(feature.column for feature in features))
    columns = listed(dict.fromkeys((*source.columns, *taken)))
    places = [one.place for one in segments]
    named = "".join(f", {place.text} AS {_SEGMENT}_{i}" for i, place in enumerate(places))
    return Statement(
        f"CREATE OR REPLACE TEMPORARY TABLE {table} AS SELECT {listed(taken)}, {source.label} AS {_LABEL}, "
        f"MOD(MOD(HASH({columns}, SNOWMAKER_TWIN), {groups}) + {groups}, {groups}) AS {ROW_GROUP}{named} "
        f"FROM (SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY HASH({columns}) ORDER BY HASH({columns})) "
        f"AS SNOWMAKER_TWIN FROM {training_table} WHERE {condition.text})",
        (*(value for place in places for value in place.values), *condition.values),
    )


def score_judged_rows(
    table: QualifiedName,
    rows: QualifiedName,
    features: tuple[Feature, ...],
    *,
    model: QualifiedName,
    version: str,
    method: ScoreMethod,
    outputs: Mapping[str, Statement],
    segments: int,
) -> Statement:
    """Score the copied rows by one version, once each.

    :param features: the version's
    :param outputs: by column the expressions over the model's result, made with ``scoring.field``
    """
    kept = [_LABEL, ROW_GROUP, *(f"{_SEGMENT}_{i}" for i in range(segments))]
    scored = scored_rows(
        Statement(f"SELECT * FROM {rows}"),
        kept,
        model=model,
        version=version,
        method=method,
        features=features,
        outputs=outputs,
    )
    return Statement(f"CREATE OR REPLACE TEMPORARY TABLE {table} AS {scored.text}", scored.values)


def judged(
    tables: Mapping[str, QualifiedName], columns: Sequence[str], week: Week, segments: Sequence[Segments]
) -> Statement:
    """Select the scored rows of all versions as ``ScoredTask.measure`` takes them, with their ROW_GROUP.

    A segment is told by the places of its column and value among ``segments``, as ``segment_labels`` names them.

    :param tables: by version, made by ``score_judged_rows``
    :param week: what all rows are counted for
    """
    split = "".join(f", '{i}:' || {_SEGMENT}_{i}::VARCHAR AS SEGMENT_{i}" for i in range(len(segments)))
    parts = [
        f"SELECT %s::DATE AS WEEK_START, %s AS MODEL_VERSION, {_LABEL} AS LABEL, {ROW_GROUP} AS ROW_GROUP, "
        f"{listed(columns)}{split} FROM {table}"
        for table in tables.values()
    ]
    return Statement(" UNION ALL ".join(parts), tuple(value for version in tables for value in (week.start, version)))


def segment_labels(segments: Sequence[Segments]) -> dict[str, str]:
    """Return the segments' names by what ``judged`` tells them by."""
    return {f"{i}:{place}": one.label(place) for i, one in enumerate(segments) for place in range(len(one.values) + 1)}


def frequent_values(
    training_table: QualifiedName, source: Source, column: Identifier, weeks: Sequence[Week], *, rows: int, most: int
) -> Statement:
    """List the most frequent values of a column that have enough rows to be judged by themselves.

    :param rows: how many are enough
    """
    condition = in_some_weeks(source.week_column, weeks)
    return Statement(
        f"SELECT {column}::VARCHAR AS VALUE, COUNT(*) AS N FROM {training_table} "
        f"WHERE {condition.text} AND {column} IS NOT NULL GROUP BY 1 HAVING COUNT(*) >= %s ORDER BY 2 DESC, 1 LIMIT "
        f"{most}",
        (*condition.values, rows),
    )


def score_newest_rows(
    source: Source,
    week: Week,
    *,
    model: QualifiedName,
    version: str,
    method: ScoreMethod,
    outputs: Mapping[str, Statement],
    is_good: str,
    rows: int,
) -> Statement:
    """Score some rows of a week as the source has them now; count them (N), and the good scores (GOOD).

    :param is_good: the condition that SCORE is good
    """
    condition = in_weeks(source.week_column, week, week)
    features = listed(feature.column for feature in source.features)
    newest = f"SELECT {features} FROM {source.table} WHERE {condition.text} LIMIT {rows}"
    scored = scored_rows(
        Statement(newest, condition.values),
        (),
        model=model,
        version=version,
        method=method,
        features=source.features,
        outputs=outputs,
    )
    return Statement(f"SELECT COUNT(*) AS N, COUNT_IF({is_good}) AS GOOD FROM ({scored.text})", scored.values)


def last_execution_time(model: QualifiedName) -> Statement:
    """Tell how long the warehouse worked on the session's last statement (MILLISECONDS).

    Without what the statement waited for a warehouse to start or to be free, and without its compilation.
    """
    waited = ("QUEUED_PROVISIONING_TIME", "QUEUED_REPAIR_TIME", "QUEUED_OVERLOAD_TIME", "COMPILATION_TIME")
    return Statement(
        f"SELECT TOTAL_ELAPSED_TIME{''.join(f' - COALESCE({name}, 0)' for name in waited)} AS MILLISECONDS "
        f"FROM TABLE({model.database}.INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION(RESULT_LIMIT => 10)) "
        f"WHERE QUERY_ID = LAST_QUERY_ID()"
    )


def training_cost(costs: QualifiedName, job: str) -> Statement:
    """Tell what a training job has cost (COST, in US dollars)."""
    return Statement(f"SELECT ESTIMATED_COST AS COST FROM {costs} WHERE JOB_NAME = %s", (job,))
