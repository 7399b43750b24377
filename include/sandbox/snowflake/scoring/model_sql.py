"""Spellings of model calls that the parser does not take: `WITH mv AS MODEL m VERSION v`, methods named as functions.

Both are put into other words in the text, before it is parsed; strings, quoted names and comments stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from include.sandbox.snowflake.errors import syntax_error

_LIKELY = re.compile(r"!\s*[\w\"]|\bMODEL\b[^(]*?\bVERSION\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(?>[^'\\]+|''|\\.)*+'|(?P<kept>\"[^\"]*+\"|--[^\n]*+|//[^\n]*+|/\*.*?\*/)", re.DOTALL)
_METHOD = "_method:"  # before the name of a method that is also a function's
_FUNCTIONS = set(Snowflake.Parser.FUNCTIONS) | set(Snowflake.Parser.FUNCTION_PARSERS)
_NAMES = {TokenType.VAR, TokenType.IDENTIFIER}


@dataclass(frozen=True)
class _Alias:
    """`name AS MODEL model VERSION version`: where it stands, and the call that the name is short for."""

    name: str
    call: str
    first: int
    last: int


def plain(sql: str) -> str:
    """A statement whose model calls the parser can read."""
    if not _LIKELY.search(sql) or not _LIKELY.search(_LITERAL.sub(lambda found: found["kept"] or "''", sql)):
        return sql
    try:
        tokens = Snowflake().tokenize(sql)
    except SqlglotError:
        return sql  # the parser tells what is wrong
    aliases = _aliases(sql, tokens)
    edits = [_removal(tokens, alias) for alias in aliases]
    edits = [(tokens[a].start, tokens[b].end + 1, "") for a, b in _joined(edits, tokens)]
    calls = {alias.name: alias.call for alias in aliases}
    for number, token in enumerate(tokens[1:-1], 1):
        if token.text != "!" or tokens[number + 1].token_type not in _after_mark(tokens, number):
            continue
        before, method = tokens[number - 1], tokens[number + 1]
        if _name(before, sql) in calls and tokens[number - 2].text != ".":
            edits.append((before.start, before.end + 1, calls[_name(before, sql)]))
        if _resolved(method, sql).upper() in _FUNCTIONS:
            quoted = _METHOD + _resolved(method, sql).replace('"', '""')
            edits.append((method.start, method.end + 1, f'"{quoted}"'))
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def named(expression: exp.Expression) -> exp.Expression:
    """Give the methods their names back, after parsing."""
    for call in expression.find_all(exp.ModelAttribute):
        function = call.expression.this if isinstance(call.expression, exp.Window) else call.expression
        if not isinstance(function, exp.Anonymous):
            raise syntax_error(f"unexpected {call.sql(dialect='snowflake')!r}")
        if isinstance(function.this, exp.Identifier) and function.this.name.startswith(_METHOD):
            function.set("this", exp.to_identifier(function.this.name.removeprefix(_METHOD), quoted=True))
    return expression


def method_name(function: exp.Anonymous) -> str:
    """A method's name as the model has it: in capitals, unless it is quoted."""
    return function.this.name if isinstance(function.this, exp.Identifier) else str(function.this).upper()


def _after_mark(tokens: list[Token], number: int) -> set[TokenType]:
    """What may follow a `!` that calls a method: a name, or any word, when a parenthesis comes next."""
    is_call = number + 2 < len(tokens) and tokens[number + 2].token_type == TokenType.L_PAREN
    return {tokens[number + 1].token_type} if is_call else set()


def _aliases(sql: str, tokens: list[Token]) -> list[_Alias]:
    found: list[_Alias] = []
    for number in range(1, len(tokens) - 2):
        is_model = tokens[number].text.upper() == "AS" and tokens[number + 1].text.upper() == "MODEL"
        if not is_model or tokens[number + 1].token_type == TokenType.IDENTIFIER:
            continue
        if tokens[number + 2].token_type not in _NAMES or tokens[number - 1].token_type not in _NAMES:
            continue
        found.append(_alias(sql, tokens, number))
    names = [alias.name for alias in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise syntax_error(f"duplicate name {min(repeated)} in the WITH clause")
    return found


def _alias(sql: str, tokens: list[Token], number: int) -> _Alias:
    """Read the entry whose AS is at `number`."""
    last = number + 2
    while last + 2 < len(tokens) and tokens[last + 1].text == ".":
        last += 2
    model = sql[tokens[number + 2].start : tokens[last].end + 1]
    version = ""
    if last + 2 < len(tokens) and tokens[last + 1].text.upper() == "VERSION":
        last += 2
        version = f", {sql[tokens[last].start : tokens[last].end + 1]}"
    return _Alias(_name(tokens[number - 1], sql), f"MODEL({model}{version})", number - 1, last)


def _removal(tokens: list[Token], alias: _Alias) -> tuple[int, int]:
    """The tokens of an entry with the comma after it, if there is one."""
    has_next = alias.last + 1 < len(tokens) and tokens[alias.last + 1].text == ","
    return alias.first, alias.last + has_next


def _joined(removals: list[tuple[int, int]], tokens: list[Token]) -> list[tuple[int, int]]:
    """Take the comma before the last entries too, and the WITH where no entry is left."""
    joined: list[tuple[int, int]] = []
    for removal in removals:
        adjoins = bool(joined) and joined[-1][1] + 1 == removal[0]
        joined.append((joined.pop()[0] if adjoins else removal[0], removal[1]))
    whole: list[tuple[int, int]] = []
    for first, last in joined:
        word = "" if tokens[last].text == "," else tokens[first - 1].text.upper()
        whole.append((first - {",": 1, "WITH": 1, "RECURSIVE": 2}.get(word, 0), last))
    return whole


def _name(token: Token, sql: str) -> str:
    """The name that an identifier's token stands for, or nothing."""
    return _resolved(token, sql) if token.token_type in _NAMES else ""


def _resolved(token: Token, sql: str) -> str:
    text = sql[token.start : token.end + 1]
    return text[1:-1].replace('""', '"') if text.startswith('"') else text.upper()
