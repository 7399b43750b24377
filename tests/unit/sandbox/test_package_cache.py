"""The cache of models: how many stay, what leaves, and who waits for whom."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.scoring import packages


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders loaded so far, by name."""
    loaded: list[str] = []

    def load(folder: Path) -> object:
        if folder.name == "broken":
            raise ValueError("no model")
        loaded.append(folder.name)
        return SimpleNamespace(folder=folder)

    monkeypatch.setattr(packages, "_load", load)
    return loaded


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def test_the_ones_used_last_stay(tmp_path: Path, loads: list[str]) -> None:
    cache = packages.PackageCache(kept=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.load(folder(tmp_path, name))
    assert loads == ["a", "b", "c", "b"]


def test_a_dropped_version_leaves(tmp_path: Path, loads: list[str]) -> None:
    cache = packages.PackageCache()
    cache.load(folder(tmp_path, "a"))
    folder(tmp_path, "a").rmdir()
    cache.load(folder(tmp_path, "b"))
    assert list(cache._packages) == [tmp_path / "b"]
    assert loads == ["a", "b"]


def test_a_failed_load_is_tried_again(tmp_path: Path, loads: list[str]) -> None:
    cache = packages.PackageCache()
    for _ in range(2):
        with pytest.raises(ValueError, match="no model"):
            cache.load(folder(tmp_path, "broken"))
    assert not cache._packages


def test_a_load_holds_up_only_who_wants_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    count: list[str] = []

    def load(folder: Path) -> object:
        count.append(folder.name)
        if folder.name == "slow":
            started.set()
            assert go_on.wait(10)
        return SimpleNamespace(folder=folder)

    monkeypatch.setattr(packages, "_load", load)
    cache = packages.PackageCache()
    slow = folder(tmp_path, "slow")
    threads = [threading.Thread(target=cache.load, args=[slow]) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    cache.load(folder(tmp_path, "quick"))
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(count) == ["quick", "slow"]


def test_each_package_imports_its_own_modules(tmp_path: Path) -> None:
    found = []
    for value in (1, 2):
        place = folder(tmp_path, f"code{value}")
        (place / "helper_of_a_model.py").write_text(f"VALUE = {value}\n")
        with packages.Code(place).in_use():
            import helper_of_a_model  # type: ignore[import-not-found]

            found.append(helper_of_a_model.VALUE)
        assert "helper_of_a_model" not in sys.modules
        assert str(place) not in sys.path
    assert found == [1, 2]


def test_code_that_would_hide_the_servers_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").touch()
    with pytest.raises(SqlError, match="json"), packages.Code(tmp_path).in_use():
        pass
