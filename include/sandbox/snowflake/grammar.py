"""A small language for the statements that the sandbox itself carries out, and the table of them.

`@statement("DROP MODEL [IF EXISTS] {name:name}")` puts a function under its grammar. Capitals are
keywords, `[...]` is optional, `[x:...]` tells the function whether it was there, `a|b` is a choice
inside `(...)`, `{x:kind}` is a value handed to the function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from inspect import signature
from typing import Any

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*+)'
_STRING = r"(?:'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$)"
_LOCATION = r"(?:@[^\s;,()']+|'(?:@|snow:|file:)(?:[^'\\]|\\.|'')*'|snow://[^\s;]+|file://[^\s;]+|\?)"
_GAP = r"(?:\s|/\*.*?\*/|--[^\n]*(?:\n|$)|//[^\n]*(?:\n|$))"

_KINDS = {
    "ident": _IDENTIFIER,
    "name": rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER}){{0,2}}",
    "text": _STRING,
    "word": rf"(?:{_IDENTIFIER}|'(?:[^'\\]|''|\\.)*')",
    "place": _LOCATION,
    "number": r"\d+",
    "rest": r".*?",
}
_PATTERN_TOKENS = re.compile(r"\{(\w+):(\w+)\}|\[(\w+):|([A-Za-z_$][\w$]*)|(\S)")


class Effect(Enum):
    """What a statement means for the transaction of its session."""

    NONE = "none"
    DDL = "ddl"  # ends the open transaction first


@dataclass(frozen=True)
class Statement:
    """A statement of the sandbox's own: its grammar, what carries it out, how it acts on a transaction."""

    grammar: str
    pattern: re.Pattern[str]
    run: Callable[..., Any]
    effect: Effect

    @property
    def takes_params(self) -> bool:
        """True if the function wants the statement's bound values."""
        return "params" in signature(self.run).parameters

    @property
    def doc(self) -> str:
        """The first line of what the function says of itself."""
        return (self.run.__doc__ or "").strip().split("\n")[0]


STATEMENTS: list[Statement] = []


def statement(grammar: str, effect: Effect = Effect.NONE) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `f(session, **values)` for the statements of this grammar."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        STATEMENTS.append(Statement(grammar, compile_grammar(grammar), function, effect))
        return function

    return register


def compile_grammar(grammar: str) -> re.Pattern[str]:
    """Turn a grammar into a regular expression over the text of a whole statement."""
    parts: list[str] = []
    for placeholder, kind, option, word, sign in _PATTERN_TOKENS.findall(grammar):
        if placeholder:
            parts.append(rf"(?P<{placeholder}>{_KINDS[kind]}){_GAP}*")
        elif option:
            parts.append(f"(?P<{option}>")
        elif word:
            parts.append(rf"{re.escape(word)}(?![\w$]){_GAP}*")
        else:
            parts.append(
                {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|"}.get(sign, re.escape(sign) + f"{_GAP}*")
            )
    return re.compile(rf"{_GAP}*{''.join(parts)};?{_GAP}*\Z", re.IGNORECASE | re.DOTALL)


def match(sql: str) -> tuple[Statement, dict[str, str | None]] | None:
    """Find the statement's function and its values; None leaves the text to the SQL engine."""
    for candidate in STATEMENTS:
        if found := candidate.pattern.match(sql):
            return candidate, found.groupdict()
    return None


def split_name(text: str) -> tuple[str, ...]:
    """Split a dotted name into resolved parts: unquoted ones in capitals, quoted ones as written."""
    return tuple(resolve_identifier(part) for part in re.findall(_IDENTIFIER, text))


def resolve_identifier(text: str) -> str:
    """The name behind an identifier (or a string literal) as Snowflake stores it."""
    if text.startswith('"'):
        return text[1:-1].replace('""', '"')
    if text.startswith("'"):
        return unquote(text).upper()
    return text.upper()


def unquote(text: str) -> str:
    """The value of a string literal, in single quotes or between dollars."""
    if text.startswith("$$"):
        return text[2:-2]
    body = text[1:-1].replace("''", "'")
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}.get(m[1], m[1]), body)


def matches(name: str, pattern: str | None) -> bool:
    """True if a name fits the LIKE of a SHOW, a string literal; without one every name does."""
    if pattern is None:
        return True
    parts = re.split(r"(\\.|%|_)", unquote(pattern.replace("\\", "\\\\")))
    regex = "".join({"%": ".*", "_": "."}.get(p, re.escape(p.lstrip("\\"))) for p in parts)
    return re.fullmatch(regex, name, re.IGNORECASE | re.DOTALL) is not None


def head(sql: str) -> str:
    """The first words of a statement, to name it in an error."""
    text = re.sub(_GAP + "+", " ", sql).strip()
    words = re.match(r"[A-Za-z_]+(?: [A-Za-z_]+){0,2}", text)
    return words[0].upper() if words else text[:40]
