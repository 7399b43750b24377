"""What COPY has loaded into which table: a file with the same content is not loaded again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake import stages
from include.sandbox.snowflake.engine import LOADS, LOADS_COLUMNS
from include.sandbox.snowflake.files import StagedFile, identifier
from include.sandbox.snowflake.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.loading import Load
    from include.sandbox.snowflake.session import Session, TableKey


def _loads(load: Load) -> tuple[str, list[str]]:
    physical = load.session.temporary_tables.get(load.table)
    if physical:
        load.session.cursor.query(f"CREATE TEMP TABLE IF NOT EXISTS _sandbox_loads ({LOADS_COLUMNS})")
        return "temp.main._sandbox_loads", ["", physical]
    return f"{identifier(load.table[0])}.{LOADS}", list(load.table[1:])


def known(load: Load) -> dict[str, str]:
    """The files that were loaded in the last 64 days, with the digest of what they held."""
    table, key = _loads(load)
    found = load.session.cursor.query(
        f"SELECT file, last(content_key ORDER BY loaded_at) AS content_key FROM {table} "
        "WHERE (schema_name, table_name) = (?, ?) AND loaded_at > now()::TIMESTAMP - INTERVAL 64 DAY GROUP BY file",
        key,
    ).table
    return dict(zip(found.column("file").to_pylist(), found.column("content_key").to_pylist(), strict=True))


def remember(load: Load, file: StagedFile, record: dict[str, Any]) -> None:
    """Write down that a file was loaded, in the transaction of its rows."""
    table, key = _loads(load)
    load.session.cursor.query(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?, now()::TIMESTAMP, ?, ?, ?, ?)",
        [*key, file_key(load, file), file.content_key, *(record[k] for k in _NUMBERS)],
    )


_NUMBERS = ("status", "rows_parsed", "rows_loaded", "errors_seen")


def file_key(load: Load, file: StagedFile) -> str:
    """A file's identity: another stage's file of the same name is another file."""
    return os.path.relpath(file.path, load.session.account.folder)


def before_definition(session: Session, expression: exp.Expression) -> None:
    """Forget the files of a table that is about to be dropped or replaced, and let them go with one that is renamed."""
    if str(expression.args.get("kind")).upper() != "TABLE":
        return
    table = target_of(expression)
    if isinstance(expression, exp.Drop) or (isinstance(expression, exp.Create) and expression.args.get("replace")):
        if table and table[0] == "temp":
            table = next((key for key, physical in session.temporary_tables.items() if physical == table[2]), None)
        if table:
            forget(session, table)
            stages.forget_table(session, table)


def forget(session: Session, table: TableKey | None) -> None:
    """Forget what was loaded into a table that is dropped, made anew or emptied."""
    if table is None:
        return
    if table[0] == "temp":
        table = next((key for key, physical in session.temporary_tables.items() if physical == table[2]), table)
    if physical := session.temporary_tables.get(table):
        session.cursor.query(f"CREATE TEMP TABLE IF NOT EXISTS _sandbox_loads ({LOADS_COLUMNS})")
        session.cursor.query("DELETE FROM temp.main._sandbox_loads WHERE table_name = ?", [physical])
        return
    if table[0] in session.account.engine.databases():
        where = "(schema_name, table_name) = (?, ?)"
        session.cursor.query(f"DELETE FROM {identifier(table[0])}.{LOADS} WHERE {where}", list(table[1:]))
