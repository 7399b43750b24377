"""Snowflake's functions that the engine lacks, or has in another sense."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.objects import roles
from include.sandbox.snowflake.sql import constants
from include.sandbox.snowflake.sql.function_calls import is_call, translate_call
from include.sandbox.snowflake.sql.known_functions import check_known

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

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
    "CURRENT_AVAILABLE_ROLES": lambda s: json.dumps(roles.names(s.account)),
    "CURRENT_CLIENT": lambda _: "PythonConnector",
    "SYSTEM$ML_PLATFORM_CAPABILITIES": lambda _: "{}",
}


def translate_functions(expression: exp.Expression, session: Session) -> exp.Expression:
    """Replace the functions that are Snowflake's own by values of the session, or by the engine's means."""
    constants.whole_names(expression)
    for node in _calls(expression):
        if isinstance(node.parent, exp.ModelAttribute):
            continue  # a model's method may have a function's name
        replacement = _replacement(node, session)
        if replacement is not None:
            node.replace(replacement)
    return expression


def _calls(expression: exp.Expression) -> list[exp.Expr]:
    """The innermost calls first, so that what is copied into another call is done already."""
    return [node for node in expression.walk(bfs=False) if is_call(type(node))][::-1]


def _replacement(node: exp.Expr, session: Session) -> exp.Expr | None:
    if not isinstance(node, exp.Func):
        return translate_call(node)
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
    check_known(node)
    if isinstance(node, exp.Rand) and node.this is not None:
        _seed(session, node.this)
    return translate_call(node)


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


def _seed(session: Session, seed: exp.Expr) -> None:
    """Let the random numbers of the statement that comes be those of a seed."""
    if not re.fullmatch(r"-?\d+", seed.sql()):
        raise unsupported("RANDOM of a seed that is not a constant")
    session.cursor.duck.execute("SELECT setseed(?)", [int(seed.sql()) % 1_000_003 / 1_000_003])
