"""Performance in the warehouse: predictions joined with the labels that have come, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.scoring import score
from snowmaker.snowflake.source_rows import identified_rows, in_weeks
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source
    from snowmaker.week import Week


def labelled_predictions(predictions: QualifiedName, source: Source, model: str, first: Week, last: Week) -> Statement:
    """Select WEEK_START, MODEL_VERSION, LABEL and SCORE of the predictions whose label has come."""
    rows = identified_rows(source, first, last, with_label=True)
    return Statement(
        f"SELECT P.WEEK_START, P.MODEL_VERSION, S.{source.label} AS LABEL, P.SCORE "
        f"FROM {predictions} P JOIN ({rows.text}) S "
        f"ON S.WEEK_START = P.WEEK_START AND S.ROW_ID = P.ROW_ID "
        f"WHERE S.{source.label} IS NOT NULL AND P.MODEL_NAME = %s",
        (*rows.values, model),
    )


def scored_training_rows(
    table: QualifiedName,
    source: Source,
    versions: Sequence[str],
    *,
    model: QualifiedName,
    method: ScoreMethod,
    first: Week,
    last: Week,
) -> Statement:
    """Select the same four columns for several versions on the same rows of a training set."""
    condition = in_weeks(source.week_column, first, last)
    parts, values = [], []
    for version in versions:
        parts.append(
            f"SELECT %s::DATE AS WEEK_START, %s AS MODEL_VERSION, {source.label} AS LABEL, "
            f"{score(model, version, method, source.features)} AS SCORE FROM {table} WHERE {condition.text}"
        )
        values += [first.start, version, *condition.values]
    return Statement(" UNION ALL ".join(parts), tuple(values))


def confusion(relation: Statement, threshold: float, is_wrong: str) -> Statement:
    """Count right and wrong predictions, by week and version; WRONG are labels that are neither 0 nor 1.

    :param is_wrong: the condition that LABEL is wrong
    """
    return Statement(
        f"SELECT WEEK_START, MODEL_VERSION, COUNT(*) AS N, "
        f"COUNT_IF(LABEL = 1 AND SCORE >= %s) AS TP, COUNT_IF(LABEL = 0 AND SCORE >= %s) AS FP, "
        f"COUNT_IF(LABEL = 1 AND SCORE < %s) AS FN, COUNT_IF(LABEL = 0 AND SCORE < %s) AS TN, "
        f"COUNT_IF({is_wrong}) AS WRONG, SUM(IFF(LABEL = 1, MID_RANK, 0))::FLOAT AS RANK_SUM "
        f"FROM (SELECT WEEK_START, MODEL_VERSION, LABEL, SCORE, "
        f"RANK() OVER (PARTITION BY WEEK_START, MODEL_VERSION ORDER BY SCORE) "
        f"+ (COUNT(*) OVER (PARTITION BY WEEK_START, MODEL_VERSION, SCORE) - 1) / 2 AS MID_RANK "
        f"FROM ({relation.text})) GROUP BY WEEK_START, MODEL_VERSION ORDER BY WEEK_START, MODEL_VERSION",
        (threshold,) * 4 + relation.values,
    )


def residuals(relation: Statement, is_wrong: str) -> Statement:
    """Add up the errors of predicted numbers, by week and version; WRONG are labels that are no finite number.

    The labels' spread is added up around their mean, in a second pass: the shorter Σy² - (Σy)²/n loses every
    digit where the labels are large beside their spread.

    :param is_wrong: the condition that LABEL is wrong
    """
    return Statement(
        f"SELECT WEEK_START, MODEL_VERSION, COUNT(*) AS N, COUNT_IF({is_wrong}) AS WRONG, "
        f"SUM(POWER(LABEL - SCORE, 2)) AS SQUARED, SUM(ABS(LABEL - SCORE)) AS ABSOLUTE, "
        f"SUM(POWER(LABEL - MEAN, 2)) AS SPREAD "
        f"FROM (SELECT WEEK_START, MODEL_VERSION, LABEL::FLOAT AS LABEL, SCORE, "
        f"AVG(LABEL::FLOAT) OVER (PARTITION BY WEEK_START, MODEL_VERSION) AS MEAN "
        f"FROM ({relation.text})) GROUP BY WEEK_START, MODEL_VERSION ORDER BY WEEK_START, MODEL_VERSION",
        relation.values,
    )
