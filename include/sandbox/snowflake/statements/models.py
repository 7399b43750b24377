"""The SQL of models: each statement's grammar, effect and answer together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from include.sandbox.snowflake import stages
from include.sandbox.snowflake.grammar import Effect, matches, resolve_identifier, split_name, statement, unquote
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.models import Model, Version
    from include.sandbox.snowflake.session import Session


@statement(
    "CREATE [replace:OR REPLACE] MODEL [absent:IF NOT EXISTS] {name:name} WITH VERSION {version:word} "
    "FROM {place:place}",
    Effect.DDL,
)
def create_model(
    session: Session, name: str, version: str, place: str, replace: str | None, absent: str | None
) -> Result:
    """Create a model with a first version from a package in a stage."""
    return _create(session, name, version, stages.folder(session, place), replace, absent)


@statement(
    "CREATE [replace:OR REPLACE] MODEL [absent:IF NOT EXISTS] {name:name} WITH VERSION {version:word} "
    "FROM MODEL {source:name} [VERSION {source_version:word}]",
    Effect.DDL,
)
def create_model_from_model(
    session: Session,
    name: str,
    version: str,
    source: str,
    source_version: str | None,
    replace: str | None,
    absent: str | None,
) -> Result:
    """Create a model with a first version copied from another model's."""
    return _create(session, name, version, _package_of(session, source, source_version), replace, absent)


@statement("ALTER MODEL {name:name} ADD VERSION {version:word} FROM {place:place}", Effect.DDL)
def add_version(session: Session, name: str, version: str, place: str) -> Result:
    """Add a version from a package in a stage."""
    folder = stages.folder(session, place)
    session.account.models.add_version(session.qualify(name), resolve_identifier(version), folder)
    return status(f"Model {split_name(name)[-1]} successfully altered.")


@statement(
    "ALTER MODEL {name:name} ADD VERSION {version:word} FROM MODEL {source:name} [VERSION {source_version:word}]",
    Effect.DDL,
)
def add_version_from_model(
    session: Session, name: str, version: str, source: str, source_version: str | None
) -> Result:
    """Add a version copied from another model's."""
    folder = _package_of(session, source, source_version)
    session.account.models.add_version(session.qualify(name), resolve_identifier(version), folder)
    return status(f"Model {split_name(name)[-1]} successfully altered.")


@statement("ALTER MODEL {name:name} SET DEFAULT_VERSION = {version:word}", Effect.DDL)
def set_default_version(session: Session, name: str, version: str) -> Result:
    """Make a version the default, by name or alias."""
    session.account.models.set_default(session.qualify(name), resolve_identifier(version))
    return status(DONE)


@statement("ALTER MODEL {name:name} VERSION {version:word} SET ALIAS = {alias:word}", Effect.DDL)
def set_alias(session: Session, name: str, version: str, alias: str) -> Result:
    """Give a version an alias that no other version of the model holds."""
    session.account.models.set_alias(
        session.qualify(name), resolve_identifier(version), resolve_identifier(alias).upper()
    )
    return status(DONE)


@statement("ALTER MODEL {name:name} VERSION {version:word} UNSET ALIAS", Effect.DDL)
def unset_alias(session: Session, name: str, version: str) -> Result:
    """Take a version's alias away."""
    session.account.models.unset_alias(session.qualify(name), resolve_identifier(version))
    return status(DONE)


@statement("ALTER MODEL {name:name} MODIFY VERSION {version:word} SET COMMENT = {text:text}", Effect.DDL)
def set_version_comment(session: Session, name: str, version: str, text: str) -> Result:
    """Replace a version's comment."""
    session.account.models.set_version_comment(session.qualify(name), resolve_identifier(version), unquote(text))
    return status(DONE)


@statement("ALTER MODEL {name:name} MODIFY VERSION {version:word} SET METADATA = {text:text}", Effect.DDL)
def set_version_metadata(session: Session, name: str, version: str, text: str) -> Result:
    """Replace a version's metadata (its metrics), a JSON text."""
    session.account.models.set_version_metadata(session.qualify(name), resolve_identifier(version), unquote(text))
    return status(DONE)


@statement("ALTER MODEL {name:name} DROP VERSION {version:word}", Effect.DDL)
def drop_version(session: Session, name: str, version: str) -> Result:
    """Remove a version; the default version is refused."""
    session.account.models.drop_version(session.qualify(name), resolve_identifier(version))
    return status(DONE)


@statement("ALTER MODEL {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_model(session: Session, name: str, new: str) -> Result:
    """Give a model another name."""
    session.account.models.rename(session.qualify(name), session.qualify(new))
    return status(DONE)


@statement("ALTER MODEL {name:name} SET TAG {tag:name} = {text:text}", Effect.DDL)
def set_tag(session: Session, name: str, tag: str, text: str) -> Result:
    """Put a tag on a model."""
    session.account.models.set_tag(session.qualify(name), ".".join(session.qualify(tag)), unquote(text))
    return status(DONE)


@statement("ALTER MODEL {name:name} UNSET TAG {tag:name}", Effect.DDL)
def unset_tag(session: Session, name: str, tag: str) -> Result:
    """Take a tag off a model."""
    session.account.models.set_tag(session.qualify(name), ".".join(session.qualify(tag)), None)
    return status(DONE)


@statement("COMMENT ON MODEL {name:name} IS {text:text}", Effect.DDL)
def comment_on_model(session: Session, name: str, text: str) -> Result:
    """Replace a model's comment."""
    session.account.models.set_comment(session.qualify(name), unquote(text))
    return status(DONE)


@statement("ALTER MODEL {name:name} SET COMMENT = {text:text}", Effect.DDL)
def set_model_comment(session: Session, name: str, text: str) -> Result:
    """Replace a model's comment."""
    return comment_on_model(session, name, text)


@statement("DROP MODEL [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_model(session: Session, name: str, exists: str | None) -> Result:
    """Remove a model with all its versions."""
    key = session.qualify(name)
    if session.account.models.drop(key, if_exists=bool(exists)):
        return status(dropped(key[2], done=True))
    return status(dropped(key[2], done=False))


_MODEL_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(
        [
            "name",
            "model_type",
            "database_name",
            "schema_name",
            "comment",
            "owner",
            "default_version_name",
            "versions",
            "aliases",
        ],
        pa.string(),
    ),
}


@statement("SHOW MODELS [LIKE {like:text}] [everywhere:IN ACCOUNT] [IN [SCHEMA|DATABASE] {scope:name}]")
def show_models(session: Session, like: str | None, everywhere: str | None, scope: str | None) -> Result:
    """List the models of a schema, a database, or the current schema."""
    parts = split_name(scope) if scope else tuple(p for p in (session.database, session.schema) if p)
    if scope and len(parts) == 1 and parts[0] not in session.account.engine.databases():
        parts = (session.database or "", *parts)
    found = session.account.models.models(*(() if everywhere else parts[:2]))
    return rows([_model_row(session, m) for m in found if matches(m.key[2], like)], _MODEL_COLUMNS)


_VERSION_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(
        [
            "name",
            "aliases",
            "comment",
            "database_name",
            "schema_name",
            "model_name",
            "is_default_version",
            "functions",
            "metadata",
            "user_data",
            "model_attributes",
            "size",
            "environment",
            "runnable_in",
            "inference_services",
            "model_spec",
        ],
        pa.string(),
    ),
}


@statement("SHOW VERSIONS [LIKE {like:text}] IN MODEL {name:name}")
def show_versions(session: Session, like: str | None, name: str) -> Result:
    """List a model's versions with their aliases, metadata and specification."""
    model = session.account.models.model(session.qualify(name))
    return rows([_version_row(v) for v in model.versions if matches(v.name, like)], _VERSION_COLUMNS)


_FUNCTION_COLUMNS = {
    "created_on": CREATED_ON,
    "name": pa.string(),
    "schema_name": pa.string(),
    "is_table_function": pa.string(),
    "min_num_arguments": pa.int64(),
    "max_num_arguments": pa.int64(),
    "arguments": pa.string(),
    "return_type": pa.string(),
    "description": pa.string(),
    "language": pa.string(),
}


@statement("SHOW FUNCTIONS IN MODEL {name:name} [VERSION {version:word}]")
def show_functions(session: Session, name: str, version: str | None) -> Result:
    """List a version's methods with the types of their arguments and results."""
    key = session.qualify(name)
    found = session.account.models.version(key, version and resolve_identifier(version))
    records = [
        {
            "created_on": found.created_on,
            "name": method.name,
            "schema_name": key[1],
            "is_table_function": "Y" if method.kind == "TABLE_FUNCTION" else "N",
            "min_num_arguments": len(method.sql_inputs),
            "max_num_arguments": len(method.sql_inputs),
            "arguments": f"{method.name}({', '.join(method.sql_inputs)}) RETURN {method.sql_output}",
            "return_type": f"TABLE ({', '.join(method.outputs)})"
            if method.kind == "TABLE_FUNCTION"
            else method.sql_output,
            "description": "user-defined function",
            "language": "PYTHON",
        }
        for method in found.methods
    ]
    return rows(records, _FUNCTION_COLUMNS)


def _create(session: Session, name: str, version: str, folder: Path, replace: str | None, absent: str | None) -> Result:
    key = session.qualify(name)
    created = session.account.models.create(
        key, resolve_identifier(version), folder, replace=bool(replace), if_not_exists=bool(absent)
    )
    return status(
        f"Model {key[2]} successfully created." if created else f"{key[2]} already exists, statement succeeded."
    )


def _package_of(session: Session, model: str, version: str | None) -> Path:
    return session.account.models.version(session.qualify(model), version and resolve_identifier(version)).folder


def _model_row(session: Session, model: Model) -> dict[str, Any]:
    database, schema, name = model.key
    return {
        "created_on": model.created_on,
        "name": name,
        "model_type": "USER_MODEL",
        "database_name": database,
        "schema_name": schema,
        "comment": model.comment,
        "owner": session.role,
        "default_version_name": model.default_version,
        "versions": json.dumps([v.name for v in model.versions]),
        "aliases": json.dumps({alias: v.name for v in model.versions for alias in v.aliases}),
    }


def _version_row(version: Version) -> dict[str, Any]:
    database, schema, name = version.model
    return {
        "created_on": version.created_on,
        "name": version.name,
        "aliases": json.dumps(version.aliases),
        "comment": version.comment,
        "database_name": database,
        "schema_name": schema,
        "model_name": name,
        "is_default_version": str(version.is_default).lower(),
        "functions": json.dumps([m.name for m in version.methods]),
        "metadata": version.metadata or "{}",
        "user_data": json.dumps(version.manifest.get("user_data", {})),
        "model_attributes": json.dumps(_attributes(version)),
        "size": str(sum(f.stat().st_size for f in version.folder.rglob("*") if f.is_file())),
        "environment": json.dumps({"default": {"python_version": _python_version(version)}}),
        "runnable_in": json.dumps(version.manifest.get("target_platforms") or ["WAREHOUSE"]),
        "inference_services": "[]",
        "model_spec": version.spec_text,
    }


def _attributes(version: Version) -> dict[str, Any]:
    spec = yaml.safe_load(version.spec_text)
    client = "snowflake-ml-python"
    return {"framework": spec.get("model_type"), "task": spec.get("task", "UNKNOWN"), "client": client}


def _python_version(version: Version) -> str:
    return str(next(iter(version.manifest["runtimes"].values()))["version"])
