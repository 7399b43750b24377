"""The files of model versions: a folder each, that never changes once it is complete."""

from __future__ import annotations

import shutil
import threading
import uuid
import weakref
from collections.abc import Collection
from pathlib import Path

import yaml

from include.sandbox.snowflake import durable
from include.sandbox.snowflake.errors import COMPILATION, SqlError
from include.sandbox.snowflake.objects.methods import read_contents

MANIFEST = "MANIFEST.yml"


class Files:
    """The folder of one version; while anybody holds this, it stays on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


class FileStore:
    """The folders of all versions."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._lock = threading.Lock()
        self._held: weakref.WeakValueDictionary[str, Files] = weakref.WeakValueDictionary()

    def at(self, name: str) -> Files:
        """A folder by its name."""
        with self._lock:
            files = self._held.get(name)
            if files is None:
                files = self._held[name] = Files(self._root / name)
            return files

    def take(self, source: Path) -> Files:
        """Copy a package here, complete on disk before anybody can refer to it."""
        if not (source / MANIFEST).is_file():
            raise SqlError(398507, "22000", f"Unable to read file {MANIFEST} in {source.name}: no such file.")
        files = self.at(uuid.uuid4().hex)
        try:
            shutil.copytree(source, files.folder)
            _check(files.folder)
            for path in [*files.folder.rglob("*"), files.folder, self._root]:
                durable.sync(path)
        except BaseException as error:
            shutil.rmtree(files.folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise SqlError(398507, "22000", f"Unable to read the files of the model: {error}") from error
            raise
        return files

    def discard(self, files: Files) -> None:
        """Remove a folder, as soon as nobody holds it."""
        weakref.finalize(files, shutil.rmtree, files.folder, ignore_errors=True)

    def keep_only(self, names: Collection[str]) -> None:
        """Remove what a crash has left behind, before anything is in use."""
        for folder in self._root.iterdir():
            if folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)


def _check(folder: Path) -> None:
    """Refuse a package that nothing could be called in."""
    try:
        methods = read_contents(folder).methods
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise SqlError(1008, "22023", f"{COMPILATION}the files are not a model's package ({detail})") from None
    if not methods:
        raise SqlError(1008, "22023", f"{COMPILATION}the model's package has no methods")
