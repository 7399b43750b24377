"""The models of the account: their versions, aliases, metadata and files, on disk.

What a reader sees is one SQLite row; a version's files are complete in their own folder
before its row is written. So after a crash a version is there wholly, or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, not_found

ModelKey = tuple[str, str, str]
_RESERVED_ALIASES = {"DEFAULT", "FIRST", "LAST"}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
    id INTEGER PRIMARY KEY, database TEXT, schema TEXT, name TEXT, comment TEXT, default_version TEXT,
    created_on TEXT, UNIQUE (database, schema, name)
);
CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY, model INTEGER REFERENCES models (id) ON DELETE CASCADE, name TEXT, alias TEXT,
    comment TEXT, metadata TEXT, folder TEXT, created_on TEXT, UNIQUE (model, name), UNIQUE (model, alias)
);
CREATE TABLE IF NOT EXISTS tags (
    model INTEGER REFERENCES models (id) ON DELETE CASCADE, name TEXT, value TEXT, UNIQUE (model, name)
);
"""


@dataclass(frozen=True)
class Method:
    """A method of a version: names and types of what goes in and comes out."""

    name: str
    target: str
    kind: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    returns_object: bool
    takes_object: bool
    sql_inputs: tuple[str, ...]
    sql_output: str
    columns: tuple[str, ...] = ()  # of a table function: what SQL calls its outputs
    params: dict[str, str] = field(default_factory=dict)  # the optional arguments after the inputs
    is_partitioned: bool = False  # wants the rows of a partition together
    max_batch_size: int | None = None


@dataclass(frozen=True)
class Version:
    """One version of a model as it is now."""

    model: ModelKey
    name: str
    alias: str | None
    comment: str | None
    metadata: str | None
    folder: Path
    created_on: datetime
    is_default: bool
    is_first: bool
    is_last: bool

    @property
    def aliases(self) -> list[str]:
        """The alias that was set, and the three that a position gives."""
        positions = {"DEFAULT": self.is_default, "FIRST": self.is_first, "LAST": self.is_last}
        return [name for name, holds in positions.items() if holds] + ([self.alias] if self.alias else [])

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The package's MANIFEST.yml."""
        loaded: dict[str, Any] = yaml.safe_load((self.folder / "MANIFEST.yml").read_text())
        return loaded

    @cached_property
    def spec_text(self) -> str:
        """The package's model.yaml, as SHOW VERSIONS gives it."""
        return (self.folder / "model" / "model.yaml").read_text()

    @cached_property
    def methods(self) -> list[Method]:
        """The methods that SQL can call."""
        return _methods(self.folder)

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
    versions: list[Version] = field(default_factory=list)


class ModelStore:
    """All models of the account."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "models"
        self._files.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "models.sqlite", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)
        self._remove_orphans()

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

    def tag(self, key: ModelKey, tag: str) -> str | None:
        """The value of a tag on a model."""
        return self.tags(key).get(tag)

    def tags(self, key: ModelKey) -> dict[str, str]:
        """The tags on a model by full name."""
        with self._lock:
            found = self._db.execute("SELECT name, value FROM tags WHERE model = ?", [self._row(key)["id"]])
            return {row["name"]: row["value"] for row in found}

    # ---- changing: each one commits by itself ----

    def create(self, key: ModelKey, version: str, source: Path, *, replace: bool, if_not_exists: bool) -> bool:
        """Create a model with its first version; False if it was there and may stay."""
        folder = self._take_files(source)
        with self._change() as db:
            exists = db.execute("SELECT id FROM models WHERE (database, schema, name) = (?, ?, ?)", key).fetchone()
            if exists and not replace:
                if if_not_exists:
                    return False
                raise already_exists(".".join(key))
            if exists:
                db.execute("DELETE FROM models WHERE id = ?", [exists["id"]])
            added = db.execute(
                "INSERT INTO models (database, schema, name, default_version, created_on) VALUES (?, ?, ?, ?, ?)",
                [*key, version, _now()],
            )
            self._insert_version(added.lastrowid, version, folder)
            return True

    def add_version(self, key: ModelKey, version: str, source: Path) -> None:
        """Add a version to a model."""
        folder = self._take_files(source)
        with self._change():
            model = self.model(key)
            if any(v.name == version for v in model.versions):
                raise SqlError(
                    2002, "42710", f"{COMPILATION}Version '{version}' already exists in model '{'.'.join(key)}'."
                )
            if any(v.alias == version for v in model.versions):
                raise SqlError(2002, "42710", f"{COMPILATION}'{version}' is an alias in model '{'.'.join(key)}'.")
            self._insert_version(self._row(key)["id"], version, folder)

    def set_default(self, key: ModelKey, name_or_alias: str) -> None:
        """Make a version the default."""
        with self._change() as db:
            version = self.version(key, name_or_alias)
            db.execute("UPDATE models SET default_version = ? WHERE id = ?", [version.name, self._row(key)["id"]])

    def set_alias(self, key: ModelKey, name: str, alias: str) -> None:
        """Give a version an alias. One that another version holds is refused, to be unset first.

        Whether Snowflake moves it is not documented; who does not depend on it is right either way.
        """
        if alias in _RESERVED_ALIASES:
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

    def set_version_comment(self, key: ModelKey, version: str, comment: str) -> None:
        """Replace a version's comment."""
        with self._change():
            self._update_version(self.version(key, version), "comment", comment)

    def set_version_metadata(self, key: ModelKey, version: str, metadata: str) -> None:
        """Replace a version's metadata, a JSON text."""
        try:
            json.loads(metadata)
        except ValueError as error:
            raise SqlError(1008, "22023", f"{COMPILATION}METADATA is not valid JSON: {error}") from None
        with self._change():
            self._update_version(self.version(key, version), "metadata", metadata)

    def drop_version(self, key: ModelKey, name_or_alias: str) -> None:
        """Remove a version and its files; the default version is refused."""
        with self._change() as db:
            version = self.version(key, name_or_alias)
            if version.is_default:
                raise SqlError(
                    1489,
                    "42601",
                    f"{COMPILATION}Cannot drop default version '{version.name}' of model '{'.'.join(key)}'.",
                )
            db.execute("DELETE FROM versions WHERE folder = ?", [version.folder.name])
        shutil.rmtree(version.folder, ignore_errors=True)

    def drop(self, key: ModelKey, *, if_exists: bool) -> bool:
        """Remove a model with all versions; False if there was none."""
        with self._change() as db:
            try:
                row = self._row(key)
            except SqlError:
                if if_exists:
                    return False
                raise
            db.execute("DELETE FROM models WHERE id = ?", [row["id"]])
        self._remove_orphans()
        return True

    def drop_all(self, database: str, schema: str | None = None) -> None:
        """Remove the models of a schema or database that is dropped."""
        for model in self.models(database, schema):
            self.drop(model.key, if_exists=True)

    def rename(self, key: ModelKey, new: ModelKey) -> None:
        """Give a model another name."""
        with self._change() as db:
            row = self._row(key)
            if self.models(*new[:2]) and any(m.key == new for m in self.models(*new[:2])):
                raise already_exists(".".join(new))
            db.execute("UPDATE models SET database = ?, schema = ?, name = ? WHERE id = ?", [*new, row["id"]])

    def set_comment(self, key: ModelKey, comment: str) -> None:
        """Replace a model's comment."""
        with self._change() as db:
            db.execute("UPDATE models SET comment = ? WHERE id = ?", [comment, self._row(key)["id"]])

    def set_tag(self, key: ModelKey, tag: str, value: str | None) -> None:
        """Set a tag on a model, or with None take it away."""
        with self._change() as db:
            model = self._row(key)["id"]
            db.execute("DELETE FROM tags WHERE (model, name) = (?, ?)", [model, tag])
            if value is not None:
                db.execute("INSERT INTO tags VALUES (?, ?, ?)", [model, tag, value])

    # ---- rows and files ----

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _row(self, key: ModelKey) -> sqlite3.Row:
        row = self._db.execute("SELECT * FROM models WHERE (database, schema, name) = (?, ?, ?)", key).fetchone()
        if row is None:
            raise not_found("Model", ".".join(key))
        found: sqlite3.Row = row
        return found

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
                folder=self._files / v["folder"],
                created_on=datetime.fromisoformat(v["created_on"]),
                is_default=v["name"] == row["default_version"],
                is_first=v is found[0],
                is_last=v is found[-1],
            )
            for v in found
        ]
        return Model(key, row["comment"], row["default_version"], datetime.fromisoformat(row["created_on"]), versions)

    def _insert_version(self, model: int | None, name: str, folder: Path) -> None:
        if name in _RESERVED_ALIASES:
            raise SqlError(1008, "22023", f"{COMPILATION}invalid version name '{name}'")
        self._db.execute(
            "INSERT INTO versions (model, name, folder, created_on) VALUES (?, ?, ?, ?)",
            [model, name, folder.name, _now()],
        )

    def _update_version(self, version: Version, column: str, value: str | None) -> None:
        self._db.execute(f"UPDATE versions SET {column} = ? WHERE folder = ?", [value, version.folder.name])

    def _take_files(self, source: Path) -> Path:
        """Copy a package into the store, complete on disk before anybody can refer to it."""
        if not (source / "MANIFEST.yml").is_file():
            raise SqlError(398507, "22000", f"Unable to read file MANIFEST.yml in {source.name}: no such file.")
        folder = self._files / uuid.uuid4().hex
        shutil.copytree(source, folder)
        for file in folder.rglob("*"):
            if file.is_file():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
        return folder

    def _remove_orphans(self) -> None:
        """Remove the files of versions that are no more, or that a crash kept from coming to be."""
        with self._lock:
            known = {row["folder"] for row in self._db.execute("SELECT folder FROM versions")}
            for folder in self._files.iterdir():
                if folder.name not in known:
                    shutil.rmtree(folder, ignore_errors=True)


def _no_version(key: ModelKey, version: str) -> SqlError:
    return SqlError(2003, "02000", f"{COMPILATION}Version '{version}' does not exist in model '{'.'.join(key)}'.")


def _now() -> str:
    return datetime.now(UTC).isoformat()


@lru_cache(maxsize=256)
def _methods(folder: Path) -> list[Method]:
    """The methods of the package in a version's folder, which never changes."""
    manifest = yaml.safe_load((folder / "MANIFEST.yml").read_text())
    spec = yaml.safe_load((folder / "model" / "model.yaml").read_text())
    return [_method(entry, spec, folder) for entry in manifest["methods"]]


def _method(entry: dict[str, Any], spec: dict[str, Any], folder: Path) -> Method:
    target = entry["handler"].split(".")[-2]  # functions.<target>.<function>
    signature = spec["signatures"][target]
    outputs = {feature["name"]: _feature_type(feature) for feature in signature["outputs"]}
    inputs = {feature["name"]: _feature_type(feature) for feature in signature["inputs"]}
    properties = (spec.get("function_properties") or {}).get(target) or {}
    types = [i["type"] for i in entry["inputs"]]
    return Method(
        name=_sql_name(entry["name"]),
        target=target,
        kind=entry["type"],
        inputs=inputs,
        outputs=outputs,
        returns_object=len(entry["outputs"]) != 1 or entry["outputs"][0]["type"].upper().startswith("OBJECT"),
        takes_object=types == ["OBJECT"] and len(inputs) > 1,
        sql_inputs=tuple(types),
        sql_output=entry["outputs"][0]["type"] if entry["outputs"] else "OBJECT",
        columns=tuple(output.get("name", "") for output in entry["outputs"]),
        params={param["name"]: _feature_type(param) for param in signature.get("params") or []},
        is_partitioned=bool(properties.get("PARTITIONED")),
        max_batch_size=_max_batch_size(folder / "functions" / f"{target}.py"),
    )


def _feature_type(feature: dict[str, Any]) -> str:
    """A feature's type in the signature; a group of features is an object, and what has a shape an array."""
    if feature.get("shape"):
        return "ARRAY"
    return "OBJECT" if "specs" in feature else str(feature["type"])


def _max_batch_size(handler: Path) -> int | None:
    """The limit that the model was logged with, which only the generated handler knows."""
    found = re.search(r"^MAX_BATCH_SIZE = (\d+)", handler.read_text(), re.MULTILINE) if handler.is_file() else None
    return int(found[1]) if found else None


def _sql_name(name: str) -> str:
    """The manifest has names as they are resolved: in capitals unless the method was logged as case-sensitive."""
    return name[1:-1] if name.startswith('"') else name
