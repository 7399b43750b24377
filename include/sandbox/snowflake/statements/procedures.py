"""The SQL that runs other SQL: CALL, EXECUTE IMMEDIATE, blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.automation.procedures import CALL, PROCEDURES
from include.sandbox.snowflake.errors import syntax_error, unsupported
from include.sandbox.snowflake.language import scanner, scripting
from include.sandbox.snowflake.language.grammar import split_name, statement, unquote
from include.sandbox.snowflake.results import Result

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


@statement(CALL)
def call(session: Session, name: str, arguments: str, params: Any) -> Result:
    """Run one of Snowflake's own procedures; others are refused."""
    found = scanner.tokens(arguments)
    if not found or found[0].text != "(" or scanner.closing(found, 0) != len(found) - 1:
        raise syntax_error("CALL takes a name and arguments in parentheses.")
    procedure = PROCEDURES.get(".".join(split_name(name)))
    if not procedure:
        raise unsupported(f"CALL {name.upper()}")
    if len(found) == 2:
        return procedure(session, [])
    values = execution.run(session, f"SELECT {arguments[found[0].end : found[-1].start]}", params).table
    if values.num_rows != 1:
        raise syntax_error("the arguments of a CALL are single values.")
    return procedure(session, [column[0].as_py() for column in values.columns])


@statement("EXECUTE IMMEDIATE {text:text}")
def execute_immediate(session: Session, text: str) -> Result:
    """Run the statement, or the block of plain statements, that a text holds."""
    return execution.run(session, unquote(text))


@statement("BEGIN {block:rest} END")
def run_block(session: Session, block: str) -> Result:
    """Run plain statements one after the other, and answer with what RETURN says; other scripting is refused."""
    return scripting.run_block(session, f"BEGIN {block} END")


@statement("DECLARE {block:rest}")
def declare(session: Session, block: str) -> Result:  # noqa: ARG001
    """Refused: a block here has no variables."""
    raise unsupported("Snowflake Scripting: DECLARE")
