"""Blocks of Snowflake Scripting, as far as they are plain statements: `BEGIN a; b; RETURN c; END`.

Variables, branches, loops and handlers are refused when a block is read, before any of it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.automation import procedures
from include.sandbox.snowflake.errors import syntax_error, unsupported
from include.sandbox.snowflake.language import scanner
from include.sandbox.snowflake.language.scanner import Token
from include.sandbox.snowflake.language.splitting import statements_of
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.session import Session

_SCRIPTING = (
    *("ASYNC", "AWAIT", "BREAK", "CANCEL", "CASE", "CLOSE", "CONTINUE", "DECLARE", "EXCEPTION", "EXIT", "FETCH"),
    *("FOR", "IF", "ITERATE", "LEAVE", "LET", "LOOP", "NULL", "OPEN", "RAISE", "REPEAT", "RETURN", "WHILE"),
)
# Words behind which a colon stands before a variable; behind others it is a path into a value.
_BEFORE_VALUES = (
    *("SELECT", "WHERE", "HAVING", "QUALIFY", "AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "THEN", "ELSE"),
    *("WHEN", "CASE", "BY", "ON", "SET", "RETURN", "LIMIT", "DISTINCT"),
)
_ANSWER = "anonymous block"


@dataclass(frozen=True)
class Block:
    """The statements of a block; with `returns` the last is the query of its RETURN."""

    statements: list[str]
    returns: bool


def check(sql: str) -> None:
    """Refuse what could not be run: text that is no SQL, and what the sandbox does not have. Names are not resolved."""
    for statement in parse(sql).statements if scanner.is_block(sql) else [sql]:
        procedures.check(statement)
        execution.check_syntax(statement)


def run_block(session: Session, sql: str) -> Result:
    """Run a block, statement by statement; its answer is what it returns, or NULL."""
    block = parse(sql)
    results = [execution.run(session, statement) for statement in block.statements]
    if not block.returns:
        return Result(pa.table({_ANSWER: pa.nulls(1, pa.string())}), ["VARCHAR"])
    return Result(results[-1].table.rename_columns([_ANSWER]), results[-1].types)


def parse(sql: str) -> Block:
    """Take a block apart."""
    found = scanner.tokens(sql)
    if found[0].is_word("DECLARE"):
        raise unsupported("Snowflake Scripting: DECLARE")
    while found[-1].text == ";":
        found.pop()
    if not found[-1].is_word("END"):
        raise syntax_error("a block ends with END.")
    statements = [one.strip().rstrip(";").strip() for one in statements_of(sql[found[0].end : found[-1].start])]
    if not statements:
        raise syntax_error("unexpected 'END'.")
    last = scanner.tokens(statements[-1])
    returns = last[0].is_word("RETURN") and len(last) > 1
    if returns:
        statements[-1] = f"SELECT {statements[-1][last[0].end :]}"
    for statement in statements:
        _check_plain(statement)
    return Block(statements, returns)


def _check_plain(statement: str) -> None:
    found = scanner.tokens(statement)
    if scanner.is_block(statement):
        raise unsupported("Snowflake Scripting: a block inside a block")
    if found[0].is_word(*_SCRIPTING):
        raise unsupported(f"Snowflake Scripting: {found[0].text.upper()}")
    for before, token, after in zip([None, *found], found, [*found[1:], None], strict=False):
        if token.text == ":=":
            raise unsupported("Snowflake Scripting: variables (:=)")
        if token.text == ":" and after and after.kind == "word" and _opens_a_value(before):
            raise unsupported(f"Snowflake Scripting: variables (:{after.text})")


def _opens_a_value(before: Token | None) -> bool:
    if before is None or before.is_word(*_BEFORE_VALUES):
        return True
    return before.kind == "sign" and before.text not in {")", "]"}
