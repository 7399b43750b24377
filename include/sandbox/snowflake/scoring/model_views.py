"""Views whose query calls a model: run each time the view is read, which the engine cannot do.

In the engine such a view has the right columns and no rows: its text carries the query, which takes the view's place
in every statement. So it is as durable, and is replaced, renamed and dropped, as any other view.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from include.sandbox.snowflake.scoring import model_sql

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_MARK = "this view calls a model: "
_ENGINE_TYPES = {'"NULL"': "VARCHAR"}


class ModelViews:
    """The names that such views have had: what is not among them need not be looked up."""

    def __init__(self) -> None:
        self._names: set[str] | None = None

    def names(self, session: Session) -> set[str]:
        """The last parts of their names, read once from the databases."""
        if self._names is None:
            found = session.cursor.query("SELECT view_name FROM duckdb_views() WHERE contains(sql, ?)", [_MARK])
            self._names = set(found.table.column(0).to_pylist())
        return self._names


def expand(expression: exp.Expression, session: Session) -> exp.Expression:
    """Put the queries of such views into the places where a statement reads them."""
    names = session.account.model_views.names(session)
    for table in list(expression.find_all(exp.Table)) if names else []:
        is_read = table.name in names and isinstance(table.parent, exp.From | exp.Join)
        if definition := _definition(table, session) if is_read else None:
            table.replace(_query(table, definition, session))
    return expression


def reads(expression: exp.Expression, session: Session) -> bool:
    """True if a statement may read such a view."""
    names = session.account.model_views.names(session)
    return bool(names) and any(table.name in names for table in expression.find_all(exp.Table))


def _definition(table: exp.Table, session: Session) -> dict[str, Any] | None:
    found = session.cursor.query(
        "SELECT sql FROM duckdb_views() WHERE (database_name, schema_name, view_name) = (?, ?, ?) AND contains(sql, ?)",
        [table.catalog, table.db, table.name, _MARK],
    ).table.to_pylist()
    if not found:
        return None
    literals = sqlglot.parse_one(found[0]["sql"], read="duckdb").find_all(exp.Literal)
    text = next(literal.name for literal in literals if literal.is_string and literal.name.startswith(_MARK))
    definition: dict[str, Any] = json.loads(text.removeprefix(_MARK))
    return definition


def _query(table: exp.Table, definition: dict[str, Any], session: Session) -> exp.Subquery:
    query = model_sql.named(sqlglot.parse_one(model_sql.plain(definition["query"]), read="snowflake"))
    alias = table.args.get("alias")
    columns = alias.args.get("columns") if alias else None
    names = columns or [exp.to_identifier(name, quoted=True) for name in definition["columns"]]
    called = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True), columns=names)
    subquery = exp.Subquery(this=expand(query, session), alias=called)
    for part in ("joins", "laterals", "pivots", "sample"):
        if value := table.args.get(part):
            subquery.set(part, value)
    return subquery


def stub(create: exp.Create, columns: dict[str, str], session: Session) -> exp.Create:
    """The CREATE VIEW for the engine: these columns and types, no rows, and the query as a text."""
    query = create.expression
    for call in query.find_all(exp.ModelAttribute):
        _qualify(call, session)
    given = [c.name for c in create.this.expressions] if isinstance(create.this, exp.Schema) else []
    names = given or list(columns)
    text = query.sql(dialect="snowflake", normalize_functions=False)
    definition = _MARK + json.dumps({"query": text, "columns": names})
    error = exp.Anonymous(this="error", expressions=[exp.Literal.string(definition)])
    types = [exp.DataType.build(_ENGINE_TYPES.get(type_, type_), "duckdb") for type_ in columns.values()]
    values = [
        exp.alias_(exp.cast(error.copy(), type_), name, quoted=True) for name, type_ in zip(names, types, strict=True)
    ]
    create.set("expression", exp.select(*values))
    create.set("this", create.this.this if given else create.this)
    target = create.find(exp.Table)
    if target is not None:
        session.account.model_views.names(session).add(target.name)
    return create


def _qualify(call: exp.ModelAttribute, session: Session) -> None:
    """A view reads its model by the full name, from wherever it is read."""
    reference = call.this.expressions[0] if isinstance(call.this, exp.Anonymous) else call.this
    parts = session.qualify(tuple(i.name for i in reference.find_all(exp.Identifier, bfs=False)))
    first, second, last = (exp.to_identifier(part, quoted=True) for part in parts)
    full = exp.Dot(this=exp.Dot(this=first, expression=second), expression=last)
    if isinstance(call.this, exp.Anonymous):
        reference.replace(full)
    else:
        call.set("this", full)
