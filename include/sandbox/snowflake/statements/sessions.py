"""The SQL of one session: its transactions, where it is, its parameters and variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, unsupported
from include.sandbox.snowflake.grammar import matches, resolve_identifier, split_name, statement, unquote
from include.sandbox.snowflake.results import DONE, Result, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

# ---- transactions --------------------------------------------------------------------------------


@statement("BEGIN [WORK|TRANSACTION] [NAME {name:ident}]")
def begin(session: Session, name: str | None) -> Result:  # noqa: ARG001
    """Open a transaction."""
    session.transaction.begin()
    return status(DONE)


@statement("START TRANSACTION [NAME {name:ident}]")
def start_transaction(session: Session, name: str | None) -> Result:
    """Open a transaction."""
    return begin(session, name)


@statement("COMMIT [WORK]")
def commit(session: Session) -> Result:
    """Make the open transaction durable; without one this does nothing."""
    session.transaction.commit()
    return status(DONE)


@statement("ROLLBACK [WORK]")
def rollback(session: Session) -> Result:
    """Undo the open transaction; without one this does nothing."""
    session.transaction.rollback()
    return status(DONE)


# ---- where the session is ------------------------------------------------------------------------


@statement("USE ROLE {name:ident}")
def use_role(session: Session, name: str) -> Result:
    """Change the role; the sandbox has one, with all rights."""
    if resolve_identifier(name) != session.account.role:
        raise not_found("Role", resolve_identifier(name))
    return status(DONE)


@statement("USE SECONDARY ROLES (ALL|NONE)")
def use_secondary_roles(session: Session) -> Result:  # noqa: ARG001
    """Accepted: the one role has all rights."""
    return status(DONE)


@statement("USE WAREHOUSE {name:ident}")
def use_warehouse(session: Session, name: str) -> Result:
    """Change the warehouse; the sandbox has one."""
    if resolve_identifier(name) != session.account.warehouse:
        raise not_found("Warehouse", resolve_identifier(name))
    session.warehouse = resolve_identifier(name)
    return status(DONE)


@statement("USE SCHEMA {name:name}")
def use_schema(session: Session, name: str) -> Result:
    """Change the schema, and with a longer name the database."""
    parts = split_name(name)
    database = parts[0] if len(parts) == 2 else session.database
    if not session.account.engine.has_schema(database, parts[-1]):
        raise SqlError(2043, "02000", f"{COMPILATION}Object does not exist, or operation cannot be performed.")
    session.use(database, parts[-1])
    return status(DONE)


@statement("USE [DATABASE] {name:name}")
def use_database(session: Session, name: str) -> Result:
    """Change the database; its schema PUBLIC, if there is one, becomes the current schema."""
    parts = split_name(name)
    if len(parts) == 2:
        return use_schema(session, name)
    engine = session.account.engine
    if parts[0] not in engine.databases():
        raise SqlError(2043, "02000", f"{COMPILATION}Object does not exist, or operation cannot be performed.")
    session.use(parts[0], "PUBLIC" if engine.has_schema(parts[0], "PUBLIC") else None)
    return status(DONE)


# ---- parameters ----------------------------------------------------------------------------------

# Parameters that may be set, with the values that the sandbox can honour; None is for any.
_PARAMETERS: dict[str, set[str] | None] = {
    "QUERY_TAG": None,
    "LOCK_TIMEOUT": None,
    "AUTOCOMMIT": {"TRUE", "FALSE"},
    "TIMEZONE": {"UTC", "ETC/UTC"},
    "WEEK_START": {"0", "1"},
    "TIMESTAMP_TYPE_MAPPING": {"TIMESTAMP_NTZ"},
    "QUOTED_IDENTIFIERS_IGNORE_CASE": {"FALSE"},
}
_DEFAULTS = {
    "QUERY_TAG": "",
    "LOCK_TIMEOUT": "43200",
    "AUTOCOMMIT": "TRUE",
    "TIMEZONE": "Etc/UTC",
    "WEEK_START": "0",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
}


@statement("ALTER SESSION SET {settings:rest}")
def alter_session_set(session: Session, settings: str) -> Result:
    """Set session parameters."""
    for name, value in re.findall(r"(\w+)\s*=\s*('(?:[^']|'')*'|\$\$.*?\$\$|[^\s,;]+)", settings, re.DOTALL):
        set_parameter(session, name, unquote(value) if value[0] in "'$" else value)
    return status(DONE)


@statement("ALTER SESSION UNSET {names:rest}")
def alter_session_unset(session: Session, names: str) -> Result:
    """Give session parameters their defaults."""
    for name in re.findall(r"\w+", names):
        set_parameter(session, name, _DEFAULTS.get(name.upper(), ""))
    return status(DONE)


def set_parameter(session: Session, name: str, value: str) -> None:
    """Set one session parameter, or refuse a value that would have no effect here."""
    key = name.upper()
    if key not in _PARAMETERS:
        raise unsupported(f"ALTER SESSION SET {key}")
    allowed = _PARAMETERS[key]
    if allowed is not None and str(value).upper() not in allowed:
        raise unsupported(f"ALTER SESSION SET {key} = {value}")
    if key == "AUTOCOMMIT":
        session.transaction.commit()
        session.autocommit = str(value).upper() == "TRUE"
    session.parameters[key] = value


_PARAMETER_COLUMNS = ["key", "value", "default", "level", "description", "type"]


@statement("SHOW PARAMETERS [LIKE {like:text}] [(IN|FOR) (SESSION|ACCOUNT)]")
def show_parameters(session: Session, like: str | None) -> Result:
    """List the parameters that the sandbox knows, with the session's values."""
    values = {**_DEFAULTS, **session.parameters, "AUTOCOMMIT": str(session.autocommit).upper()}
    records = [
        {
            "key": key,
            "value": str(values[key]),
            "default": default,
            "level": "" if str(values[key]) == default else "SESSION",
            "description": "",
            "type": "STRING",
        }
        for key, default in _DEFAULTS.items()
        if matches(key, like)
    ]
    return rows(records, _PARAMETER_COLUMNS)


@statement("UNSET {name:ident}")
def unset_variable(session: Session, name: str) -> Result:
    """Forget a session variable."""
    session.variables.pop(resolve_identifier(name), None)
    return status(DONE)
