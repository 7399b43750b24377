"""The options of CREATE and ALTER MODEL MONITOR: `NAME = value` in any order, names with or without quotes.

Snowflake's own clients write `TIMESTAMP_COLUMN='TS'` and `ID_COLUMNS=('ID')`, its guides `TIMESTAMP_COLUMN = ts` and
`ID_COLUMNS = (id)`: a string is read as the identifier that it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error, unsupported
from include.sandbox.snowflake.language.grammar import resolve_identifier, unquote
from include.sandbox.snowflake.language.scanner import Token, tokens

OWNER = "MODEL MONITOR"


def invalid_value(value: str, name: str, expected: str = "") -> SqlError:
    """A value that an option does not take."""
    return SqlError(1008, "22023", f"{COMPILATION}invalid value [{value}] for parameter '{name}'. {expected}".rstrip())


def name(text: str, option: str) -> tuple[str, ...]:
    """The parts of a name of up to three parts; the identifiers in it may be quoted."""
    found = tokens(text)
    parts, dots = found[::2], found[1::2]
    well_formed = len(parts) == len(dots) + 1 <= 3 and all(dot.text == "." for dot in dots)
    if not well_formed or not all(part.kind in {"word", "quoted"} and part.text != '""' for part in parts):
        raise invalid_value(text, option, "It is not a name; one with special characters needs double quotes.")
    return tuple(resolve_identifier(part.text) for part in parts)


def identifier(text: str, option: str) -> str:
    """The name behind one identifier, quoted or not, or behind a string that holds one."""
    parts = name(unquote(text) if text.startswith(("'", "$$")) else text, option)
    if len(parts) != 1:
        raise invalid_value(text, option, "It is a name of one part.")
    return parts[0]


def parse(text: str, known: dict[str, Kind], refused: set[str]) -> dict[str, Any]:
    """Read the options of a statement; each is known, of the right kind, and there once."""
    values: dict[str, Any] = {}
    rest = tokens(text)
    while rest:
        option = rest[0].text.upper()
        if option in refused:
            raise unsupported(f"{OWNER} ... {option}")
        if rest[0].kind != "word":
            raise syntax_error(f"unexpected '{rest[0].text}'.")
        if option not in known:
            raise SqlError(1420, "22023", f"{COMPILATION}invalid property '{option}' for '{OWNER}'")
        if option in values:
            raise SqlError(1405, "42601", f"{COMPILATION}duplicate property '{option}';")
        if len(rest) < 3 or rest[1].text != "=":
            raise syntax_error(f"'{option}' is to be followed by '=' and a value.")
        values[option], rest = known[option](rest[2:], option)
    return values


# ---- kinds of values: each reads one from the beginning of the tokens, and gives the tokens behind it -------------


def a_name(rest: list[Token], option: str) -> tuple[tuple[str, ...], list[Token]]:
    """A name of up to three parts, or a string that holds one."""
    if rest[0].kind == "text":
        return name(unquote(rest[0].text), option), rest[1:]
    length = 1
    while length + 1 < len(rest) and rest[length].text == ".":
        length += 2
    return name("".join(token.text for token in rest[:length]), option), rest[length:]


def an_identifier(rest: list[Token], option: str) -> tuple[str, list[Token]]:
    """A name of one part, or a string that holds one."""
    return identifier(rest[0].text, option), rest[1:]


def identifiers(rest: list[Token], option: str) -> tuple[list[str], list[Token]]:
    """A list of identifiers in parentheses or brackets; it may be empty."""
    close = {"(": ")", "[": "]"}.get(rest[0].text)
    signs = [token.text if token.kind == "sign" else "" for token in rest]
    if close is None or close not in signs:
        raise invalid_value(rest[0].text, option, "It is a list such as ('A', 'B').")
    end = signs.index(close)
    inside = rest[1:end]
    if (len(inside) % 2 == 0 and inside) or any(token.text != "," for token in inside[1::2]):
        raise syntax_error(f"the values of '{option}' are to be separated by commas.")
    return [identifier(token.text, option) for token in inside[::2]], rest[end + 1 :]


def text(rest: list[Token], option: str) -> tuple[str, list[Token]]:
    """A string."""
    if rest[0].kind != "text":
        raise invalid_value(rest[0].text, option, "It is a string.")
    return unquote(rest[0].text), rest[1:]


Kind = Callable[[list[Token], str], tuple[Any, list[Token]]]
