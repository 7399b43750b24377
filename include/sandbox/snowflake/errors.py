"""Snowflake's error codes, and the translation of the engine's faults into them.

Whatever goes wrong inside must reach the client as one `SqlError`: an HTTP 500 would
make the connector send the statement again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import snowflake.connector.errors

from include.sandbox.snowflake import refusals

COMPILATION = "SQL compilation error:\n"


@dataclass
class SqlError(Exception):
    """An error as Snowflake reports it: a number, an SQLSTATE and a text."""

    code: int
    sqlstate: str
    message: str

    def __str__(self) -> str:
        return f"{self.code:06d} ({self.sqlstate}): {self.message}"


def unsupported(what: str) -> SqlError:
    """The one refusal for everything that the sandbox does not implement."""
    why = refusals.reason(what)
    told = f"does not implement this: {why}." if why else "does not implement this statement."
    return SqlError(2, "0A000", f"Unsupported feature '{what}': the Snowflake sandbox {told}")


def canceled() -> SqlError:
    """A statement that somebody stopped."""
    return SqlError(604, "57014", "SQL execution canceled")


def timed_out(seconds: float) -> SqlError:
    """A statement that ran longer than its session allows."""
    return SqlError(
        630, "57014", f"Statement reached its statement or warehouse timeout of {seconds:g} second(s) and was canceled."
    )


def session_gone() -> SqlError:
    """A request of a session that has ended."""
    return SqlError(390111, "08001", "Session no longer exists. New login required to access the service.")


def statement_not_found(query_id: str) -> SqlError:
    """A query id that nobody has had, or whose result is forgotten."""
    return SqlError(709, "02000", f"Statement {query_id} not found")


def wrong_statement_count(actual: int, wanted: int) -> SqlError:
    """A request with another number of statements than it says."""
    return SqlError(8, "0A000", f"Actual statement count {actual} did not match the desired statement count {wanted}.")


def syntax_error(detail: str) -> SqlError:
    """Text that is not Snowflake SQL."""
    return SqlError(1003, "42000", f"{COMPILATION}syntax error: {detail}")


def not_found(kind: str, name: str) -> SqlError:
    """An object that is not there, or that the role may not see."""
    return SqlError(2003, "02000", f"{COMPILATION}{kind} '{name}' does not exist or not authorized.")


def already_exists(name: str) -> SqlError:
    """A CREATE without IF NOT EXISTS or OR REPLACE over an existing object."""
    return SqlError(2002, "42710", f"{COMPILATION}Object '{name}' already exists.")


def invalid_identifier(name: str) -> SqlError:
    """A column that none of the statement's tables has."""
    return SqlError(904, "42000", f"{COMPILATION}error line 1 at position 0\ninvalid identifier '{name}'")


def invalid_argument_types(function: str, types: str) -> SqlError:
    """A call whose arguments do not fit the function's signature, in number or in type."""
    return SqlError(
        1044,
        "42P13",
        f"{COMPILATION}error line 1 at position 0\nInvalid argument types for function '{function}': ({types})",
    )


# What the engine says (a pattern), what Snowflake says (number, SQLSTATE, text with the pattern's groups).
_TRANSLATIONS: list[tuple[str, int, str, str]] = [
    (r'Referenced (?:update )?column "?(.+?)"? not found', 904, "42000", "invalid identifier '{0}'"),
    (r'Table "(.+?)" does not have a column with name "(.+?)"', 904, "42000", "invalid identifier '{1}'"),
    (r'Referenced table "(.+?)" not found', 904, "42000", "invalid identifier '{0}'"),
    (
        r'Table with name "?(.+?)"? does not exist because schema',
        2003,
        "42S02",
        "Object '{0}' does not exist or not authorized.",
    ),
    (
        r'(?:Table|View) with name "?(.+?)"? does not exist',
        2003,
        "42S02",
        "Object '{0}' does not exist or not authorized.",
    ),
    (
        r'Schema with name "?(.+?)"? does not exist',
        2003,
        "02000",
        "Schema '{0}' does not exist or not authorized.",
    ),
    (
        r'No catalog \+ schema named "(.+?)" found',
        2043,
        "02000",
        "Object does not exist, or operation cannot be performed.",
    ),
    (
        r'(?:Scalar |Table |Aggregate |Macro )?Function with name "?(\S+?)"? does not exist',
        2140,
        "42601",
        "Unknown function {0}",
    ),
    (r'with name "?(.+?)"? already exists', 2002, "42710", "Object '{0}' already exists."),
    (
        r'table "?.+?"? has (\d+) columns but (\d+) values were supplied',
        2020,
        "21S01",
        "Insert value list does not match column list expecting {0} but got {1}",
    ),
    (
        r'column "(.+?)" must appear in the GROUP BY clause',
        979,
        "42601",
        "'{0}' is not a valid group by expression",
    ),
    (r'Ambiguous reference to column name "(.+?)"', 2008, "42601", "ambiguous column name '{0}'"),
]
_UNSUPPORTED: list[tuple[str, str]] = [
    (r"Attempting to write to database .+ already modified database", "changes of two databases in one transaction"),
]
_RUNTIME: list[tuple[str, int, str, str]] = [
    (r"Could not convert string '(.*?)' to", 100038, "22018", "Numeric value '{0}' is not recognized"),
    (r'invalid (?:timestamp|date).*?"(.*?)"', 100040, "22007", "Date '{0}' is not recognized"),
    (
        r"NOT NULL constraint failed: (?:.*\.)?(\S+)",
        100072,
        "22000",
        "NULL result in a non-nullable column '{0}'",
    ),
    (
        r"MERGE INTO command cannot affect the same target row more than once",
        100090,
        "42P18",
        "Duplicate row detected during DML action",
    ),
    (r"(String '.*' is too long and would be truncated)", 100078, "22000", "{0}"),
    (r"[Dd]ivision by zero", 100051, "22012", "Division by zero"),
]


def translate(error: BaseException) -> SqlError:
    """Express any fault as an error of Snowflake's; what is not recognised keeps its own text."""
    if isinstance(error, SqlError):
        return error
    if isinstance(error.__cause__, duckdb.Error):
        error = error.__cause__
    if isinstance(error, snowflake.connector.errors.Error):
        return SqlError(error.errno or 2, error.sqlstate or "42000", error.raw_msg or str(error))
    if isinstance(error, NotImplementedError):
        return unsupported(str(error))
    for pattern, what in _UNSUPPORTED:
        if re.search(pattern, _text(error)):
            return unsupported(what)
    return _recognised(error) or _by_kind(error)


def _recognised(error: BaseException) -> SqlError | None:
    for patterns, prefix in ((_TRANSLATIONS, COMPILATION), (_RUNTIME, "")):
        for pattern, code, sqlstate, message in patterns:
            if match := re.search(pattern, _text(error)):
                return SqlError(code, sqlstate, prefix + message.format(*match.groups()))
    return None


def _by_kind(error: BaseException) -> SqlError:
    if isinstance(error, duckdb.InterruptException):
        return canceled()
    if isinstance(error, duckdb.ParserException):
        return syntax_error(_text(error))
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        return SqlError(2, "42601", COMPILATION + _text(error))
    return SqlError(300002, "XX000", f"Processing aborted: {type(error).__name__}: {_text(error)}")


def _text(error: BaseException) -> str:
    return str(error).split("\nLINE ")[0].strip()
