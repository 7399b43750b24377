"""The SQL about tables and views that is neither a query nor a change."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import not_found, unsupported
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import Effect, matches, split_name, statement
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, rows, status
from include.sandbox.snowflake.sql import describe, facts
from include.sandbox.snowflake.sql.constants import constant_function
from include.sandbox.snowflake.sql.facts import Facts
from include.sandbox.snowflake.sql.tables import information_schema

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_HIDDEN = "('main', '_fs_information_schema')"
_SHOWN = [
    *("name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes", "owner"),
    *("retention_time", "automatic_clustering", "change_tracking", "search_optimization"),
    *("search_optimization_progress", "search_optimization_bytes", "is_external", "enable_schema_evolution"),
    *("owner_role_type", "is_event", "budget", "is_hybrid", "is_iceberg", "is_dynamic", "is_immutable"),
]
_SHOWN_OBJECTS = [
    *("name", "database_name", "schema_name", "kind", "comment", "cluster_by", "rows", "bytes", "owner"),
    *("retention_time", "owner_role_type", "budget", "is_hybrid", "is_iceberg", "is_dynamic"),
]
_TERSE = ["name", "kind", "database_name", "schema_name"]
_NUMBERS = ("rows", "bytes")
_COUNTED_AT_ONCE = 50


@statement("(DESC|DESCRIBE) (TABLE|VIEW) {name:name} [TYPE = COLUMNS]")
def describe_table(session: Session, name: str) -> Result:
    """The columns of a table or view."""
    return describe.describe_table(session, name)


@statement("SHOW [terse:TERSE] TABLES {options:rest}")
def show_tables(session: Session, terse: str | None, options: str) -> Result:
    """List tables: LIKE, IN, STARTS WITH, LIMIT; with their rows, counted."""
    return _shown(_tables(session, shows.options(session, options)), _TERSE if terse else _SHOWN)


@statement("SHOW [terse:TERSE] OBJECTS {options:rest}")
def show_objects(session: Session, terse: str | None, options: str) -> Result:
    """List tables and views: LIKE, IN, STARTS WITH, LIMIT."""
    wanted = shows.options(session, options)
    found = [*_tables(session, wanted), *_views(session, wanted)]
    found.sort(key=lambda r: (r["database_name"], r["schema_name"], r["name"]))
    return _shown(found, _TERSE if terse else _SHOWN_OBJECTS)


@statement("ALTER TABLE [exists:IF EXISTS] {name:name} UNSET COMMENT", Effect.DDL)
def unset_comment(session: Session, name: str, exists: str | None) -> Result:
    """Take a table's comment away."""
    return _altered(session, name, exists, comment=None)


@statement("ALTER TABLE [exists:IF EXISTS] {name:name} UNSET DATA_RETENTION_TIME_IN_DAYS", Effect.DDL)
def unset_retention(session: Session, name: str, exists: str | None) -> Result:
    """Keep a table's past for one day."""
    return _altered(session, name, exists, retention_days=1)


@statement("ALTER TABLE [exists:IF EXISTS] {name:name} DROP CLUSTERING KEY", Effect.DDL)
def drop_clustering_key(session: Session, name: str, exists: str | None) -> Result:
    """Take a table's clustering key away."""
    return _altered(session, name, exists, cluster_by="")


def _altered(session: Session, name: str, exists: str | None, **changed: Any) -> Result:
    key = session.qualify(name)
    known = facts.read(session.cursor, key)
    if known is None:
        if exists:
            return status(DONE)
        raise not_found("Table", ".".join(key))
    for field, value in changed.items():
        setattr(known, field, value)
    facts.write(session.cursor, key, known)
    return status(DONE)


def _shown(records: list[dict[str, Any]], names: list[str]) -> Result:
    types = {name: pa.int64() if name in _NUMBERS else pa.string() for name in names}
    return rows([{n: r.get(n) for n in ("created_on", *names)} for r in records], {"created_on": CREATED_ON, **types})


def _tables(session: Session, wanted: shows.Options) -> list[dict[str, Any]]:
    """The tables of a place, the session's temporary ones among them."""
    dynamic = {e.key for e in session.account.catalog.entries("DYNAMIC TABLE")}
    records = []
    for key, known in _found(session, wanted.database, wanted.schema):
        physical = session.temporary_tables.get(key)
        kind = "TEMPORARY" if physical else "TRANSIENT" if known and known.is_transient else "TABLE"
        records.append(
            _record(session, key, known or Facts(created_on="1970-01-01T00:00:00+00:00"), kind, key in dynamic)
        )
    chosen = wanted.choose(records, lambda r: str(r["name"]))
    for start in range(0, len(chosen), _COUNTED_AT_ONCE):
        _count(session, chosen[start : start + _COUNTED_AT_ONCE])
    return chosen


def _count(session: Session, records: list[dict[str, Any]]) -> None:
    """Note how many rows tables have."""
    counts = []
    for number, record in enumerate(records):
        key = (record["database_name"], record["schema_name"], record["name"])
        physical = session.temporary_tables.get(key)
        place = facts.quoted(("temp", "main", physical) if physical else key)
        counts.append(f"SELECT {number}, COUNT(*) FROM {place}")
    for number, count in session.cursor.duck.execute(" UNION ALL ".join(counts)).fetchall():
        records[number]["rows"] = count


def _found(session: Session, database: str | None, schema: str | None) -> list[tuple[facts.TableKey, Facts | None]]:
    permanent = session.cursor.duck.catalog(
        "SELECT database_name, schema_name, table_name, comment FROM duckdb_tables() WHERE NOT internal "
        f"AND NOT temporary AND schema_name NOT IN {_HIDDEN} AND database_name NOT IN ('_fs_global', 'memory') "
        "AND database_name = coalesce(?, database_name) AND schema_name = coalesce(?, schema_name)",
        [database, schema],
    )
    found = {(d, s, t): Facts.parse(comment) for d, s, t, comment in permanent}
    comments = {}
    if session.temporary_tables:
        query = "SELECT table_name, comment FROM duckdb_tables() WHERE temporary"
        comments = dict(session.cursor.duck.execute(query).fetchall())
    for key, physical in session.temporary_tables.items():
        if physical in comments and database in (None, key[0]) and schema in (None, key[1]):
            found[key] = Facts.parse(comments[physical])
    return sorted(found.items())


def _record(session: Session, key: facts.TableKey, known: Facts, kind: str, is_dynamic: bool) -> dict[str, Any]:
    return {
        "created_on": known.created,
        "database_name": key[0],
        "schema_name": key[1],
        "name": key[2],
        "kind": kind,
        "comment": known.comment or "",
        "cluster_by": known.cluster_by,
        "owner": session.account.role,
        "retention_time": str(known.retention_days),
        "automatic_clustering": "ON" if known.cluster_by else "OFF",
        "change_tracking": "ON" if known.change_tracking else "OFF",
        "search_optimization": "OFF",
        "is_dynamic": "Y" if is_dynamic else "N",
        "owner_role_type": "ROLE",
        **dict.fromkeys(
            ("is_external", "enable_schema_evolution", "is_event", "is_hybrid", "is_iceberg", "is_immutable"), "N"
        ),
    }


def _views(session: Session, wanted: shows.Options) -> list[dict[str, Any]]:
    found = session.cursor.duck.catalog(
        "SELECT database_name, schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal "
        f"AND NOT temporary AND schema_name NOT IN {_HIDDEN} AND database_name NOT IN ('_fs_global', 'memory') "
        "AND database_name = coalesce(?, database_name) AND schema_name = coalesce(?, schema_name)",
        [wanted.database, wanted.schema],
    )
    records = []
    for database, schema, name, comment in found:
        entry = session.account.catalog.find("VIEW", (database, schema, name))
        records.append(
            {
                "created_on": entry.created_on if entry else None,
                "database_name": database,
                "schema_name": schema,
                "name": name,
                "kind": "VIEW",
                "comment": comment or "",
                "cluster_by": "",
                "owner": session.account.role,
                "owner_role_type": "ROLE",
                **dict.fromkeys(("is_hybrid", "is_iceberg", "is_dynamic"), "N"),
            }
        )
    return wanted.choose(records, lambda r: str(r["name"]))


@statement("SHOW COLUMNS [LIKE {like:text}] [IN (TABLE|VIEW) {name:name}]")
def show_columns(session: Session, like: str | None, name: str | None) -> Result:
    """List the columns of a table, or of the current schema's tables and views."""
    where, values = "c.database_name = ? AND c.schema_name = ?", [session.database or "", session.schema or ""]
    if name:
        key = session.qualify(name)
        physical = session.temporary_tables.get(key)
        where += " AND c.table_name = ?"
        values = list(("temp", "main", physical) if physical else key)
    found = [c for c in describe.columns(session, where, values) if matches(c["column_name"], like)]
    if name and not like and not found:
        raise not_found("Table", ".".join(split_name(name)))
    names = (
        "table_name,schema_name,column_name,data_type,null?,default,kind,expression,comment,database_name,autoincrement"
    )
    records = [
        {
            **{n: c[n] for n in ("table_name", "schema_name", "column_name", "database_name")},
            "data_type": json.dumps(_type_as_json(c["type"], nullable=c["is_nullable"]), separators=(",", ":")),
            "null?": str(c["is_nullable"]).lower(),
            "default": c["column_default"] or "",
            "kind": "COLUMN",
            "expression": "",
            "comment": c["comment"] or "",
            "autoincrement": "",
        }
        for c in found
    ]
    return rows(records, names.split(","))


def _type_as_json(type_: str, *, nullable: bool) -> dict[str, Any]:
    kind, numbers = type_.split("(")[0], [int(n) for n in re.findall(r"\d+", type_)]
    if kind == "NUMBER":
        return {"type": "FIXED", "precision": numbers[0], "scale": numbers[1], "nullable": nullable}
    if kind == "VARCHAR":
        length = {"length": numbers[0], "byteLength": min(numbers[0] * 4, facts.LONGEST)}
        return {"type": "TEXT", **length, "nullable": nullable, "fixed": False}
    if kind == "FLOAT":
        return {"type": "REAL", "nullable": nullable}
    if kind == "TIME" or kind.startswith("TIMESTAMP"):
        return {"type": kind, "precision": 0, "scale": numbers[0] if numbers else 9, "nullable": nullable}
    return {"type": kind, "nullable": nullable}


@constant_function("GET_DDL")
def get_ddl(session: Session, kind: str, name: str) -> str:
    """The CREATE of a table or view, as it would be written today."""
    key, wanted = session.qualify(name), kind.upper()
    if wanted not in {"TABLE", "VIEW"}:
        raise unsupported(f"GET_DDL of a {wanted}")
    entry = session.account.catalog.find("VIEW", key)
    if entry is not None and entry.definition.get("text"):
        return f"{str(entry.definition['text']).rstrip(';')};"
    known = facts.read(session.cursor, key)
    found = describe.columns(session, "(c.database_name, c.schema_name, c.table_name) = (?, ?, ?)", list(key))
    if known is None or not found:
        raise not_found(wanted.capitalize(), ".".join(key))
    lines = [_column_definition(c) for c in found]
    transient = "TRANSIENT " if known.is_transient else ""
    cluster = f" cluster by {known.cluster_by.removeprefix('LINEAR')}" if known.cluster_by else ""
    comment = f"COMMENT={exp.Literal.string(known.comment).sql(dialect='snowflake')}" if known.comment else ""
    return (
        f"create or replace {transient}TABLE {_written(key[2])}{cluster} (\n\t" + ",\n\t".join(lines) + f"\n){comment};"
    )


def _column_definition(column: dict[str, Any]) -> str:
    parts = [_written(column["column_name"]), column["type"]]
    parts += [] if column["is_nullable"] else ["NOT NULL"]
    parts += [f"DEFAULT {column['column_default']}"] if column["column_default"] else []
    if column["comment"]:
        parts.append(f"COMMENT {exp.Literal.string(column['comment']).sql(dialect='snowflake')}")
    return " ".join(parts)


def _written(name: str) -> str:
    return name if re.fullmatch(r"[A-Z_][A-Z0-9_$]*", name) else facts.quoted((name,))


@information_schema("TABLES")
def tables_view(session: Session, database: str) -> pa.Table:
    """The tables and views of a database."""
    wanted = shows.Options(database, None)
    names = [
        "TABLE_CATALOG",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "TABLE_OWNER",
        "TABLE_TYPE",
        "IS_TRANSIENT",
        "CLUSTERING_KEY",
        "IS_INSERTABLE_INTO",
        "IS_TYPED",
        "AUTO_CLUSTERING_ON",
        "COMMENT",
        "IS_TEMPORARY",
        "IS_ICEBERG",
        "IS_DYNAMIC",
        "IS_IMMUTABLE",
        "IS_HYBRID",
    ]
    fields = [(n, pa.string()) for n in names]
    fields += [("ROW_COUNT", pa.int64()), ("BYTES", pa.int64()), ("RETENTION_TIME", pa.int64())]
    fields += [("CREATED", CREATED_ON), ("LAST_ALTERED", CREATED_ON), ("LAST_DDL", CREATED_ON)]
    records = []
    for r in [*_tables(session, wanted), *_views(session, wanted)]:
        is_view = r["kind"] == "VIEW"
        records.append(
            {
                "TABLE_CATALOG": r["database_name"],
                "TABLE_SCHEMA": r["schema_name"],
                "TABLE_NAME": r["name"],
                "TABLE_OWNER": r["owner"],
                "TABLE_TYPE": {"VIEW": "VIEW", "TEMPORARY": "LOCAL TEMPORARY"}.get(r["kind"], "BASE TABLE"),
                "IS_TRANSIENT": None if is_view else "YES" if r["kind"] == "TRANSIENT" else "NO",
                "CLUSTERING_KEY": r["cluster_by"] or None,
                "IS_INSERTABLE_INTO": "YES",
                "IS_TYPED": "YES",
                "AUTO_CLUSTERING_ON": "YES" if r["cluster_by"] else "NO",
                "COMMENT": r["comment"] or None,
                "IS_TEMPORARY": "YES" if r["kind"] == "TEMPORARY" else "NO",
                "IS_DYNAMIC": "YES" if r["is_dynamic"] == "Y" else "NO",
                **dict.fromkeys(("IS_ICEBERG", "IS_IMMUTABLE", "IS_HYBRID"), "NO"),
                "ROW_COUNT": r.get("rows"),
                "RETENTION_TIME": int(r["retention_time"]) if r.get("retention_time") else None,
                "CREATED": r["created_on"],
            }
        )
    return pa.Table.from_pylist(records, schema=pa.schema(fields))


@information_schema("COLUMNS")
def columns_view(session: Session, database: str) -> pa.Table:
    """The columns of a database's tables and views."""
    text = [
        "TABLE_CATALOG",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "COLUMN_NAME",
        "COLUMN_DEFAULT",
        "IS_NULLABLE",
        "DATA_TYPE",
        "COLLATION_NAME",
        "IS_IDENTITY",
        "COMMENT",
    ]
    numbers = [
        "ORDINAL_POSITION",
        "CHARACTER_MAXIMUM_LENGTH",
        "CHARACTER_OCTET_LENGTH",
        "NUMERIC_PRECISION",
        "NUMERIC_PRECISION_RADIX",
        "NUMERIC_SCALE",
        "DATETIME_PRECISION",
    ]
    records = []
    for c in describe.columns(session, f"c.database_name = ? AND c.schema_name NOT IN {_HIDDEN}", [database]):
        type_ = _type_as_json(c["type"], nullable=c["is_nullable"])
        is_number = type_["type"] == "FIXED"
        records.append(
            {
                "TABLE_CATALOG": c["database_name"],
                "TABLE_SCHEMA": c["schema_name"],
                "TABLE_NAME": c["table_name"],
                "COLUMN_NAME": c["column_name"],
                "COLUMN_DEFAULT": c["column_default"],
                "IS_NULLABLE": "YES" if c["is_nullable"] else "NO",
                "DATA_TYPE": {"FIXED": "NUMBER", "REAL": "FLOAT"}.get(type_["type"], type_["type"]),
                "IS_IDENTITY": "NO",
                "COMMENT": c["comment"],
                "ORDINAL_POSITION": c["column_index"],
                "CHARACTER_MAXIMUM_LENGTH": type_.get("length"),
                "CHARACTER_OCTET_LENGTH": type_.get("byteLength"),
                "NUMERIC_PRECISION": type_["precision"] if is_number else None,
                "NUMERIC_PRECISION_RADIX": 10 if is_number else None,
                "NUMERIC_SCALE": type_["scale"] if is_number else None,
                "DATETIME_PRECISION": type_["scale"] if "precision" in type_ and not is_number else None,
            }
        )
    schema = pa.schema([(n, pa.string()) for n in text] + [(n, pa.int64()) for n in numbers])
    return pa.Table.from_pylist(records, schema=schema)
