"""What there is of models: SHOW, and the view of their versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import yaml

from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import matches, resolve_identifier, statement
from include.sandbox.snowflake.results import CREATED_ON, Result, rows
from include.sandbox.snowflake.sql.tables import information_schema

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.methods import Method
    from include.sandbox.snowflake.objects.models import Model, Version
    from include.sandbox.snowflake.session import Session


def _texts(names: str) -> dict[str, pa.DataType]:
    return dict.fromkeys(names.split(), pa.string())


_MODEL_COLUMNS = {
    "created_on": CREATED_ON,
    **_texts("name model_type database_name schema_name comment owner default_version_name versions aliases"),
}


@statement("SHOW MODELS {options:rest}")
def show_models(session: Session, options: str) -> Result:
    """List the models of a place: LIKE, IN ACCOUNT, DATABASE or SCHEMA, STARTS WITH, LIMIT."""
    wanted = shows.options(session, options)
    found = wanted.choose(session.account.models.models(wanted.database, wanted.schema), lambda model: model.key[2])
    return rows([_model_row(session, m) for m in sorted(found, key=lambda model: model.key)], _MODEL_COLUMNS)


_VERSION_COLUMNS = {
    "created_on": CREATED_ON,
    **_texts(
        "name aliases comment database_name schema_name model_name is_default_version functions metadata user_data "
        "model_attributes size environment runnable_in inference_services model_spec"
    ),
}


@statement("SHOW VERSIONS [LIKE {like:text}] IN MODEL {name:name}")
def show_versions(session: Session, like: str | None, name: str) -> Result:
    """List a model's versions with their aliases, metadata and specification."""
    model = session.account.models.model(session.qualify(name))
    return rows([_version_row(v) for v in model.versions if matches(v.name, like)], _VERSION_COLUMNS)


_FUNCTION_COLUMNS = {
    "created_on": CREATED_ON,
    **_texts("name version_name"),
    **dict.fromkeys(["min_num_arguments", "max_num_arguments"], pa.int64()),
    **_texts("arguments return_type description language is_table_function"),
}


@statement("SHOW FUNCTIONS [LIKE {like:text}] IN MODEL {name:name} [VERSION {version:word}]")
def show_functions(session: Session, like: str | None, name: str, version: str | None) -> Result:
    """List a version's methods with the types of their arguments and results."""
    found = session.account.models.version(session.qualify(name), version and resolve_identifier(version))
    shown = [_function_row(found, method) for method in found.methods if matches(method.name, like)]
    return rows(shown, _FUNCTION_COLUMNS)


_VIEW_COLUMNS = {
    **_texts("DATABASE_NAME SCHEMA_NAME MODEL_NAME MODEL_VERSION_NAME"),
    "VERSION_ALIASES": pa.json_(),
    **_texts("COMMENT OWNER"),
    **dict.fromkeys(["CREATED", "LAST_ALTERED"], CREATED_ON),
    **_texts("FUNCTIONS MODEL_TYPE PYTHON_VERSION LANGUAGE DEPENDENCIES METADATA USERDATA"),
}


@information_schema("MODEL_VERSIONS")
def model_versions(session: Session, database: str) -> pa.Table:
    """All versions of all models of a database."""
    models = session.account.models.models(database)
    found = [_view_row(version, model.owner or session.account.role) for model in models for version in model.versions]
    return pa.Table.from_pylist(found, schema=pa.schema(list(_VIEW_COLUMNS.items())))


# ---- rows ----------------------------------------------------------------------------------------


def _model_row(session: Session, model: Model) -> dict[str, Any]:
    database, schema, name = model.key
    return {
        "created_on": model.created_on,
        "name": name,
        "model_type": "USER_MODEL",
        "database_name": database,
        "schema_name": schema,
        "comment": model.comment,
        "owner": model.owner or session.account.role,
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
        "user_data": json.dumps(version.contents.manifest.get("user_data", {})),
        "model_attributes": json.dumps(_attributes(version)),
        "size": str(version.contents.size),
        "environment": json.dumps({"default": {"python_version": _runtime(version)["version"]}}),
        "runnable_in": json.dumps(version.contents.manifest.get("target_platforms") or ["WAREHOUSE"]),
        "inference_services": "[]",
        "model_spec": version.spec_text,
    }


def _function_row(version: Version, method: Method) -> dict[str, Any]:
    is_table = method.kind == "TABLE_FUNCTION"
    return {
        "created_on": version.created_on,
        "name": method.name,
        "version_name": version.name,
        "min_num_arguments": len(method.sql_inputs),
        "max_num_arguments": len(method.sql_inputs) + len(method.params),
        "arguments": json.dumps(list(method.sql_inputs)),
        "return_type": f"TABLE ({', '.join(method.outputs)})" if is_table else method.sql_output,
        "description": "user-defined function",
        "language": "PYTHON",
        "is_table_function": str(is_table).upper(),
    }


def _view_row(version: Version, owner: str) -> dict[str, Any]:
    runtime = _runtime(version)
    values = (
        *version.model,
        version.name,
        json.dumps(version.aliases),
        version.comment,
        owner,
        version.created_on,
        version.altered_on,
        json.dumps([m.name for m in version.methods]),
        "USER_MODEL",
        str(runtime["version"]),
        runtime["language"],
        json.dumps(_dependencies(version, runtime)),
        version.metadata or "{}",
        json.dumps(version.contents.manifest.get("user_data", {})),
    )
    return dict(zip(_VIEW_COLUMNS, values, strict=True))


def _attributes(version: Version) -> dict[str, Any]:
    contents = version.contents
    return {"framework": contents.framework, "task": contents.task, "client": "snowflake-ml-python"}


def _runtime(version: Version) -> dict[str, Any]:
    runtime: dict[str, Any] = next(iter(version.contents.manifest["runtimes"].values()))
    return runtime


def _dependencies(version: Version, runtime: dict[str, Any]) -> list[str]:
    """The packages that a version asks for, of conda's file and of pip's."""
    files = runtime.get("dependencies", {})
    conda = version.folder / files["conda"] if files.get("conda") else None
    pip = version.folder / files["pip"] if files.get("pip") else None
    found = list(yaml.safe_load(conda.read_text()).get("dependencies", [])) if conda and conda.is_file() else []
    lines = pip.read_text().splitlines() if pip and pip.is_file() else []
    return [str(d) for d in found if isinstance(d, str)] + [line for line in lines if line.strip()]
