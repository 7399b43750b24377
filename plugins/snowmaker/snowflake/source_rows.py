"""The source's rows: which weeks there are, whether a week can be scored, how a row is told from another."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from snowmaker.snowflake.statement import Statement, listed
from snowmaker.week import WEEKDAYS, Week

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.source import Feature, Source

_SOME_MONDAY = date(1900, 1, 1)


def describe_columns(table: QualifiedName) -> Statement:
    """List a table's columns and types."""
    return Statement(f"DESCRIBE TABLE {table}")


def in_weeks(column: Identifier, first: Week, last: Week) -> Statement:
    """Give the condition that a row's week lies between two weeks, both included."""
    return Statement(f"{column} >= %s::DATE AND {column} < %s::DATE", (first.start, last.end))


def in_some_weeks(column: Identifier, weeks: Iterable[Week]) -> Statement:
    """Give the condition that a row's week is one of some, as ranges, so that a table can be pruned by them.

    >>> from datetime import date
    >>> from snowmaker.snowflake.identifiers import Identifier
    >>> week = Week(date(2026, 3, 2))
    >>> len(in_some_weeks(Identifier("DAY"), [week, week.shift(4), week.shift(1)]).values)
    4
    """
    runs: list[tuple[Week, Week]] = []
    for week in sorted(set(weeks)):
        if runs and runs[-1][1].shift(1) == week:
            runs[-1] = (runs[-1][0], week)
        else:
            runs.append((week, week))
    ranges = [in_weeks(column, first, last) for first, last in runs]
    text = " OR ".join(f"({one.text})" for one in ranges)
    return Statement(f"({text})", tuple(value for one in ranges for value in one.values))


def week_start(source: Source) -> str:
    """Give the expression of the first day of a row's week."""
    anchor = _SOME_MONDAY + timedelta(days=WEEKDAYS.index(source.starts_on))
    days = f"DATEDIFF(day, '{anchor}'::DATE, {source.week_column}::DATE)"
    return f"DATEADD(day, CAST(7 * FLOOR({days} / 7) AS INTEGER), '{anchor}'::DATE)"


def weeks_there_are(source: Source) -> Statement:
    """Tell the first and last week that have rows, and how many do."""
    return Statement(
        f"SELECT MIN(W) AS FIRST_WEEK, MAX(W) AS LAST_WEEK, COUNT(DISTINCT W) AS WEEKS "
        f"FROM (SELECT {week_start(source)}::DATE AS W FROM {source.table} "
        f"WHERE {source.week_column} IS NOT NULL)"
    )


def count_values(source: Source, week: Week) -> Statement:
    """Count a week's rows (N) and the values of each feature (V0, V1, … in the features' order)."""
    counts = listed(f"COUNT({feature.column}) AS V{i}" for i, feature in enumerate(source.features))
    condition = in_weeks(source.week_column, week, week)
    return Statement(f"SELECT COUNT(*) AS N, {counts} FROM {source.table} WHERE {condition.text}", condition.values)


def told_by(source: Source) -> tuple[Identifier, ...]:
    """Return the columns that a row is told from another by: key and features, each once."""
    return tuple(dict.fromkeys((*source.key, *(feature.column for feature in source.features))))


def identified_rows(source: Source, first: Week, last: Week, *, also: Sequence[Identifier] = ()) -> Statement:
    """Select the rows between two weeks, both included, with a WEEK_START and a ROW_ID each."""
    return identified_rows_where(source, in_weeks(source.week_column, first, last), also=also)


def identified_rows_where(source: Source, condition: Statement, *, also: Sequence[Identifier] = ()) -> Statement:
    """Select the rows that meet a condition with a WEEK_START and a ROW_ID each.

    A business key need not be unique, so a row is told by a hash of its key and features, and by an ordinal
    among rows that are alike in all of them. Those have the same prediction, so it does not matter which of
    them gets which ordinal. The label is left out: it comes later and must find its prediction then.

    :param condition: it must hold for all rows of a week or for none
    :param also: columns to select besides key and features
    """
    carried = tuple(dict.fromkeys((*told_by(source), *also)))
    return Statement(
        f"SELECT WEEK_START, {_numbered('ROW_HASH')} AS ROW_ID, {listed(carried)} "
        f"FROM (SELECT {week_start(source)}::DATE AS WEEK_START, {_row_hash(source)} AS ROW_HASH, {listed(carried)} "
        f"FROM {source.table} WHERE {condition.text})",
        condition.values,
    )


def identified_twice(source: Source, other: Source, week: Week) -> Statement:
    """Select the two identities (ROW_ID, OTHER_ID) of each row of a week that two versions take differently.

    :param source: the source as one version takes it
    :param other: as the other one does
    """
    condition = in_weeks(source.week_column, week, week)
    return Statement(
        f"SELECT {_numbered('ROW_HASH')} AS ROW_ID, {_numbered('OTHER_HASH')} AS OTHER_ID "
        f"FROM (SELECT {week_start(source)}::DATE AS WEEK_START, {_row_hash(source)} AS ROW_HASH, "
        f"{_row_hash(other)} AS OTHER_HASH FROM {source.table} WHERE {condition.text})",
        condition.values,
    )


def _row_hash(source: Source) -> str:
    # Lengths keep ('ab', 'c') and ('a', 'bc') apart.
    parts = (
        f"COALESCE(LENGTH({column}::VARCHAR)::VARCHAR || ':' || {column}::VARCHAR, '-')" for column in told_by(source)
    )
    return f"MD5({' || '.join(parts)})"


def _numbered(row_hash: str) -> str:
    number = f"ROW_NUMBER() OVER (PARTITION BY WEEK_START, {row_hash} ORDER BY {row_hash})"
    return f"{row_hash} || '-' || {number}::VARCHAR"


def model_argument(feature: Feature) -> str:
    """Give a feature's column in the type the model's signature has."""
    return f"CAST({feature.column} AS {'VARCHAR' if feature.kind == 'categorical' else 'FLOAT'})"
