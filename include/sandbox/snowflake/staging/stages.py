"""Where the files of stages, model versions and the like are.

A stage is a row in the catalog (or of its session, if it is temporary) and a folder of its own, with a name that is
never used again. A place is written `@name/path`, `@~/path`, `@%table/path` or `snow://kind/...`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, not_found, unsupported
from include.sandbox.snowflake.language.grammar import split_name, unquote
from include.sandbox.snowflake.sql import facts
from include.sandbox.snowflake.sql.rewrite import target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Account, Session, TableKey

KIND, TABLE_KIND, USER_KIND = "STAGE", "TABLE STAGE", "USER STAGE"
Place = tuple[Path, str, str]

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_STAGE = re.compile(
    rf"@(?P<name>~|(?:{_NAME}\.){{0,2}}(?P<table>%)?{_NAME})(?:/+(?P<path>.*))?\Z", re.DOTALL | re.ASCII
)
_SNOW = re.compile(r"snow://(?P<kind>\w+)/(?P<rest>.*)\Z", re.DOTALL)
_MODEL = re.compile(rf"(?P<name>(?:{_NAME}\.){{0,2}}{_NAME})/versions/(?P<version>[^/]+)/?(?P<path>.*)\Z")
SNOW_PLACES: dict[str, Callable[[Session, str], Place]] = {}


def snow_place(kind: str) -> Callable[[Callable[..., Place]], Callable[..., Place]]:
    """Register `f(session, rest)` for `snow://KIND/rest`: the root folder, the path below it, the prefix LIST shows."""

    def register(function: Callable[..., Place]) -> Callable[..., Place]:
        SNOW_PLACES[kind] = function
        return function

    return register


def split_place(session: Session, place: str) -> Place:
    """Resolve a location: its root folder, the path below it, the prefix LIST shows."""
    text = unquote(place) if place.startswith("'") else place
    if (found := _SNOW.match(text)) and found["kind"] in SNOW_PLACES:
        return SNOW_PLACES[found["kind"]](session, found["rest"])
    if not (found := _STAGE.match(text)):
        raise unsupported(f"stage location {text}")
    root, prefix = _root(session, found["name"], is_table=bool(found["table"]))
    path = found["path"] or ""
    if ".." in path.split("/") or not (root / path).resolve().is_relative_to(root.resolve()):
        raise SqlError(1011, "42601", f"{COMPILATION}invalid stage path '{path}'")
    return root, path, prefix


_URL_AS_TABLE = re.compile(
    r"(?P<kept>'(?>[^'\\]+|''|\\.)*+'|\"(?>[^\"]+|\"\")*+\"|\$\$.*?\$\$|--[^\n]*+|/\*.*?\*/)"
    r"|\b(?P<word>FROM|JOIN)(?P<gap>\s+)(?P<url>snow://(?>\"[^\"]*+\"|[^\s\"'();,])++)",
    re.DOTALL | re.IGNORECASE,
)


def quoted_urls(sql: str) -> str:
    """Put quotes around a `snow://...` that a query reads: the parser takes `//` for a comment."""
    if "snow://" not in sql:
        return sql
    return _URL_AS_TABLE.sub(
        lambda found: found[0] if found["kept"] else f"{found['word']}{found['gap']}'{found['url']}' ", sql
    )


def is_stage(place: str) -> bool:
    """True for a place whose files a client may change."""
    return (unquote(place) if place.startswith("'") else place).startswith("@")


def _root(session: Session, name: str, *, is_table: bool) -> tuple[Path, str]:
    if name == "~":
        return _implicit_folder(session, USER_KIND, ("", "", session.user)), ""
    if is_table:
        key = session.qualify(name.replace("%", "", 1))
        known = identity(session, key)
        if not known:
            raise not_found("Table", ".".join(key))
        return _implicit_folder(session, TABLE_KIND, (key[0], key[1], known)), ""
    key = session.qualify(name)
    return _folder(session, definition(session, key)["folder"]), f"{key[2].lower()}/"


def _folder(session: Session, name: str) -> Path:
    return session.account.engine.stages / "files" / name


def engine_key(session: Session, table: TableKey) -> TableKey:
    """Where a table is in the engine."""
    physical = session.temporary_tables.get(table)
    return ("temp", "main", physical) if physical else table


def identity(session: Session, table: TableKey) -> str | None:
    """The id that a table keeps when it is renamed, and that one made anew does not have."""
    key = engine_key(session, table)
    query = "SELECT 1 FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, ?, ?)"
    if not session.cursor.query(query, list(key)).table.num_rows:
        return None
    known = facts.read(session.cursor, key)
    return known.id if known else ".".join(key)


def _implicit_folder(session: Session, kind: str, key: TableKey) -> Path:
    """The folder of a stage that nobody creates: a user's, a table's."""
    entry = session.account.catalog.find(kind, key)
    if not entry:
        session.account.catalog.create(kind, key, {"folder": _new_folder(session)}, if_not_exists=True)
        entry = session.account.catalog.get(kind, key)
    return _folder(session, entry.definition["folder"])


def _new_folder(session: Session) -> str:
    name = uuid.uuid4().hex
    _folder(session, name).mkdir(parents=True)
    return name


def _forget_at_end(session: Session, folder: str) -> None:
    session.temporary_stages.append(lambda: shutil.rmtree(_folder(session, folder), ignore_errors=True))


@snow_place("model")
def _model_version(session: Session, rest: str) -> Place:
    if not (found := _MODEL.match(rest)):
        raise unsupported(f"stage location snow://model/{rest}")
    text = found["version"]
    name = split_name(text)[0] if text.startswith('"') else text
    version = session.account.models.version(session.qualify(found["name"]), name)
    return version.folder, found["path"], f"versions/{version.name}/"


# ---- named stages ----


def definition(session: Session, key: TableKey) -> dict[str, Any]:
    """What the CREATE of a stage said, and its folder."""
    if temporary := session.temporary_objects.get((KIND, key)):
        return temporary
    if entry := session.account.catalog.find(KIND, key):
        return entry.definition
    raise not_found("Stage", ".".join(key))


def exists(session: Session, key: TableKey) -> bool:
    """True if there is a stage of this name."""
    return (KIND, key) in session.temporary_objects or session.account.catalog.find(KIND, key) is not None


def create(
    session: Session,
    key: TableKey,
    properties: dict[str, Any],
    *,
    temporary: bool = False,
    replace: bool = False,
    absent: bool = False,
) -> bool:
    """Make a stage with its folder; False if it was there and may stay."""
    old = definition(session, key) if exists(session, key) else None
    if old and absent:
        return False
    if old and not replace:
        raise already_exists(".".join(key))
    made = {**properties, "folder": _new_folder(session)}
    session.temporary_objects.pop((KIND, key), None)
    if temporary:
        session.temporary_objects[KIND, key] = made
        _forget_at_end(session, made["folder"])
    else:
        session.account.catalog.create(KIND, key, made, replace=replace)
    if old and not (temporary and session.account.catalog.find(KIND, key)):
        shutil.rmtree(_folder(session, old["folder"]), ignore_errors=True)
    return True


def remove_stage(session: Session, key: TableKey) -> None:
    """Forget a stage and delete its files."""
    temporary = session.temporary_objects.pop((KIND, key), None)
    folder = (temporary or definition(session, key))["folder"]
    if not temporary:
        session.account.catalog.drop(KIND, key)
    shutil.rmtree(_folder(session, folder), ignore_errors=True)


def before_definition(session: Session, expression: exp.Expression) -> Callable[[], None]:
    """What is to be done when a definition has been carried out: the files of a table that is gone go too."""
    target = target_of(expression)
    is_table = isinstance(expression, exp.Drop | exp.Create) and str(expression.args.get("kind")).upper() == "TABLE"
    before = identity(session, target) if target and is_table else None

    def after() -> None:
        if target is None or before is None or identity(session, target) == before:
            return
        for entry in session.account.catalog.entries(TABLE_KIND):
            if entry.key[2] == before:
                session.account.catalog.drop(TABLE_KIND, entry.key, if_exists=True)
                shutil.rmtree(_folder(session, entry.definition["folder"]), ignore_errors=True)

    return after


def clean(account: Account) -> None:
    """Delete what no stage refers to: temporary stages of an earlier run, uploads that were not finished."""
    kinds = (KIND, TABLE_KIND, USER_KIND)
    known = {e.definition["folder"] for kind in kinds for e in account.catalog.entries(kind)}
    shutil.rmtree(account.engine.stages / "incoming", ignore_errors=True)
    for folder in (account.engine.stages / "files").glob("*"):
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


# ---- files ----


def folder(session: Session, place: str) -> Path:
    """The folder that a location stands for."""
    root, path, _ = split_place(session, place)
    return root / path


def files(root: Path, path: str, pattern: str | None = None) -> list[Path]:
    """The files whose path starts with a prefix and fits a regular expression as a whole."""
    directory = path.rpartition("/")[0]
    found = ((f, f.relative_to(root).as_posix()) for f in (root / directory).rglob("*") if f.is_file())
    wanted = re.compile(pattern, re.DOTALL) if pattern is not None else None
    return sorted(f for f, name in found if name.startswith(path) and (not wanted or wanted.fullmatch(name)))


def remove_files(root: Path, found: list[Path]) -> None:
    """Delete files and the folders that this leaves empty."""
    for file in found:
        file.unlink(missing_ok=True)
        parent = file.parent
        while parent != root and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent


def md5(file: Path) -> str:
    """The digest that LIST shows and that tells a file from its earlier content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
