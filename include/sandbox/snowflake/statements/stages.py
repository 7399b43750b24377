"""The SQL of stages and the files in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error, unsupported
from include.sandbox.snowflake.language import options
from include.sandbox.snowflake.language.grammar import Effect, matches, statement, unquote
from include.sandbox.snowflake.language.options import Reader, boolean, invalid_option, invalid_value, number
from include.sandbox.snowflake.protocol import transfers
from include.sandbox.snowflake.results import CREATED_ON, Result, dropped, rows, status
from include.sandbox.snowflake.staging import formats, stages

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey

# ---- stages --------------------------------------------------------------------------------------

_ELSEWHERE = {"URL", "STORAGE_INTEGRATION", "CREDENTIALS", "USE_PRIVATELINK_ENDPOINT"}


@statement(
    "CREATE [replace:OR REPLACE] [temporary:[SCOPED] (TEMPORARY|TEMP)] STAGE [absent:IF NOT EXISTS] {definition:rest}",
    Effect.DDL,
)
def create_stage(
    session: Session,
    definition: str,
    replace: str | None,
    temporary: str | None,
    absent: str | None,
    params: Any = None,
) -> Result:
    """Create a stage, with FILE_FORMAT, DIRECTORY, ENCRYPTION and COMMENT."""
    reader = Reader(definition, params)
    key = session.qualify(reader.name())
    made = stages.create(
        session,
        key,
        _properties(session, reader.options()),
        temporary=bool(temporary),
        replace=bool(replace),
        absent=bool(absent),
    )
    if not made:
        return status(f"{key[2]} already exists, statement succeeded.")
    return status(f"Stage area {key[2]} successfully created.")


def _properties(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, value in given.items():
        if name in _ELSEWHERE:
            raise unsupported(f"CREATE STAGE ... {name}")
        if name == "FILE_FORMAT":
            properties["file_format"] = formats.resolve(session, value).definition()
        elif name == "COMMENT":
            properties["comment"] = str(value)
        elif name == "DIRECTORY" and isinstance(value, dict):
            properties["directory"] = _directory(value)
        elif name == "ENCRYPTION" and isinstance(value, dict):
            if str(value.get("TYPE")).upper() not in {"SNOWFLAKE_FULL", "SNOWFLAKE_SSE"}:
                raise invalid_value("TYPE", value.get("TYPE"))
        elif name == "COPY_OPTIONS":
            raise unsupported("CREATE STAGE ... COPY_OPTIONS")
        else:
            raise invalid_option(name)
    return properties


def _directory(value: dict[str, Any]) -> bool:
    for name in value:
        if name not in {"ENABLE", "REFRESH_ON_CREATE", "AUTO_REFRESH"}:
            raise invalid_option(name)
    if "AUTO_REFRESH" in value and boolean("AUTO_REFRESH", value["AUTO_REFRESH"]):
        raise unsupported("CREATE STAGE ... DIRECTORY = (AUTO_REFRESH = TRUE)")
    return boolean("ENABLE", value.get("ENABLE", "FALSE"))


@statement("ALTER STAGE [exists:IF EXISTS] {name:name} SET {properties:rest}", Effect.DDL)
def alter_stage(session: Session, name: str, exists: str | None, properties: str) -> Result:
    """Change a stage's FILE_FORMAT, DIRECTORY or COMMENT."""
    key = session.qualify(name)
    if not stages.exists(session, key) and exists:
        return status("Statement executed successfully.")
    changed = _properties(session, options.parse(properties))
    if (stages.KIND, key) in session.temporary_objects:
        session.temporary_objects[stages.KIND, key].update(changed)
    else:
        stages.definition(session, key)
        session.account.catalog.update(stages.KIND, key, **changed)
    return status(f"Stage {key[2]} successfully altered.")


@statement("ALTER STAGE [exists:IF EXISTS] {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_stage(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a stage another name."""
    key, target = session.qualify(name), session.qualify(new)
    if not stages.exists(session, key) and exists:
        return status("Statement executed successfully.")
    if (stages.KIND, key) in session.temporary_objects:
        raise unsupported("ALTER STAGE ... RENAME of a temporary stage")
    stages.definition(session, key)
    session.account.catalog.rename(stages.KIND, key, target)
    return status("Statement executed successfully.")


@statement("DROP STAGE [exists:IF EXISTS] {name:rest}", Effect.DDL)
def drop_stage(session: Session, name: str, exists: str | None, params: Any = None) -> Result:
    """Remove a stage and its files."""
    key = _only_name(session, name, params)
    if not stages.exists(session, key):
        if exists:
            return status(dropped(key[2], done=False))
        raise not_found("Stage", ".".join(key))
    stages.remove_stage(session, key)
    return status(dropped(key[2], done=True))


def _only_name(session: Session, text: str, params: Any) -> TableKey:
    reader = Reader(text, params)
    key = session.qualify(reader.name())
    if not reader.done():
        raise syntax_error(f"unexpected '{reader.next}'")
    return key


_STAGE_COLUMNS = [
    "name",
    "database_name",
    "schema_name",
    "url",
    "has_credentials",
    "has_encryption_key",
    "owner",
    "comment",
    "region",
    "type",
    "cloud",
    "notification_channel",
    "storage_integration",
    "endpoint",
    "owner_role_type",
    "directory_enabled",
]


@statement("SHOW STAGES [LIKE {like:text}] [everywhere:IN ACCOUNT] [IN [kind:SCHEMA|DATABASE] {scope:name}]")
def show_stages(
    session: Session, like: str | None, everywhere: str | None, kind: str | None, scope: str | None
) -> Result:
    """List the stages of a schema, a database, or the current schema."""
    database, schema = scope_of(session, everywhere, kind, scope)
    found = {e.key: (e.definition, e.created_on) for e in session.account.catalog.entries(stages.KIND)}
    now = datetime.now(UTC)
    found |= {key: (d, now) for (k, key), d in session.temporary_objects.items() if k == stages.KIND}
    records = [
        {
            "created_on": created,
            "name": key[2],
            "database_name": key[0],
            "schema_name": key[1],
            "url": "",
            "has_credentials": "N",
            "has_encryption_key": "N",
            "owner": session.account.role,
            "comment": definition.get("comment", ""),
            "type": "INTERNAL TEMPORARY" if (stages.KIND, key) in session.temporary_objects else "INTERNAL",
            "owner_role_type": "ROLE",
            "directory_enabled": "Y" if definition.get("directory") else "N",
        }
        for key, (definition, created) in sorted(found.items())
        if database in (None, key[0]) and schema in (None, key[1]) and matches(key[2], like)
    ]
    return rows(records, {"created_on": CREATED_ON, **dict.fromkeys(_STAGE_COLUMNS, pa.string())})


def scope_of(
    session: Session, everywhere: str | None, kind: str | None, scope: str | None
) -> tuple[str | None, str | None]:
    """The database and schema that a SHOW is for; None is any."""
    if everywhere:
        return None, None
    if not scope:
        return session.database, session.schema
    if (kind or "SCHEMA").upper().strip() == "DATABASE":
        return session.qualify(f'{scope}."x"."y"')[0], None
    database, schema, _ = session.qualify(f'{scope}."x"')
    if not session.account.engine.has_schema(database, schema):
        raise not_found("Schema", f"{database}.{schema}")
    return database, schema


_DESCRIBED = ["parent_property", "property", "property_type", "property_value", "property_default"]


@statement("(DESC|DESCRIBE) STAGE {name:name}")
def describe_stage(session: Session, name: str) -> Result:
    """A stage's properties, one a row."""
    definition = stages.definition(session, session.qualify(name))
    kept = formats.from_definition(definition["file_format"]) if "file_format" in definition else formats.checked({})
    records = [{"parent_property": "STAGE_FILE_FORMAT", **record} for record in formats.described(kept)]
    place = {"parent_property": "STAGE_LOCATION", "property": "URL", "property_type": "String", "property_value": ""}
    records.append({**place, "property_default": ""})
    directory = "true" if definition.get("directory") else "false"
    records.append(
        {
            "parent_property": "DIRECTORY",
            "property": "ENABLE",
            "property_type": "Boolean",
            "property_value": directory,
            "property_default": "false",
        }
    )
    return rows(records, _DESCRIBED)


# ---- files ---------------------------------------------------------------------------------------

_COMPRESSIONS = {"AUTO_DETECT", "GZIP", "BZ2", "BROTLI", "ZSTD", "DEFLATE", "RAW_DEFLATE", "NONE"}


@statement("PUT {source:place} {place:place} {given:rest}")
def put(session: Session, source: str, place: str, given: str, params: Any = None) -> Result:
    """Upload files to a stage, with PARALLEL, AUTO_COMPRESS, SOURCE_COMPRESSION and OVERWRITE."""
    bound = iter(params or ())
    source, place = (str(next(bound)) if text == "?" else text for text in (source, place))
    _must_be_stage(place)
    root, path, _ = stages.split_place(session, place)
    wanted = _transfer_options(given, {"PARALLEL", "AUTO_COMPRESS", "SOURCE_COMPRESSION", "OVERWRITE"})
    compression = str(wanted.get("SOURCE_COMPRESSION", "AUTO_DETECT")).upper()
    if compression not in _COMPRESSIONS:
        raise invalid_value("SOURCE_COMPRESSION", compression)
    return _transfer(
        session,
        root,
        path,
        command="UPLOAD",
        src_locations=[_local(source)],
        autoCompress=boolean("AUTO_COMPRESS", wanted.get("AUTO_COMPRESS", "TRUE")),
        overwrite=boolean("OVERWRITE", wanted.get("OVERWRITE", "FALSE")),
        sourceCompression=compression.lower(),
        parallel=number("PARALLEL", wanted.get("PARALLEL", "4"), 1),
    )


@statement("GET {place:place} {target:place} {given:rest}")
def get(session: Session, place: str, target: str, given: str, params: Any = None) -> Result:
    """Download files from a stage or a model version, with PARALLEL and PATTERN."""
    bound = iter(params or ())
    place, target = (str(next(bound)) if text == "?" else text for text in (place, target))
    root, path, _ = stages.split_place(session, place)
    wanted = _transfer_options(given, {"PARALLEL", "PATTERN"})
    found = stages.files(root, path, _pattern(wanted.get("PATTERN")))
    return _transfer(
        session,
        root,
        "",
        command="DOWNLOAD",
        src_locations=[f.relative_to(root).as_posix() for f in found],
        localLocation=_local(target),
        parallel=number("PARALLEL", wanted.get("PARALLEL", "4"), 1),
        autoCompress=False,
        overwrite=False,
        sourceCompression="none",
    )


def _must_be_stage(place: str) -> None:
    if not stages.is_stage(place):
        raise SqlError(1011, "42601", f"{COMPILATION}the files of a version cannot be changed")


def _transfer_options(text: str, known: set[str]) -> dict[str, Any]:
    given = options.parse(text)
    for name in given:
        if name not in known:
            raise invalid_option(name)
    return given


def _local(text: str) -> str:
    text = unquote(text) if text.startswith("'") else text
    if not text.startswith("file://"):
        raise syntax_error(f"unexpected '{text}'")
    return text.removeprefix("file://")


def _pattern(value: Any) -> str | None:
    if value is None:
        return None
    try:
        re.compile(str(value))
    except re.error as error:
        raise SqlError(100048, "2201B", f"Invalid regular expression: '{value}', {error}") from None
    return str(value)


def _transfer(session: Session, root: Path, path: str, *, command: str, **described: Any) -> Result:
    info = transfers.stage_info(root, path, session.endpoint, write=command == "UPLOAD")
    return Result(pa.table({}), [], transfer={"command": command, "stageInfo": info, **described})


@statement("(LIST|LS) {place:place} [PATTERN = {pattern:text}]")
def list_files(session: Session, place: str, pattern: str | None) -> Result:
    """List the files of a stage or a model version."""
    root, path, prefix = stages.split_place(session, place)
    records = [
        {
            "name": prefix + f.relative_to(root).as_posix(),
            "size": f.stat().st_size,
            "md5": stages.md5(f),
            "last_modified": format_datetime(datetime.fromtimestamp(f.stat().st_mtime, UTC), usegmt=True),
        }
        for f in stages.files(root, path, _pattern(unquote(pattern) if pattern else None))
    ]
    return rows(records, {"name": pa.string(), "size": pa.int64(), "md5": pa.string(), "last_modified": pa.string()})


@statement("(REMOVE|RM) {place:place} [PATTERN = {pattern:text}]")
def remove_files(session: Session, place: str, pattern: str | None) -> Result:
    """Delete files of a stage."""
    _must_be_stage(place)
    root, path, prefix = stages.split_place(session, place)
    found = stages.files(root, path, _pattern(unquote(pattern) if pattern else None))
    stages.remove_files(root, found)
    return rows(
        [{"name": prefix + f.relative_to(root).as_posix(), "result": "removed"} for f in found], ["name", "result"]
    )


@statement("COPY FILES INTO {target:place} FROM {source:place} {given:rest}")
def copy_files(session: Session, target: str, source: str, given: str) -> Result:
    """Copy files from one stage to another, with FILES, PATTERN and DETAILED_OUTPUT."""
    _must_be_stage(target)
    wanted = _transfer_options(given, {"FILES", "PATTERN", "DETAILED_OUTPUT"})
    detailed = boolean("DETAILED_OUTPUT", wanted.get("DETAILED_OUTPUT", "TRUE"))
    root, path, _ = stages.split_place(session, source)
    to_root, to_path, _ = stages.split_place(session, target)
    found = stages.files(root, path, _pattern(wanted.get("PATTERN")))
    if names := wanted.get("FILES"):
        found = [root / path / str(name) for name in names]
        if missing := next((f for f in found if not f.resolve().is_relative_to(root) or not f.is_file()), None):
            raise SqlError(91016, "22000", f"Remote file '{missing.relative_to(root).as_posix()}' was not found.")
    directory = path.rpartition("/")[0]
    copied = []
    for file in found:
        name = file.relative_to(root / directory).as_posix()
        transfers.copy(file, to_root / to_path / name, session.account.engine.stages / "incoming")
        copied.append({"file": f"{to_path}{'/' if to_path and not to_path.endswith('/') else ''}{name}"})
    if detailed:
        return rows(copied, ["file"])
    return rows([{"number of files copied": len(copied)}], {"number of files copied": pa.int64()})
