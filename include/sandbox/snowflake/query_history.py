"""What statements have run: one row each, written when the statement has ended, the oldest forgotten."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_KEPT_ROWS = 50_000
_KEPT_CHARACTERS = 64_000_000
KEPT_FOR = timedelta(days=7)
_LONGEST_TEXT = 100_000
_PRUNED_EVERY = 500


@dataclass(frozen=True)
class Record:
    """A statement that has ended, or, without an end, one under way. Times are microseconds since 1970."""

    query_id: str
    query_text: str
    database_name: str | None
    schema_name: str | None
    query_type: str
    session_id: int
    user_name: str
    role_name: str
    warehouse_name: str | None
    query_tag: str
    execution_status: str
    error_code: str | None
    sqlstate: str | None
    error_message: str | None
    start_time: int
    end_time: int | None
    rows_produced: int | None
    is_client_generated_statement: bool


_COLUMNS = [field.name for field in fields(Record)]
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS queries (number INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
CREATE INDEX IF NOT EXISTS queries_by_session ON queries (session_id, number);
CREATE INDEX IF NOT EXISTS queries_by_id ON queries (query_id);
"""


class QueryHistory:
    """The account's history of statements, in a file of its own."""

    def __init__(self, folder: Path, *, kept: int = _KEPT_ROWS) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "queries.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A row outlives the process that wrote it; only a loss of power may take the last ones, and nothing breaks.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def write(self, record: Record) -> None:
        """Add a statement that has ended."""
        marks = ", ".join("?" * len(_COLUMNS))
        with self._lock:
            added = self._db.execute(
                f"INSERT INTO queries ({', '.join(_COLUMNS)}) VALUES ({marks})", list(vars(record).values())
            ).lastrowid
            if added and added % _PRUNED_EVERY == 0:
                self._prune(added)

    def _prune(self, newest: int) -> None:
        oldest = int((datetime.now(UTC) - KEPT_FOR).timestamp() * 1_000_000)
        self._db.execute("DELETE FROM queries WHERE number <= ? OR end_time < ?", [newest - self._kept, oldest])
        sizes = "SELECT number, sum(length(query_text)) OVER (ORDER BY number DESC) AS total FROM queries"
        self._db.execute(
            f"DELETE FROM queries WHERE number IN (SELECT number FROM ({sizes}) WHERE total > ?)", [_KEPT_CHARACTERS]
        )

    def find(self, conditions: dict[str, Any], start: int, end: int, limit: int) -> list[Record]:
        """The statements that ended between two times (both inclusive) and have these values, newest first."""
        where = "".join(f" AND {column} = ?" for column in conditions)
        sql = (
            f"SELECT {', '.join(_COLUMNS)} FROM queries WHERE end_time BETWEEN ? AND ?{where} "
            "ORDER BY end_time DESC, number DESC LIMIT ?"
        )
        with self._lock:
            found = self._db.execute(sql, [start, end, *conditions.values(), limit]).fetchall()
        return [_record(row) for row in found]

    def get(self, query_id: str) -> Record | None:
        """One statement."""
        with self._lock:
            row = self._db.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM queries WHERE query_id = ?", [query_id]
            ).fetchone()
        return _record(row) if row else None

    def close(self) -> None:
        """Write everything to the file."""
        with self._lock:
            self._db.close()


def _record(row: Sequence[Any]) -> Record:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Record(**{**values, "is_client_generated_statement": bool(row[-1])})


_SECRETS = re.compile(
    r"(?P<name>\b\w*(?:PASSWORD|PASSPHRASE|SECRET\w*|TOKEN|MASTER_KEY|KEY_ID|PRIVATE_KEY)\s*=>?\s*)"
    r"(?:'(?:[^'\\]|''|\\.)*'?|\$\$.*?(?:\$\$|\Z)|[^\s,;)]+)",
    re.IGNORECASE | re.DOTALL,
)
# A text without any of them holds no secret; that is seen much sooner than the pattern comes to its end.
_TOLD_BY = ("password", "passphrase", "secret", "token", "master_key", "key_id", "private_key")


def redacted(sql: str) -> str:
    """A statement's text without the passwords, keys and tokens in it, and not too long."""
    folded = sql.casefold()
    if not any(word in folded for word in _TOLD_BY):
        return sql[:_LONGEST_TEXT]
    return _SECRETS.sub(r"\g<name>'****'", sql)[:_LONGEST_TEXT]


_TYPES: list[tuple[str, str]] = [
    (r"(?:SELECT|WITH|VALUES|\()", "SELECT"),
    (r"INSERT\b", "INSERT"),
    (r"UPDATE\b", "UPDATE"),
    (r"DELETE\b", "DELETE"),
    (r"MERGE\b", "MERGE"),
    (r"COPY\b", "COPY"),
    (r"TRUNCATE\b", "TRUNCATE_TABLE"),
    (r"PUT\b", "PUT_FILES"),
    (r"GET\b", "GET_FILES"),
    (r"(?:LIST|LS)\b", "LIST_FILES"),
    (r"(?:REMOVE|RM)\b", "REMOVE_FILES"),
    (r"BEGIN\b|START\b", "BEGIN_TRANSACTION"),
    (r"COMMIT\b", "COMMIT"),
    (r"ROLLBACK\b", "ROLLBACK"),
    (r"SHOW\b", "SHOW"),
    (r"DESC(?:RIBE)?\b", "DESCRIBE"),
    (r"USE\b", "USE"),
    (r"SET\b", "SET"),
    (r"UNSET\b", "UNSET"),
    (r"CALL\b", "CALL"),
    (r"GRANT\b", "GRANT"),
    (r"REVOKE\b", "REVOKE"),
    (r"ALTER\s+SESSION\b", "ALTER_SESSION"),
    (r"ALTER\s+TABLE\b", "ALTER_TABLE"),
    (r"ALTER\b", "ALTER"),
    (r"DROP\b", "DROP"),
    (r"UNDROP\b", "RESTORE"),
    (r"COMMENT\b", "COMMENT"),
    (
        r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:\w+\s+){0,2}?TABLE\b(?=[^;]*?\bAS\s+(?:SELECT|WITH|\())",
        "CREATE_TABLE_AS_SELECT",
    ),
    (r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:TEMP|TEMPORARY|TRANSIENT|SCOPED|LOCAL)\s+)*TABLE\b", "CREATE_TABLE"),
    (r"CREATE\s+(?:OR\s+REPLACE\s+)?\w*\s*VIEW\b", "CREATE_VIEW"),
    (r"CREATE\b", "CREATE"),
    (r"EXECUTE\s+IMMEDIATE\b", "EXECUTE_IMMEDIATE"),
    (r"EXECUTE\s+TASK\b", "EXECUTE_TASK"),
]
_KINDS = [(re.compile(rf"(?:\s|/\*.*?\*/|--[^\n]*\n)*{p}", re.IGNORECASE | re.DOTALL), kind) for p, kind in _TYPES]


def type_of(sql: str) -> str:
    """The kind of statement, as Snowflake's history calls it."""
    start = sql[:2000]
    return next((kind for pattern, kind in _KINDS if pattern.match(start)), "UNKNOWN")
