"""Datasets: versions that are Parquet files in folders of their own.

A version's files are complete on disk before the dataset's entry in the catalog names them, so a reader finds a
version wholly or not at all.
"""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake import durable
from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.staging.stages import Place, snow_place

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Catalog
    from include.sandbox.snowflake.session import Session

Key = tuple[str, str, str]
KIND = "DATASET"
_NO_DATASET, _NO_VERSION, _VERSION_EXISTS = 399019, 399012, 399020
_PART = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_URL = re.compile(
    rf"(?P<name>(?:{_PART}\.){{0,2}}{_PART})/versions(?:/+(?P<version>[^/]+))?(?:/+(?P<path>.*))?\Z", re.DOTALL
)


@dataclass(frozen=True)
class Version:
    """One version of a dataset."""

    name: str
    folder: Path
    comment: str | None
    metadata: str | None
    created_on: datetime


class Datasets:
    """The datasets of the account."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._files = folder / "datasets"
        self._files.mkdir(parents=True, exist_ok=True)
        self._catalog = catalog
        self._lock = threading.RLock()
        self._remove_orphans()

    def versions(self, key: Key) -> list[Version]:
        """The versions of a dataset, oldest first."""
        entry = self._catalog.find(KIND, key)
        if entry is None:
            raise no_dataset(key)
        return [self._version(version) for version in entry.definition["versions"]]

    def _version(self, kept: dict[str, Any]) -> Version:
        created_on = datetime.fromisoformat(kept["created_on"])
        return Version(kept["name"], self._files / kept["folder"], kept["comment"], kept["metadata"], created_on)

    def version(self, key: Key, name: str) -> Version:
        """One version, by its name as it is written."""
        for version in self.versions(key):
            if version.name == name:
                return version
        text = f"{COMPILATION}Dataset version '{name}' of dataset '{'.'.join(key)}' does not exist."
        raise SqlError(_NO_VERSION, "02000", text)

    def new_folder(self) -> Path:
        """Where the files of a version to be are written; nobody sees them before `add`."""
        folder = self._files / uuid.uuid4().hex
        folder.mkdir()
        return folder

    def check_absent(self, key: Key, name: str) -> None:
        """Refuse a version that is there already, or whose dataset is not."""
        if any(version.name == name for version in self.versions(key)):
            text = f"{COMPILATION}Dataset version '{name}' of dataset '{'.'.join(key)}' already exists."
            raise SqlError(_VERSION_EXISTS, "42710", text)

    def add(self, key: Key, version: Version) -> None:
        """Let a version be seen, when all its files are on disk."""
        for file in version.folder.rglob("*"):
            durable.sync(file)
        durable.sync(version.folder)
        durable.sync(self._files)
        added: dict[str, Any] = {
            "name": version.name,
            "folder": version.folder.name,
            "comment": version.comment,
            "metadata": version.metadata,
            "created_on": version.created_on.isoformat(),
        }
        with self._lock:
            self.check_absent(key, version.name)
            known = self._catalog.get(KIND, key).definition["versions"]
            self._catalog.update(KIND, key, versions=[*known, added])

    def drop_version(self, key: Key, name: str) -> None:
        """Remove a version and its files."""
        with self._lock:
            version = self.version(key, name)
            known = self._catalog.get(KIND, key).definition["versions"]
            self._catalog.update(KIND, key, versions=[v for v in known if v["name"] != name])
        shutil.rmtree(version.folder, ignore_errors=True)

    def drop(self, key: Key) -> bool:
        """Remove a dataset with all its versions; False if there was none."""
        with self._lock:
            if self._catalog.find(KIND, key) is None:
                return False
            folders = [version.folder for version in self.versions(key)]
            self._catalog.drop(KIND, key)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def _remove_orphans(self) -> None:
        """Remove the files of versions that are no more, or that a crash kept from coming to be."""
        known = {v["folder"] for entry in self._catalog.entries(KIND) for v in entry.definition["versions"]}
        for folder in self._files.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def no_dataset(key: Key) -> SqlError:
    """A dataset that is not there."""
    return SqlError(_NO_DATASET, "02000", f"{COMPILATION}Dataset '{'.'.join(key)}' does not exist or not authorized.")


@snow_place("dataset")
def _place(session: Session, rest: str) -> Place:
    """The files of a version, as in `snow://dataset/name/versions/v1/data_0_0_0.snappy.parquet`."""
    found = _URL.match(rest)
    if not found or not found["version"]:
        raise unsupported(f"stage location snow://dataset/{rest}")
    version = session.account.datasets.version(session.qualify(found["name"]), found["version"])
    path = found["path"] or ""
    if not (version.folder / path).resolve().is_relative_to(version.folder.resolve()):
        raise SqlError(1011, "42601", f"{COMPILATION}invalid stage path '{path}'")
    return version.folder, path, f"versions/{version.name}/"
