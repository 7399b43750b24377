"""The SQL of datasets."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error, unsupported
from include.sandbox.snowflake.execution import run
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import Effect, matches, resolve_identifier, statement, tokens, unquote
from include.sandbox.snowflake.protocol import transfers
from include.sandbox.snowflake.results import CREATED_ON, Result, dropped, rows, status
from include.sandbox.snowflake.sql.constants import constant_function
from include.sandbox.snowflake.staging import stages
from include.sandbox.snowflake.staging.datasets import KIND, Key, Version
from include.sandbox.snowflake.staging.files import identifier, text

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_TEXT = r"(?:'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$)"
_TAIL = re.compile(
    rf"\s*(?:PARTITION\s+BY\s+(?P<partition>.+?))??\s*(?:COMMENT\s*=\s*(?P<comment>{_TEXT}))?"
    rf"\s*(?:METADATA\s*=\s*(?P<metadata>{_TEXT}))?\s*",
    re.DOTALL | re.IGNORECASE,
)
_PARTITION = "_sandbox_partition"
_FILE = "data_0_0_0.snappy.parquet"


@statement("CREATE [replace:OR REPLACE] DATASET [absent:IF NOT EXISTS] {name:name}", Effect.DDL)
def create_dataset(session: Session, name: str, replace: str | None, absent: str | None) -> Result:
    """Create a dataset without versions."""
    key = session.qualify(name)
    if not session.account.engine.has_schema(key[0], key[1]):
        raise not_found("Schema", f"{key[0]}.{key[1]}")
    if replace:
        session.account.datasets.drop(key)
    created = session.account.catalog.create(KIND, key, {"versions": []}, if_not_exists=bool(absent))
    done = f"Dataset {key[2]} successfully created." if created else f"{key[2]} already exists, statement succeeded."
    return status(done)


@statement("DROP DATASET [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_dataset(session: Session, name: str, exists: str | None) -> Result:
    """Remove a dataset with all its versions."""
    key = session.qualify(name)
    done = session.account.datasets.drop(key)
    if not done and not exists:
        raise not_found("Dataset", ".".join(key))
    return status(dropped(key[2], done=done))


@statement("ALTER DATASET [exists:IF EXISTS] {name:name} ADD VERSION {version:word} FROM {rest:rest}")
def add_dataset_version(session: Session, name: str, version: str, rest: str, exists: str | None) -> Result:
    """Write a query's rows into a new version: FROM (query) [PARTITION BY expr] [COMMENT = text] [METADATA = json]."""
    session.transaction.commit()
    key, datasets = session.qualify(name), session.account.datasets
    if session.account.catalog.find(KIND, key) is None and exists:
        return status("Statement executed successfully.")
    query, options = _split(rest)
    metadata = _metadata(options["metadata"])
    version_name = _version_name(version)
    datasets.check_absent(key, version_name)
    comment = unquote(options["comment"]) if options["comment"] else None
    folder = datasets.new_folder()
    try:
        _write(session, key, query, options["partition"], folder)
        datasets.add(key, Version(version_name, folder, comment, metadata, datetime.now(UTC)))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return status(f"Dataset {key[2]} successfully altered.")


@statement("ALTER DATASET [exists:IF EXISTS] {name:name} DROP VERSION {version:word}", Effect.DDL)
def drop_dataset_version(session: Session, name: str, version: str, exists: str | None) -> Result:
    """Remove a version of a dataset."""
    key = session.qualify(name)
    if not (exists and session.account.catalog.find(KIND, key) is None):
        session.account.datasets.drop_version(key, _version_name(version))
    return status(f"Dataset {key[2]} successfully altered.")


def _version_name(text: str) -> str:
    return unquote(text) if text.startswith("'") else resolve_identifier(text)


def _metadata(given: str | None) -> str | None:
    if given is None:
        return None
    value = unquote(given)
    try:
        json.loads(value)
    except ValueError as error:
        raise SqlError(1008, "22023", f"{COMPILATION}METADATA is not valid JSON: {error}") from None
    return value


def _split(text: str) -> tuple[str, dict[str, str | None]]:
    """The query between the parentheses, and the options behind them."""
    depth, position = 0, 0
    for token in tokens(text):
        depth += {"(": 1, ")": -1}.get(token, 0)
        position += len(token)
        if depth == 0:
            break
    tail = _TAIL.fullmatch(text[position:])
    if not text.startswith("(") or depth or not tail:
        raise syntax_error("expected ADD VERSION name FROM (query) [PARTITION BY expr] [COMMENT = ..] [METADATA = ..]")
    return text[1 : position - 1], tail.groupdict()


# ---- files ---------------------------------------------------------------------------------------


def _write(session: Session, key: Key, query: str, partition: str | None, folder: Path) -> None:
    """Write the rows by the engine; a query that runs models is run as any other."""
    name = (key[0], key[1], f"_sandbox_dataset_{uuid.uuid4().hex}")
    table = ".".join(identifier(part) for part in name)
    extra = f", CAST(({partition}) AS VARCHAR) AS {identifier(_PARTITION)}" if partition else ""
    run(session, f"CREATE TEMPORARY TABLE {table} AS SELECT *{extra} FROM ({query}\n)")
    try:
        physical = f"temp.main.{identifier(session.temporary_tables[name])}"
        if not partition:
            _copy(session, f"SELECT * FROM {physical}", folder / _FILE)
            return
        column = identifier(_PARTITION)
        found = session.cursor.query(f"SELECT DISTINCT {column} AS p FROM {physical}").table.column("p").to_pylist()
        for value in found:
            where = f"{column} IS NULL" if value is None else f"{column} = {text(value)}"
            target = folder / ("_NULL_" if value is None else value)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise SqlError(1011, "42601", f"{COMPILATION}invalid partition '{value}'")
            target.mkdir(parents=True, exist_ok=True)
            _copy(session, f"SELECT * EXCLUDE ({column}) FROM {physical} WHERE {where}", target / _FILE)
    finally:
        run(session, f"DROP TABLE {table}")


def _copy(session: Session, query: str, file: Path) -> None:
    session.cursor.query(f"COPY ({query}) TO {text(str(file))} (FORMAT parquet, COMPRESSION snappy)")


# ---- what there is -------------------------------------------------------------------------------

_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(("name", "database_name", "schema_name", "comment", "owner"), pa.string()),
    **dict.fromkeys(("owner_role_type", "versions"), pa.string()),
}


@statement("SHOW DATASETS {options:rest}")
def show_datasets(session: Session, options: str) -> Result:
    """List datasets: LIKE, IN, STARTS WITH, LIMIT."""
    records = [
        {
            "created_on": entry.created_on,
            "name": entry.key[2],
            "database_name": entry.key[0],
            "schema_name": entry.key[1],
            "comment": "",
            "owner": session.account.role,
            "owner_role_type": "ROLE",
            "versions": json.dumps([v["name"] for v in entry.definition["versions"]]),
        }
        for entry in shows.listed(session, KIND, options)
    ]
    return rows(records, _COLUMNS)


_VERSION_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(("version", "comment", "metadata"), pa.string()),
}


@statement("SHOW VERSIONS [LIKE {like:text}] IN DATASET {name:name} [LIMIT {limit:number}]")
def show_dataset_versions(session: Session, name: str, like: str | None, limit: str | None) -> Result:
    """List a dataset's versions with their comments and metadata."""
    key = session.qualify(name)
    if session.account.catalog.find(KIND, key) is None:
        text = f"{COMPILATION}Object does not exist, or operation cannot be performed."
        raise SqlError(2043, "02000", text)
    found = [v for v in session.account.datasets.versions(key) if matches(v.name, like)]
    records = [_version_row(v) for v in found]
    return rows(records[: int(limit) if limit else None], _VERSION_COLUMNS)


def _version_row(version: Version) -> dict[str, Any]:
    return {
        "created_on": version.created_on,
        "version": version.name,
        "comment": version.comment,
        "metadata": version.metadata or "{}",
    }


@constant_function("GET_PRESIGNED_URL")
def get_presigned_url(session: Session, place: str, path: str, seconds: int = 3600) -> str:
    """An address by which one file of a stage or a version can be read without a log-in, for some time."""
    if not session.endpoint:
        raise unsupported("GET_PRESIGNED_URL outside a client's session")
    root, folder, _ = stages.split_place(session, place)
    file = "/".join(part for part in (folder.strip("/"), path.strip("/")) if part)
    if not (root / file).resolve().is_relative_to(root.resolve()):
        raise SqlError(1011, "42601", f"{COMPILATION}invalid stage path '{path}'")
    return transfers.presigned_url(root, quote(file), session.endpoint, seconds)
