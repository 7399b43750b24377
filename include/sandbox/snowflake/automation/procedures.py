"""The procedures that CALL runs: Snowflake's own, each a function of the session and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import invalid_argument_types, unsupported
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.results import Result

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

Procedure = Callable[["Session", list[Any]], Result]
CALL = "CALL {name:name} {arguments:rest}"
PROCEDURES: dict[str, Procedure] = {}


def procedure(name: str) -> Callable[[Procedure], Procedure]:
    """Register `f(session, arguments)` for `CALL NAME(...)`."""

    def register(function: Procedure) -> Procedure:
        PROCEDURES[name] = function
        return function

    return register


def check(sql: str) -> None:
    """Refuse a CALL of a procedure that is not there; other statements are none of its business."""
    own = grammar.match(sql)
    if own and own[0].grammar == CALL:
        name = ".".join(grammar.split_name(str(own[1]["name"])))
        if name not in PROCEDURES:
            raise unsupported(f"CALL {name}")


def value_result(name: str, value: str | bool | None) -> Result:
    """The answer of a procedure: one value, in a column of its name."""
    is_flag = isinstance(value, bool)
    column = pa.array([value], pa.bool_() if is_flag else pa.string())
    return Result(pa.table({name: column}), ["BOOLEAN" if is_flag else "VARCHAR"])


def texts(name: str, arguments: list[Any], fewest: int, most: int) -> list[str]:
    """The arguments of a procedure that takes texts only."""
    if not fewest <= len(arguments) <= most or not all(isinstance(a, str) for a in arguments):
        types = {str: "VARCHAR", int: "NUMBER(38,0)", bool: "BOOLEAN", float: "FLOAT", type(None): "NULL"}
        raise invalid_argument_types(name, ", ".join(types.get(type(a), type(a).__name__.upper()) for a in arguments))
    return list(arguments)
