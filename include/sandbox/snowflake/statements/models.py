"""The SQL that makes and changes models: each statement's grammar, effect and answer together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error, unsupported
from include.sandbox.snowflake.language.grammar import Effect, assigned, resolve_identifier, statement, unquote
from include.sandbox.snowflake.objects.models import model_exists
from include.sandbox.snowflake.results import DONE, Result, dropped, status
from include.sandbox.snowflake.staging import stages

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.models import ModelKey, Version
    from include.sandbox.snowflake.session import Session

_CREATE = "CREATE [replace:OR REPLACE] MODEL [absent:IF NOT EXISTS] {name:name} [WITH VERSION {version:word}]"
_ALTER = "ALTER MODEL [exists:IF EXISTS] {name:name}"

# ---- models and versions -------------------------------------------------------------------------


@statement(f"{_CREATE} FROM {{place:place}}")
def create_model(
    session: Session, name: str, version: str | None, place: str, replace: str | None, absent: str | None
) -> Result:
    """Create a model with a first version from a package in a stage."""
    return _create(session, name, version, stages.folder(session, place), replace, absent)


@statement(f"{_CREATE} FROM MODEL {{source:name}} [VERSION {{source_version:word}}]")
def create_model_from_model(
    session: Session,
    name: str,
    version: str | None,
    source: str,
    source_version: str | None,
    replace: str | None,
    absent: str | None,
) -> Result:
    """Create a model with a first version copied from another model's."""
    copied = _version(session, source, source_version)
    return _create(session, name, version, copied.folder, replace, absent)


@statement(f"{_ALTER} ADD VERSION {{version:word}} FROM {{place:place}}")
def add_version(session: Session, name: str, version: str, place: str, exists: str | None) -> Result:
    """Add a version from a package in a stage."""
    return _add_version(session, name, version, stages.folder(session, place), exists)


@statement(f"{_ALTER} ADD VERSION {{version:word}} FROM MODEL {{source:name}} [VERSION {{source_version:word}}]")
def add_version_from_model(
    session: Session, name: str, version: str, source: str, source_version: str | None, exists: str | None
) -> Result:
    """Add a version copied from another model's."""
    copied = _version(session, source, source_version)
    return _add_version(session, name, version, copied.folder, exists)


@statement(f"{_ALTER} DROP VERSION {{version:word}}", Effect.DDL)
def drop_version(session: Session, name: str, version: str, exists: str | None) -> Result:
    """Remove a version; the default version is refused."""
    if key := _altered(session, name, exists):
        session.account.models.drop_version(key, resolve_identifier(version))
    return status(DONE)


@statement("DROP MODEL [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_model(session: Session, name: str, exists: str | None) -> Result:
    """Remove a model with all its versions."""
    key = session.qualify(name)
    return status(dropped(key[2], done=session.account.models.drop(key, if_exists=bool(exists))))


@statement("ALTER MODEL {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_model(session: Session, name: str, new: str) -> Result:
    """Give a model another name, also in another schema."""
    target = session.qualify(new)
    _check_schema(session, target)
    session.account.models.rename(session.qualify(name), target)
    return status(DONE)


# ---- aliases, comments, metadata -----------------------------------------------------------------


@statement(f"{_ALTER} VERSION {{version:word}} SET ALIAS = {{alias:word}}", Effect.DDL)
def set_alias(session: Session, name: str, version: str, alias: str, exists: str | None) -> Result:
    """Give a version an alias that no other version of the model holds."""
    if key := _altered(session, name, exists):
        session.account.models.set_alias(key, resolve_identifier(version), resolve_identifier(alias))
    return status(DONE)


@statement(f"{_ALTER} VERSION {{version:word}} UNSET ALIAS", Effect.DDL)
def unset_alias(session: Session, name: str, version: str, exists: str | None) -> Result:
    """Take a version's alias away."""
    if key := _altered(session, name, exists):
        session.account.models.unset_alias(key, resolve_identifier(version))
    return status(DONE)


@statement(f"{_ALTER} MODIFY VERSION {{version:word}} SET {{properties:assignments}}", Effect.DDL)
def modify_version(session: Session, name: str, version: str, properties: str, exists: str | None) -> Result:
    """Replace a version's COMMENT, or its METADATA (its metrics), a JSON object; or both."""
    given = _properties(properties, "COMMENT", "METADATA")
    if key := _altered(session, name, exists):
        comment, metadata = (_text(given, property_) for property_ in ("COMMENT", "METADATA"))
        session.account.models.set_version_properties(key, resolve_identifier(version), comment, metadata)
    return status(DONE)


@statement(f"{_ALTER} SET {{properties:assignments}}", Effect.DDL)
def set_properties(session: Session, name: str, properties: str, exists: str | None) -> Result:
    """Replace a model's COMMENT, or make a version its DEFAULT_VERSION, by name or alias; or both."""
    given = _properties(properties, "COMMENT", "DEFAULT_VERSION")
    default = resolve_identifier(given["DEFAULT_VERSION"]) if "DEFAULT_VERSION" in given else None
    if key := _altered(session, name, exists):
        session.account.models.set_properties(key, _text(given, "COMMENT"), default)
    return status(DONE)


@statement("COMMENT [exists:IF EXISTS] ON MODEL {name:name} IS {text:text}", Effect.DDL)
def comment_on_model(session: Session, name: str, text: str, exists: str | None) -> Result:
    """Replace a model's comment."""
    if key := _altered(session, name, exists):
        session.account.models.set_properties(key, unquote(text), None)
    return status(DONE)


# ---- what the statements share -------------------------------------------------------------------


def _create(
    session: Session, name: str, version: str | None, source: Path, replace: str | None, absent: str | None
) -> Result:
    """Copy the files while nobody waits, then write the row under the lock of all definitions."""
    key, models = session.qualify(name), session.account.models
    if replace and absent:
        raise SqlError(1003, "42000", f"{COMPILATION}OR REPLACE and IF NOT EXISTS exclude one another.")
    if version is None:
        raise unsupported("CREATE MODEL without WITH VERSION")
    session.transaction.commit()
    _check_schema(session, key)
    if models.exists(key) and not replace:
        if absent:
            return status(f"{key[2]} already exists, statement succeeded.")
        raise model_exists(key)
    with models.incoming(source) as files, session.account.engine.ddl:
        _check_schema(session, key)
        if absent and models.exists(key):
            return status(f"{key[2]} already exists, statement succeeded.")
        models.create(key, resolve_identifier(version), files, owner=session.role, replace=bool(replace))
    return status(f"Model {key[2]} successfully created.")


def _add_version(session: Session, name: str, version: str, source: Path, exists: str | None) -> Result:
    models = session.account.models
    session.transaction.commit()
    if key := _altered(session, name, exists):
        models.check_new_version(key, resolve_identifier(version))
        with models.incoming(source) as files, session.account.engine.ddl:
            models.add_version(key, resolve_identifier(version), files)
        return status(f"Model {key[2]} successfully altered.")
    return status(DONE)


def _altered(session: Session, name: str, exists: str | None) -> ModelKey | None:
    """The full name of the model to be altered; None if it is not there and that is fine."""
    key = session.qualify(name)
    return None if exists and not session.account.models.exists(key) else key


def _version(session: Session, model: str, version: str | None) -> Version:
    return session.account.models.version(session.qualify(model), version and resolve_identifier(version))


def _check_schema(session: Session, key: ModelKey) -> None:
    if key[0] not in session.account.engine.databases():
        raise not_found("Database", key[0])
    if key[1] == "INFORMATION_SCHEMA" or not session.account.engine.has_schema(key[0], key[1]):
        raise not_found("Schema", ".".join(key[:2]))


def _properties(text: str, *known: str) -> dict[str, str]:
    given = assigned(text)
    if given is None or not given.keys() <= set(known):
        raise syntax_error(f"SET is followed by {' or '.join(f'{name} = ...' for name in known)}, not: {text}")
    return given


def _text(given: dict[str, str], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not value.startswith(("'", "$$")):
        raise syntax_error(f"{name} is a text, not {value}")
    return unquote(value)
