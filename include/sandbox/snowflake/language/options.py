"""`KEY = value` lists, as file formats, stages, PUT and COPY take them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, syntax_error
from include.sandbox.snowflake.language.grammar import unquote

_TOKEN = re.compile(
    r"""(?P<gap>(?:\s+|/\*.*?\*/|--[^\n]*(?:\n|\Z))+)
    | (?P<text>'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$)
    | (?P<sign>=>|[=(),?;])
    | (?P<word>@(?:"(?:[^"]|"")+"|[^\s;,()'"])*|(?:"(?:[^"]|"")+"|[^\s=(),;'"@?])+)""",
    re.DOTALL | re.VERBOSE,
)


class Word(str):
    """A value written without quotes, as it was written: a keyword, a number, a name."""

    __slots__ = ()


@dataclass(frozen=True)
class Token:
    """A piece of a statement and where it is."""

    kind: str
    text: str
    start: int
    end: int


def tokens(sql: str) -> list[Token]:
    """Split a text; gaps and comments are left out."""
    found: list[Token] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if not match:
            raise syntax_error(f"unexpected '{sql[position]}'")
        position = match.end()
        if match.lastgroup != "gap":
            found.append(Token(str(match.lastgroup), match[0], match.start(), match.end()))
    return found


class Reader:
    """Walks over tokens; `?` is replaced by the bound values in their order."""

    def __init__(self, sql: str, params: Any = None) -> None:
        self.sql = sql
        self._tokens = tokens(sql)
        self._params: Iterator[Any] = iter(params if isinstance(params, list | tuple) else ())
        self._at = 0

    @property
    def next(self) -> str:
        """The next token's text in capitals, empty at the end."""
        return self._tokens[self._at].text.upper() if self._at < len(self._tokens) else ""

    def done(self) -> bool:
        """True at the end; a semicolon ends too."""
        while self.next == ";":
            self._at += 1
        return self._at >= len(self._tokens)

    def take(self) -> Token:
        """The next token."""
        if self._at >= len(self._tokens):
            raise syntax_error("unexpected '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def skip(self, *texts: str) -> bool:
        """Go past these tokens if they are next."""
        ahead = [t.text.upper() for t in self._tokens[self._at : self._at + len(texts)]]
        if ahead != list(texts):
            return False
        self._at += len(texts)
        return True

    def expect(self, text: str) -> None:
        """Go past a token that must be next."""
        if not self.skip(text):
            raise syntax_error(f"unexpected '{self.next or '<EOF>'}', expected '{text}'")

    def bound(self) -> Any:
        """The next bound value."""
        try:
            return next(self._params)
        except StopIteration:
            raise SqlError(2049, "42601", f"{COMPILATION}Bind variable ? not set.") from None

    def name(self) -> str:
        """A name of up to three parts, also as IDENTIFIER('...') or IDENTIFIER(?)."""
        token = self.take()
        if token.text.upper() != "IDENTIFIER" or not self.skip("("):
            if token.kind != "word":
                raise syntax_error(f"unexpected '{token.text}'")
            return token.text
        value = str(self.value())
        self.expect(")")
        return value

    def in_parentheses(self) -> tuple[str, list[Any]]:
        """The text between parentheses, with the bound values in it."""
        self.expect("(")
        start, depth, values = self._tokens[self._at].start if self.next else len(self.sql), 1, []
        while depth:
            token = self.take()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "?":
                values.append(self.bound())
        return self.sql[start : token.start], values

    def value(self) -> Any:
        """One option's value: a text, a `Word`, a list, or a dict of nested options."""
        if self.next == "(":
            return self._list()
        token = self.take()
        if token.kind == "text":
            return unquote(token.text)
        if token.text == "?":
            bound = self.bound()
            return bound if isinstance(bound, str) else Word(bound)
        if token.kind != "word":
            raise syntax_error(f"unexpected '{token.text}'")
        return Word(token.text)

    def _list(self) -> Any:
        self.expect("(")
        ahead = [t.text for t in self._tokens[self._at + 1 : self._at + 2]]
        if ahead == ["="]:
            return self.options(until=")")
        values = []
        while not self.skip(")"):
            values.append(self.value())
            if self.next != ")":
                self.expect(",")
        return values

    def options(self, until: str = "", bare: tuple[str, ...] = ()) -> dict[str, Any]:
        """The rest as options, or those up to a closing parenthesis; those in `bare` may stand without a value."""
        found: dict[str, Any] = {}
        while not (self.skip(until) if until else self.done()):
            if self.skip(","):
                continue
            key = self.take()
            if key.kind != "word":
                raise syntax_error(f"unexpected '{key.text}'")
            name = key.text.upper()
            if name in bare and self.next not in {"=", "=>"}:
                found[name] = Word("TRUE")
                continue
            if not (self.skip("=") or self.skip("=>")):
                raise syntax_error(f"unexpected '{key.text}'")
            if name in found:
                raise SqlError(1003, "42000", f"{COMPILATION}duplicate property '{name}'")
            found[name] = self.value()
        return found


def parse(text: str | None, params: Any = None) -> dict[str, Any]:
    """Parse a list of options, names in capitals."""
    return Reader(text or "", params).options()


def boolean(name: str, value: Any) -> bool:
    """TRUE or FALSE."""
    text = str(value).upper()
    if text not in {"TRUE", "FALSE"}:
        raise invalid_value(name, value)
    return text == "TRUE"


def number(name: str, value: Any, least: int = 0) -> int:
    """A whole number."""
    if not re.fullmatch(r"-?\d+", str(value)) or int(value) < least:
        raise invalid_value(name, value)
    return int(value)


def invalid_value(name: str, value: Any) -> SqlError:
    """A value that an option does not take."""
    return SqlError(1008, "22023", f"{COMPILATION}invalid value [{value}] for parameter '{name}'")


def invalid_option(name: str) -> SqlError:
    """An option that the statement does not have."""
    return SqlError(1420, "22023", f"{COMPILATION}invalid property '{name}'")
