"""The properties of a CREATE or ALTER: `NAME = value` in any order, each known and of the right kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error, unsupported
from include.sandbox.snowflake.language import scanner
from include.sandbox.snowflake.language.grammar import resolve_identifier, unquote
from include.sandbox.snowflake.language.scanner import Token

# A property's kind: `text` a string, `name` an identifier (a string is taken too), `names` a list of qualified names,
# `texts` a list of strings in parentheses, `number`, `flag`, `scalar` any of them, and a refusal for what is known
# but not there.
REFUSED = "refused"


@dataclass(frozen=True)
class Properties:
    """The values found, and where the text goes on behind them."""

    values: dict[str, Any]
    end: int


def parse(sql: str, kinds: dict[str, str], owner: str, stops: tuple[str, ...] = ()) -> Properties:
    """Read the properties at the beginning of a text, up to one of the words of `stops` or the end.

    :param kinds: what is known, by name in capitals
    :param owner: the kind of object, for errors
    """
    found = scanner.tokens(sql)
    values: dict[str, Any] = {}
    position = 0
    while position < len(found) and not found[position].is_word(*stops):
        token = found[position]
        if token.text == "," and values:
            position += 1
            continue
        name = token.text.upper()
        if name == "WITH" and found[position + 1 : position + 2] and found[position + 1].is_word("TAG", "CONTACT"):
            raise unsupported(f"{owner} ... WITH {found[position + 1].text.upper()}")
        if token.kind != "word" or name in {"TAG", "COPY"}:
            raise unsupported(f"{owner} ... {name}") if token.kind == "word" else syntax_error(f"unexpected '{name}'.")
        if name not in kinds:
            raise SqlError(1420, "22023", f"{COMPILATION}invalid property '{name}' for '{owner}'")
        if kinds[name] == REFUSED:
            raise unsupported(f"{owner} ... {name}")
        if name in values:
            raise SqlError(1405, "42601", f"{COMPILATION}duplicate property '{name}';")
        if position + 1 >= len(found) or found[position + 1].text != "=":
            raise syntax_error(f"'{name}' is to be followed by '='.")
        values[name], position = _value(found, position + 2, name, kinds[name])
    return Properties(values, found[position].start if position < len(found) else len(sql))


def names(sql: str, kinds: dict[str, str], owner: str) -> list[str]:
    """The names of an UNSET, each known."""
    found = [token.text.upper() for token in scanner.tokens(sql) if token.text != ","]
    for name in found:
        if kinds.get(name) == REFUSED or name == "TAG":
            raise unsupported(f"{owner} ... UNSET {name}")
        if name not in kinds:
            raise SqlError(1420, "22023", f"{COMPILATION}invalid property '{name}' for '{owner}'")
    return found


def _value(found: list[Token], position: int, name: str, kind: str) -> tuple[Any, int]:
    if position >= len(found):
        raise syntax_error(f"'{name} =' is to be followed by a value.")
    token = found[position]
    if kind == "texts":
        return _texts(found, position, name)
    if kind == "name":
        return _name(found, position, name)
    if kind == "text" and token.kind == "text":
        return unquote(token.text), position + 1
    if kind == "number" and token.kind == "number" and token.text.isdigit():
        return int(token.text), position + 1
    if kind == "flag" and token.is_word("TRUE", "FALSE"):
        return token.is_word("TRUE"), position + 1
    if kind == "word" and token.kind in {"word", "text"}:
        return (unquote(token.text) if token.kind == "text" else token.text).upper(), position + 1
    if kind == "scalar" and token.kind in {"word", "text", "number"}:
        return unquote(token.text) if token.kind == "text" else token.text, position + 1
    raise invalid_value(token.text, name)


def _texts(found: list[Token], position: int, name: str) -> tuple[list[str], int]:
    end = scanner.closing(found, position) if found[position].text == "(" else None
    if end is None:
        raise invalid_value(found[position].text, name)
    inside = [token for token in found[position + 1 : end] if token.text != ","]
    for token in inside:
        if token.kind != "text":
            raise invalid_value(token.text, name)
    return [unquote(token.text) for token in inside], end + 1


def _name(found: list[Token], position: int, name: str) -> tuple[tuple[str, ...], int]:
    parts = []
    while position < len(found):
        token = found[position]
        if token.kind not in {"word", "quoted", "text"}:
            break
        if token.kind == "text":
            parts += [resolve_identifier(part.text) for part in scanner.tokens(unquote(token.text)) if part.text != "."]
        else:
            parts.append(resolve_identifier(token.text))
        position += 1
        if position >= len(found) or found[position].text != ".":
            break
        position += 1
    if not parts:
        raise invalid_value(found[position].text if position < len(found) else "", name)
    return tuple(parts), position


def invalid_value(value: Any, name: str) -> SqlError:
    """A value that a property does not take."""
    return SqlError(1008, "22023", f"{COMPILATION}invalid value [{value}] for parameter '{name}'")
