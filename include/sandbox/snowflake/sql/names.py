"""Names as they are spelled: Snowflake tells `"a"` from `A`, the engine does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, invalid_identifier
from include.sandbox.snowflake.sql.nodes import Nodes

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey

# Sources whose columns are known only when the statement runs.
_OPEN_SOURCES = (exp.TableFromRows, exp.Lateral, exp.Pivot, exp.ModelAttribute, exp.Copy, exp.Unnest)


def check(expression: exp.Expression, session: Session) -> None:
    """Refuse a table or column that is there in another spelling only, as Snowflake does."""
    nodes = Nodes(expression)
    keys = _tables(nodes)
    if not keys:
        return
    columns: set[str] = set()
    for key in keys:
        found = _like(session, key)
        if found and key not in {row[:3] for row in found}:
            name = ".".join(key)
            raise SqlError(2003, "42S02", f"SQL compilation error:\nObject '{name}' does not exist or not authorized.")
        columns |= {row[3] for row in found}
    if not nodes.has(*_OPEN_SOURCES):
        _check_columns(expression, nodes, columns)


def _like(session: Session, key: TableKey) -> list[tuple[Any, ...]]:
    """The columns of tables that have this name, however it is spelled, with the full names of the tables."""
    return session.cursor.duck.catalog(
        "SELECT DISTINCT database_name, schema_name, table_name, column_name FROM duckdb_columns() "
        "WHERE (lower(database_name), lower(schema_name), lower(table_name)) = (lower(?), lower(?), lower(?))",
        key,
    )


def _check_columns(expression: exp.Expression, nodes: Nodes, columns: set[str]) -> None:
    known = columns | _new_names(nodes)
    spellings = {name.lower() for name in columns}
    for name in _mentioned(expression, nodes):
        if name not in known and name.lower() in spellings:
            raise invalid_identifier(f'"{name}"' if name != name.upper() else name)


def _tables(nodes: Nodes) -> list[TableKey]:
    keys = []
    for table in nodes.of(exp.Table):
        key = (table.catalog, table.db, table.name)
        if all(key) and key[1] != "INFORMATION_SCHEMA" and isinstance(table.this, exp.Identifier):
            keys.append(key)
    return list(dict.fromkeys(keys))


def _new_names(nodes: Nodes) -> set[str]:
    names = {alias.alias for alias in nodes.of(exp.Alias)}
    for alias in nodes.of(exp.TableAlias):
        names |= {column.name for column in alias.args.get("columns") or []} | {alias.name}
    return names | {column.name for column in nodes.of(exp.ColumnDef)}


def _mentioned(expression: exp.Expression, nodes: Nodes) -> list[str]:
    names = [column.name for column in nodes.of(exp.Column) if not isinstance(column.this, exp.Star)]
    if isinstance(expression, exp.Insert) and isinstance(expression.this, exp.Schema):
        names += [column.name for column in expression.this.expressions if isinstance(column, exp.Identifier)]
    return names
