"""Where the files of stages and model versions are.

A stage is a folder. Client and sandbox share a machine, so the client is told to copy files itself
(the connector's LOCAL_FS transfer), also out of a model version's `snow://` folder.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from include.sandbox.snowflake.errors import SqlError, not_found, unsupported
from include.sandbox.snowflake.grammar import split_name, unquote

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_STAGE = re.compile(rf"@(?P<name>(?:{_NAME}\.){{0,2}}{_NAME})/?(?P<path>.*)\Z", re.DOTALL)
_SNOW = re.compile(rf"snow://model/(?P<name>(?:{_NAME}\.){{0,2}}{_NAME})/versions/(?P<version>[^/]+)/?(?P<path>.*)\Z")
_TABLE = "_fs_global._fs_information_schema._fs_stages"


def split_place(session: Session, place: str) -> tuple[Path, str, str]:
    """Resolve a stage or model location: its root folder, the path below it, the prefix LIST shows."""
    text = unquote(place) if place.startswith("'") else place
    if found := _SNOW.match(text):
        version = session.account.models.version(session.qualify(found["name"]), _version_name(found["version"]))
        return version.folder, found["path"], f"versions/{version.name}/"
    if not (found := _STAGE.match(text)):
        raise unsupported(f"stage location {text}")
    key = session.qualify(found["name"])
    if not exists(session, key):
        raise not_found("Stage", ".".join(key))
    root = session.account.engine.stages.joinpath(*key)
    if not (root / found["path"]).resolve().is_relative_to(root.resolve()):
        raise SqlError(1011, "42601", f"SQL compilation error:\ninvalid stage path '{found['path']}'")
    return root, found["path"], f"{key[2].lower()}/"


def _version_name(text: str) -> str:
    return split_name(text)[0] if text.startswith('"') else text


def exists(session: Session, key: tuple[str, str, str]) -> bool:
    """True if there is a stage of this name."""
    query = f"SELECT count(*) AS n FROM {_TABLE} WHERE (database_name, schema_name, name) = (?, ?, ?)"
    return bool(session.cursor.query(query, list(key)).table.to_pylist()[0]["n"])


def folder(session: Session, place: str) -> Path:
    """The folder that a location stands for."""
    root, path, _ = split_place(session, place)
    return root / path


def files(root: Path, path: str) -> list[Path]:
    """The files of a stage whose path starts with a prefix."""
    return sorted(f for f in root.rglob("*") if f.is_file() and f.relative_to(root).as_posix().startswith(path))


def remove_stage(session: Session, key: tuple[str, str, str]) -> None:
    """Forget a stage and delete its files."""
    session.cursor.query(f"DELETE FROM {_TABLE} WHERE (database_name, schema_name, name) = (?, ?, ?)", list(key))
    shutil.rmtree(session.account.engine.stages.joinpath(*key), ignore_errors=True)
