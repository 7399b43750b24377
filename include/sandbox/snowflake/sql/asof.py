"""ASOF JOIN ... MATCH_CONDITION in the engine's terms.

Snowflake keeps every row of the left side, with NULLs where nothing on the right matches; the engine calls that
ASOF LEFT JOIN, and takes the condition along with the ON.
"""

from __future__ import annotations

from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported

_COMPARISONS = (exp.GTE, exp.GT, exp.LTE, exp.LT)


def translate(expression: exp.Expression) -> None:
    """Put the ASOF joins of a statement into the engine's terms."""
    for join in list(expression.find_all(exp.Join)):
        if str(join.args.get("method")).upper() != "ASOF":
            continue
        condition = join.args.get("match_condition")
        while isinstance(condition, exp.Paren):
            condition = condition.this
        if not isinstance(condition, _COMPARISONS):
            text = "MATCH_CONDITION clause is invalid: Only comparison operators '>=', '>', '<=' and '<' are allowed."
            raise SqlError(10401, "42601", f"{COMPILATION}{text}")
        if join.args.get("using"):
            raise unsupported("ASOF JOIN ... USING")
        on = join.args.get("on")
        join.set("match_condition", None)
        join.set("side", "LEFT")
        join.set("on", exp.and_(on, condition) if on else condition)
