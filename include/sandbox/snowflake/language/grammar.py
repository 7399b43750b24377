"""A small language for the statements that the sandbox itself carries out, and the table of them.

`@statement("DROP MODEL [IF EXISTS] {name:name}")` puts a function under its grammar. Capitals are
keywords, `[...]` is optional, `[x:...]` tells the function whether it was there, `a|b` is a choice
inside `(...)`, `{x:kind}` is a value handed to the function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from inspect import signature
from typing import Any

# None of these gives back what it has taken: a text is read in one way, and in a time that grows with its length.
_QUOTED = r'"(?>[^"]+|"")++"'
IDENTIFIER = rf"(?:{_QUOTED}|[A-Za-z_][A-Za-z0-9_$]*+)"
NAME = rf"{IDENTIFIER}(?:\s*\.\s*{IDENTIFIER}){{0,2}}"
_LITERAL = r"'(?>[^'\\]+|''|\\.)*+'"
STRING = rf"(?:{_LITERAL}|(?>\$\$.*?\$\$(?!\$)))"
_LOCATION = (
    rf"""(?:@(?>{_QUOTED}|[^\s;,()'"])++|'(?:@|snow:|file:)(?>[^'\\]+|''|\\.)*+'"""
    rf"""|snow://(?>{_QUOTED}|[^\s;"])++|file://[^\s;]++|\?)"""
)
_SPACE = r"(?>\s+|/\*.*?\*/|--[^\n]*+(?:\n|\Z)|//[^\n]*+(?:\n|\Z))"
GAP = rf"{_SPACE}*+"
_ASSIGNMENT = rf"[A-Za-z_][\w$]*+{GAP}={GAP}(?:{STRING}|{IDENTIFIER}|[\d.]++)"
# What is not closed reaches to the end, so that it is read once.
_TOKEN = (
    r"(?>'(?>[^'\\]+|''|\\.)*+(?:'|\\?\Z)|\$\$.*?(?:\$\$(?!\$)|\Z)" + r'|"[^"]*+(?:"|\Z)|[A-Za-z0-9_$]++'
    rf"|{_SPACE}++|/\*.*|.)"
)

_KINDS = {
    "ident": IDENTIFIER,
    "name": NAME,
    "text": STRING,
    "word": rf"(?:{IDENTIFIER}|{_LITERAL})",
    "place": _LOCATION,
    "assignments": rf"{_ASSIGNMENT}(?:{GAP}(?:,{GAP})?{_ASSIGNMENT})*+",
    "number": r"\d++(?![\w$.])",
    "rest": rf"{_TOKEN}*?",
}
_FLAGS = re.IGNORECASE | re.DOTALL | re.ASCII
_PATTERN_TOKENS = re.compile(r"\{(\w+):(\w+)\}|\[(\w+):|([A-Za-z_$][\w$]*)|(\S)")


# ---- a grammar as a tree ----


@dataclass(frozen=True)
class Word:
    """A keyword."""

    text: str


@dataclass(frozen=True)
class Sign:
    """A character that stands for itself."""

    text: str


@dataclass(frozen=True)
class Value:
    """A value that is handed to the function."""

    name: str
    kind: str


@dataclass(frozen=True)
class Choice:
    """One of several ways to go on, or none of them."""

    branches: tuple[Sequence, ...]
    optional: bool
    name: str | None = None


Sequence = tuple[Word | Sign | Value | Choice, ...]


def parse(grammar: str) -> Sequence:
    """Read a grammar's text."""
    branches = _branches(iter(_PATTERN_TOKENS.findall(grammar)))
    if len(branches) != 1:
        raise ValueError(f"{grammar}: a choice stands in parentheses")
    return branches[0]


def _branches(tokens: Iterator[tuple[str, ...]]) -> tuple[Sequence, ...]:
    branches: list[list[Word | Sign | Value | Choice]] = [[]]
    for placeholder, kind, option, word, sign in tokens:
        if placeholder:
            branches[-1].append(Value(placeholder, kind))
        elif option or sign in ("[", "("):
            branches[-1].append(Choice(_branches(tokens), optional=sign != "(", name=option or None))
        elif word:
            branches[-1].append(Word(word.upper()))
        elif sign == "|":
            branches.append([])
        elif sign in ("]", ")"):
            break
        else:
            branches[-1].append(Sign(sign))
    return tuple(tuple(branch) for branch in branches)


def _regex(nodes: Sequence) -> str:
    return "".join(_regex_of(node) for node in nodes)


def _regex_of(node: Word | Sign | Value | Choice) -> str:
    if isinstance(node, Value):
        return rf"(?P<{node.name}>{_KINDS[node.kind]}){GAP}"
    if isinstance(node, Word):
        return rf"{re.escape(node.text)}(?![\w$]){GAP}"
    if isinstance(node, Sign):
        return re.escape(node.text) + GAP
    branches = "|".join(_regex(branch) for branch in node.branches)
    return f"({f'?P<{node.name}>' if node.name else '?:'}{branches}){'?' if node.optional else ''}"


def _openings(nodes: Sequence, length: int = 2) -> set[tuple[str | None, ...]]:
    """The words that a text of this grammar can begin with; None is anything."""
    found: set[tuple[str | None, ...]] = {()}
    for node in nodes:
        if all(len(opening) == length for opening in found):
            break
        if isinstance(node, Choice):
            added = {opening for branch in node.branches for opening in _openings(branch, length)}
            added |= {()} if node.optional else set()
        else:
            added = {(node.text if isinstance(node, Word) else None,)}
        found = {(*opening, *more)[:length] for opening in found for more in added}
    return found


def compile_grammar(grammar: str) -> re.Pattern[str]:
    """Turn a grammar into a regular expression over the text of a whole statement."""
    return re.compile(rf"{GAP}{_regex(parse(grammar))}(?:;{GAP})*+\Z", _FLAGS)


# ---- the table ----


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

    @cached_property
    def takes_params(self) -> bool:
        """True if the function wants the statement's bound values."""
        return "params" in signature(self.run).parameters

    @property
    def doc(self) -> str:
        """The first line of what the function says of itself."""
        return (self.run.__doc__ or "").strip().split("\n")[0]

    @cached_property
    def openings(self) -> set[tuple[str | None, ...]]:
        """The one or two words that its text can begin with."""
        return _openings(parse(self.grammar))

    def may_open(self, first: str, second: str) -> bool:
        """False if no statement of this grammar begins with these words."""
        return any(
            (*opening, None, None)[0] in (first, None)
            and (len(opening) < 2 or opening[0] is None or opening[1] in (second, None))
            for opening in self.openings
        )


STATEMENTS: list[Statement] = []
_CANDIDATES: dict[tuple[str, str], list[Statement]] = {}
_KEPT_CANDIDATES = 4096


def statement(grammar: str, effect: Effect = Effect.NONE) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `f(session, **values)` for the statements of this grammar."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        STATEMENTS.append(Statement(grammar, compile_grammar(grammar), function, effect))
        _CANDIDATES.clear()
        return function

    return register


_LEADING = re.compile(GAP, _FLAGS)
_OPENING = re.compile(rf"([\w$]*+){GAP}([\w$]*+)", _FLAGS)


def match(sql: str) -> tuple[Statement, dict[str, str | None]] | None:
    """Find the statement's function and its values; None leaves the text to the SQL engine."""
    leading = _LEADING.match(sql)
    start = leading.end() if leading else 0
    opening = _OPENING.match(sql, start)
    first, second = (word.upper() for word in opening.groups()) if opening else ("", "")
    for candidate in _candidates(first, second):
        if found := candidate.pattern.match(sql, start):
            return candidate, found.groupdict()
    return None


def _candidates(first: str, second: str) -> list[Statement]:
    """The statements that can begin with these words, in the order of the table."""
    known = _CANDIDATES.get((first, second))
    if known is None:
        if len(_CANDIDATES) >= _KEPT_CANDIDATES:
            _CANDIDATES.clear()
        known = _CANDIDATES[first, second] = [s for s in STATEMENTS if s.may_open(first, second)]
    return known


# ---- values ----


def split_name(text: str) -> tuple[str, ...]:
    """Split a dotted name into resolved parts: unquoted ones in capitals, quoted ones as written."""
    return tuple(resolve_identifier(part) for part in re.findall(IDENTIFIER, text))


def resolve_identifier(text: str) -> str:
    """The name behind an identifier (or a string literal) as Snowflake stores it."""
    if text.startswith('"'):
        return text[1:-1].replace('""', '"')
    if text.startswith("'"):
        return unquote(text).upper()
    return text.upper()


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_ESCAPED = re.compile(r"''|\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def unquote(text: str) -> str:
    """The value of a string literal, in single quotes or between dollars."""
    if text.startswith("$$"):
        return text[2:-2]
    return _ESCAPED.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    octal, short, long, character = found.groups()
    if octal or short or long:
        return chr(int(octal, 8) if octal else int(short or long, 16))
    return _ESCAPES.get(character, character) if character else "'"


_PAIR = re.compile(rf"(?:{GAP},)?{GAP}([A-Za-z_][\w$]*+){GAP}={GAP}({STRING}|{IDENTIFIER}|[\d.]++)", _FLAGS)


def assigned(text: str) -> dict[str, str] | None:
    """The values of `assignments`, as they are written; None if a name stands there twice."""
    found: dict[str, str] = {}
    position = 0
    while pair := _PAIR.match(text, position):
        if pair[1].upper() in found:
            return None
        found[pair[1].upper()] = pair[2]
        position = pair.end()
    return found


def matches(name: str, pattern: str | None) -> bool:
    """True if a name fits the LIKE of a SHOW, a string literal; without one every name does."""
    if pattern is None:
        return True
    parts = re.findall(r"\\.|.", unquote(pattern), re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, name, re.IGNORECASE | re.DOTALL) is not None


_TOKENS = re.compile(_TOKEN, _FLAGS)


def tokens(sql: str) -> Iterator[str]:
    """The text in pieces: a string, a quoted name, a word, white space with comments, or a single character."""
    return (found[0] for found in _TOKENS.finditer(sql))


def head(sql: str) -> str:
    """The first words of a statement, to name it in an error."""
    leading = _LEADING.match(sql)
    text = re.sub(_SPACE + "+", " ", sql[leading.end() if leading else 0 :][:400], flags=_FLAGS).strip()
    words = re.match(r"[A-Za-z_]+(?: [A-Za-z_]+){0,2}", text)
    return words[0].upper() if words else text[:40]
