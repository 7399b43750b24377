"""What Snowflake knows of a table and the engine does not: when it was made, its comment, declared types.

It is kept as JSON in the engine's own comment on the table, so it is written, renamed, and dropped with it, in the
same transaction.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor

LONGEST = 16_777_216
TableKey = tuple[str, str, str]


@dataclass
class Facts:
    """The facts about one table; columns by name. A new id is a new history."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created_on: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    comment: str | None = None
    is_transient: bool = False
    retention_days: int = 1
    change_tracking: bool = False
    cluster_by: str = ""
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
    """The facts about a table."""
    found = cursor.duck.catalog(
        "SELECT comment FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, ?, ?)", key
    )
    return Facts.parse(found[0][0]) if found else None


def write(cursor: Cursor, key: TableKey, facts: Facts) -> None:
    """Keep the facts about a table."""
    text = json.dumps(asdict(facts)).replace("'", "''")
    cursor.duck.execute(f"COMMENT ON TABLE {quoted(key)} IS '{text}'")


def quoted(key: tuple[str, ...]) -> str:
    """A name in the engine's SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in key)
