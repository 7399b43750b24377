"""What a SELECT with method calls reads: its sources as a query of their own, and the names that they have there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, unsupported

if TYPE_CHECKING:
    from include.sandbox.snowflake.scoring.table_calls import TableCall
    from include.sandbox.snowflake.sql.tables import Registered


# Stands for the columns in a text that is put into the engine's terms once; very many of them would take seconds.
_COLUMNS = "_sandbox_columns"


class Source:
    """The FROM and WHERE of a SELECT, without the table function that may stand in it."""

    def __init__(self, select: exp.Select, registered: Registered, table: TableCall | None) -> None:
        self.registered = registered
        self.session = registered.session
        self._select = select
        self._table = table
        if table:
            table.take_out(select)
        self.query = exp.Select()
        for part in ("from_", "joins", "laterals"):
            self.query.set(part, _copy(select.args.get(part)))
        self._limit: int | None = 0 if registered.without_rows else None
        self._text: str | None = None

    # ---- names ----

    @cached_property
    def column_names(self) -> set[str]:
        """The columns of all tables that are read."""
        if not self.query.args.get("from_"):
            return set()
        return set(self._columns_of(exp.Star()))

    def names_table(self, name: str) -> bool:
        """True if one of the sources goes by this name."""
        tables = [self.query.args.get("from_"), *(self.query.args.get("joins") or [])]
        return any(t is not None and t.this.alias_or_name == name for t in tables)

    def output_of(self, column: exp.Column) -> str | None:
        """The column of the predictions' table, if this is one that the table function gives."""
        if not self._table:
            return None
        if column.table and column.table != self._table.alias:
            return None
        key = self._table.outputs.get(column.name)
        if key and not column.table and column.name in self.column_names:
            text = f"SQL compilation error:\nambiguous column name '{column.name}'"
            raise SqlError(2008, "42601", text)
        return key

    def star(self, projection: exp.Expression, kept: int) -> Iterator[tuple[str, str, exp.Expression | None]]:
        """The columns behind `*` or `t.*`: name, key among the kept ones, and what it is in the source."""
        table = projection.table if isinstance(projection, exp.Column) else None
        of_function = self._table and table == self._table.alias
        if self.query.args.get("from_") and not of_function:
            for name in self._columns_of(projection):
                column = exp.column(exp.to_identifier(name, quoted=True), table=table or None)
                yield name, f"_column_star_{kept}", column
                kept += 1
        if self._table and (of_function or not table):
            if not table and not self._table.is_last:
                raise unsupported("SELECT * from a table function of a model that is not the last in its FROM")
            for name, key in self._table.outputs.items():
                yield name, key, None

    def _columns_of(self, projection: exp.Expression) -> list[str]:
        columns = projection.sql(dialect="duckdb", identify=True)
        return [str(name) for name in self.session.cursor.query(self._reading(columns, 0)).table.column_names]

    # ---- rows ----

    def set_where(self, conditions: list[exp.Expression]) -> None:
        """Read only the rows that fulfil these conditions."""
        if conditions:
            self._text = None
            self.query.set("where", exp.Where(this=exp.and_(*(c.copy() for c in conditions))))

    def set_limit(self, late: exp.Expression | None) -> None:
        """Predict no more rows than a LIMIT lets through, where every row of the source is one of the result."""
        if late or self._table or self._limit is not None:
            return
        limit, node = None, self._select
        while limit is None and _keeps_rows(node):
            limit = node.args.get("limit")
            offset = node.args.get("offset")
            parent = node.find_ancestor(exp.Select)
            if offset or not parent or not _is_all_of(node, parent):
                break
            node = parent
        if isinstance(limit, exp.Limit) and limit.expression.is_int and not node.args.get("offset"):
            self._limit = int(limit.expression.name)

    def select(self, wanted: dict[str, exp.Expression]) -> str:
        """The engine's text of a query for these values under these names."""
        is_plain = not self.query.find(exp.Lateral, exp.TableFromRows, exp.Explode)
        plain = {name: value for name, value in wanted.items() if is_plain and isinstance(value, exp.Column)}
        others = [exp.alias_(v.copy(), n, quoted=True) for n, v in wanted.items() if n not in plain]
        if not is_plain:
            return self.text(self.query.select(*others)) + self._limited(self._limit)
        columns = [exp.alias_(value, name).sql(dialect="duckdb", identify=True) for name, value in plain.items()]
        if others:
            columns.append(self.session.cursor.to_duckdb(exp.select(*others)).removeprefix("SELECT "))
        return self._reading(", ".join(columns), self._limit)

    def _reading(self, columns: str, limit: int | None) -> str:
        if self._text is None:
            mark = exp.alias_(exp.Literal.string(_COLUMNS), _COLUMNS, quoted=True)
            self._text = self.text(self.query.select(mark))
        return self._text.replace(f"'{_COLUMNS}' AS \"{_COLUMNS}\"", columns or "1") + self._limited(limit)

    @staticmethod
    def _limited(limit: int | None) -> str:
        return "" if limit is None else f" LIMIT {limit}"

    def types(self, text: str) -> dict[str, str]:
        """The engine's types of a query's columns."""
        return self.session.cursor.types(text)

    def text(self, query: exp.Select) -> str:
        """The engine's text of a query of this scope, with the CTEs that it can see."""
        path = [self._select, *_ancestors(self._select)]
        ctes: list[exp.Expression] = []
        recursive = False
        for node in path:
            if with_ := node.args.get("with_"):
                containing = [any(cte is p for p in path) for cte in with_.expressions]
                before = containing.index(True) if True in containing else len(containing)
                ctes = [cte.copy() for cte in with_.expressions[:before]] + ctes
                recursive = recursive or bool(with_.args.get("recursive"))
        query = query.copy()
        if ctes:
            query.set("with_", exp.With(expressions=ctes, recursive=recursive))
        return self.session.cursor.to_duckdb(query)


def _is_all_of(select: exp.Select, parent: exp.Select) -> bool:
    """True if a SELECT reads the rows of this one, all of them, and no others."""
    place = select.parent
    if not isinstance(place, exp.Subquery) or not isinstance(place.parent, exp.From):
        return False
    parts = [parent.args.get(part) for part in ("where", "joins", "laterals")]
    return not any(parts + [place.args.get(part) for part in ("joins", "laterals", "pivots", "sample")])


def _keeps_rows(select: exp.Select) -> bool:
    """True if each row that a SELECT reads is a row of its result, in whatever order."""
    if any(select.args.get(part) for part in ("group", "having", "qualify", "distinct", "order", "sample")):
        return False
    found = (n for p in select.expressions for n in p.find_all(exp.AggFunc, exp.Window, exp.Explode, exp.Unnest))
    return not any(n.find_ancestor(exp.Select) is select for n in found)


def _ancestors(node: exp.Expression) -> Iterator[exp.Expression]:
    while node.parent:
        node = node.parent
        yield node


def _copy(part: Any) -> Any:
    if isinstance(part, list):
        return [p.copy() for p in part]
    return part and part.copy()
