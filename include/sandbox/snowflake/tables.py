"""Rows that a statement reads and no table holds: earlier results, staged files' schemas, packages, predictions."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from fakesnow.params import index_of_placeholder
from sqlglot import exp

from include.sandbox.snowflake import files
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.results import rows

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


def virtual_tables(expression: exp.Expression, registered: Registered, params: Any) -> None:
    """Carry out TABLE(RESULT_SCAN(...)), TABLE(INFER_SCHEMA(...)) and INFORMATION_SCHEMA.PACKAGES."""
    session = registered.session
    for node in list(expression.find_all(exp.TableFromRows)):
        name = node.this.name.upper() if isinstance(node.this, exp.Anonymous) else ""
        if name == "RESULT_SCAN":
            query_id = node.this.expressions[0].name
            if query_id not in session.results:
                raise SqlError(709, "02000", f"Statement {query_id} not found")
            _replace_table(node, registered.add(session.results[query_id].table))
        elif name == "INFER_SCHEMA":
            arguments = {a.this.name.lower(): _value(a.expression, params) for a in node.this.expressions}
            _replace_table(node, registered.add(files.infer_schema(session, arguments)))
    for table in list(expression.find_all(exp.Table)):
        if table.db == "INFORMATION_SCHEMA" and table.name == "PACKAGES":
            _replace_table(table, registered.add(_packages()))


def _replace_table(node: exp.Expression, table: exp.Table) -> None:
    alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name, quoted=True))
    table.set("alias", alias if alias.this and alias.this.name else None)
    table.set("joins", node.args.get("joins"))
    node.replace(table)


def _value(argument: exp.Expression, params: Any) -> str:
    if isinstance(argument, exp.Placeholder):
        return str(params[index_of_placeholder(argument.root(), argument)])
    return str(argument.name)


def _packages() -> pa.Table:
    """The packages that models can have in the warehouse: those the sandbox itself runs with."""
    version = ".".join(platform.python_version_tuple()[:2])
    records = [
        {
            "PACKAGE_NAME": distribution.name.lower().replace("_", "-"),
            "VERSION": distribution.version,
            "LANGUAGE": "python",
            "RUNTIME_VERSION": version,
        }
        for distribution in importlib.metadata.distributions()
    ]
    return rows(records, ["PACKAGE_NAME", "VERSION", "LANGUAGE", "RUNTIME_VERSION"]).table
