"""MODEL(name, version)!METHOD(...): running the really packaged model over a statement's rows.

A SELECT with calls reads its sources once: their rows go through the models in batches, and what comes out takes
the place of its FROM. So a call may stand wherever a column of the sources may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import invalid_argument_types, unsupported
from include.sandbox.snowflake.scoring import call_forms, model_runs, model_views
from include.sandbox.snowflake.scoring.call_results import open_fields, put_column
from include.sandbox.snowflake.scoring.calls import resolve
from include.sandbox.snowflake.scoring.model_sources import Source
from include.sandbox.snowflake.scoring.table_calls import TableCall
from include.sandbox.snowflake.sql.tables import Registered

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_PARTS = ("expressions", "where", "group", "having", "qualify", "order", "windows", "distinct")


def rewrite(expression: exp.Expression, registered: Registered) -> exp.Expression:
    """Replace every method call of a statement by a column of predictions."""
    expression = model_views.expand(expression, registered.session)
    if not expression.find(exp.ModelAttribute):
        return expression
    if isinstance(expression, exp.Create) and expression.kind == "VIEW":
        return model_views.stub(expression, _columns_of(expression.expression, registered), registered.session)
    expression = call_forms.as_selects(expression)
    for select in _innermost_first(expression):
        if any(node.find_ancestor(exp.Select) is select for node in select.find_all(exp.ModelAttribute)):
            _Scope(select, registered).replace()
    if node := expression.find(exp.ModelAttribute):
        raise _misplaced(node)
    return expression


def has_calls(expression: exp.Expression, session: Session) -> bool:
    """True if a statement calls a method, or may do so through a view."""
    return bool(expression.find(exp.ModelAttribute)) or model_views.reads(expression, session)


def _columns_of(query: exp.Expression, registered: Registered) -> dict[str, str]:
    """Names and engine types of a query's columns."""
    session = registered.session
    with Registered(session, without_rows=True) as empty:
        text = session.cursor.to_duckdb(rewrite(query.copy(), empty))
        result = session.cursor.query(f"SELECT * FROM ({text}) LIMIT 0")
    return dict(zip(result.table.column_names, result.types, strict=True))


def inline_values(expression: exp.Expression, params: Any) -> exp.Expression:
    """Write bound values into a statement that will be run in several parts."""
    for number, placeholder in enumerate(list(expression.find_all(exp.Placeholder, bfs=False))):
        value = params[placeholder.name] if isinstance(params, dict) else params[number]
        placeholder.replace(exp.convert(value))
    return expression


def _innermost_first(node: exp.Expression) -> list[exp.Select]:
    """The SELECTs in an order in which each comes after those that it reads: its CTEs first, then its sub-queries."""
    found: list[exp.Select] = []

    def visit(node: exp.Expression) -> None:
        children = list(node.iter_expressions())
        for child in sorted(children, key=lambda c: not isinstance(c, exp.With)):
            visit(child)
        if isinstance(node, exp.Select):
            found.append(node)

    visit(node)
    return found


def _misplaced(node: exp.Expression) -> Exception:
    place = node.find_ancestor(exp.Join, exp.Merge, exp.Update, exp.Delete, exp.Values, exp.Lateral, exp.Set)
    where = f" in {place.key.upper()}" if place else ""
    return unsupported(f"MODEL(...)!METHOD(...){where}, outside the parts of a SELECT")


class _Scope:
    """One SELECT with method calls in it."""

    def __init__(self, select: exp.Select, registered: Registered) -> None:
        self.select = select
        self.registered = registered
        self.nodes: dict[str, list[exp.ModelAttribute]] = {}  # by their text: equal calls are made once
        tables: list[exp.ModelAttribute] = []
        for node in list(select.find_all(exp.ModelAttribute)):
            place = node.find_ancestor(exp.Select, exp.From, exp.Join, exp.Lateral)
            if node.find_ancestor(exp.Select) is not select:
                continue
            if isinstance(node.parent, exp.TableFromRows):
                tables.append(node)
            elif place is select:
                self.nodes.setdefault(call_forms.exact_text(node), []).append(node)
            else:
                raise _misplaced(node)
        if len(tables) > 1:
            raise unsupported("two table functions of models in one FROM: select from the first one first")
        session = registered.session
        self.calls = [resolve(nodes[0], session, f"_call_{i}") for i, nodes in enumerate(self.nodes.values())]
        for call in self.calls:
            if call.method.kind == "TABLE_FUNCTION" or call.partition_by or call.order_by:
                raise invalid_argument_types(call.method.name, "a table function is called as TABLE(MODEL(...)!F(...))")
        self.table = TableCall(resolve(tables[0], session, "_table"), tables[0]) if tables else None
        if self.table and self.calls:
            raise unsupported(
                "a table function and a function of models in one SELECT: select from the first one first"
            )

    def replace(self) -> None:
        """Predict, and let the SELECT read the predictions instead of its FROM."""
        source = Source(self.select, self.registered, self.table)
        late = self._split_where(source)
        source.set_limit(late)
        kept = self._take_columns(source)
        self._take_stars(source, kept)
        calls = [self.table.call] if self.table else self.calls
        table = model_runs.run(source, kept, calls, self.table)
        for part in ("joins", "laterals"):
            self.select.set(part, None)
        self.select.set("where", late and exp.Where(this=late))
        self.select.set("from_", exp.From(this=self.registered.add(table)))
        for call, nodes in zip(self.calls, self.nodes.values(), strict=True):
            for node in nodes:
                open_fields(call, node, self.select)
                put_column(call, node)
        self._drop_unread()

    def _drop_unread(self) -> None:
        """Take the CTEs out that only the source has read."""
        with_ = self.select.args.get("with_")
        while with_ and with_.expressions:
            read = {table.name for table in self.select.find_all(exp.Table) if not table.db}
            if with_.expressions[-1].alias in read:
                return
            with_.expressions[-1].pop()
        self.select.set("with_", None)

    def _split_where(self, source: Source) -> exp.Expression | None:
        """Let the source apply the conditions that need no prediction; gives back the others."""
        where = self.select.args.get("where")
        if not where:
            return None
        conditions = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
        early = [c for c in conditions if not self._is_late(c, source)]
        source.set_where(early)
        for condition in early:
            condition.pop() if isinstance(where.this, exp.And) else where.set("this", None)
        late = [c for c in conditions if not any(c is e for e in early)]
        self.select.set("where", exp.Where(this=exp.and_(*late, copy=False)) if late else None)
        return self.select.args["where"].this if late else None

    def _is_late(self, condition: exp.Expression, source: Source) -> bool:
        if condition.find(exp.ModelAttribute):
            return True
        if self.table:
            # Before a partition is made no row of it may be missing.
            return self.table.call.method.is_partitioned or any(source.output_of(c) for c in _columns(condition))
        return any(not c.table and c.name in self._aliases_of_calls() for c in condition.find_all(exp.Column))

    def _aliases_of_calls(self) -> set[str]:
        return {p.alias for p in self.select.expressions if p.alias and p.find(exp.ModelAttribute)}

    def _take_columns(self, source: Source) -> dict[str, exp.Expression]:
        """Point the SELECT's references to source columns at columns of the predictions' table."""
        inside = {id(n) for nodes in self.nodes.values() for node in nodes for n in node.walk()}
        kept: dict[str, exp.Expression] = {}
        known: dict[str, str] = {}
        for part in _PARTS:
            nodes = self.select.args.get(part) or []
            for node in nodes if isinstance(nodes, list) else [nodes]:
                for column in list(node.find_all(exp.Column)):
                    if id(column) in inside or isinstance(column.this, exp.Star) or not self._is_own(column, source):
                        continue
                    key = source.output_of(column) or known.setdefault(
                        call_forms.exact_text(column), f"_column_{len(known)}"
                    )
                    if key.startswith("_column_"):
                        kept.setdefault(key, column.copy())
                    replacement: exp.Expression = exp.column(key, quoted=True)
                    if column.parent is self.select and part == "expressions":
                        replacement = exp.alias_(replacement, column.name, quoted=True)
                    column.replace(replacement)
        return kept

    def _is_own(self, column: exp.Column, source: Source) -> bool:
        """True for a column of this SELECT's sources, also where a sub-query of it uses it."""
        if column.find_ancestor(exp.Select) is not self.select:
            return bool(column.table) and source.names_table(column.table) and not _shadowed(column, self.select)
        if column.table or source.output_of(column):
            return True
        aliases = {p.alias for p in self.select.expressions if isinstance(p, exp.Alias)}
        return column.name not in aliases or column.name in source.column_names

    def _take_stars(self, source: Source, kept: dict[str, exp.Expression]) -> None:
        """Replace `*` and `t.*` by the columns they stand for, as far as anybody reads them."""
        wanted = _read_of(self.select)
        expanded: list[exp.Expression] = []
        for projection in self.select.expressions:
            if not (isinstance(projection, exp.Star) or projection.is_star):
                expanded.append(projection)
                continue
            for name, key, column in source.star(projection, len(kept)):
                if wanted is not None and name not in wanted and len(self.select.expressions) > 1:
                    continue
                if column is not None:
                    kept[key] = column
                expanded.append(exp.alias_(exp.column(key, quoted=True), name, quoted=True))
        self.select.set("expressions", expanded)


def _columns(node: exp.Expression) -> Iterator[exp.Column]:
    return node.find_all(exp.Column)


def _shadowed(column: exp.Column, outer: exp.Select) -> bool:
    """True if a SELECT between them has a table of the same name."""
    select = column.find_ancestor(exp.Select)
    while select is not None and select is not outer:
        tables = [select.args.get("from_"), *(select.args.get("joins") or [])]
        if any(t is not None and t.this.alias_or_name == column.table for t in tables):
            return True
        select = select.find_ancestor(exp.Select)
    return False


def _read_of(select: exp.Select) -> set[str] | None:
    """The columns of a sub-query that the SELECT around it reads; None where that may be all of them."""
    subquery = select.parent
    outer = subquery.parent.parent if isinstance(subquery, exp.Subquery) and subquery.parent else None
    if not isinstance(outer, exp.Select) or not isinstance(subquery.parent, exp.From):
        return None
    alias = subquery.args.get("alias")
    reshaped = subquery.args.get("pivots") or (alias and alias.columns)
    if reshaped or any(select.args.get(part) for part in ("distinct", "group", "order")):
        return None
    if any(outer.args.get(part) for part in ("joins", "laterals", "match")):
        return None
    nodes = [
        node for child in outer.iter_expressions() if child.arg_key not in ("from_", "with_") for node in child.walk()
    ]
    if any(isinstance(n, exp.PositionalColumn | exp.Parameter) or _is_whole_row(n) for n in nodes):
        return None
    return {node.name for node in nodes if isinstance(node, exp.Column)}


def _is_whole_row(node: exp.Expression) -> bool:
    return isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count)
