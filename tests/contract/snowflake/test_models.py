"""The model registry, by its own client: versions, aliases, metadata, files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.ml.model import ModelVersion, task
from snowflake.ml.registry import Registry
from snowflake_support import FEATURES, classifier, fresh, people, refused

FRAME = people()
MODEL = classifier(FRAME)


def log(registry: Registry, name: str, version: str, **options: Any) -> ModelVersion:
    return registry.log_model(
        MODEL,
        model_name=name,
        version_name=version,
        sample_input_data=FRAME[FEATURES].head(50),
        target_platforms=["WAREHOUSE"],
        task=task.Task.TABULAR_BINARY_CLASSIFICATION,
        **options,
    )


@pytest.fixture(scope="module")
def logged(registry: Registry) -> str:
    """A model of two versions: one with conda's packages, one with pip's."""
    name = fresh("MODEL")
    log(registry, name, "V1", conda_dependencies=["scikit-learn"], comment="first", metrics={"auc": 0.9})
    log(registry, name, "V2", pip_requirements=["xgboost"])
    return name


def test_a_logged_version_is_found_with_all_that_was_said_of_it(registry: Registry, logged: str) -> None:
    version = registry.get_model(logged).version("V1")
    assert version.comment == "first"
    assert version.show_metrics() == {"auc": 0.9}
    assert version.get_model_task() == task.Task.TABULAR_BINARY_CLASSIFICATION
    assert {f["target_method"] for f in version.show_functions()} == {"predict", "predict_proba"}
    shown = registry.get_model(logged).show_versions()
    assert list(shown["name"]) == ["V1", "V2"]
    assert json.loads(shown["aliases"][0]) == ["DEFAULT", "FIRST"]


def test_metrics_and_comments_are_replaced(registry: Registry, logged: str) -> None:
    version = registry.get_model(logged).version("V2")
    version.set_metric("f1", {"value": 0.5})
    version.comment = "it's $changed$"
    registry.get_model(logged).comment = "the model"
    assert version.get_metric("f1") == {"value": 0.5}
    assert version.comment == "it's $changed$"
    assert registry.get_model(logged).comment == "the model"


def test_an_alias_is_set_found_and_moved_by_unsetting_it_first(
    registry: Registry, logged: str, connection: SnowflakeConnection
) -> None:
    model = registry.get_model(logged)
    model.version("V1").set_alias("CHAMPION")
    assert model.version("champion").version_name == "V1"
    with refused(2002, "unset it there first"):
        connection.cursor().execute(f"ALTER MODEL {logged} VERSION V2 SET ALIAS = CHAMPION")
    model.version("V1").unset_alias("CHAMPION")
    model.version("V2").set_alias("CHAMPION")
    assert model.version("CHAMPION").version_name == "V2"


def test_the_default_moves_and_cannot_be_dropped(
    registry: Registry, logged: str, connection: SnowflakeConnection
) -> None:
    model = registry.get_model(logged)
    model.default = "V2"
    assert model.default.version_name == "V2"
    with refused(1489, "Cannot drop default version"):
        connection.cursor().execute(f"ALTER MODEL {logged} DROP VERSION V2")
    model.default = "V1"
    assert model.default.version_name == "V1"


def test_a_model_loaded_back_predicts_the_same(registry: Registry, logged: str) -> None:
    loaded = registry.get_model(logged).version("V1").load()
    np.testing.assert_array_equal(loaded.predict_proba(FRAME[FEATURES]), MODEL.predict_proba(FRAME[FEATURES]))


def test_versions_and_models_are_deleted(registry: Registry) -> None:
    name = fresh("MODEL")
    log(registry, name, "V1")
    log(registry, name, "V2")
    registry.get_model(name).delete_version("V2")
    assert list(registry.get_model(name).show_versions()["name"]) == ["V1"]
    registry.delete_model(name)
    assert name not in list(registry.show_models()["name"])


def test_a_version_is_logged_once(registry: Registry, logged: str, connection: SnowflakeConnection) -> None:
    source = f"ALTER MODEL {logged} ADD VERSION V1 FROM MODEL {logged} VERSION V2"
    with refused(2002, "already exists"):
        connection.cursor().execute(source)


def test_names_that_nobody_has_are_told(connection: SnowflakeConnection, logged: str) -> None:
    cursor = connection.cursor()
    with refused(2003, r"Model '.*\.NOBODY' does not exist"):
        cursor.execute("ALTER MODEL nobody SET DEFAULT_VERSION = V1")
    with refused(2003, "Version 'V9' does not exist in model"):
        cursor.execute(f"ALTER MODEL {logged} VERSION V9 SET ALIAS = X")
    with refused(1008, "invalid value 'DEFAULT'"):
        cursor.execute(f"ALTER MODEL {logged} VERSION V1 SET ALIAS = DEFAULT")
    with refused(2, "ALTER MODEL"):
        cursor.execute(f"ALTER MODEL {logged} DANCE")
