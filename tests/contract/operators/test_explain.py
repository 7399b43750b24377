"""What a version looks at, found by its EXPLAIN in the warehouse."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import snowflake.ml.registry
from airflow.sdk.exceptions import AirflowSkipException
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from snowflake.ml.model._client.model.model_version_impl import ExportMode
from snowflake.ml.model._packager.model_packager import ModelPackager
from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature
from snowflake.snowpark import Session

from snowmaker.artefact import unpack
from snowmaker.exceptions import InputDataError
from snowmaker.explainable_model import BASE_VALUE, contributions, make_explainable
from snowmaker.operators.explain import ExplainModelOperator
from snowmaker.operators.log_model import _signatures

from .lab import Lab, Model, task_context
from .weekly_data import FEATURES, HOLDOUT, ROWS, WEEKS, model_input


def explain(model: Model, version: str, run: str | None = None, **changes: Any) -> dict[str, Any]:
    arguments = {
        "source": model.source,
        "model_name": model.name,
        "model_version": version,
        "training_table": model.source.table.quoted,
        "first_week": str(HOLDOUT),
        "last_week": str(HOLDOUT),
        **changes,
    }
    return ExplainModelOperator(task_id="explain", **arguments).execute(task_context(run))


def written(model: Model, version: str) -> pd.DataFrame:
    return model.lab.frame_of(
        f"SELECT * FROM {model.lab.name('SNOWMAKER_ATTRIBUTIONS')} "
        f"WHERE MODEL_NAME = '{model.name}' AND MODEL_VERSION = '{version}' ORDER BY CLASS, PLACE"
    )


def sizes(lab: Lab, kind: str) -> dict[str, float]:
    """The mean size of each feature's part in memory, over all rows of the holdout."""
    rows = model_input(lab.frame[lab.frame["week"] == str(HOLDOUT)])
    *parts, _ = contributions(lab.artefacts[kind].model, rows)
    return {feature: float(np.abs(part).mean()) for feature, part in zip(FEATURES, parts, strict=True)}


@pytest.fixture(scope="module")
def model(lab: Lab) -> Model:
    model = lab.model("good", "weak")
    model.make_champion("WEAK")
    return model


def test_shares_and_change_are_those_of_the_models_in_memory(lab: Lab, model: Model) -> None:
    result = explain(model, "GOOD", sample_rows=1000)
    good, weak = sizes(lab, "good"), sizes(lab, "weak")
    order = sorted(FEATURES, key=lambda feature: -good[feature])
    shares, before = ({name: each[name] / sum(each.values()) for name in FEATURES} for each in (good, weak))
    assert {name: result[name] for name in ("model_version", "champion", "rows")} == {
        "model_version": "GOOD",
        "champion": "WEAK",
        "rows": ROWS,
    }
    assert [one["feature"] for one in result["top"]] == order
    assert [one["share"] for one in result["top"]] == pytest.approx([shares[name] for name in order], abs=1e-6)
    changes = [shares[name] - before[name] for name in order]
    assert [one["change"] for one in result["top"]] == pytest.approx(changes, abs=1e-6)
    found = written(model, "GOOD")
    assert found["FEATURE"].tolist() == order
    assert found["PLACE"].tolist() == [1, 2, 3, 4, 5]
    assert set(found["CLASS"]) == {""}
    assert set(found["CHAMPION"]) == {"WEAK"}
    assert set(found["ROW_COUNT"]) == {ROWS}
    assert found["MEAN_ABSOLUTE"].tolist() == pytest.approx([good[name] for name in order], abs=1e-6)
    assert found["CHAMPION_SHARE"].tolist() == pytest.approx([before[name] for name in order], abs=1e-6)


def test_a_sample_is_the_same_in_every_run_and_replaces_what_was_written(model: Model) -> None:
    first = explain(model, "GOOD", "one", sample_rows=40)
    before = written(model, "GOOD")
    assert explain(model, "GOOD", "other", sample_rows=40) == first
    again = written(model, "GOOD")
    told = ["CLASS", "FEATURE", "PLACE", "MEAN_ABSOLUTE", "SHARE", "CHAMPION", "CHAMPION_SHARE", "ROW_COUNT"]
    pd.testing.assert_frame_equal(again[told], before[told])
    assert set(again["RUN_ID"]) == {"score_loans/other"}
    assert first["rows"] == 40
    assert explain(model, "GOOD", sample_rows=39)["top"] != first["top"]


def test_the_champion_itself_is_held_against_the_one_before_it(model: Model) -> None:
    alone = explain(model, "WEAK", sample_rows=20)
    assert (alone["champion"], {one["change"] for one in alone["top"]}) == (None, {None})
    assert written(model, "WEAK")["CHAMPION_SHARE"].isna().all()
    cleared = model.lab.model("good", "weak")
    cleared.make_champion("WEAK")
    cleared.make_champion("GOOD", WEEKS[5])
    assert explain(cleared, "GOOD", sample_rows=20) == explain(model, "GOOD", sample_rows=20)


def test_weeks_without_rows_are_told(model: Model) -> None:
    with pytest.raises(InputDataError, match=r"has no row from 2020-01-06 to 2020-01-06 to explain GOOD on; give"):
        explain(model, "GOOD", first_week="2020-01-06", last_week="2020-01-06")


@pytest.fixture(scope="module")
def registry(lab: Lab) -> Iterator[snowflake.ml.registry.Registry]:
    with lab.connect() as connection, Session.builder.configs({"connection": connection}).create() as session:
        yield snowflake.ml.registry.Registry(session, database_name='"OPERATORS"', schema_name='"Loans"')


def test_a_version_of_an_earlier_release_is_skipped_and_not_compared_with_and_scores_still(
    lab: Lab, registry: Any, tmp_path: Path
) -> None:
    artefact = lab.artefacts["good"]
    (tmp_path / "model.tar.gz").write_bytes(artefact.archive)
    (tmp_path / "unpacked").mkdir()
    signatures = _signatures(unpack(tmp_path / "model.tar.gz", tmp_path / "unpacked"))
    model = lab.model("good")
    registry.log_model(
        artefact.model,
        model_name=model.name.split(".")[-1],
        version_name='"OLD"',
        signatures={name: signature for name, signature in signatures.items() if name != "explain"},
        options={"enable_explainability": False, "relax_version": False},
    )
    with pytest.raises(AirflowSkipException, match=r"version OLD of model .* has no method EXPLAIN: .* the next"):
        explain(model, "OLD")
    model.make_champion("OLD")
    result = explain(model, "GOOD", sample_rows=20)
    assert (result["champion"], result["top"][0]["change"]) == (None, None)
    model.score(HOLDOUT)
    rows = lab.frame[lab.frame["week"] == str(HOLDOUT)]
    predictions = model.predicted()
    assert set(predictions["MODEL_VERSION"]) == {"OLD"}
    assert np.sort(predictions["SCORE"].astype(float)) == pytest.approx(np.sort(artefact.scores(rows)), abs=1e-6)


def test_a_champion_that_takes_what_the_training_set_does_not_have_is_not_compared_with(
    lab: Lab, registry: Any
) -> None:
    model = lab.model("good")
    encode = ColumnTransformer([("column 0", "passthrough", ["GONE"])])
    narrow = Pipeline([("encode", encode), ("model", Ridge())]).fit(pd.DataFrame({"GONE": [1.0, 2.0]}), [1.0, 2.0])
    inputs = [FeatureSpec("GONE", DataType.DOUBLE)]
    parts = [FeatureSpec(name, DataType.DOUBLE) for name in ("GONE_EXPLANATION", BASE_VALUE)]
    registry.log_model(
        make_explainable(narrow, ["predict"], ["GONE_EXPLANATION"]),
        model_name=model.name.split(".")[-1],
        version_name='"NARROW"',
        signatures={
            "predict": ModelSignature(inputs, [FeatureSpec("output_feature_0", DataType.DOUBLE)]),
            "explain": ModelSignature(inputs, parts),
        },
        options={"relax_version": False},
    )
    model.make_champion("NARROW")
    result = explain(model, "GOOD", sample_rows=20)
    assert (result["champion"], {one["change"] for one in result["top"]}) == (None, {None})
    assert written(model, "GOOD")["CHAMPION"].isna().all()


def test_the_registrys_own_call_adds_up_to_the_log_odds_and_needs_no_snowmaker(
    lab: Lab, model: Model, registry: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logged = registry.get_model(model.name.split(".")[-1]).version("GOOD")
    rows = model_input(lab.frame.head(50))
    found = logged.run(rows, function_name="explain")
    names = ["COUNTY", '"loan % type', "INCOME", '"debt ratio', "MEMBER"]
    assert [name.upper().rstrip('"') for name in found.columns] == [
        *(f"{name}_explanation".upper() for name in names),
        "BASE_VALUE",
    ]
    chances = lab.artefacts["good"].model.predict_proba(rows)[:, 1]
    assert found.astype(float).sum(axis=1).to_numpy() == pytest.approx(np.log(chances / (1 - chances)), abs=1e-4)
    logged.export(str(tmp_path), export_mode=ExportMode.FULL)
    for name in [name for name in sys.modules if name.split(".")[0] == "snowmaker"]:
        monkeypatch.setitem(sys.modules, name, None)
    packager = ModelPackager(str(tmp_path / "model"))
    packager.load(as_custom_model=True)
    assert packager.model.predict_proba(rows)["output_feature_1"].to_numpy() == pytest.approx(chances, abs=1e-6)
    assert packager.model.explain(rows).to_numpy(float) == pytest.approx(found.to_numpy(float), abs=1e-6)
