"""The training set of one retraining: a table made once, so that every reader sees the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.source_rows import in_weeks, week_start
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.source import Source
    from snowmaker.week import Week


def create_training_set(table: QualifiedName, source: Source, first: Week, last: Week) -> Statement:
    """Copy the labelled rows of some weeks. A table that is there stays: it is this run's already."""
    condition = in_weeks(source.week_column, first, last)
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {table} AS SELECT {listed(source.columns)} "
        f"FROM {source.table} WHERE {condition.text} AND {source.label} IS NOT NULL",
        condition.values,
    )


def count_by_week(table: QualifiedName, source: Source) -> Statement:
    """Count a training set's rows, week by week."""
    return Statement(
        f"SELECT {week_start(source)}::DATE AS WEEK_START, COUNT(*) AS N FROM {table} GROUP BY 1 ORDER BY 1"
    )


def count_wrong_labels(table: QualifiedName, is_wrong: str) -> Statement:
    """Count the rows whose label is wrong.

    :param is_wrong: the condition of it
    """
    return Statement(f"SELECT COUNT_IF({is_wrong}) AS N FROM {table}")


def count_classes(table: QualifiedName, label: Identifier) -> Statement:
    """Count the different labels."""
    return Statement(f"SELECT COUNT(DISTINCT {label}) AS N FROM {table}")


def drop_training_set(table: QualifiedName) -> Statement:
    """Drop a training set that cannot be used."""
    return Statement(f"DROP TABLE IF EXISTS {table}")
