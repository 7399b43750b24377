"""Rows that a statement reads and no table holds, and the tables of the functions and views that make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import statement_not_found
from include.sandbox.snowflake.fakesnow_seams import index_of_placeholder

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


class Registered:
    """Arrow tables that a statement reads by name; forgotten when it ends."""

    def __init__(self, session: Session, *, without_rows: bool = False) -> None:
        self.session = session
        self.without_rows = without_rows  # only the columns are wanted
        self._names: list[str] = []

    def __enter__(self) -> Registered:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            self.session.cursor.unregister(name)

    def add(self, table: pa.Table) -> exp.Table:
        """Register a table and refer to it."""
        name = self.session.show_table(table)
        self._names.append(name)
        return exp.Table(this=exp.to_identifier(name, quoted=True))


@dataclass(frozen=True)
class Arguments:
    """The values that a table function is called with."""

    positional: list[Any]
    named: dict[str, Any]  # by name in lower case
    columns_only: bool = False  # no rows are wanted, and placeholders are NULL

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """An argument that may be given by position or by name."""
        return self.positional[position] if position < len(self.positional) else self.named.get(name, default)


TABLE_FUNCTIONS: dict[str, Callable[[Session, Arguments], pa.Table]] = {}
VIEWS: dict[str, Callable[[Session, str], pa.Table]] = {}


def table_function(name: str) -> Callable[[Callable[..., pa.Table]], Callable[..., pa.Table]]:
    """Register `f(session, arguments)` for `TABLE(NAME(...))`, also after `INFORMATION_SCHEMA.`."""

    def register(function: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
        TABLE_FUNCTIONS[name] = function
        return function

    return register


def information_schema(name: str) -> Callable[[Callable[..., pa.Table]], Callable[..., pa.Table]]:
    """Register `f(session, database)` for the view `INFORMATION_SCHEMA.NAME`."""

    def register(function: Callable[..., pa.Table]) -> Callable[..., pa.Table]:
        VIEWS[name] = function
        return function

    return register


SOURCES: list[Callable[[exp.Expression, Registered, Any], None]] = []


def source(function: Callable[[exp.Expression, Registered, Any], None]) -> Callable[..., None]:
    """Register `f(expression, registered, params)`, which puts rows in the place of tables that the engine lacks."""
    SOURCES.append(function)
    return function


def virtual_tables(expression: exp.Expression, registered: Registered, params: Any) -> None:
    """Put the rows of table functions and of INFORMATION_SCHEMA's views in the place of their calls."""
    session = registered.session
    for node in list(expression.find_all(exp.TableFromRows)):
        call = node.this.expression if isinstance(node.this, exp.Dot) else node.this
        if isinstance(call, exp.Anonymous) and (function := TABLE_FUNCTIONS.get(call.name.upper())):
            _replace_table(node, registered.add(function(session, _arguments(call, registered, params))))
    for table in list(expression.find_all(exp.Table)):
        if table.db == "INFORMATION_SCHEMA" and table.name in VIEWS:
            _replace_table(table, registered.add(VIEWS[table.name](session, table.catalog)))
    for replace in SOURCES:
        replace(expression, registered, params)


def _arguments(call: exp.Anonymous, registered: Registered, params: Any) -> Arguments:
    session = registered.session
    named = {a.this.name.lower(): a.expression for a in call.expressions if isinstance(a, exp.Kwarg)}
    positional = [a for a in call.expressions if not isinstance(a, exp.Kwarg)]
    return Arguments(
        [_value(a, session, params) for a in positional],
        {name: _value(a, session, params) for name, a in named.items()},
        registered.without_rows,
    )


def _value(argument: exp.Expression, session: Session, params: Any) -> Any:
    if isinstance(argument, exp.Placeholder):
        if isinstance(params, dict):
            return params[argument.name]
        return params[index_of_placeholder(argument.root(), argument)]
    if isinstance(argument, exp.Literal) and argument.is_string:
        return argument.name
    text = session.cursor.to_duckdb(exp.select(exp.alias_(argument.copy(), "v", quoted=True)))
    return session.cursor.query(text).table.to_pylist()[0]["v"]


def _replace_table(node: exp.Expression, table: exp.Table) -> None:
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
    table.set("alias", alias if alias.this and alias.this.name else None)
    table.set("joins", node.args.get("joins"))
    node.replace(table)


@table_function("RESULT_SCAN")
def result_scan(session: Session, arguments: Arguments) -> pa.Table:
    """The rows of an earlier statement of the session, by its query id."""
    query_id = str(arguments.positional[0])
    if result := session.account.results.get(query_id):
        return result.table
    raise statement_not_found(query_id)
