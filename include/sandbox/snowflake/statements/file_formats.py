"""The SQL of named file formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import already_exists, not_found, syntax_error, unsupported
from include.sandbox.snowflake.language import options
from include.sandbox.snowflake.language.grammar import Effect, matches, statement
from include.sandbox.snowflake.language.options import Reader
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.staging import formats
from include.sandbox.snowflake.statements.stages import scope_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey


@statement(
    "CREATE [replace:OR REPLACE] [temporary:[SCOPED] (TEMPORARY|TEMP|VOLATILE)] FILE FORMAT [absent:IF NOT EXISTS] "
    "{definition:rest}",
    Effect.DDL,
)
def create_file_format(
    session: Session,
    definition: str,
    replace: str | None,
    temporary: str | None,
    absent: str | None,
    params: Any = None,
) -> Result:
    """Create a file format; all options of all types are checked."""
    reader = Reader(definition, params)
    key = session.qualify(reader.name())
    given = reader.options()
    comment = str(given.pop("COMMENT", ""))
    made = {**formats.checked(given).definition(), "comment": comment}
    if _exists(session, key):
        if absent:
            return status(f"{key[2]} already exists, statement succeeded.")
        if not replace:
            raise already_exists(".".join(key))
        session.temporary_objects.pop((formats.KIND, key), None)
    if temporary:
        session.temporary_objects[formats.KIND, key] = made
    else:
        session.account.catalog.create(formats.KIND, key, made, replace=bool(replace))
    return status(f"File format {key[2]} successfully created.")


def _exists(session: Session, key: TableKey) -> bool:
    known = session.account.catalog.find(formats.KIND, key)
    return (formats.KIND, key) in session.temporary_objects or known is not None


@statement("ALTER FILE FORMAT [exists:IF EXISTS] {name:name} SET {given:rest}", Effect.DDL)
def alter_file_format(session: Session, name: str, exists: str | None, given: str) -> Result:
    """Change some options of a file format; its type stays."""
    key = session.qualify(name)
    if exists and not _exists(session, key):
        return status(DONE)
    changed = options.parse(given)
    comment = {"comment": str(changed.pop("COMMENT"))} if "COMMENT" in changed else {}
    if "TYPE" in changed:
        raise unsupported("ALTER FILE FORMAT ... SET TYPE")
    made = {**formats.checked(changed, formats.named(session, name)).definition(), **comment}
    if (formats.KIND, key) in session.temporary_objects:
        session.temporary_objects[formats.KIND, key].update(made)
    else:
        session.account.catalog.update(formats.KIND, key, **made)
    return status(DONE)


@statement("ALTER FILE FORMAT [exists:IF EXISTS] {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_file_format(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a file format another name."""
    key, target = session.qualify(name), session.qualify(new)
    if exists and not _exists(session, key):
        return status(DONE)
    if (formats.KIND, key) in session.temporary_objects:
        raise unsupported("ALTER FILE FORMAT ... RENAME of a temporary file format")
    session.account.catalog.rename(formats.KIND, key, target)
    return status(DONE)


@statement("DROP FILE FORMAT [exists:IF EXISTS] {name:rest}", Effect.DDL)
def drop_file_format(session: Session, name: str, exists: str | None, params: Any = None) -> Result:
    """Remove a file format."""
    reader = Reader(name, params)
    key = session.qualify(reader.name())
    if not reader.done():
        raise syntax_error(f"unexpected '{reader.next}'")
    if not _exists(session, key):
        if exists:
            return status(dropped(key[2], done=False))
        raise not_found("File format", ".".join(key))
    if session.temporary_objects.pop((formats.KIND, key), None) is None:
        session.account.catalog.drop(formats.KIND, key)
    return status(dropped(key[2], done=True))


_COLUMNS = ["name", "database_name", "schema_name", "type", "owner", "comment", "format_options", "owner_role_type"]


@statement("SHOW FILE FORMATS [LIKE {like:text}] [everywhere:IN ACCOUNT] [IN [kind:SCHEMA|DATABASE] {scope:name}]")
def show_file_formats(
    session: Session, like: str | None, everywhere: str | None, kind: str | None, scope: str | None
) -> Result:
    """List the file formats of a schema, a database, or the current schema."""
    database, schema = scope_of(session, everywhere, kind, scope)
    found = {e.key: (e.definition, e.created_on) for e in session.account.catalog.entries(formats.KIND)}
    now = datetime.now(UTC)
    found |= {key: (d, now) for (k, key), d in session.temporary_objects.items() if k == formats.KIND}
    records = []
    for key, (definition, created) in sorted(found.items()):
        if database not in (None, key[0]) or schema not in (None, key[1]) or not matches(key[2], like):
            continue
        kept = formats.from_definition(definition)
        every = {"TYPE": kept.type, **{option: kept[option] for option in formats.OPTIONS[kept.type]}}
        records.append(
            {
                "created_on": created,
                "name": key[2],
                "database_name": key[0],
                "schema_name": key[1],
                "type": kept.type,
                "owner": session.account.role,
                "comment": definition.get("comment", ""),
                "format_options": json.dumps(every, separators=(",", ":")),
                "owner_role_type": "ROLE",
            }
        )
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_COLUMNS, pa.string())})


@statement("(DESC|DESCRIBE) FILE FORMAT {name:name}")
def describe_file_format(session: Session, name: str) -> Result:
    """A file format's options, one a row."""
    described = formats.described(formats.named(session, name))
    return rows(described, ["property", "property_type", "property_value", "property_default"])
