"""Names in the registry: random, qualified, quoted; copies, other names, and the errors for what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_support import EXPECTED, FRAME, classes, log
from snowflake.ml.model import ExportMode, Model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException
from snowflake_support import fresh


@pytest.fixture(scope="module")
def source(registry: Registry) -> Model:
    """A model of two versions, to be read only."""
    name = fresh("SOURCE")
    log(registry, name, "V1")
    registry.log_model(registry.get_model(name).version("V1"), model_name=name, version_name="V2")
    return registry.get_model(name)


@pytest.fixture(scope="module")
def other_schema(session: Session, account: dict[str, Any]) -> Iterator[str]:
    """Another schema beside the tests' own."""
    name = fresh("OTHER")
    session.sql(f"CREATE SCHEMA {account['database']}.{name}").collect()
    session.use_schema(f"{account['database']}.{account['schema']}")
    yield name
    session.sql(f"DROP SCHEMA {account['database']}.{name}").collect()


def test_a_version_without_a_name_gets_a_new_one_each_time(registry: Registry) -> None:
    name = fresh("RANDOM")
    first, second = log(registry, name, None), log(registry, name, None)
    assert first.version_name != second.version_name
    assert [v.version_name for v in registry.get_model(name).versions()] == [first.version_name, second.version_name]


@pytest.mark.parametrize(
    ("model", "version"),
    [('"mixed Case"', '"v 1"'), ('"a.b ""c"" d"', '"1.0 ""final"""'), ("lower", "v_1"), ("$D", "_1$")],
)
def test_a_model_of_any_name_is_logged_found_run_and_loaded(registry: Registry, model: str, version: str) -> None:
    if model == "$D":
        model = fresh("DOLLAR") + model
    elif not model.startswith('"'):
        model = fresh(model).lower()
    logged = log(registry, model, version)
    found = registry.get_model(model)
    assert found.name == (model if model.startswith('"') else model.upper())
    assert [v.version_name for v in found.versions()] == [logged.version_name]
    assert classes(found.version(version)) == EXPECTED
    assert list(found.default.load().predict(FRAME)) == EXPECTED
    assert found.name in [m.name for m in registry.models()]
    registry.delete_model(model)
    assert found.name not in [m.name for m in registry.models()]


def test_a_qualified_name_leads_to_another_schema(
    registry: Registry, account: dict[str, Any], other_schema: str
) -> None:
    name = f"{account['database']}.{other_schema}.QUALIFIED"
    log(registry, name)
    assert registry.get_model(name).fully_qualified_name == name
    assert "QUALIFIED" not in list(registry.show_models().get("name", []))
    elsewhere = Registry(registry._model_manager._model_ops._session, schema_name=other_schema)
    assert [model.name for model in elsewhere.models()] == ["QUALIFIED"]
    registry.delete_model(name)


def test_a_version_is_copied_with_its_files_and_not_with_its_metrics(
    registry: Registry, source: Model, other_schema: str, session: Session
) -> None:
    version = source.version("V1")
    version.set_metric("auc", 0.5)
    copy = Registry(session, schema_name=other_schema).log_model(version, model_name="COPY", version_name="C1")
    assert copy.fully_qualified_model_name.endswith(f"{other_schema}.COPY")
    assert copy.show_metrics() == {}
    assert classes(copy) == EXPECTED
    again = registry.log_model(version, model_name=source.name, version_name="C2")
    assert again.version_name == "C2"
    source.delete_version("C2")


def test_a_model_is_renamed_and_moved_with_all_it_has(
    registry: Registry, source: Model, account: dict[str, Any], other_schema: str
) -> None:
    old, new = fresh("OLD"), fresh("NEW")
    registry.log_model(source.version("V1"), model_name=old, version_name="V1").comment = "kept"
    model = registry.get_model(old)
    model.version("V1").set_alias("CHAMPION")
    model.rename(new)
    assert model.version("CHAMPION").comment == "kept"
    with pytest.raises(ValueError, match=f"Unable to find model {old}"):
        registry.get_model(old)
    model.rename(f"{account['database']}.{other_schema}.{new}")
    assert model.fully_qualified_name == f"{account['database']}.{other_schema}.{new}"
    assert classes(model.version("champion")) == EXPECTED
    with pytest.raises(SnowparkSQLException, match="already exists"):
        model.rename(f"{account['database']}.{account['schema']}.{source.name}")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        model.rename(f"{account['database']}.NOBODYS_SCHEMA.{new}")


def test_first_last_and_default_follow_the_versions(registry: Registry, source: Model) -> None:
    name = fresh("POSITIONS")
    for version in ("A", "B", "C"):
        registry.log_model(source.version("V1"), model_name=name, version_name=version)
    model = registry.get_model(name)
    assert [model.first().version_name, model.last().version_name, model.default.version_name] == ["A", "C", "A"]
    model.default = model.version("B")
    model.delete_version("C")
    model.delete_version("A")
    assert [model.version(a).version_name for a in ("first", "LAST", "Default")] == ["B", "B", "B"]
    with pytest.raises(SnowparkSQLException, match="default version"):
        model.delete_version("B")


def test_what_is_not_there_is_told_by_the_clients_own_errors(registry: Registry, source: Model) -> None:
    with pytest.raises(ValueError, match="Unable to find model NOBODY"):
        registry.get_model("NOBODY")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        registry.delete_model("NOBODY")
    with pytest.raises(ValueError, match="Unable to find version or alias with name V9"):
        source.version("V9")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        source.delete_version("V9")
    with pytest.raises(ValueError, match="does not exist"):
        source.default = "V9"
    with pytest.raises(KeyError, match="Cannot find metric"):
        source.version("V2").get_metric("nothing")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        source.version("V2").unset_alias("NOBODYS_ALIAS")
    with pytest.raises(ValueError, match="already existed"):
        log(registry, source.name, "V1")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        log(registry, "NOBODYS_SCHEMA.M", "V1")


def test_metrics_comments_and_aliases_are_each_versions_own(registry: Registry, source: Model) -> None:
    name = fresh("OWN")
    for version in ("A", "B"):
        registry.log_model(source.version("V1"), model_name=name, version_name=version)
    model = registry.get_model(name)
    a, b = model.version("A"), model.version("B")
    a.set_metric("matrix", [[1, 2], [3, 4]])
    a.set_metric("auc", 0.7)
    a.delete_metric("auc")
    b.description = "a 'quoted' \\ \"text\"\nof two lines"
    model.description = "the model"
    a.set_alias("blue")
    assert (a.show_metrics(), b.show_metrics()) == ({"matrix": [[1, 2], [3, 4]]}, {})
    assert (a.comment or "", b.comment, model.comment) == ("", "a 'quoted' \\ \"text\"\nof two lines", "the model")
    assert model.version("BLUE").version_name == "A"
    a.unset_alias("blue")
    with pytest.raises(ValueError, match="Unable to find version or alias with name BLUE"):
        model.version("blue")


def test_a_version_is_exported_in_part_or_whole(source: Model, tmp_path: Path) -> None:
    for folder in ("model", "full"):
        (tmp_path / folder).mkdir()
    source.version("V1").export(str(tmp_path / "model"))
    source.version("V1").export(str(tmp_path / "full"), export_mode=ExportMode.FULL)
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"model"}
    assert {p.name for p in (tmp_path / "full").iterdir()} >= {"MANIFEST.yml", "model", "functions"}
    manifest, predict = (tmp_path / "full" / name for name in ("MANIFEST.yml", "functions/predict.py"))
    assert "PREDICT" in manifest.read_text()
    assert predict.stat().st_size > 0
