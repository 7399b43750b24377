"""What COPY has loaded into which table: a file with the same content is not loaded again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.engine import LOADS, LOADS_COLUMNS
from include.sandbox.snowflake.staging import stages
from include.sandbox.snowflake.staging.files import StagedFile, identifier

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey
    from include.sandbox.snowflake.staging.loading import Load


def _store(session: Session, table: TableKey) -> tuple[str, str]:
    """The engine's table of loads for a table, and the id that the table goes by there."""
    identity = stages.identity(session, table) or ".".join(table)
    if stages.engine_key(session, table)[0] == "temp":
        session.cursor.query(f"CREATE TEMP TABLE IF NOT EXISTS _sandbox_loads ({LOADS_COLUMNS})")
        return "temp.main._sandbox_loads", identity
    return f"{identifier(table[0])}.{LOADS}", identity


def known(load: Load) -> dict[str, str]:
    """The files that were loaded in the last 64 days, with the digest of what they held."""
    store, identity = _store(load.session, load.table)
    found = load.session.cursor.query(
        f"SELECT file, last(content_key ORDER BY loaded_at) AS content_key FROM {store} "
        f"WHERE table_id = ? AND loaded_at > {_OLDEST} GROUP BY file",
        [identity],
    ).table
    return dict(zip(found.column("file").to_pylist(), found.column("content_key").to_pylist(), strict=True))


def remember(load: Load, file: StagedFile, record: dict[str, Any]) -> None:
    """Write down that a file was loaded, in the transaction of its rows."""
    store, identity = _store(load.session, load.table)
    load.session.cursor.query(
        f"INSERT INTO {store} VALUES (?, ?, ?, now()::TIMESTAMP, ?, ?, ?, ?)",
        [identity, file_key(load, file), file.content_key, *(record[k] for k in _NUMBERS)],
    )
    load.session.cursor.query(f"DELETE FROM {store} WHERE loaded_at <= {_OLDEST}")


_OLDEST = "now()::TIMESTAMP - INTERVAL 64 DAY"
_NUMBERS = ("status", "rows_parsed", "rows_loaded", "errors_seen")


def file_key(load: Load, file: StagedFile) -> str:
    """A file's identity: another stage's file of the same name is another file."""
    return os.path.relpath(file.path, load.session.account.folder)


def forget(session: Session, table: TableKey | None) -> None:
    """Forget what was loaded into a table that is emptied."""
    if table is not None:
        store, identity = _store(session, table)
        session.cursor.query(f"DELETE FROM {store} WHERE table_id = ?", [identity])
