"""Chains of statements: `SHOW MODELS ->> SELECT "name" FROM $1`, where `$1` is the result of the statement before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import syntax_error, unsupported
from include.sandbox.snowflake.language import grammar, scanner
from include.sandbox.snowflake.sql.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.results import Result
    from include.sandbox.snowflake.session import Session

Run = Callable[["Session", str, Any, bool], "Result"]
_OPERATOR = ["-", ">", ">"]
_READING = {"SHOW", "DESC", "DESCRIBE", "LIST", "LS", "SELECT", "WITH", "VALUES"}
_RESULT = "RESULT OF A CHAIN"  # not a name that anybody can write


def links(sql: str) -> list[str]:
    """The statements of a chain; a text without the operator is the only one."""
    if "->>" not in sql or scanner.holds_statements(sql):
        return [sql]
    found: list[list[str]] = [[]]
    for token in grammar.tokens(sql):
        found[-1].append(token)
        if found[-1][-3:] == _OPERATOR:
            del found[-1][-3:]
            found.append([])
    return ["".join(tokens) for tokens in found]


def run(session: Session, statements: list[str], params: Any, run_one: Run, *, describe: bool) -> Result:
    """Run the statements of a chain one after the other; the answer is the last one's.

    :param run_one: runs a statement with its bound values, or only describes it
    """
    around, session.chain = session.chain, []
    try:
        given = _shared_out(statements, params)
        for number, statement in enumerate(statements):
            is_last = number == len(statements) - 1
            if describe and not is_last and grammar.head(statement).split(" ")[0] not in _READING:
                raise unsupported(f"describing a chain that begins with {grammar.head(statement)}")
            result = run_one(session, statement, given[number], describe and is_last)
            if result.transfer is not None and not is_last:
                raise unsupported("PUT or GET before ->>")
            session.chain.append(result)
        return result
    finally:
        session.chain = around
        if not session.transaction.open:
            session.piped.clear()


def refer(expression: exp.Expression, session: Session) -> None:
    """Let `FROM $1` read the result of the statement before."""
    for table in list(expression.find_all(exp.Table)):
        if isinstance(table.this, exp.Parameter) and isinstance(table.this.this, exp.Literal):
            number = int(table.this.this.name)
            if not 0 < number <= len(session.chain):
                raise syntax_error(f"${number} in FROM is not the result of an earlier statement of a chain (->>)")
            # A transaction may make its changes again after the chain has ended, so the rows are kept as long.
            name = str(len(session.piped))
            session.piped[name] = session.chain[-number].table
            read = exp.TableFromRows(this=exp.Anonymous(this=_RESULT, expressions=[exp.Literal.string(name)]))
            for arg in ("alias", "joins"):
                read.set(arg, table.args.get(arg))
            table.replace(read)


@table_function(_RESULT)
def _result(session: Session, arguments: Arguments) -> pa.Table:
    return session.piped[arguments.positional[0]]


def _shared_out(statements: list[str], params: Any) -> list[Any]:
    """The bound values of each statement: those given by position go to the `?` in order."""
    if not isinstance(params, list | tuple):
        return [params] * len(statements)
    given, start = [], 0
    for statement in statements:
        end = start + sum(piece == "?" for piece in grammar.tokens(statement))
        given.append(list(params[start:end]))
        start = end
    return given
