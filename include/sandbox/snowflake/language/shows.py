"""What can follow in a SHOW: LIKE, IN, STARTS WITH, LIMIT ... FROM."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error
from include.sandbox.snowflake.language.grammar import GAP, IDENTIFIER, STRING, matches, split_name, unquote

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.session import Session

T = TypeVar("T")
_TEXT, _PART, _GAP = STRING, IDENTIFIER, GAP
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})?"
_OPTIONS = re.compile(
    rf"{_GAP}(?:LIKE{_GAP}(?P<like>{_TEXT}){_GAP})?"
    rf"(?:IN\b{_GAP}(?P<scope>ACCOUNT\b|DATABASE\b{_GAP}(?P<database>(?!STARTS\b|LIMIT\b){_PART})?"
    rf"|SCHEMA\b{_GAP}(?P<schema>(?!STARTS\b|LIMIT\b){_NAME})?|(?P<name>{_NAME})){_GAP})?"
    rf"(?:STARTS{_GAP}WITH{_GAP}(?P<starts>{_TEXT}){_GAP})?"
    rf"(?:LIMIT{_GAP}(?P<limit>\d+){_GAP}(?:FROM{_GAP}(?P<after>{_TEXT}){_GAP})?)?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Options:
    """Which objects a SHOW lists: those of a place, of certain names, so many of them."""

    database: str | None
    schema: str | None
    like: str | None = None
    starts: str | None = None
    limit: int | None = None
    after: str | None = None

    def choose(self, found: Iterable[T], name: Callable[[T], str]) -> list[T]:
        """Those of a place's objects that were asked for, by name."""
        wanted = [
            item
            for item in sorted(found, key=name)
            if matches(name(item), self.like)
            and name(item).startswith(self.starts or "")
            and (self.after is None or name(item) > self.after)
        ]
        return wanted[: self.limit]


def options(session: Session, text: str) -> Options:
    """Read what follows in a SHOW of objects that lie in schemas; a place that is not there is refused."""
    found = _OPTIONS.fullmatch(text)
    if not found:
        raise syntax_error(f"unexpected in SHOW: {text}")
    database, schema = _place(session, found)
    engine = session.account.engine
    if database is not None and database not in engine.databases():
        raise not_found("Database", database)
    if schema is not None and not engine.has_schema(database, schema):
        raise not_found("Schema", f"{database}.{schema}")
    return _chosen(found, database, schema)


def listed(session: Session, kind: str, text: str) -> list[Entry]:
    """The catalog's objects of a kind that a SHOW lists."""
    wanted = options(session, text)
    return wanted.choose(
        session.account.catalog.entries(kind, wanted.database, wanted.schema), lambda entry: entry.key[2]
    )


def of_schemas(session: Session, text: str) -> Options:
    """Read what follows in SHOW SCHEMAS, where IN is for a database."""
    found = _OPTIONS.fullmatch(text)
    name = found["name"] or found["database"] if found else None
    if not found or found["schema"] or (name and len(split_name(name)) > 1):
        raise syntax_error(f"unexpected in SHOW SCHEMAS: {text}")
    everywhere = (found["scope"] or "").upper() == "ACCOUNT"
    database = split_name(name)[0] if name else None if everywhere else session.database
    if database is not None and database not in session.account.engine.databases():
        raise not_found("Database", database)
    return _chosen(found, database, None)


def of_databases(text: str) -> Options:
    """Read what follows in SHOW DATABASES."""
    found = _OPTIONS.fullmatch(text)
    if not found or (found["scope"] or "ACCOUNT").upper() != "ACCOUNT":
        raise syntax_error(f"unexpected in SHOW DATABASES: {text}")
    return _chosen(found, None, None)


def _chosen(found: re.Match[str], database: str | None, schema: str | None) -> Options:
    return Options(
        database,
        schema,
        found["like"],
        unquote(found["starts"]) if found["starts"] else None,
        int(found["limit"]) if found["limit"] else None,
        unquote(found["after"]) if found["after"] else None,
    )


def _place(session: Session, found: re.Match[str]) -> tuple[str | None, str | None]:
    scope = (found["scope"] or "").upper()
    if scope == "ACCOUNT":
        return None, None
    if scope.startswith("DATABASE") and not found["name"]:
        return (split_name(found["database"])[0] if found["database"] else _current(session)), None
    text = found["schema"] or found["name"]
    if not text:
        return session.database, session.schema
    parts = split_name(text)
    engine = session.account.engine
    # A bare name is a schema of the current database; if there is none, it may be a database.
    is_database = found["name"] and len(parts) == 1 and parts[0] in engine.databases()
    if is_database and not engine.has_schema(session.database, parts[0]):
        return parts[0], None
    return (*((_current(session),) if len(parts) == 1 else ()), *parts)


def _current(session: Session) -> str:
    if session.database is None:
        raise SqlError(
            90105, "22000", f"{COMPILATION}Cannot perform SHOW. This session does not have a current database."
        )
    return session.database
