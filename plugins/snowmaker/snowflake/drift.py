"""Drift in the warehouse: bins of a baseline, and histograms of all columns in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.drift import Histogram
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from snowmaker.drift import Bins
    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.snowflake.statement import Value
    from snowmaker.week import Week


def quantiles(relation: Statement, columns: Sequence[Identifier], bins: int) -> Statement:
    """Compute the inner quantiles of numeric columns (column i's q-th as Q<i>_<q>), in one scan."""
    parts = [
        f"PERCENTILE_CONT({q / bins:.6f}) WITHIN GROUP (ORDER BY CAST({column} AS FLOAT)) AS Q{i}_{q}"
        for i, column in enumerate(columns)
        for q in range(1, bins)
    ]
    return Statement(f"SELECT {listed(parts)} FROM ({relation.text})", relation.values)


def commonest(relation: Statement, columns: Sequence[Identifier], most: int) -> Statement:
    """List the commonest categories of text columns: the column's position, and the category."""
    text, values = [], []
    for i, column in enumerate(columns):
        text.append(
            f"SELECT {i} AS FEATURE, CATEGORY, N FROM (SELECT CATEGORY, N, "
            f"ROW_NUMBER() OVER (ORDER BY N DESC, CATEGORY) AS PLACE FROM (SELECT {column}::VARCHAR AS CATEGORY, "
            f"COUNT(*) AS N FROM ({relation.text}) WHERE {column} IS NOT NULL GROUP BY 1)) WHERE PLACE <= %s"
        )
        values += [*relation.values, most]
    return Statement(" UNION ALL ".join(text) + " ORDER BY FEATURE, CATEGORY", tuple(values))


def histograms(relation: Statement, bins: Mapping[Identifier, Bins], prefix: str = "C") -> Statement:
    """Count the rows of each bin of each column in one scan.

    Gives one row: N (rows in all, named <prefix>N), and for each column its counts one after another as
    <prefix>0, <prefix>1, …: up to each edge (cumulative) or of each category, then of NULL.
    """
    parts, values = [f"COUNT(*) AS {prefix}N"], []
    position = 0
    for column, column_bins in bins.items():
        conditions: list[tuple[str, Value]]
        if column_bins.categories is None:
            # As FLOAT, like the quantiles that made the edges; a boolean cannot be compared as it is.
            conditions = [(f"CAST({column} AS FLOAT) <= %s", edge) for edge in column_bins.edges]
        else:
            conditions = [(f"{column}::VARCHAR = %s", category) for category in column_bins.categories]
        for condition, value in conditions:
            parts.append(f"COUNT_IF({condition}) AS {prefix}{position}")
            values.append(value)
            position += 1
        parts.append(f"COUNT_IF({column} IS NULL) AS {prefix}{position}")
        position += 1
    return Statement(f"SELECT {listed(parts)} FROM ({relation.text})", (*values, *relation.values))


def read_histograms(row: Mapping[str, Any], bins: Mapping[Identifier, Bins], prefix: str = "C") -> dict[str, Histogram]:
    """Make histograms of the row that ``histograms`` gives, by column name."""
    rows, position, result = int(row[f"{prefix}N"]), 0, {}
    for column, column_bins in bins.items():
        width = column_bins.size - 1  # no count is asked for the bin that takes the rest
        found = [int(row[f"{prefix}{position + i}"]) for i in range(width)]
        position += width
        *counted, nulls = found
        if column_bins.categories is None:
            counted = [count - before for count, before in zip(counted, [0, *counted], strict=False)]
        rest = rows - nulls - sum(counted)
        result[column.name] = Histogram(column_bins, (*counted, rest, nulls))
    return result


def side_by_side(left: Statement, right: Statement) -> Statement:
    """Join two statements of one row each, so that one statement asks both."""
    return Statement(f"SELECT * FROM ({left.text}) CROSS JOIN ({right.text})", (*left.values, *right.values))


def recent_verdicts(table: QualifiedName, model: str, version: str, week: Week, weeks: int) -> Statement:
    """List the worst verdict of the weeks up to ``week``, newest first: WORST 2 is a breach, 1 a warning."""
    return Statement(
        f"SELECT WEEK_START, MAX(CASE VERDICT WHEN 'breach' THEN 2 WHEN 'warn' THEN 1 ELSE 0 END) AS WORST "
        f"FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s "
        f"AND WEEK_START > %s::DATE AND WEEK_START <= %s::DATE "
        f"GROUP BY WEEK_START ORDER BY WEEK_START DESC",
        (model, version, week.shift(-weeks).start, week.start),
    )
