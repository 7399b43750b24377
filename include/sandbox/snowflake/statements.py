"""The SQL of sessions and of the account: what is neither a query nor about tables, stages or models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from include.sandbox.snowflake import describe
from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, unsupported
from include.sandbox.snowflake.grammar import Effect, resolve_identifier, split_name, statement, unquote
from include.sandbox.snowflake.model_statements import matches
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, rows, status

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


# ---- databases and schemas -----------------------------------------------------------------------


@statement("CREATE [TRANSIENT] DATABASE [absent:IF NOT EXISTS] {name:ident}", Effect.DDL)
def create_database(session: Session, name: str, absent: str | None) -> Result:
    """Create a database with its schema PUBLIC and switch to it."""
    database = resolve_identifier(name)
    created = session.account.engine.create_database(database, if_not_exists=bool(absent))
    session.use(database, "PUBLIC")
    return status(
        f"Database {database} successfully created." if created else f"{database} already exists, statement succeeded."
    )


@statement("DROP DATABASE [exists:IF EXISTS] {name:ident} [CASCADE]", Effect.DDL)
def drop_database(session: Session, name: str, exists: str | None) -> Result:
    """Drop a database with everything in it."""
    database = resolve_identifier(name)
    if session.database == database:
        session.use(None, None)
    dropped = session.account.engine.drop_database(database, if_exists=bool(exists))
    session.account.models.drop_all(database)
    return status(_dropped(database, done=dropped))


@statement("CREATE [TRANSIENT] SCHEMA [absent:IF NOT EXISTS] {name:name}", Effect.DDL)
def create_schema(session: Session, name: str, absent: str | None) -> Result:
    """Create a schema and switch to it."""
    database, schema = _schema_name(session, name)
    created = session.account.engine.create_schema(database, schema, if_not_exists=bool(absent))
    session.use(database, schema)
    return status(
        f"Schema {schema} successfully created." if created else f"{schema} already exists, statement succeeded."
    )


@statement("DROP SCHEMA [exists:IF EXISTS] {name:name} [CASCADE]", Effect.DDL)
def drop_schema(session: Session, name: str, exists: str | None) -> Result:
    """Drop a schema with everything in it."""
    database, schema = _schema_name(session, name)
    if (session.database, session.schema) == (database, schema):
        session.use(database, None)
    dropped = session.account.engine.drop_schema(database, schema, if_exists=bool(exists))
    session.account.models.drop_all(database, schema)
    return status(_dropped(schema, done=dropped))


@statement("(GRANT|REVOKE) {privileges:rest} (TO|FROM) {grantee:rest}")
def grant(session: Session, privileges: str, grantee: str) -> Result:  # noqa: ARG001
    """Accepted: the sandbox has one role, with all rights."""
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


# ---- SHOW and DESCRIBE ---------------------------------------------------------------------------

_DATABASE_COLUMNS = ["name", "is_default", "is_current", "origin", "owner", "comment", "options", "kind"]
_SCHEMA_COLUMNS = ["name", "is_default", "is_current", "database_name", "owner", "comment", "options"]
_WAREHOUSE_COLUMNS = ["name", "state", "type", "size", "is_default", "is_current", "owner", "comment"]


@statement("SHOW DATABASES [LIKE {like:text}] [IN ACCOUNT]")
def show_databases(session: Session, like: str | None) -> Result:
    """List the databases."""
    records = [
        {
            "name": name,
            "is_current": "Y" if name == session.database else "N",
            "owner": session.role,
            "kind": "STANDARD",
        }
        for name in session.account.engine.databases()
        if matches(name, like)
    ]
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_DATABASE_COLUMNS, pa.string())})


@statement("SHOW SCHEMAS [LIKE {like:text}] [everywhere:IN ACCOUNT] [IN [DATABASE] {database:ident}]")
def show_schemas(session: Session, like: str | None, everywhere: str | None, database: str | None) -> Result:
    """List the schemas of a database, or of all."""
    engine = session.account.engine
    wanted = resolve_identifier(database) if database else session.database
    if database and wanted not in engine.databases():
        raise not_found("Database", str(wanted))
    records = [
        {
            "name": schema,
            "is_current": "Y" if (name, schema) == (session.database, session.schema) else "N",
            "database_name": name,
            "owner": session.role,
        }
        for name in ([wanted] if wanted and not everywhere else engine.databases())
        for schema in [*engine.schemas(name), "INFORMATION_SCHEMA"]
        if matches(schema, like)
    ]
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_SCHEMA_COLUMNS, pa.string())})


@statement("SHOW WAREHOUSES [LIKE {like:text}]")
def show_warehouses(session: Session, like: str | None) -> Result:
    """List the one warehouse."""
    name = session.account.warehouse
    record = {"name": name, "state": "STARTED", "type": "STANDARD", "size": "X-Small", "is_current": "Y"}
    return rows([{**record, "owner": session.role}] if matches(name, like) else [], _WAREHOUSE_COLUMNS)


@statement("(DESC|DESCRIBE) (TABLE|VIEW) {name:name} [TYPE = COLUMNS]")
def describe_table(session: Session, name: str) -> Result:
    """The columns of a table or view."""
    return describe.describe_table(session, name)


@statement("(DESC|DESCRIBE) ARTIFACT REPOSITORY {name:name}")
def describe_artifact_repository(session: Session, name: str) -> Result:
    """Snowflake's shared repository of Python packages."""
    if split_name(name) != ("SNOWFLAKE", "SNOWPARK", "PYPI_SHARED_REPOSITORY"):
        raise not_found("Artifact repository", ".".join(split_name(name)))
    return rows([{"name": split_name(name)[-1], "type": "PIP", "owner": session.role}], ["name", "type", "owner"])


def _schema_name(session: Session, name: str) -> tuple[str, str]:
    parts = split_name(name)
    database = parts[0] if len(parts) == 2 else session.database
    if not database:
        raise SqlError(90105, "22000", "Cannot perform operation. This session does not have a current database.")
    if database not in session.account.engine.databases():
        raise not_found("Database", database)
    return database, parts[-1]


def _dropped(name: str, *, done: bool) -> str:
    if done:
        return f"{name} successfully dropped."
    return f"Drop statement executed successfully ({name} already dropped)."
