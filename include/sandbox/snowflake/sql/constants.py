"""Functions that the sandbox works out itself before the engine runs a statement: their arguments are constants."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from sqlglot import exp

from include.sandbox.snowflake.errors import invalid_argument_types, unsupported

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

CONSTANT_FUNCTIONS: dict[str, Callable[..., Any]] = {}


def constant_function(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `f(session, *values)` for a scalar function of Snowflake's own."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CONSTANT_FUNCTIONS[name] = function
        return function

    return register


def whole_names(expression: exp.Expression) -> None:
    """Take a function of the SNOWFLAKE database as one name: `SNOWFLAKE.ALERT.SCHEDULED_TIME()`."""
    for dot in [d for d in expression.find_all(exp.Dot) if not isinstance(d.parent, exp.Dot)]:
        call, schema = dot.expression, dot.this.sql(dialect="snowflake")
        if isinstance(call, exp.Anonymous) and schema.upper().startswith("SNOWFLAKE."):
            dot.replace(exp.Anonymous(this=f"{schema}.{call.name}", expressions=call.expressions))


def call(name: str, node: exp.Func, session: Session) -> exp.Expression:
    """The value of a call, as a literal under the name that Snowflake gives to the column."""
    text = node.sql(dialect="snowflake")
    arguments: list[Any] = node.expressions if isinstance(node, exp.Anonymous) else list(node.iter_expressions())
    values = [_constant(name, argument) for argument in arguments]
    function = CONSTANT_FUNCTIONS[name]
    try:
        signature(function).bind(session, *values)
    except TypeError:
        raise invalid_argument_types(name, ", ".join(a.sql(dialect="snowflake") for a in arguments)) from None
    value = cast(exp.Expression, exp.convert(function(session, *values)))
    if isinstance(node.parent, exp.Select):
        return exp.Alias(this=value, alias=exp.to_identifier(text, quoted=True))
    return value


def _constant(name: str, argument: exp.Expression) -> Any:
    if isinstance(argument, exp.Literal):
        return argument.name if argument.is_string else argument.to_py()
    if isinstance(argument, exp.RawString):  # between dollars
        return argument.name
    if isinstance(argument, exp.Boolean | exp.Null | exp.Neg):
        return argument.to_py()
    raise unsupported(f"{name} of anything but constants")
