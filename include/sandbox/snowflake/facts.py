"""What Snowflake knows of a table or view and the engine does not: when it was made, its comment, declared types.

It is kept as JSON in the engine's own comment on the object, so it is written, renamed, and dropped with it, in the
same transaction.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor

LONGEST = 16_777_216
TableKey = tuple[str, str, str]


@dataclass
class Facts:
    """The facts about one table or view; columns by name. A new id is a new history."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created_on: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    comment: str | None = None
    is_transient: bool = False
    is_secure: bool = False
    retention_days: int = 1
    change_tracking: bool = False
    cluster_by: str = ""
    text: str | None = None  # of a view, as its author wrote it
    types: dict[str, str] = field(default_factory=dict)  # declared types that say more than the engine's

    def text_limits(self) -> dict[str, int]:
        """How long the texts of columns may be, where a length was declared."""
        found = {name: re.fullmatch(r"VARCHAR\((\d+)\)", text) for name, text in self.types.items()}
        return {name: int(length[1]) for name, length in found.items() if length and int(length[1]) < LONGEST}

    @property
    def created(self) -> datetime:
        """When the object was made."""
        return datetime.fromisoformat(self.created_on)

    @classmethod
    def parse(cls, comment: str | None) -> Facts | None:
        """The facts in an engine's comment; None for an object that the sandbox has not made."""
        if not comment or not comment.startswith('{"id"'):
            return None
        return cls(**json.loads(comment))


def read(cursor: Cursor, key: TableKey) -> Facts | None:
    """The facts about a table or view."""
    found = cursor.duck.execute(
        "SELECT comment FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, ?, ?) "
        "UNION ALL "
        "SELECT comment FROM duckdb_views() WHERE (database_name, schema_name, view_name) = (?, ?, ?)",
        [*key, *key],
    ).fetchone()
    return Facts.parse(found[0]) if found else None


def write(cursor: Cursor, key: TableKey, facts: Facts, kind: str = "TABLE") -> None:
    """Keep the facts about a table or view."""
    text = json.dumps(asdict(facts)).replace("'", "''")
    cursor.duck.execute(f"COMMENT ON {kind} {quoted(key)} IS '{text}'")


def quoted(key: TableKey) -> str:
    """A name in the engine's SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in key)


def all_in(cursor: Cursor, database: str | None, schema: str | None) -> list[dict[str, Any]]:
    """The tables and views of a schema, of a database, or of all, by name."""
    rows = cursor.duck.execute(
        """
        SELECT database_name, schema_name, table_name, 'TABLE' AS kind, comment, NULL AS sql FROM duckdb_tables()
        WHERE NOT internal AND NOT temporary
        UNION ALL
        SELECT database_name, schema_name, view_name, 'VIEW', comment, sql FROM duckdb_views()
        WHERE NOT internal AND NOT temporary
        """
    ).fetchall()
    names = ("database", "schema", "name", "kind", "comment", "sql")
    records = [dict(zip(names, row, strict=True)) for row in rows]
    hidden = {"main", "_fs_information_schema"}
    return [
        {**r, "facts": Facts.parse(r["comment"])}
        for r in sorted(records, key=lambda r: (r["database"], r["schema"], r["name"]))
        if r["schema"] not in hidden
        and r["database"] not in {"_fs_global", "memory", "system", "temp"}
        and database in (None, r["database"])
        and schema in (None, r["schema"])
    ]
