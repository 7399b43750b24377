"""The SQL of one session: its transactions, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import COMPILATION, SqlError
from include.sandbox.snowflake.language.grammar import resolve_identifier, split_name, statement
from include.sandbox.snowflake.objects import roles
from include.sandbox.snowflake.results import DONE, Result, status

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
    result: Result = begin(session, name)
    return result


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
    """Change the role; every role of the sandbox has all rights."""
    session.role = roles.check(session.account, resolve_identifier(name))
    return status(DONE)


@statement("USE SECONDARY ROLES (ALL|NONE)")
def use_secondary_roles(session: Session) -> Result:  # noqa: ARG001
    """Accepted: every role has all rights."""
    return status(DONE)


@statement("USE WAREHOUSE {name:ident}")
def use_warehouse(session: Session, name: str) -> Result:
    """Change the warehouse."""
    wanted = resolve_identifier(name)
    if not session.account.warehouses.find(wanted):
        raise SqlError(2043, "02000", f"{COMPILATION}Object does not exist, or operation cannot be performed.")
    session.warehouse = wanted
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
        result: Result = use_schema(session, name)
        return result
    engine = session.account.engine
    if parts[0] not in engine.databases():
        raise SqlError(2043, "02000", f"{COMPILATION}Object does not exist, or operation cannot be performed.")
    session.use(parts[0], "PUBLIC" if engine.has_schema(parts[0], "PUBLIC") else None)
    return status(DONE)
