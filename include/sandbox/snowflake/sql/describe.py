"""SHOW and DESCRIBE: the engine's tables and types in Snowflake's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from sqlglot import exp

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.sql.facts import Facts

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


def filter_show(result: Result, show: exp.Show) -> Result:
    """Apply LIKE, STARTS WITH and LIMIT to the rows of a SHOW."""
    table = result.table
    column = next(c for c in ("name", "column_name", "key") if c in table.column_names)
    if like := show.args.get("like"):
        table = table.filter(pc.match_like(table[column], like.name, ignore_case=True))
    if starts := show.args.get("starts_with"):
        table = table.filter(pc.starts_with(table[column], starts.name))
    if limit := show.args.get("limit"):
        table = table.slice(0, int(limit.expression.name))
    result.table, result.rowcount = table, table.num_rows
    return result


_DESCRIBED_TYPES = {
    "BIGINT": "NUMBER(38,0)",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "INTEGER": "NUMBER(38,0)",
    "SMALLINT": "NUMBER(38,0)",
    "HUGEINT": "NUMBER(38,0)",
    "UBIGINT": "NUMBER(38,0)",
    "VARCHAR": "VARCHAR(16777216)",
    "BLOB": "BINARY(8388608)",
    "JSON": "VARIANT",
    "TIME": "TIME(9)",
    "TIMESTAMP": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP_NS": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(9)",
}


def snowflake_type(engine_type: str) -> str:
    """Snowflake's name of an engine type, as DESC TABLE writes it."""
    return _DESCRIBED_TYPES.get(engine_type, engine_type.replace("DECIMAL", "NUMBER"))


_COLUMN = (
    *("database_name", "schema_name", "table_name", "column_name", "column_index", "data_type"),
    *("is_nullable", "column_default", "comment", "facts"),
)


def columns(session: Session, where: str, values: list[str]) -> list[dict[str, Any]]:
    """The columns of tables and views, with the types that were declared where they say more than the engine's."""
    answer = session.cursor.duck.catalog(
        "SELECT c.database_name, c.schema_name, c.table_name, c.column_name, c.column_index, c.data_type, "
        "c.is_nullable, c.column_default, c.comment, t.comment AS facts "
        "FROM duckdb_columns() c LEFT JOIN duckdb_tables() t "
        "ON (c.database_name, c.schema_name, c.table_name) = (t.database_name, t.schema_name, t.table_name) "
        f"WHERE NOT c.internal AND {where} "
        "ORDER BY c.database_name, c.schema_name, c.table_name, c.column_index",
        values,
    )
    found: list[dict[str, Any]] = [dict(zip(_COLUMN, row, strict=True)) for row in answer]
    known = {text: Facts.parse(text) for text in {c["facts"] for c in found}}
    for column in found:
        declared = known[column["facts"]]
        types = declared.types if declared else {}
        column["type"] = types.get(column["column_name"]) or snowflake_type(column["data_type"])
    return found


def describe_table(session: Session, name: str) -> Result:
    """The columns of a table or view."""
    key = session.qualify(name)
    physical = session.temporary_tables.get(key)
    catalog, schema, table = ("temp", "main", physical) if physical else key
    if schema == "INFORMATION_SCHEMA":
        schema, table = "_fs_information_schema", f"_fs_{table}"
    described = columns(
        session,
        "c.database_name = ? AND lower(c.schema_name) = lower(?) AND lower(c.table_name) = lower(?)",
        [catalog, schema, table],
    )
    if not described:
        raise not_found("Table", ".".join(key))
    names = "name,type,kind,null?,default,primary key,unique key,check,expression,comment,policy name"
    records = [
        {
            "name": c["column_name"],
            "type": c["type"],
            "kind": "COLUMN",
            "null?": "Y" if c["is_nullable"] else "N",
            "default": c["column_default"],
            "primary key": "N",
            "unique key": "N",
            "comment": c["comment"],
        }
        for c in described
    ]
    return rows(records, names.split(","))
