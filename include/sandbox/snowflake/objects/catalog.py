"""The definitions of the account's objects that are neither tables nor models, and what has happened to them.

Monitors, alerts, tasks, dynamic tables, tags …: each is one row, written in one SQLite transaction of its own.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from include.sandbox.snowflake import durable
from include.sandbox.snowflake.errors import already_exists, not_found

Key = tuple[str, str, str]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY, kind TEXT, database TEXT, schema TEXT, name TEXT, definition TEXT, created_on TEXT,
    UNIQUE (kind, database, schema, name)
);
CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, kind TEXT, at TEXT, event TEXT);
CREATE INDEX IF NOT EXISTS history_of_kind ON history (kind, id);
"""


@dataclass(frozen=True)
class Entry:
    """An object: its full name and what its CREATE and ALTERs made of it, as plain JSON values."""

    kind: str
    key: Key
    definition: dict[str, Any]
    created_on: datetime


class Catalog:
    """The account's objects by kind, as in `"ALERT"`, and the history that their kinds keep."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self.changes = 0  # how often something was changed, for those who keep what they have read
        self._db = sqlite3.connect(folder / "catalog.sqlite", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    # ---- objects ----

    def entries(self, kind: str, database: str | None = None, schema: str | None = None) -> list[Entry]:
        """The objects of a kind in a schema, a database, or everywhere, by name."""
        with self._lock:
            found = self._db.execute("SELECT * FROM objects WHERE kind = ? ORDER BY database, schema, name", [kind])
            return [
                _entry(row)
                for row in found.fetchall()
                if database in (None, row["database"]) and schema in (None, row["schema"])
            ]

    def find(self, kind: str, key: Key) -> Entry | None:
        """One object by its full name, if there is one."""
        with self._lock:
            found = self._db.execute(
                "SELECT * FROM objects WHERE (kind, database, schema, name) = (?, ?, ?, ?)", [kind, *key]
            )
            row = found.fetchone()
        return _entry(row) if row else None

    def get(self, kind: str, key: Key) -> Entry:
        """One object by its full name, or Snowflake's error."""
        if entry := self.find(kind, key):
            return entry
        raise not_found(kind.capitalize(), ".".join(key))

    def create(
        self, kind: str, key: Key, definition: dict[str, Any], *, replace: bool = False, if_not_exists: bool = False
    ) -> bool:
        """Create an object; False if it was there and may stay."""
        with self._change() as db:
            if self.find(kind, key):
                if if_not_exists:
                    return False
                if not replace:
                    raise already_exists(".".join(key))
                self._delete(kind, key)
            db.execute(
                "INSERT INTO objects (kind, database, schema, name, definition, created_on) VALUES (?, ?, ?, ?, ?, ?)",
                [kind, *key, json.dumps(definition), datetime.now(UTC).isoformat()],
            )
            return True

    def update(self, kind: str, key: Key, **changed: Any) -> Entry:
        """Change some of an object's properties."""
        with self._change() as db:
            entry = self.get(kind, key)
            definition = json.dumps({**entry.definition, **changed})
            db.execute(
                "UPDATE objects SET definition = ? WHERE (kind, database, schema, name) = (?, ?, ?, ?)",
                [definition, kind, *key],
            )
            return self.get(kind, key)

    def rename(self, kind: str, key: Key, new: Key) -> None:
        """Give an object another name."""
        with self._change() as db:
            self.get(kind, key)
            if self.find(kind, new):
                raise already_exists(".".join(new))
            db.execute(
                "UPDATE objects SET database = ?, schema = ?, name = ? "
                "WHERE (kind, database, schema, name) = (?, ?, ?, ?)",
                [*new, kind, *key],
            )

    def drop(self, kind: str, key: Key, *, if_exists: bool = False) -> bool:
        """Remove an object; False if there was none and that is fine."""
        with self._change():
            if not self.find(kind, key):
                if if_exists:
                    return False
                raise not_found(kind.capitalize(), ".".join(key))
            self._delete(kind, key)
            return True

    def places(self) -> set[tuple[str, str]]:
        """The databases and schemas that objects lie in; an object that is a schema's or database's own has less."""
        with self._lock:
            found = self._db.execute("SELECT DISTINCT database, schema FROM objects WHERE database <> ''").fetchall()
        return {(row["database"], row["schema"]) for row in found}

    def drop_all(self, database: str, schema: str | None = None) -> None:
        """Remove all objects of a schema or database that is dropped."""
        with self._change() as db:
            db.execute("DELETE FROM objects WHERE database = ? AND schema = coalesce(?, schema)", [database, schema])

    # ---- history ----

    def record(self, kind: str, event: dict[str, Any], *, keep: int = 10_000) -> None:
        """Write down that something happened; the oldest events beyond `keep` are forgotten."""
        with self._change() as db:
            added = db.execute(
                "INSERT INTO history (kind, at, event) VALUES (?, ?, ?)",
                [kind, datetime.now(UTC).isoformat(), json.dumps(event)],
            )
            if added.lastrowid and added.lastrowid % 100 == 0:
                newest = "SELECT id FROM history WHERE kind = ? ORDER BY id DESC LIMIT ?"
                db.execute(f"DELETE FROM history WHERE kind = ? AND id NOT IN ({newest})", [kind, kind, keep])

    def history(self, kind: str) -> list[dict[str, Any]]:
        """What has happened, oldest first."""
        with self._lock:
            found = self._db.execute("SELECT event FROM history WHERE kind = ? ORDER BY id", [kind]).fetchall()
        return [json.loads(row["event"]) for row in found]

    # ---- rows ----

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, durable.transaction(self._db) as db:
            yield db
        self.changes += 1

    def _delete(self, kind: str, key: Key) -> None:
        self._db.execute("DELETE FROM objects WHERE (kind, database, schema, name) = (?, ?, ?, ?)", [kind, *key])


def _entry(row: sqlite3.Row) -> Entry:
    key = (row["database"], row["schema"], row["name"])
    return Entry(row["kind"], key, json.loads(row["definition"]), datetime.fromisoformat(row["created_on"]))
