"""A connection to the engine, and what all connections know of the engine's catalog.

The engine's catalog functions list all tables and columns there are, whichever of them is asked for, and every
statement asks several times. So their answers are kept until a definition changes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import duckdb

Question = tuple[str, tuple[Any, ...]]
Rows = list[tuple[Any, ...]]

_MOST_ROWS = 100_000
_TEMPORARY = "temp"
_BEGINS = {"BEGIN"}
_ENDS = {"COMMIT", "ROLLBACK"}
_DEFINES_NOTHING = {"SELECT", "WITH", "FROM", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE", "SET", "DESCRIBE"}
_FIRST_WORD = re.compile(r"\s*([A-Za-z]+)")
_DEFINES_TEMPORARY = re.compile(
    r"\s*(?:CREATE (?:OR REPLACE )?TEMP(?:ORARY)? TABLE|(?:DROP|ALTER) TABLE (?:IF EXISTS )?\"temp\"\.|"
    r"COMMENT ON (?:TABLE|COLUMN) \"temp\"\.)"
)


class Definitions:
    """What the catalog has answered since a definition was changed last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.version = 0
        self._answers: dict[Question, Rows] = {}
        self._rows = 0

    def changed(self) -> None:
        """Forget all: tables, schemas or databases are not what they were."""
        with self._lock:
            self.version += 1
            self._forget()

    def find(self, version: int, question: Question) -> Rows | None:
        """The answer to a question, if it has been given in this version."""
        with self._lock:
            return self._answers.get(question) if version == self.version else None

    def keep(self, version: int, question: Question, answer: Rows) -> None:
        """Note an answer to a question that was asked in this version."""
        with self._lock:
            if version == self.version:
                if self._rows > _MOST_ROWS:
                    self._forget()
                self._answers[question] = answer
                self._rows += len(answer) + 1

    def _forget(self) -> None:
        self._answers.clear()
        self._rows = 0


class Duck:
    """One of the engine's connections, which notes when others see that definitions have changed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
        self._connection = connection
        self._definitions = definitions
        self._began: int | None = None  # the version of the definitions at which the open transaction began
        self._defined = False  # the open transaction has changed definitions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self) -> Duck:
        """Another connection to the same databases."""
        return Duck(self._connection.cursor(), self._definitions)

    def execute(self, query: Any, *parameters: Any) -> duckdb.DuckDBPyConnection:
        """Run a statement."""
        word = _first_word(query)
        if word in _DEFINES_NOTHING or (word and _DEFINES_TEMPORARY.match(query)):
            return self._connection.execute(query, *parameters)
        if word in _BEGINS:
            version = self._definitions.version
            self._connection.execute(query, *parameters)
            self._began = version
        elif word in _ENDS:
            try:
                self._connection.execute(query, *parameters)
            finally:
                self._end()
        else:
            self._define(query, parameters)
        return self._connection

    def _end(self) -> None:
        if self._defined:
            self._definitions.changed()
        self._began, self._defined = None, False

    def _define(self, query: Any, parameters: tuple[Any, ...]) -> None:
        # In a transaction only this connection sees the change, until it is committed.
        self._defined = self._began is not None
        try:
            self._connection.execute(query, *parameters)
        finally:
            if not self._defined:
                self._definitions.changed()

    def catalog(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Ask the catalog, in a query that depends on definitions only; the answer is not to be changed.

        Of temporary tables it is asked by the name of their database: each connection has its own.
        """
        question, version = (sql, tuple(values)), self._definitions.version
        # A transaction sees what was defined when it began, and its own changes.
        is_common = not self._defined and self._began in (None, version) and _TEMPORARY not in values
        if is_common and (known := self._definitions.find(version, question)) is not None:
            return known
        found: Rows = self._connection.execute(sql, list(values)).fetchall()
        if is_common:
            self._definitions.keep(version, question, found)
        return found


def _first_word(query: Any) -> str:
    """What a statement begins with; nothing is known of one that is not a text."""
    found = _FIRST_WORD.match(query) if isinstance(query, str) else None
    return found[1].upper() if found else ""
