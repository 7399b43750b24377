"""The models of the account: their versions, aliases, metadata and files, on disk.

What a reader sees is one SQLite row; a version's files are complete in their own folder
before its row is written. So after a crash a version is there wholly, or not at all.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from include.sandbox.snowflake import durable
from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, not_found
from include.sandbox.snowflake.objects.methods import Contents, Method, read_contents
from include.sandbox.snowflake.objects.model_files import Files, FileStore

ModelKey = tuple[str, str, str]
_RESERVED_ALIASES = {"DEFAULT", "FIRST", "LAST"}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    id INTEGER PRIMARY KEY, database TEXT, schema TEXT, name TEXT, comment TEXT, default_version TEXT,
    created_on TEXT, owner TEXT, UNIQUE (database, schema, name)
);
CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY, model INTEGER REFERENCES models (id) ON DELETE CASCADE, name TEXT, alias TEXT,
    comment TEXT, metadata TEXT, folder TEXT, created_on TEXT, altered_on TEXT,
    UNIQUE (model, name), UNIQUE (model, alias)
);
CREATE TABLE IF NOT EXISTS model_tags (
    model INTEGER REFERENCES models (id) ON DELETE CASCADE, tag TEXT, value TEXT, UNIQUE (model, tag)
);
"""


@dataclass(frozen=True)
class Version:
    """One version of a model as it is now."""

    model: ModelKey
    name: str
    alias: str | None
    comment: str | None
    metadata: str | None
    files: Files
    created_on: datetime
    altered_on: datetime
    is_default: bool
    is_first: bool
    is_last: bool

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.files.folder

    @property
    def aliases(self) -> list[str]:
        """The alias that was set, and the three that a position gives."""
        positions = {"DEFAULT": self.is_default, "FIRST": self.is_first, "LAST": self.is_last}
        return [name for name, holds in positions.items() if holds] + ([self.alias] if self.alias else [])

    @property
    def contents(self) -> Contents:
        """What its package says of itself."""
        return read_contents(self.folder)

    @property
    def spec_text(self) -> str:
        """The package's model.yaml, as SHOW VERSIONS gives it."""
        return (self.folder / "model" / "model.yaml").read_text()

    @property
    def methods(self) -> list[Method]:
        """The methods that SQL can call."""
        return self.contents.methods

    def method(self, name: str) -> Method:
        """Find a method by its SQL name."""
        for method in self.methods:
            if method.name == name:
                return method
        raise SqlError(
            2141, "42601", f"{COMPILATION}Unknown function {name} in version '{self.name}' of model '{self.model[2]}'"
        )


@dataclass(frozen=True)
class Model:
    """A model and its versions, oldest first."""

    key: ModelKey
    comment: str | None
    default_version: str
    created_on: datetime
    owner: str | None
    versions: list[Version] = field(default_factory=list)


class ModelStore:
    """All models of the account."""

    def __init__(self, folder: Path) -> None:
        self._files = FileStore(folder / "models")
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "models.sqlite", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)
        self._add_column("versions", "altered_on")
        self._add_column("models", "owner")
        self._files.keep_only({row["folder"] for row in self._db.execute("SELECT folder FROM versions")})

    def _add_column(self, table: str, column: str) -> None:
        """Bring the file of an earlier release up to date."""
        if column not in {found["name"] for found in self._db.execute(f"PRAGMA table_info ({table})")}:
            self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")

    # ---- reading ----

    def models(self, database: str | None = None, schema: str | None = None) -> list[Model]:
        """The models in a schema, a database, or everywhere."""
        with self._lock:
            found = self._db.execute("SELECT * FROM models ORDER BY database, schema, name").fetchall()
            return [
                self._model(row)
                for row in found
                if database in (None, row["database"]) and schema in (None, row["schema"])
            ]

    def model(self, key: ModelKey) -> Model:
        """One model by its full name."""
        with self._lock:
            return self._model(self._row(key))

    def version(self, key: ModelKey, name_or_alias: str | None) -> Version:
        """A version by name, alias, or position; without one the default version."""
        model = self.model(key)
        wanted = name_or_alias or "DEFAULT"
        for version in model.versions:
            if version.name == wanted:
                return version
        for version in model.versions:
            if wanted.upper() in version.aliases:
                return version
        raise _no_version(key, wanted)

    def exists(self, key: ModelKey) -> bool:
        """True if there is a model of this name."""
        with self._lock:
            return self._find(key) is not None

    def tags(self, key: ModelKey) -> dict[str, str]:
        """The values of the tags on a model, by the tags' identities."""
        with self._lock:
            found = self._db.execute("SELECT tag, value FROM model_tags WHERE model = ?", [self._row(key)["id"]])
            return {row["tag"]: row["value"] for row in found}

    # ---- changing: each one commits by itself ----

    @contextmanager
    def incoming(self, source: Path) -> Iterator[Files]:
        """A package's files in the store; what does not become a version's by the end is removed."""
        files = self._files.take(source)
        try:
            yield files
        finally:
            with self._lock:
                used = self._db.execute("SELECT 1 FROM versions WHERE folder = ?", [files.folder.name]).fetchone()
            if not used:
                self._files.discard(files)

    def create(self, key: ModelKey, version: str, files: Files, *, owner: str, replace: bool) -> None:
        """Create a model with its first version."""
        with self._change() as db:
            old = self._model(self._row(key)).versions if self.exists(key) else []
            if old and not replace:
                raise model_exists(key)
            db.execute("DELETE FROM models WHERE (database, schema, name) = (?, ?, ?)", key)
            added = db.execute(
                "INSERT INTO models (database, schema, name, default_version, created_on, owner) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [*key, version, _now(), owner],
            )
            self._insert_version(added.lastrowid, version, files)
        self._discard(old)

    def check_new_version(self, key: ModelKey, version: str) -> None:
        """Refuse a version's name that a model cannot take."""
        for other in self.model(key).versions:
            if other.name == version:
                raise SqlError(
                    2002, "42710", f"{COMPILATION}Version '{version}' already exists in model '{'.'.join(key)}'."
                )
            if other.alias == version:
                raise SqlError(2002, "42710", f"{COMPILATION}'{version}' is an alias in model '{'.'.join(key)}'.")

    def add_version(self, key: ModelKey, version: str, files: Files) -> None:
        """Add a version to a model."""
        with self._change():
            self.check_new_version(key, version)
            self._insert_version(self._row(key)["id"], version, files)

    def set_properties(self, key: ModelKey, comment: str | None, default_version: str | None) -> None:
        """Replace a model's comment, or make a version the default, or both."""
        with self._change() as db:
            model = self._row(key)["id"]
            if comment is not None:
                db.execute("UPDATE models SET comment = ? WHERE id = ?", [comment, model])
            if default_version is not None:
                version = self.version(key, default_version)
                db.execute("UPDATE models SET default_version = ? WHERE id = ?", [version.name, model])

    def set_alias(self, key: ModelKey, name: str, alias: str) -> None:
        """Give a version an alias. One that another version holds is refused, to be unset first.

        Whether Snowflake moves it is not documented; who does not depend on it is right either way.
        """
        if alias in _RESERVED_ALIASES or not re.fullmatch(r"[A-Z_][A-Z0-9_$]*", alias):
            raise SqlError(1008, "22023", f"{COMPILATION}invalid value '{alias}' for property 'ALIAS'")
        with self._change():
            version = self.version(key, name)
            for other in self.model(key).versions:
                if other.name == alias or (other.alias == alias and other.name != version.name):
                    raise SqlError(
                        2002,
                        "42710",
                        f"{COMPILATION}Alias '{alias}' already exists in model '{'.'.join(key)}' "
                        f"(version '{other.name}'); unset it there first.",
                    )
            self._update_version(version, "alias", alias)

    def unset_alias(self, key: ModelKey, name_or_alias: str) -> None:
        """Take the alias from a version."""
        with self._change():
            self._update_version(self.version(key, name_or_alias), "alias", None)

    def set_version_properties(self, key: ModelKey, version: str, comment: str | None, metadata: str | None) -> None:
        """Replace a version's comment, or its metadata (a JSON object), or both."""
        if metadata is not None:
            _check_metadata(metadata)
        with self._change():
            found = self.version(key, version)
            for column, value in (("comment", comment), ("metadata", metadata)):
                if value is not None:
                    self._update_version(found, column, value)

    def drop_version(self, key: ModelKey, name: str) -> None:
        """Remove a version and its files; the default version is refused."""
        with self._change() as db:
            version = next((v for v in self.model(key).versions if v.name == name), None)
            if version is None:
                raise _no_version(key, name)
            if version.is_default:
                raise SqlError(
                    1489,
                    "42601",
                    f"{COMPILATION}Cannot drop default version '{version.name}' of model '{'.'.join(key)}'.",
                )
            db.execute("DELETE FROM versions WHERE folder = ?", [version.folder.name])
        self._discard([version])

    def drop(self, key: ModelKey, *, if_exists: bool) -> bool:
        """Remove a model with all versions; False if there was none."""
        with self._change() as db:
            if if_exists and not self.exists(key):
                return False
            model = self.model(key)
            db.execute("DELETE FROM models WHERE id = ?", [self._row(key)["id"]])
        self._discard(model.versions)
        return True

    def drop_all(self, database: str, schema: str | None = None) -> None:
        """Remove the models of a schema or database that is dropped, all at once."""
        with self._change() as db:
            found = self.models(database, schema)
            db.executemany("DELETE FROM models WHERE (database, schema, name) = (?, ?, ?)", [m.key for m in found])
        self._discard([version for model in found for version in model.versions])

    def rename(self, key: ModelKey, new: ModelKey) -> None:
        """Give a model another name."""
        with self._change() as db:
            row = self._row(key)
            if self.exists(new):
                raise already_exists(".".join(new))
            db.execute("UPDATE models SET database = ?, schema = ?, name = ? WHERE id = ?", [*new, row["id"]])

    def set_tags(self, key: ModelKey, values: dict[str, str]) -> None:
        """Set tags on a model, by their identities."""
        with self._change() as db:
            model = self._row(key)["id"]
            rows = [(model, tag, value) for tag, value in values.items()]
            db.executemany("INSERT OR REPLACE INTO model_tags VALUES (?, ?, ?)", rows)

    def unset_tags(self, key: ModelKey, tags: list[str]) -> None:
        """Take tags off a model."""
        with self._change() as db:
            model = self._row(key)["id"]
            db.executemany("DELETE FROM model_tags WHERE (model, tag) = (?, ?)", [(model, tag) for tag in tags])

    # ---- rows ----

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, durable.transaction(self._db) as db:
            yield db

    def _find(self, key: ModelKey) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._db.execute(
            "SELECT * FROM models WHERE (database, schema, name) = (?, ?, ?)", key
        ).fetchone()
        return found

    def _row(self, key: ModelKey) -> sqlite3.Row:
        row = self._find(key)
        if row is None:
            raise not_found("Model", ".".join(key))
        return row

    def _model(self, row: sqlite3.Row) -> Model:
        key = (row["database"], row["schema"], row["name"])
        found = self._db.execute("SELECT * FROM versions WHERE model = ? ORDER BY id", [row["id"]]).fetchall()
        versions = [
            Version(
                model=key,
                name=v["name"],
                alias=v["alias"],
                comment=v["comment"],
                metadata=v["metadata"],
                files=self._files.at(v["folder"]),
                created_on=datetime.fromisoformat(v["created_on"]),
                altered_on=datetime.fromisoformat(v["altered_on"] or v["created_on"]),
                is_default=v["name"] == row["default_version"],
                is_first=v is found[0],
                is_last=v is found[-1],
            )
            for v in found
        ]
        created_on = datetime.fromisoformat(row["created_on"])
        return Model(key, row["comment"], row["default_version"], created_on, row["owner"], versions)

    def _insert_version(self, model: int | None, name: str, files: Files) -> None:
        if name in _RESERVED_ALIASES:
            raise SqlError(1008, "22023", f"{COMPILATION}invalid version name '{name}'")
        self._db.execute(
            "INSERT INTO versions (model, name, folder, created_on) VALUES (?, ?, ?, ?)",
            [model, name, files.folder.name, _now()],
        )

    def _update_version(self, version: Version, column: str, value: str | None) -> None:
        self._db.execute(
            f"UPDATE versions SET {column} = ?, altered_on = ? WHERE folder = ?",
            [value, _now(), version.folder.name],
        )

    def _discard(self, versions: list[Version]) -> None:
        for version in versions:
            self._files.discard(version.files)


def _check_metadata(text: str) -> None:
    try:
        is_object = isinstance(json.loads(text), dict)
    except ValueError as error:
        raise SqlError(1008, "22023", f"{COMPILATION}METADATA is not valid JSON: {error}") from None
    if not is_object:
        raise SqlError(1008, "22023", f"{COMPILATION}METADATA is not a JSON object")


def model_exists(key: ModelKey) -> SqlError:
    """What CREATE MODEL says of a name that is taken; by this number the registry's client knows to add a version."""
    return SqlError(100132, "42710", f"Object '{'.'.join(key)}' already exists.")


def _no_version(key: ModelKey, version: str) -> SqlError:
    return SqlError(2003, "02000", f"{COMPILATION}Version '{version}' does not exist in model '{'.'.join(key)}'.")


def _now() -> str:
    return datetime.now(UTC).isoformat()
