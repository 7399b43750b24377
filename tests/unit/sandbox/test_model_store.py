"""The store of models: when files are there and when they go, what a crash leaves, what an earlier release wrote."""

from __future__ import annotations

import gc
import sqlite3
import threading
from pathlib import Path

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.objects.models import ModelStore, Version

KEY = ("DB", "PUBLIC", "M")
MANIFEST = """
methods:
- {name: PREDICT, handler: functions.predict.infer, type: FUNCTION, inputs: [{type: FLOAT}], outputs: [{type: OBJECT}]}
runtimes: {python_runtime: {language: PYTHON, version: '3.11'}}
"""
SPEC = "signatures: {predict: {inputs: [{name: A, type: DOUBLE}], outputs: [{name: P, type: DOUBLE}]}}"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with what the store looks at."""
    folder = tmp_path / "stage" / "model"
    (folder / "model").mkdir(parents=True)
    (folder / "MANIFEST.yml").write_text(MANIFEST)
    (folder / "model" / "model.yaml").write_text(SPEC)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


def create(store: ModelStore, package: Path, version: str = "V1", *, replace: bool = False) -> None:
    with store.incoming(package) as files:
        store.create(KEY, version, files, owner="R", replace=replace)


def add(store: ModelStore, package: Path, version: str) -> None:
    with store.incoming(package) as files:
        store.add_version(KEY, version, files)


def folders(tmp_path: Path) -> int:
    gc.collect()
    return len(list((tmp_path / "models").iterdir()))


def test_files_of_a_dropped_version_stay_while_somebody_holds_it(
    store: ModelStore, package: Path, tmp_path: Path
) -> None:
    create(store, package)
    held: Version | None = store.version(KEY, "V1")
    store.drop(KEY, if_exists=False)
    assert not store.exists(KEY)
    assert held
    assert (held.folder / "MANIFEST.yml").is_file()
    held = None
    assert folders(tmp_path) == 0


def test_files_of_what_is_replaced_or_dropped_are_removed(store: ModelStore, package: Path, tmp_path: Path) -> None:
    create(store, package)
    add(store, package, "V2")
    create(store, package, replace=True)
    assert folders(tmp_path) == 1
    add(store, package, "V2")
    store.drop_version(KEY, "V2")
    assert folders(tmp_path) == 1
    store.drop_all("DB", "PUBLIC")
    assert folders(tmp_path) == 0


def test_a_version_that_is_refused_leaves_no_files(store: ModelStore, package: Path, tmp_path: Path) -> None:
    create(store, package)
    with pytest.raises(SqlError, match="already exists"):
        add(store, package, "V1")
    with pytest.raises(SqlError, match="invalid version name"):
        add(store, package, "LAST")
    with pytest.raises(SqlError, match="already exists"):
        create(store, package)
    assert folders(tmp_path) == 1


@pytest.mark.parametrize("text", ["methods: [", "methods: []", "nothing: 1", "methods: [{name: X}]", "- a"])
def test_what_is_no_package_is_refused_and_removed(store: ModelStore, package: Path, tmp_path: Path, text: str) -> None:
    (package / "MANIFEST.yml").write_text(text)
    with pytest.raises(SqlError, match="package"):
        create(store, package)
    assert folders(tmp_path) == 0


def test_what_a_crash_left_between_files_and_row_is_removed_at_the_next_start(
    store: ModelStore, package: Path, tmp_path: Path
) -> None:
    create(store, package)
    left = store.incoming(package).__enter__()  # never ended: the process died
    assert left.folder.is_dir()
    again = ModelStore(tmp_path)
    assert not left.folder.exists()
    assert [v.name for v in again.model(KEY).versions] == ["V1"]
    assert again.version(KEY, "V1").folder.is_dir()


def test_of_many_who_add_one_version_one_succeeds(store: ModelStore, package: Path, tmp_path: Path) -> None:
    create(store, package)
    start, errors = threading.Barrier(6), []

    def one() -> None:
        start.wait()
        try:
            add(store, package, "V2")
        except SqlError as error:
            errors.append(error.code)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [2002] * 5
    assert [v.name for v in store.model(KEY).versions] == ["V1", "V2"]
    assert folders(tmp_path) == 2


def test_a_file_of_an_earlier_release_is_brought_up_to_date(package: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "models.sqlite") as old:
        old.executescript(
            """
            CREATE TABLE models (id INTEGER PRIMARY KEY, database TEXT, schema TEXT, name TEXT, comment TEXT,
                default_version TEXT, created_on TEXT, UNIQUE (database, schema, name));
            CREATE TABLE versions (id INTEGER PRIMARY KEY, model INTEGER, name TEXT, alias TEXT, comment TEXT,
                metadata TEXT, folder TEXT, created_on TEXT, UNIQUE (model, name), UNIQUE (model, alias));
            INSERT INTO models VALUES (1, 'DB', 'PUBLIC', 'M', NULL, 'V1', '2025-01-01T00:00:00+00:00');
            INSERT INTO versions VALUES (1, 1, 'V1', NULL, NULL, NULL, 'f', '2025-01-01T00:00:00+00:00');
            """
        )
    store = ModelStore(tmp_path)
    version = store.version(KEY, "V1")
    assert version.altered_on == version.created_on
    store.set_version_properties(KEY, "V1", "new", None)
    changed = store.version(KEY, "V1")
    assert (changed.comment, changed.altered_on > changed.created_on) == ("new", True)
    add(store, package, "V2")
    assert store.model(KEY).owner is None
