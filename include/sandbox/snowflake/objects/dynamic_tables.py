"""Dynamic tables: what defines one, how its CREATE is read, which ones read which, and when one is due.

A dynamic table is a table of the engine that holds the rows of its query, and an entry of the catalog. It is
refreshed in whole, by hand or by the first reader that finds it older than its target lag, after the dynamic tables
that it reads itself: see `refresh`.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error, unsupported
from include.sandbox.snowflake.language.grammar import resolve_identifier

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor, Engine
    from include.sandbox.snowflake.objects.catalog import Catalog, Entry

Key = tuple[str, str, str]
KIND = "DYNAMIC TABLE"
HISTORY = "DYNAMIC TABLE REFRESH"
DOWNSTREAM = "DOWNSTREAM"
MAX_ERRORS = 5
_MIN_LAG = 60
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LAG = re.compile(r"\s*(\d+)\s*(seconds?|minutes?|hours?|days?|s|m|h|d)\s*", re.IGNORECASE)
_REFRESH_MODES = {"AUTO", "FULL", "INCREMENTAL"}
_INITIALIZE = {"ON_CREATE", "ON_SCHEDULE"}
NO_INCREMENTS = "The sandbox works the whole content out at each refresh."


class Refreshes:
    """Which dynamic tables there are, and a lock for each, so that one is refreshed once at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._keys: tuple[int, frozenset[Key]] = (-1, frozenset())

    @contextmanager
    def one_at_a_time(self, key: Key) -> Iterator[None]:
        """Wait until nobody else refreshes or defines this table."""
        with self._lock:
            lock = self._locks[key]
        with lock:
            yield

    def keys(self, catalog: Catalog) -> frozenset[Key]:
        """The names of all dynamic tables; asked at every statement, so kept."""
        seen, keys = self._keys
        if seen != catalog.changes:
            seen = catalog.changes
            keys = frozenset(entry.key for entry in catalog.entries(KIND))
            self._keys = seen, keys
        return keys


# ---- reading a CREATE ----------------------------------------------------------------------------


@dataclass
class Definition:
    """What a CREATE DYNAMIC TABLE says."""

    options: dict[str, str]
    columns: list[exp.Expression]
    cluster_by: str | None
    tags: str | None
    query: str


# An option with `=`, and what its value must be.
_VALUES = {
    "TARGET_LAG": {TokenType.STRING, TokenType.VAR},
    "LAG": {TokenType.STRING, TokenType.VAR},
    "WAREHOUSE": {TokenType.VAR, TokenType.IDENTIFIER},
    "INITIALIZATION_WAREHOUSE": {TokenType.VAR, TokenType.IDENTIFIER},
    "REFRESH_MODE": {TokenType.VAR, TokenType.STRING},
    "INITIALIZE": {TokenType.VAR, TokenType.STRING},
    "COMMENT": {TokenType.STRING},
}


class _Reader:
    """The tokens between a dynamic table's name and its query."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = sqlglot.tokenize(text, read="snowflake")
        self.position = 0

    @property
    def token(self) -> Token:
        if self.position >= len(self.tokens):
            raise syntax_error("unexpected end of CREATE DYNAMIC TABLE: AS <query> is missing")
        return self.tokens[self.position]

    def word(self) -> str:
        """The next token, in capitals, unless it is quoted."""
        quoted = self.token.token_type in (TokenType.STRING, TokenType.IDENTIFIER)
        return "" if quoted else " ".join(self.token.text.upper().split())

    def take(self, *words: str) -> bool:
        """Go past these words, if they are next."""
        start = self.position
        for word in words:
            if self.position >= len(self.tokens) or self.word() != word:
                self.position = start
                return False
            self.position += 1
        return True

    def value(self, option: str) -> str:
        """Go past `= value`."""
        if not self.take("="):
            raise syntax_error(f"expected '=' after {option}")
        token = self.token
        if token.token_type not in _VALUES[option] and not token.text.isidentifier():
            raise syntax_error(f"unexpected '{token.text}' for {option}")
        self.position += 1
        return self.text[token.start : token.end + 1] if token.token_type is TokenType.IDENTIFIER else token.text

    def parentheses(self) -> str:
        """Go past `( ... )`; returns what is between."""
        opening, depth = self.token, 0
        if self.word() != "(":
            raise syntax_error(f"expected '(', found '{opening.text}'")
        while True:
            depth += {"(": 1, ")": -1}.get(self.word(), 0)
            closing = self.token
            self.position += 1
            if depth == 0:
                return self.text[opening.end + 1 : closing.start]


def read_definition(text: str) -> Definition:
    """Read what follows the name in a CREATE DYNAMIC TABLE; every option is known, or refused."""
    reader = _Reader(text)
    columns = _columns(reader.parentheses()) if reader.word() == "(" else []
    options: dict[str, str] = {}
    cluster_by = tags = None
    while not reader.take("AS"):
        if reader.take("CLUSTER BY") or reader.take("CLUSTER", "BY"):
            cluster_by = reader.parentheses()
        elif reader.take("WITH", "TAG") or reader.take("TAG"):
            tags = reader.parentheses()
        elif reader.take("COPY", "GRANTS"):
            continue  # there is one role
        elif (option := reader.word()) in _VALUES:
            reader.position += 1
            name = "TARGET_LAG" if option == "LAG" else option
            if name in options:
                raise syntax_error(f"duplicate property '{option}'")
            options[name] = reader.value(option)
        else:
            raise unsupported(f"CREATE DYNAMIC TABLE ... {reader.token.text.upper()}")
    query = text[reader.token.start :].strip().rstrip(";").strip()
    for required in ("TARGET_LAG", "WAREHOUSE"):
        if required not in options:
            raise syntax_error(f"missing option {required} of CREATE DYNAMIC TABLE")
    return Definition(checked_options(options), columns, cluster_by, tags, query)


def checked_options(options: dict[str, str]) -> dict[str, str]:
    """The options with their values checked and spelled as Snowflake shows them."""
    checked = dict(options)
    if "TARGET_LAG" in options:
        checked["TARGET_LAG"] = lag_text(options["TARGET_LAG"])
    for name, known in (("REFRESH_MODE", _REFRESH_MODES), ("INITIALIZE", _INITIALIZE)):
        if name in options:
            checked[name] = options[name].upper()
            if checked[name] not in known:
                raise SqlError(1008, "22023", f"{COMPILATION}invalid value '{options[name]}' for property '{name}'")
    for name in ("WAREHOUSE", "INITIALIZATION_WAREHOUSE"):
        if name in options:
            checked[name] = resolve_identifier(options[name])
    return checked


def _columns(text: str) -> list[exp.Expression]:
    """The column list, each a definition with or without a type, or a name."""
    created = sqlglot.parse_one(f"CREATE TABLE _ ({text})", read="snowflake")
    if not isinstance(created, exp.Create) or not isinstance(created.this, exp.Schema):
        raise syntax_error(f"the columns of a dynamic table: {text}")
    return list(created.this.expressions)


# ---- lags ----------------------------------------------------------------------------------------


def lag_text(text: str) -> str:
    """A target lag as it is shown; one that is too short or no lag is refused."""
    if text.strip().upper() == DOWNSTREAM:
        return DOWNSTREAM
    seconds = lag_seconds(text)
    if seconds is None:
        raise SqlError(1008, "22023", f"{COMPILATION}invalid value '{text}' for property 'TARGET_LAG'")
    if seconds < _MIN_LAG:
        text = f"invalid value '{text}' for property 'TARGET_LAG': the shortest is {_MIN_LAG} seconds"
        raise SqlError(1008, "22023", f"{COMPILATION}{text}")
    count, unit = _amount(text)
    return f"{count} {unit}{'' if count == 1 else 's'}"


def lag_seconds(text: str) -> int | None:
    """The seconds of a target lag; None for DOWNSTREAM."""
    if not _LAG.fullmatch(text):
        return None
    count, unit = _amount(text)
    return count * _UNITS[unit]


def _amount(text: str) -> tuple[int, str]:
    found = _LAG.fullmatch(text)
    count, unit = found.groups() if found else ("0", "s")
    return int(count), next(name for name in _UNITS if name[0] == unit[0].lower())


# ---- who reads whom, and when one is due ---------------------------------------------------------


@dataclass(frozen=True)
class Graph:
    """The dynamic tables, with those that each one reads, directly or through views."""

    entries: dict[Key, Entry]
    sources: dict[Key, set[Key]]

    def upstream(self, key: Key) -> list[Key]:
        """What a table reads, directly or not: each one after those that it reads itself."""
        ordered: list[Key] = []

        def visit(one: Key) -> None:
            for source in sorted(self.sources.get(one, ())):
                if source not in ordered and source != key:
                    visit(source)
                    ordered.append(source)

        visit(key)
        return ordered

    def downstream(self, key: Key) -> list[Key]:
        """What reads a table, directly or not."""
        return [other for other in self.entries if key in self.upstream(other)]

    def lag(self, key: Key) -> int | None:
        """The seconds that a table may be old: its own, or those of an active one that reads it."""
        lags = [
            lag_seconds(self.entries[one].definition["target_lag"])
            for one in (key, *self.downstream(key))
            if not self.entries[one].definition["suspended"]
        ]
        return min((lag for lag in lags if lag is not None), default=None)

    def is_due(self, key: Key, now: datetime) -> bool:
        """True if an active table is as old as it may be, or has no content yet."""
        definition = self.entries[key].definition
        lag = None if definition["suspended"] else self.lag(key)
        if lag is None:
            return False
        times = [timestamp(definition[name]) for name in ("data_timestamp", "last_attempt") if definition[name]]
        return not times or max(times) + timedelta(seconds=lag) <= now


def timestamp(text: str) -> datetime:
    """A time as the catalog keeps it."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """The time of the clock."""
    return datetime.now(UTC)


def recover(engine: Engine, catalog: Catalog) -> None:
    """Make an end of what a crash has left half-made: entries without a table, tables that nobody was told of."""
    cursor = engine.cursor()
    try:
        for entry in catalog.entries(KIND):
            if entry.definition["rebuild"]:
                catalog.update(KIND, entry.key, data_timestamp=None, last_attempt=None)
            if entry.definition["creating"]:
                cursor.query(f"DROP TABLE IF EXISTS {quoted(entry.key)}")
            new = tuple(entry.definition["renaming"] or ())
            if len(new) == 3 and not exists(cursor, entry.key) and exists(cursor, new):
                catalog.rename(KIND, entry.key, new)
                catalog.update(KIND, new, renaming=None)
            elif entry.definition["creating"] or not exists(cursor, entry.key):
                catalog.drop(KIND, entry.key)
    finally:
        cursor.close()


def exists(cursor: Cursor, key: Key) -> bool:
    """True if the engine has a table of this name."""
    query = "SELECT count(*) AS n FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, ?, ?)"
    return bool(cursor.query(query, list(key)).table.to_pylist()[0]["n"])


def quoted(parts: tuple[str, ...]) -> str:
    """A name as SQL text."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
