"""Predictions beside the labels that have come, and what tells whether either changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.predictions import NOT_SHADOW
from snowmaker.snowflake.source_rows import identified_rows_where, in_some_weeks, in_weeks, told_by, week_start
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.snowflake.profiles import Segments
    from snowmaker.source import Source
    from snowmaker.week import Week


def labelled_predictions(
    predictions: QualifiedName,
    sources: Mapping[str, Source],
    model: str,
    weeks: Sequence[Week],
    *,
    columns: Sequence[str] = ("SCORE",),
    segments: Sequence[Segments] = (),
) -> Statement:
    """Select WEEK_START, MODEL_VERSION, LABEL and the predictions' columns of the rows whose label has come.

    :param sources: by version the source as it takes it: a version's rows are told by its own features
    :param weeks: the weeks to look at
    :param columns: what is taken of the predictions
    :param segments: source columns whose values are told apart, as SEGMENT_0, …
    """
    versions: dict[Source, list[str]] = {}
    for version, source in sources.items():
        versions.setdefault(source, []).append(version)
    parts = []
    for source, alike in versions.items():
        counting = Statement(
            f"SELECT * FROM {predictions} WHERE {NOT_SHADOW} AND MODEL_NAME = %s AND {_among('WEEK_START', weeks)} "
            f"AND MODEL_VERSION IN ({listed('%s' for _ in alike)})",
            (model, *(week.start for week in weeks), *alike),
        )
        parts.append(beside_labels(counting, source, weeks, columns=columns, segments=segments))
    return Statement(
        " UNION ALL ".join(part.text for part in parts), tuple(value for part in parts for value in part.values)
    )


def beside_labels(
    predicted: Statement,
    source: Source,
    weeks: Sequence[Week],
    *,
    columns: Sequence[str] = ("SCORE",),
    segments: Sequence[Segments] = (),
) -> Statement:
    """Select the same of any predictions of some weeks.

    :param predicted: rows of WEEK_START, ROW_ID, MODEL_VERSION and the columns
    """
    columns_too = (source.label, *(one.column for one in segments))
    rows = identified_rows_where(source, in_some_weeks(source.week_column, weeks), also=columns_too)
    names = [_segment_name(one) for one in segments]
    split = "".join(f", {name.text} AS SEGMENT_{place}" for place, name in enumerate(names))
    return Statement(
        f"SELECT P.WEEK_START, P.MODEL_VERSION, S.{source.label} AS LABEL, "
        f"{listed(f'P.{column}' for column in columns)}{split} "
        f"FROM ({predicted.text}) P JOIN ({rows.text}) S "
        f"ON S.WEEK_START = P.WEEK_START AND S.ROW_ID = P.ROW_ID WHERE S.{source.label} IS NOT NULL",
        (*(value for name in names for value in name.values), *predicted.values, *rows.values),
    )


def expected_labels(predictions: QualifiedName, model: str, weeks: Sequence[Week], label: Statement) -> Statement:
    """Select WEEK_START, MODEL_VERSION, LABEL and SCORE of all predictions of some weeks.

    :param label: the expression over MODEL_VERSION and SCORE that stands for the label; rows without it are left out
    """
    return Statement(
        f"SELECT * FROM (SELECT WEEK_START, MODEL_VERSION, {label.text} AS LABEL, SCORE "
        f"FROM {predictions} WHERE {NOT_SHADOW} AND MODEL_NAME = %s AND {_among('WEEK_START', weeks)}) "
        f"WHERE LABEL IS NOT NULL",
        (*label.values, model, *(week.start for week in weeks)),
    )


def scored_by(predictions: QualifiedName, model: str, first: Week, last: Week) -> Statement:
    """List the weeks that were scored between two, both included, with the versions (WEEK_START, MODEL_VERSION)."""
    return Statement(
        f"SELECT DISTINCT WEEK_START, MODEL_VERSION FROM {predictions} WHERE {NOT_SHADOW} AND MODEL_NAME = %s "
        f"AND WEEK_START >= %s AND WEEK_START <= %s ORDER BY WEEK_START, MODEL_VERSION",
        (model, first.start, last.start),
    )


def fingerprints(
    predictions: QualifiedName, source: Source, model: str, first: Week, last: Week, *, sources: Mapping[str, Source]
) -> Statement:
    """Tell of each week's predictions and labels how many there are (N, LABELLED) and what they are, as a number each.

    The number is the sum of a hash of each row with its label, so it does not depend on the rows' order; each table
    is read once. The source's rows are told by key and features, as the predictions' are.

    :param sources: by version the source as it takes it, of the versions whose predictions are told of
    """
    condition = in_weeks(source.week_column, first, last)
    columns: dict[Identifier, None] = {column: None for one in sources.values() for column in told_by(one)}
    return Statement(
        f"SELECT P.WEEK_START, P.N, P.PREDICTED, COALESCE(L.LABELLED, 0) AS LABELLED, COALESCE(L.TRUTH, '0') AS TRUTH "
        f"FROM (SELECT WEEK_START, COUNT(*) AS N, SUM(HASH(ROW_ID, MODEL_VERSION, SCORE, PREDICTION))::VARCHAR "
        f"AS PREDICTED FROM {predictions} WHERE {NOT_SHADOW} AND MODEL_NAME = %s AND WEEK_START >= %s "
        f"AND WEEK_START <= %s AND MODEL_VERSION IN ({listed('%s' for _ in sources)}) GROUP BY WEEK_START) P "
        f"LEFT JOIN (SELECT {week_start(source)}::DATE AS WEEK_START, COUNT(*) AS LABELLED, "
        f"SUM(HASH({listed(columns)}, {source.label}))::VARCHAR AS TRUTH FROM {source.table} "
        f"WHERE {condition.text} AND {source.label} IS NOT NULL GROUP BY 1) L "
        f"ON L.WEEK_START = P.WEEK_START ORDER BY P.WEEK_START",
        (model, first.start, last.start, *sources, *condition.values),
    )


def _segment_name(segments: Segments) -> Statement:
    """Give the name of a row's segment, as the tables have it, over the source's rows S."""
    values, labels = segments.values, [segments.label(place) for place in range(len(segments.values) + 1)]
    if not values:
        return Statement("%s::VARCHAR", (labels[-1],))
    whens = "".join(" WHEN %s THEN %s" for _ in values)
    pairs = [text for pair in zip(values, labels, strict=False) for text in pair]
    return Statement(f"CASE S.{segments.column}::VARCHAR{whens} ELSE %s END", (*pairs, labels[-1]))


def _among(column: str, weeks: Sequence[Week]) -> str:
    return f"{column} IN ({listed('%s::DATE' for _ in weeks)})"
