"""The SQL of stages and the files in them: PUT, GET, LIST, REMOVE, DROP STAGE."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake import stages
from include.sandbox.snowflake.errors import SqlError, not_found
from include.sandbox.snowflake.grammar import Effect, statement, unquote
from include.sandbox.snowflake.results import Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


@statement("PUT {source:place} {place:place} {options:rest}")
def put(session: Session, source: str, place: str, options: str, params: Any = None) -> Result:
    """Upload files to a stage."""
    if place == "?":
        place = params[0]
    if "snow://" in place:
        raise SqlError(1011, "42601", "SQL compilation error:\nthe files of a model version cannot be changed")
    root, path, _ = stages.split_place(session, place)
    target = root / path
    target.mkdir(parents=True, exist_ok=True)
    given = _options(options)
    local = unquote(source) if source.startswith("'") else source
    return _transfer(
        command="UPLOAD",
        src_locations=[local.removeprefix("file://")],
        location=f"{target}/",
        autoCompress=given.get("AUTO_COMPRESS", "TRUE") == "TRUE",
        overwrite=given.get("OVERWRITE", "FALSE") == "TRUE",
        sourceCompression=given.get("SOURCE_COMPRESSION", "auto_detect").lower(),
        parallel=int(given.get("PARALLEL", "4")),
    )


@statement("GET {place:place} {target:place} {options:rest}")
def get(session: Session, place: str, target: str, options: str) -> Result:
    """Download files from a stage or a model version."""
    root, path, _ = stages.split_place(session, place)
    given = _options(options)
    found = [f for f in stages.files(root, path) if re.search(given.get("PATTERN", ""), f.as_posix())]
    local = unquote(target) if target.startswith("'") else target
    return _transfer(
        command="DOWNLOAD",
        src_locations=[f.relative_to(root).as_posix() for f in found],
        location=f"{root}/",
        localLocation=local.removeprefix("file://"),
        parallel=int(given.get("PARALLEL", "4")),
        autoCompress=False,
        overwrite=False,
        sourceCompression="none",
    )


@statement("(LIST|LS) {place:place} [PATTERN = {pattern:text}]")
def list_files(session: Session, place: str, pattern: str | None) -> Result:
    """List the files of a stage or a model version."""
    root, path, prefix = stages.split_place(session, place)
    found = [f for f in stages.files(root, path) if not pattern or re.fullmatch(unquote(pattern), f.as_posix())]
    records = [
        {
            "name": prefix + f.relative_to(root).as_posix(),
            "size": f.stat().st_size,
            "md5": hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest(),
            "last_modified": format_datetime(datetime.fromtimestamp(f.stat().st_mtime, UTC), usegmt=True),
        }
        for f in found
    ]
    return rows(records, {"name": pa.string(), "size": pa.int64(), "md5": pa.string(), "last_modified": pa.string()})


@statement("(REMOVE|RM) {place:place} [PATTERN = {pattern:text}]")
def remove_files(session: Session, place: str, pattern: str | None) -> Result:
    """Delete files of a stage."""
    if "snow://" in place:
        raise SqlError(1011, "42601", "SQL compilation error:\nthe files of a model version cannot be changed")
    root, path, prefix = stages.split_place(session, place)
    records = []
    for file in stages.files(root, path):
        if not pattern or re.fullmatch(unquote(pattern), file.as_posix()):
            file.unlink()
            records.append({"name": prefix + file.relative_to(root).as_posix(), "result": "removed"})
    return rows(records, ["name", "result"])


@statement("DROP STAGE [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_stage(session: Session, name: str, exists: str | None) -> Result:
    """Remove a stage and its files."""
    key = session.qualify(name)
    if not stages.exists(session, key):
        if exists:
            return status(dropped(key[2], done=False))
        raise not_found("Stage", ".".join(key))
    stages.remove_stage(session, key)
    return status(dropped(key[2], done=True))


def _options(text: str) -> dict[str, str]:
    return {
        key.upper(): value.strip("'").upper() if key.upper() != "PATTERN" else value.strip("'")
        for key, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\S+)", text)
    }


def _transfer(*, command: str, location: str, **described: Any) -> Result:
    transfer = {
        "command": command,
        "stageInfo": {"locationType": "LOCAL_FS", "location": location, "creds": {}},
        **described,
    }
    return Result(pa.table({}), [], transfer=transfer)
