"""Splitting a text of several statements: semicolons in strings, names, comments and blocks separate nothing."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<skip>'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\$\$.*?\$\$)
    | (?P<comment>--[^\n]*|//[^\n]*|/\*.*?\*/)
    | (?P<word>[A-Za-z_][\w$]*)
    | (?P<end>;)
    | (?P<mark>\?)
    | (?P<space>\s+)
    | .
    """,
    re.DOTALL | re.VERBOSE,
)
_TRANSACTION = {"WORK", "TRANSACTION", "NAME", ";", ""}
_OPENED = {"IF", "FOR", "WHILE", "LOOP", "REPEAT", "CASE"}


def statements_of(sql: str) -> list[str]:
    """The statements of a text, without what is empty or only a comment."""
    if ";" not in sql.rstrip().removesuffix(";"):
        return [sql] if _is_something(sql) else []
    tokens = [(m.lastgroup, m[0], m.start()) for m in _TOKEN.finditer(sql)]
    words = [(kind, text.upper(), at) for kind, text, at in tokens if kind not in {"comment", "space"}]
    parts, start = [], 0
    for end in _ends(words):
        parts.append(sql[start:end])
        start = end + 1
    parts.append(sql[start:])
    return [part.strip() for part in parts if _is_something(part)]


def _ends(words: list[tuple[str | None, str, int]]) -> list[int]:
    """Where the semicolons stand that end a statement: outside of BEGIN ... END."""
    ends, depth = [], 0
    for number, (kind, text, at) in enumerate(words):
        before, after = (words[i][1] if 0 <= i < len(words) else "" for i in (number - 1, number + 1))
        if kind == "end" and depth == 0:
            ends.append(at)
        if kind != "word":
            continue
        if (text == "BEGIN" and after not in _TRANSACTION) or (depth and text == "CASE" and before != "END"):
            depth += 1
        elif depth and text == "END" and after not in _OPENED - {"CASE"}:
            depth -= 1
    return ends


def _is_something(part: str) -> bool:
    return any(m.lastgroup not in {"comment", "space", "end"} for m in _TOKEN.finditer(part))


def count_marks(sql: str) -> int:
    """How many `?` a statement has for bound values."""
    return sum(m.lastgroup == "mark" for m in _TOKEN.finditer(sql))
