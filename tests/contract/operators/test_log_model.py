from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
import snowflake.ml.registry
from snowflake.ml.model._client.model.model_version_impl import ExportMode, ModelVersion
from snowflake.ml.model._client.ops.metadata_ops import MetadataOperator
from snowflake.snowpark import Session

from snowmaker.exceptions import ArtefactError, ModelVersionError

from .artefacts import make_artefact, make_linear_artefact
from .lab import BUCKET, Lab, Model, fresh, task_context
from .weekly_data import FEATURES, UNSEEN, WEEKS, model_input


@pytest.fixture
def model(lab: Lab) -> Model:
    return lab.model()


def told(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Provenance and metrics of a row of SHOW VERSIONS."""
    return json.loads(row["comment"] or "{}"), json.loads(row["metadata"] or "{}").get("metrics", {})


def test_a_version_tells_its_metrics_and_where_it_is_from(lab: Lab, model: Model) -> None:
    uri = lab.upload(lab.artefacts["good"])
    context = task_context("scheduled__1", dag_id="retrain_loans")
    result = model.log(uri, context, training_job="job-7", training_table="T7", version_prefix="V20260202")
    (row,) = model.shown()
    provenance, metrics = told(row)
    assert row["name"] == result["model_version"] == f"V20260202_{result['digest'][:8].upper()}"
    assert metrics == result["metrics"] == pytest.approx(lab.artefacts["good"].metrics)
    assert provenance == {
        "artefact_digest": result["digest"],
        "artefact_uri": uri,
        "training_job": "job-7",
        "training_table": "T7",
        "trained_from": str(WEEKS[0]),
        "trained_up_to": str(WEEKS[3]),
        "holdout": [str(WEEKS[4])] * 2,
        "code_commit": "c0ffee",
        "run": "retrain_loans/scheduled__1",
    }
    attributes = json.loads(row["model_attributes"])
    assert attributes["task"] == "TABULAR_BINARY_CLASSIFICATION"
    assert json.loads(row["runnable_in"]) == ["WAREHOUSE"]
    assert len(json.dumps(result)) < 10_000


def test_the_same_artefact_twice_is_one_version(lab: Lab, model: Model) -> None:
    artefact = lab.artefacts["good"]
    first = model.log(lab.upload(artefact))
    before = model.shown()
    assert model.log(lab.upload(artefact)) == first
    assert model.shown() == before
    other = model.log(lab.upload(lab.artefacts["weak"]))
    assert {row["name"] for row in model.shown()} == {first["model_version"], other["model_version"]}


def test_another_artefact_under_a_taken_name_is_refused(lab: Lab, model: Model) -> None:
    good = lab.upload(lab.artefacts["good"])
    assert model.log(good, version_name="v1")["model_version"] == "V1"
    assert model.log(good, version_name="V1")["model_version"] == "V1"
    with pytest.raises(ModelVersionError, match=r"version V1 of model .* is of another artefact .* choose another"):
        model.log(lab.upload(lab.artefacts["weak"]), version_name="V1")
    assert [row["name"] for row in model.shown()] == ["V1"]


def test_a_version_of_other_making_under_the_name_is_refused(lab: Lab, model: Model) -> None:
    lab.rows(
        f'CREATE MODEL {model.name} WITH VERSION "V1" FROM MODEL {lab.logged["good"]["model_name"]} '
        f'VERSION "{lab.logged["weak"]["model_version"]}"'
    )
    lab.rows(f"""ALTER MODEL {model.name} MODIFY VERSION "V1" SET COMMENT = 'made by hand'""")
    with pytest.raises(ModelVersionError, match=r"is of another artefact \('made by hand'\)"):
        model.log(lab.upload(lab.artefacts["good"]), version_name="V1")


@contextmanager
def dying_before(step: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the registry's client die before it sets a version's comment or metrics."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if step == "comment":
            patched.setattr(ModelVersion, "comment", property(ModelVersion.comment.fget, die))
        else:
            patched.setattr(MetadataOperator, "save", die)
        yield


@pytest.mark.parametrize(("step", "version_name"), [("comment", None), ("metrics", None), ("metrics", "V1")])
def test_a_try_that_died_before_comment_or_metrics_is_completed(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch, step: str, version_name: str | None
) -> None:
    uri = lab.upload(lab.artefacts["good"])
    with dying_before(step, monkeypatch), pytest.raises(KeyboardInterrupt):
        model.log(uri, version_name=version_name)
    (row,) = model.shown()
    assert told(row)[1] == {}
    result = model.log(uri, version_name=version_name)
    (row,) = model.shown()
    provenance, metrics = told(row)
    assert provenance["artefact_digest"] == result["digest"]
    assert metrics == pytest.approx(lab.artefacts["good"].metrics)


def test_a_version_of_ones_own_name_without_comment_is_told_apart_from_another_artefact(
    lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = lab.upload(lab.artefacts["good"])
    with dying_before("comment", monkeypatch), pytest.raises(KeyboardInterrupt):
        model.log(uri, version_name="V1")
    with pytest.raises(ModelVersionError, match=r"version V1 .* has no comment .* drop the version .* choose another"):
        model.log(uri, version_name="V1")


def test_two_that_log_the_same_artefact_at_once_get_the_same_version(lab: Lab, model: Model) -> None:
    uri = lab.upload(lab.artefacts["good"])
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(model.log, uri, task_context(run)) for run in ("one", "other")]
        one, other = (run.result() for run in both)
    assert one == other
    (row,) = model.shown()
    assert told(row)[0]["artefact_digest"] == one["digest"]
    assert told(row)[1] == pytest.approx(one["metrics"])


@pytest.fixture
def logged(lab: Lab, model: Model) -> Iterator[ModelVersion]:
    """The registry's own object of a version that the operator logged."""
    version = model.log(lab.upload(lab.artefacts["good"]))["model_version"]
    with lab.connect() as connection, Session.builder.configs({"connection": connection}).create() as session:
        registry = snowflake.ml.registry.Registry(session, database_name='"OPERATORS"', schema_name='"Loans"')
        yield registry.get_model(model.name.split(".")[-1]).version(version)


def test_the_registrys_own_call_takes_raw_columns(lab: Lab, logged: ModelVersion) -> None:
    rows = pd.DataFrame(
        [
            ["100% County", "it's", 55.25, 0.5, 1.0],
            [UNSEEN, None, None, 0.25, None],
            [None, UNSEEN, 30.0, None, 0.0],
        ],
        columns=FEATURES,
    )
    frame = model_input(rows)
    found = logged.run(frame, function_name="predict_proba")
    expected = lab.artefacts["good"].model.predict_proba(frame)
    assert np.asarray(found[["output_feature_0", "output_feature_1"]], dtype=float) == pytest.approx(expected, abs=1e-6)


def test_its_dependencies_are_pinned_exactly(logged: ModelVersion, tmp_path: Path) -> None:
    logged.export(str(tmp_path), export_mode=ExportMode.FULL)
    pins = (tmp_path / "model" / "env" / "conda.yml").read_text()
    for name in ("xgboost", "scikit-learn", "pandas", "numpy"):
        assert f"{name}=={metadata.version(name)}" in pins


def test_a_linear_model_scores_in_the_warehouse_as_it_does_here(lab: Lab, model: Model, tmp_path: Path) -> None:
    artefact = make_linear_artefact(tmp_path / "linear", lab.frame)
    version = model.log(lab.upload(artefact))["model_version"]
    week = WEEKS[6]  # with a county that the training rows have not
    model.score(week, model_version=version)
    predictions = model.predicted()
    rows = lab.frame[lab.frame["week"] == str(week)]
    found = sorted(zip(predictions["LOAN_ID"], predictions["SCORE"].astype(float).round(6), strict=True))
    assert found == sorted(zip(rows["LOAN_ID"], artefact.scores(rows).round(6), strict=True))
    assert artefact.metrics["roc_auc"] > 0.7


def test_an_artefact_that_is_not_there_or_not_one_is_told(lab: Lab, model: Model) -> None:
    missing = f"s3://{BUCKET}/operators/{fresh('none')}/model.tar.gz"
    with pytest.raises(ArtefactError, match=f"there is no artefact at {missing}; train again"):
        model.log(missing)
    boto3.client("s3").put_object(Bucket=BUCKET, Key="operators/text.tar.gz", Body=b"no archive")
    with pytest.raises(ArtefactError, match=r"no readable tar\.gz"):
        model.log(f"s3://{BUCKET}/operators/text.tar.gz")


def test_the_same_training_gives_the_same_version_name_wherever_it_lies(lab: Lab, model: Model, tmp_path: Path) -> None:
    again = make_artefact(tmp_path / "again", lab.frame)
    first = model.log(lab.upload(lab.artefacts["good"]))
    assert model.log(lab.upload(again))["model_version"] == first["model_version"]
