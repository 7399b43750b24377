"""The SQL of databases and schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from include.sandbox.snowflake.errors import SqlError, not_found
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import Effect, resolve_identifier, split_name, statement
from include.sandbox.snowflake.results import CREATED_ON, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_DATABASE_COLUMNS = ["name", "is_default", "is_current", "origin", "owner", "comment", "options", "kind"]
_SCHEMA_COLUMNS = ["name", "is_default", "is_current", "database_name", "owner", "comment", "options"]


@statement("CREATE [TRANSIENT] DATABASE [absent:IF NOT EXISTS] {name:ident}", Effect.DDL)
def create_database(session: Session, name: str, absent: str | None) -> Result:
    """Create a database with its schema PUBLIC and switch to it."""
    database = resolve_identifier(name)
    created = session.account.engine.create_database(database, if_not_exists=bool(absent))
    if created:
        _forget(session, database)
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
    done = session.account.engine.drop_database(database, if_exists=bool(exists))
    _forget(session, database)
    return status(dropped(database, done=done))


@statement("CREATE [TRANSIENT] SCHEMA [absent:IF NOT EXISTS] {name:name}", Effect.DDL)
def create_schema(session: Session, name: str, absent: str | None) -> Result:
    """Create a schema and switch to it."""
    database, schema = _schema_name(session, name)
    created = session.account.engine.create_schema(database, schema, if_not_exists=bool(absent))
    if created:
        _forget(session, database, schema)
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
    done = session.account.engine.drop_schema(database, schema, if_exists=bool(exists))
    _forget(session, database, schema)
    return status(dropped(schema, done=done))


@statement("SHOW DATABASES {options:rest}")
def show_databases(session: Session, options: str) -> Result:
    """List the databases: LIKE, STARTS WITH, LIMIT."""
    records = [
        {
            "created_on": session.account.engine.made_on(name).get(""),
            "name": name,
            "is_current": "Y" if name == session.database else "N",
            "owner": session.role,
            "kind": "STANDARD",
        }
        for name in shows.of_databases(options).choose(session.account.engine.databases(), str)
    ]
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_DATABASE_COLUMNS, pa.string())})


@statement("SHOW SCHEMAS {options:rest}")
def show_schemas(session: Session, options: str) -> Result:
    """List schemas: LIKE, IN ACCOUNT | [DATABASE] name, STARTS WITH, LIMIT."""
    engine = session.account.engine
    wanted = shows.of_schemas(session, options)
    found = [
        (database, schema)
        for database in ([wanted.database] if wanted.database else engine.databases())
        for schema in [*engine.schemas(database), "INFORMATION_SCHEMA"]
    ]
    made_on = {database: engine.made_on(database) for database, _ in found}
    records = [
        {
            "created_on": made_on[database].get(schema),
            "name": schema,
            "is_current": "Y" if (database, schema) == (session.database, session.schema) else "N",
            "database_name": database,
            "owner": session.role,
        }
        for database, schema in wanted.choose(found, lambda place: place[1])
    ]
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_SCHEMA_COLUMNS, pa.string())})


def _forget(session: Session, database: str, schema: str | None = None) -> None:
    """Remove what is not the engine's; also before a place is made anew, as a crash may have kept it there."""
    session.account.models.drop_all(database, schema)
    session.account.catalog.drop_all(database, schema)


def _schema_name(session: Session, name: str) -> tuple[str, str]:
    parts = split_name(name)
    database = parts[0] if len(parts) == 2 else session.database
    if not database:
        raise SqlError(90105, "22000", "Cannot perform operation. This session does not have a current database.")
    if database not in session.account.engine.databases():
        raise not_found("Database", database)
    return database, parts[-1]
