"""Snowflake's functions that the engine lacks, or has in another sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake import constants
from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.macros import HOME

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_SPANS = {"DAY": "to_days", "WEEK": "to_weeks", "MONTH": "to_months", "QUARTER": "to_quarters", "YEAR": "to_years"}

_SESSION_FUNCTIONS: dict[str, Callable[[Session], Any]] = {
    "CURRENT_ACCOUNT": lambda s: s.account.name,
    "CURRENT_ACCOUNT_NAME": lambda s: s.account.name,
    "CURRENT_ORGANIZATION_NAME": lambda _: "SANDBOX",
    "CURRENT_REGION": lambda _: "SANDBOX",
    "CURRENT_USER": lambda s: s.user,
    "CURRENT_ROLE": lambda s: s.role,
    "CURRENT_WAREHOUSE": lambda s: s.warehouse,
    "CURRENT_DATABASE": lambda s: s.database,
    "CURRENT_SCHEMA": lambda s: s.schema,
    "CURRENT_SESSION": lambda s: str(s.id),
    "CURRENT_SECONDARY_ROLES": lambda _: '{"roles":"","value":""}',
    "CURRENT_AVAILABLE_ROLES": lambda s: f'[ "{s.account.role}" ]',
    "CURRENT_CLIENT": lambda _: "PythonConnector",
    "SYSTEM$ML_PLATFORM_CAPABILITIES": lambda _: "{}",
}


def translate_functions(expression: exp.Expression, session: Session) -> exp.Expression:
    """Replace the functions that are Snowflake's own by values of the session, or by the engine's means."""
    constants.whole_names(expression)
    for node in list(expression.find_all(exp.Func)):
        replacement = _replacement(node, session)
        if replacement is not None:
            node.replace(replacement)
    return expression


def _replacement(node: exp.Func, session: Session) -> exp.Expression | None:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else node.sql_name()
    if name in _SESSION_FUNCTIONS:
        value = exp.convert(_SESSION_FUNCTIONS[name](session))
        return exp.alias_(value, f"{name}()", quoted=True) if isinstance(node.parent, exp.Select) else value
    if name in constants.CONSTANT_FUNCTIONS:
        return constants.call(name, node, session)
    if name == "LAST_QUERY_ID":
        return exp.convert(_last_query_id(session, node.expressions[0] if node.expressions else None))
    if name.startswith("SYSTEM$"):
        raise unsupported(name)
    if name == "HASH":
        # Snowflake's HASH is a signed number of 64 bits.
        unsigned = exp.cast(exp.Anonymous(this="hash", expressions=node.expressions), "INT128", dialect="duckdb")
        return exp.cast(exp.paren(unsigned - exp.Literal.number(2**63)), "BIGINT")
    if isinstance(node, exp.WidthBucket):
        arguments = [node.args[a] for a in ("this", "min_value", "max_value", "num_buckets")]
        return _call("_width_bucket", *arguments)
    return _of_dates(node)


def _of_dates(node: exp.Func) -> exp.Expression | None:
    unit = node.args.get("unit")
    part = unit.name.upper() if unit is not None else ""
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc) and part:
        return _call("_truncated", _typed(node.this), exp.Literal.string(part))
    if isinstance(node, exp.DateAdd) and part in _SPANS:
        count = exp.cast(node.expression, "INT")
        return _call("_moved", _typed(node.this), exp.Anonymous(this=_SPANS[part], expressions=[count]))
    return None


def _typed(value: exp.Expression) -> exp.Expression:
    """A text is taken as a timestamp."""
    return exp.cast(value, "TIMESTAMP") if isinstance(value, exp.Literal) and value.is_string else value


def _call(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=f"{HOME}.{name}", expressions=[a.copy() for a in arguments])


def _last_query_id(session: Session, position: exp.Expression | None) -> str | None:
    """The query of the session at a position, the first at 1, the last at -1."""
    number = -1 if position is None else int(position.sql())
    if number == 1:
        return session.first_query_id
    ids = list(session.query_ids)
    if number > 0 and ids and ids[0] != session.first_query_id:
        raise unsupported(f"LAST_QUERY_ID({number}) of a session of more than {len(ids)} statements")
    index = number - 1 if number > 0 else number
    return ids[index] if number and -len(ids) <= index < len(ids) else None
