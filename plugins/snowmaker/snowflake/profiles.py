"""Profiles in the warehouse: all columns of some rows counted in one scan, by segment too.

A column is told by its place: its results are called <prefix><place> and a letter. Pure; ``Profile`` says what
is kept of a column, ``operators.profiling`` runs the statements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from snowmaker.drift import ALL_ROWS
from snowmaker.profile import Profile
from snowmaker.snowflake.statement import IS_FINITE, Statement, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from snowmaker.profile import Bins, Kind
    from snowmaker.snowflake.identifiers import Identifier

OTHER = "(other)"
"""The segment of the values that have none of their own, and of NULL."""
MOST_SEGMENTS = 20
"""How many values of a segment column have a segment of their own."""

# Snowflake advises at most 1 MB of text a statement, and keeps no more of it (docs, "Limits on query text size").
_MOST_TEXT = 900_000
_LEAST_ROWS = 20
_NUMBERS = ("numeric", "date")


@dataclass(frozen=True)
class Column:
    """A column to be profiled.

    :param name: the name under which its profile is kept
    :param column: where its values stand in the relation
    """

    name: str
    column: Identifier
    kind: Kind

    @property
    def is_number(self) -> bool:
        """Whether it has quantiles and a mean; dates have."""
        return self.kind in _NUMBERS

    @property
    def value(self) -> str:
        """The expression of what is counted; NULL where a number is not finite."""
        if self.kind == "categorical":
            return f"{self.column}::VARCHAR"
        if self.kind == "boolean":
            return str(self.column)
        if self.kind == "date":
            return f"DATEDIFF(day, '1970-01-01'::DATE, {self.column})::FLOAT"
        number = f"{self.column}::FLOAT"
        return f"IFF({IS_FINITE.format(number)}, {number}, NULL)"


@dataclass(frozen=True)
class Segments:
    """A column whose values are told apart.

    :param values: those with a segment of their own
    """

    column: Identifier
    values: tuple[str, ...]

    @property
    def place(self) -> Statement:
        """The expression of a value's place in ``values``; one more for all others."""
        whens = "".join(f" WHEN %s THEN {i}" for i in range(len(self.values)))
        last = len(self.values)
        return Statement(f"CASE {self.column}::VARCHAR{whens} ELSE {last} END" if whens else str(last), self.values)

    def label(self, place: int) -> str:
        """Name a segment as the tables do.

        >>> from snowmaker.snowflake.identifiers import Identifier
        >>> Segments(Identifier("COUNTY"), ("Hennepin", "Ramsey")).label(1)
        'COUNTY=Ramsey'
        """
        return f"{self.column.name}={self.values[place] if place < len(self.values) else OTHER}"


def kind_of(column_type: str, *, categorical: bool) -> Kind:
    """Tell what kind of column it is.

    :param column_type: as DESCRIBE TABLE gives it
    :param categorical: whether its values are names, whatever their type

    >>> kind_of("TIMESTAMP_NTZ(9)", categorical=False), kind_of("NUMBER(38,0)", categorical=False)
    ('date', 'numeric')
    """
    if categorical:
        return "categorical"
    if column_type.upper() == "BOOLEAN":
        return "boolean"
    return "date" if column_type.upper().startswith(("DATE", "TIMESTAMP")) else "numeric"


def quantiles(relation: Statement, columns: Sequence[Column], bins: int) -> Statement:
    """Compute the inner quantiles of numbers (the column at place i has the q-th as Q<i>_<q>), in one scan."""
    parts = [
        f"PERCENTILE_CONT({q / bins:.6f}) WITHIN GROUP (ORDER BY V{i}) AS Q{i}_{q}"
        for i in range(len(columns))
        for q in range(1, bins)
    ]
    values = listed(f"{column.value} AS V{i}" for i, column in enumerate(columns))
    return Statement(f"SELECT {listed(parts)} FROM (SELECT {values} FROM ({relation.text}))", relation.values)


def commonest(relation: Statement, columns: Sequence[Identifier], most: int) -> Statement:
    """List the commonest values of columns as text: the column's place (FEATURE), and the value (CATEGORY).

    Where there are more than ``most``, only those of 20 rows or more: of many rare ones, those that were common once
    by chance are not the next time, and unchanged rows would seem to have moved.
    """
    text, values = [], []
    for i, column in enumerate(columns):
        text.append(
            f"SELECT {i} AS FEATURE, CATEGORY FROM (SELECT CATEGORY, N, COUNT(*) OVER () AS CATEGORIES, "
            f"ROW_NUMBER() OVER (ORDER BY N DESC, CATEGORY) AS PLACE FROM (SELECT {column}::VARCHAR AS CATEGORY, "
            f"COUNT(*) AS N FROM ({relation.text}) WHERE {column} IS NOT NULL GROUP BY 1)) "
            f"WHERE PLACE <= %s AND (N >= {_LEAST_ROWS} OR CATEGORIES <= %s)"
        )
        values += [*relation.values, most, most]
    return Statement(" UNION ALL ".join(text) + " ORDER BY FEATURE, CATEGORY", tuple(values))


@dataclass(frozen=True)
class Count:
    """What is counted in one statement: columns over their bins, in all rows and by segment.

    :param columns: by the column its bins, and about where its values lie (the baseline's mean)
    :param baseline: whether to compute the mean of each bin, too
    :param spread: whether to compute standard deviations; a baseline has them always
    :param prefix: with which the results' names begin
    """

    columns: Mapping[Column, tuple[Bins, float]]
    segments: tuple[Segments, ...] = ()
    baseline: bool = False
    spread: bool = False
    prefix: str = "C"

    def statement(self, relation: Statement) -> Statement:
        """Count a relation's rows in one scan: a row for all of them, and one for each segment that has any."""
        parts = [Statement(f"COUNT(*) AS {self.prefix}N")]
        inner = []
        for i, (column, (bins, centre)) in enumerate(self.columns.items()):
            parts += self._counts(f"{self.prefix}{i}", f"R{i}", f"V{i}", bins, centre)
            inner += [Statement(f"{column.column} AS R{i}"), Statement(f"{column.value} AS V{i}")]
        names = [self.segment_name(k) for k in range(len(self.segments))]
        for name, segments in zip(names, self.segments, strict=True):
            parts.append(Statement(name))
            inner.append(Statement(f"{segments.place.text} AS {name}", segments.place.values))
        grouped = ""
        if names:
            # A set of one value for all rows, beside which each segment column is a set of its own.
            inner.append(Statement("0 AS EVERY_ROW"))
            grouped = f" GROUP BY GROUPING SETS ((EVERY_ROW), {listed(f'({name})' for name in names)})"
        outer, source = _joined(parts), _joined(inner or [Statement("1 AS V")])
        return Statement(
            f"SELECT {outer.text} FROM (SELECT {source.text} FROM ({relation.text})){grouped}",
            (*outer.values, *source.values, *relation.values),
        )

    def segment_name(self, place: int) -> str:
        """The result that is the place of a row's segment; NULL in the rows of other segment columns."""
        return f"{self.prefix}SEGMENT{place}"

    def segment_of(self, row: Mapping[str, Any]) -> str:
        """Name the segment of a row of the result."""
        for k, segments in enumerate(self.segments):
            if row[self.segment_name(k)] is not None:
                return segments.label(int(row[self.segment_name(k)]))
        return ALL_ROWS

    def read(self, row: Mapping[str, Any], *, weeks: int = 1) -> dict[str, Profile]:
        """Make profiles of a row of the result, by the columns' names.

        :param weeks: of how many weeks the rows are
        """
        rows = int(row[f"{self.prefix}N"] or 0)
        return {
            column.name: self._profile(row, f"{self.prefix}{i}", bins, centre, rows, weeks)
            for i, (column, (bins, centre)) in enumerate(self.columns.items())
        }

    def _counts(self, name: str, raw: str, value: str, bins: Bins, centre: float) -> Iterator[Statement]:
        yield Statement(f"COUNT({raw}) AS {name}K")
        if bins.categories is not None:
            for j, category in enumerate(bins.categories):
                yield _count_category(value, category, bins, f"{name}B{j}")
            return
        yield Statement(f"COUNT({value}) AS {name}F")
        yield Statement(f"AVG({value}::FLOAT) AS {name}M")
        if self.baseline or self.spread:
            # Around a fixed point: as fast as a mean, and exact enough, for the values lie about it.
            yield Statement(f"AVG(({value} - %s) * ({value} - %s)) AS {name}S", (centre, centre))
        for j, edge in enumerate(bins.edges):
            yield Statement(f"COUNT_IF({value} <= %s) AS {name}B{j}", (edge,))
        if self.baseline:
            yield from _bin_means(name, value, bins)

    def _profile(self, row: Mapping[str, Any], name: str, bins: Bins, centre: float, rows: int, weeks: int) -> Profile:
        not_null = int(row[f"{name}K"] or 0)
        if bins.categories is not None:
            found = [int(row[f"{name}B{j}"] or 0) for j in range(len(bins.categories))]
            return Profile(bins, (*found, not_null - sum(found), rows - not_null), weeks=weeks)
        finite = int(row[f"{name}F"] or 0)
        up_to = [*(int(row[f"{name}B{j}"] or 0) for j in range(len(bins.edges))), finite]
        mean = _settled(row[f"{name}M"])
        places = range(len(bins.edges) + 1) if self.baseline else ()
        return Profile(
            bins,
            (up_to[0], *(above - below for below, above in pairwise(up_to)), rows - not_null),
            mean=mean,
            stddev=_stddev(row.get(f"{name}S"), mean, centre),
            not_finite=not_null - finite,
            bin_means=tuple(_settled(row[f"{name}A{j}"]) for j in places),
            weeks=weeks,
        )


def in_batches(columns: Mapping[Column, tuple[Bins, float]]) -> list[dict[Column, tuple[Bins, float]]]:
    """Split columns so that the statement of each batch is no longer than Snowflake advises.

    One batch holds about 1,300 numeric features of ten bins.
    """
    batches: list[dict[Column, tuple[Bins, float]]] = [{}]
    used = 0
    for column, (bins, centre) in columns.items():
        size = _size(column, bins)
        if used + size > _MOST_TEXT and batches[-1]:
            batches.append({})
            used = 0
        batches[-1][column] = (bins, centre)
        used += size
    return batches


def side_by_side(left: Statement, right: Statement, on: Sequence[str] = ()) -> Statement:
    """Join two counts, so that one statement asks both; ``on`` says which of their rows belong together."""
    condition = " AND ".join(on) or "1 = 1"
    return Statement(
        f"SELECT * FROM ({left.text}) LEFT JOIN ({right.text}) ON {condition}", (*left.values, *right.values)
    )


def _count_category(value: str, category: str, bins: Bins, name: str) -> Statement:
    if bins.kind == "boolean":
        return Statement(f"COUNT_IF({value if category == 'true' else f'NOT {value}'}) AS {name}")
    return Statement(f"COUNT_IF({value} = %s) AS {name}", (category,))


def _bin_means(name: str, value: str, bins: Bins) -> Iterator[Statement]:
    for j, (low, high) in enumerate(pairwise([None, *bins.edges, None])):
        bounds = [(f"{value} > %s", low), (f"{value} <= %s", high)]
        given = [(text, edge) for text, edge in bounds if edge is not None]
        condition = " AND ".join(text for text, _ in given) or "TRUE"
        yield Statement(f"AVG(IFF({condition}, {value}, NULL)) AS {name}A{j}", tuple(edge for _, edge in given))


def _size(column: Column, bins: Bins) -> int:
    if bins.categories is None:
        return 200 + 3 * len(str(column.column)) + 50 * len(bins.edges)
    return 100 + 2 * len(str(column.column)) + sum(40 + 2 * len(category.encode()) for category in bins.categories)


def _joined(parts: Sequence[Statement]) -> Statement:
    return Statement(listed(part.text for part in parts), tuple(value for part in parts for value in part.values))


def _settled(value: float | None) -> float | None:
    # The last digits depend on the order in which a warehouse adds up; the same rows give the same profile.
    return None if value is None or not math.isfinite(value) else float(f"{value:.12g}")


def _stddev(squares: float | None, mean: float | None, centre: float) -> float | None:
    if squares is None or mean is None or not math.isfinite(squares):
        return None
    return _settled(math.sqrt(max(squares - (mean - centre) ** 2, 0.0)))
