"""Places of a method call that are put into other words: what it is given, or changes, becomes a SELECT of its own.

UPDATE and DELETE get their rows from a SELECT; aggregates, windows and other calls in a call's arguments are selected
first.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported

_ROW, _NEW = "_row", "_new"
_WHOLE = (exp.AggFunc, exp.Window, exp.Column, exp.Subquery, exp.Exists, exp.In)


def as_selects(expression: exp.Expression) -> exp.Expression:
    """The same statement with its calls in SELECTs, their arguments made of the sources' columns only."""
    if isinstance(expression, exp.Update) and _outside_selects(expression):
        _update(expression)
    elif isinstance(expression, exp.Delete) and _outside_selects(expression):
        _delete(expression)
    for select in list(expression.find_all(exp.Select)):
        inner: exp.Select | None = select
        while inner is not None:
            inner = _Lifting(inner).inner if _needs_lifting(inner) else None
    return expression


def exact_text(node: exp.Expression) -> str:
    """What tells nodes apart; the parser's own equality ignores the case of the keys in a path."""
    return node.sql(dialect="snowflake", normalize_functions=False)


def _outside_selects(expression: exp.Expression) -> bool:
    return any(not call.find_ancestor(exp.Select) for call in expression.find_all(exp.ModelAttribute))


# ---- changes ----


def _update(update: exp.Update) -> None:
    """UPDATE t SET c = value: the values come from a SELECT over t, row by row."""
    if update.args.get("from_"):
        raise unsupported("MODEL(...)!METHOD(...) in an UPDATE with FROM: select the new values first")
    table = update.this
    rowid = exp.column("rowid", table=exp.to_identifier(table.alias_or_name, quoted=True))
    rows = exp.select(exp.alias_(rowid.copy(), _ROW, quoted=True)).from_(table.copy())
    rows.set("where", update.args.get("where") and update.args["where"].copy())
    for number, assignment in enumerate(update.expressions):
        rows = rows.select(exp.alias_(assignment.expression.copy(), f"_value_{number}", quoted=True), copy=False)
        assignment.set("expression", exp.column(f"_value_{number}", table=_NEW, quoted=True))
    source = exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(_NEW, quoted=True)))
    update.set("from_", exp.From(this=source))
    update.set("where", exp.Where(this=exp.EQ(this=rowid, expression=exp.column(_ROW, table=_NEW, quoted=True))))


def _delete(delete: exp.Delete) -> None:
    """DELETE FROM t WHERE condition: the rows come from a SELECT over t."""
    if delete.args.get("using"):
        raise unsupported("MODEL(...)!METHOD(...) in a DELETE with USING: select the rows first")
    table = delete.this
    rowid = exp.column("rowid", table=exp.to_identifier(table.alias_or_name, quoted=True))
    rows = exp.select(rowid.copy()).from_(table.copy())
    rows.set("where", delete.args["where"].copy())
    delete.set("where", exp.Where(this=exp.In(this=rowid, query=exp.Subquery(this=rows))))


# ---- arguments that are to be selected first ----


def _needs_lifting(select: exp.Select) -> bool:
    calls = _own(select, exp.ModelAttribute)
    if any(call.expression.find(exp.AggFunc, exp.Window, exp.ModelAttribute) for call in _functions(calls)):
        return True
    group = select.args.get("group")
    if any((_meant(node, select) or node).find(exp.ModelAttribute) for node in (group.expressions if group else [])):
        return False
    is_aggregated = bool(group) or any(not n.find_ancestor(exp.Window) for n in _own(select, exp.AggFunc))
    return is_aggregated and any(not _within_aggregate(call, select) for call in _functions(calls))


def _meant(node: exp.Expression, select: exp.Select) -> exp.Expression | None:
    """The projection that GROUP BY 1 and GROUP BY alias mean."""
    if isinstance(node, exp.Literal) and node.is_int and int(node.name) <= len(select.expressions):
        return select.expressions[int(node.name) - 1].unalias()
    if isinstance(node, exp.Column) and not node.table:
        return next((p.this for p in select.expressions if isinstance(p, exp.Alias) and p.alias == node.name), None)
    return None


def _functions(calls: list[Any]) -> list[Any]:
    """The calls that are no table functions."""
    return [call for call in calls if not isinstance(call.parent, exp.TableFromRows)]


def _own(select: exp.Select, kind: type[exp.Expression]) -> list[Any]:
    return [node for node in select.find_all(kind) if node.find_ancestor(exp.Select) is select]


def _within_aggregate(call: exp.Expression, select: exp.Select) -> bool:
    """True where a call is made for each row: in an aggregate, or in WHERE."""
    return call.find_ancestor(exp.AggFunc, exp.Where, exp.Select) is not select


class _Lifting:
    """Splits a SELECT in two: an inner one for all that the calls are given, and one around it with the calls."""

    def __init__(self, select: exp.Select) -> None:
        self._select = select
        self._values: dict[str, tuple[str, exp.Expression]] = {}
        self._aliases = {p.alias for p in select.expressions if isinstance(p, exp.Alias)}
        self._resolve_groups()
        self.inner = exp.Select()
        self._conditions: list[exp.Expression] = []
        self._take_conditions()
        for part in ("from_", "joins", "laterals", "where", "group", "having", "qualify", "windows"):
            self.inner.set(part, select.args.get(part))
            select.set(part, None)
        projections = [self._projection(p) for p in list(select.expressions)]
        conditions = [self._lifted(condition) for condition in self._conditions]
        if order := select.args.get("order"):
            for ordered in order.expressions:
                ordered.set("this", self._lifted(ordered.this))
        if select.args.get("distinct") and select.args["distinct"].args.get("on"):
            raise unsupported("DISTINCT ON beside a method call on aggregates")
        for star in (p for p in projections if isinstance(p, exp.Star)):
            star.set("except_", [exp.to_identifier(name, quoted=True) for name, _ in self._values.values()])
        select.set("expressions", projections)
        inner = list(self.inner.expressions)
        inner += [exp.alias_(value, name, quoted=True) for name, value in self._values.values()]
        self.inner.set("expressions", inner)
        source = exp.Subquery(this=self.inner, alias=exp.TableAlias(this=exp.to_identifier("_first", quoted=True)))
        select.set("from_", exp.From(this=source))
        select.set("where", exp.Where(this=exp.and_(*conditions, copy=False)) if conditions else None)

    def _resolve_groups(self) -> None:
        """GROUP BY 1 and GROUP BY alias mean projections, which the inner SELECT does not have."""
        group = self._select.args.get("group")
        if not group:
            return
        if group.args.get("all"):
            raise unsupported("GROUP BY ALL beside a method call on aggregates")
        for node in list(group.expressions):
            meant = _meant(node, self._select)
            if meant is not None and meant.find(exp.ModelAttribute):
                raise unsupported("GROUP BY a method call on aggregates")
            if meant is not None:
                node.replace(meant.copy())

    def _take_conditions(self) -> None:
        """Conditions with calls are for the outer SELECT, where nothing depends on the rows that they drop."""
        select = self._select
        windows = any(p.find(exp.Window) for p in [*select.expressions, *filter(None, [select.args.get("qualify")])])
        is_aggregated = bool(select.args.get("group") or _own(select, exp.AggFunc))
        for part, depends in (("where", is_aggregated or windows), ("having", windows), ("qualify", False)):
            clause = select.args.get(part)
            if clause and any(call.find_ancestor(exp.Select) is select for call in clause.find_all(exp.ModelAttribute)):
                if depends:
                    raise unsupported(f"a method call in {part.upper()} beside aggregates or windows: select it first")
                self._conditions.append(clause.this)
                select.set(part, None)

    def _projection(self, projection: exp.Expression) -> exp.Expression:
        if isinstance(projection, exp.Star) and not self.inner.args.get("joins"):
            self.inner.set("expressions", [projection.copy(), *self.inner.expressions])
            return projection
        if projection.is_star:
            raise unsupported("SELECT t.* beside a method call whose arguments are calls: select them first")
        if isinstance(projection, exp.Column):
            return exp.alias_(self._value(projection), projection.name, quoted=True)
        return self._lifted(projection)

    def _lifted(self, node: exp.Expression) -> exp.Expression:
        """The node over the inner SELECT's columns."""
        if isinstance(node, exp.ModelAttribute):
            for argument in list(node.expression.expressions):
                for value in _parts(argument):
                    if value.find(*_WHOLE):
                        value.replace(self._value(value))
            return node
        if isinstance(node, exp.Column) and not node.table and node.name in self._aliases:
            return node
        if isinstance(node, _WHOLE):
            return self._value(node)
        for child in list(node.iter_expressions()):
            lifted = self._lifted(child)
            if lifted is not child:
                child.replace(lifted)
        return node

    def _value(self, node: exp.Expression) -> exp.Column:
        name, _ = self._values.setdefault(exact_text(node), (f"_value_{len(self._values)}", node.copy()))
        return exp.column(name, quoted=True)


def _parts(argument: exp.Expression) -> list[exp.Expression]:
    """The values in an argument that is named, or an object of many."""
    if isinstance(argument, exp.Kwarg):
        return [argument.expression]
    if isinstance(argument, exp.JSONObject):
        return [pair.expression for pair in argument.expressions]
    return [argument]
