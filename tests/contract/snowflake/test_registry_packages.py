"""What can be logged: kinds of models, the files and packages that go with them, and the methods to be called."""

# The registry's client looks at the annotations of a custom model's methods, so they cannot be texts.
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from registry_support import FRAME, log
from snowflake.ml.model import ExportMode, custom_model, model_signature, task
from snowflake.ml.registry import Registry
from snowflake_support import fresh

TARGET = np.array([0, 1, 0, 1])
CLASSIFIER = xgb.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(FRAME, TARGET)


class Scorer(custom_model.CustomModel):
    """Two methods, one of them with a name that is case-sensitive; a file, and a module beside it."""

    def __init__(self, context: custom_model.ModelContext) -> None:
        super().__init__(context)
        self.bias = float(Path(context["bias"]).read_text())

    @custom_model.inference_api
    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """The module's factor, and the file's bias."""
        import registry_helper

        return pd.DataFrame({"OUT": X["A"] * registry_helper.FACTOR + self.bias})

    @custom_model.inference_api
    def Rank(self, X: pd.DataFrame) -> pd.DataFrame:
        """A number and a text."""
        return pd.DataFrame({"rank": X["A"] - X["B"], "label": ["x"] * len(X)})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module, a file that the model reads, and one of the user's."""
    (tmp_path / "registry_helper.py").write_text("FACTOR = 2\n")
    (tmp_path / "bias.txt").write_text("10")
    (tmp_path / "notes.md").write_text("by hand")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "registry_helper", raising=False)
    return tmp_path


def test_a_custom_model_has_its_methods_files_and_modules(registry: Registry, folder: Path, tmp_path: Path) -> None:
    version = log(
        registry,
        fresh("CUSTOM"),
        model=Scorer(custom_model.ModelContext(bias=str(folder / "bias.txt"))),
        code_paths=[str(folder / "registry_helper.py")],
        user_files={"docs": [str(folder / "notes.md")]},
        options={"method_options": {"Rank": {"case_sensitive": True}}},
        metrics={"auc": 0.5},
        comment="two methods",
    )
    assert {f["name"]: f["target_method"] for f in version.show_functions()} == {"PREDICT": "predict", '"Rank"': "Rank"}
    assert (version.comment, version.show_metrics()) == ("two methods", {"auc": 0.5})
    assert list(version.run(FRAME, function_name="predict")["OUT"]) == [12, 14, 16, 18]
    ranked = version.run(FRAME, function_name='"Rank"')
    assert (list(ranked["rank"]), set(ranked["label"])) == ([1, 1, 3, 3], {"x"})
    assert list(version.load().predict(FRAME)["OUT"]) == [12, 14, 16, 18]
    (tmp_path / "full").mkdir()
    version.export(str(tmp_path / "full"), export_mode=ExportMode.FULL)
    assert (tmp_path / "full" / "user_files" / "docs" / "notes.md").read_text() == "by hand"


@pytest.mark.parametrize(
    ("model", "expected", "kind"),
    [
        (xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(FRAME, TARGET), 3), None, task.Task.UNKNOWN),
        (xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(FRAME, TARGET), None, task.Task.TABULAR_REGRESSION),
    ],
    ids=["booster", "regressor"],
)
def test_xgboost_models_predict_in_the_warehouse_what_they_predict_here(
    registry: Registry, model: object, expected: None, kind: task.Task
) -> None:
    version = log(registry, fresh("XGB"), model=model, pip_requirements=["xgboost"], task=kind)
    local = model.predict(xgb.DMatrix(FRAME) if isinstance(model, xgb.Booster) else FRAME)  # type: ignore[attr-defined]
    predicted = version.run(FRAME, function_name="predict").iloc[:, 0]
    np.testing.assert_array_equal(predicted.to_numpy(dtype=np.float32), local)
    assert version.get_model_task() in (kind, task.Task.TABULAR_REGRESSION)


def test_signatures_take_the_place_of_sample_data(registry: Registry) -> None:
    signature = model_signature.infer_signature(FRAME, pd.DataFrame({"score": [1.0]}))
    version = log(
        registry,
        fresh("SIGNED"),
        model=xgb.XGBRegressor(n_estimators=2, n_jobs=1).fit(FRAME, TARGET),
        sample_input_data=None,
        signatures={"predict": signature},
        pip_requirements=["xgboost"],
    )
    assert list(version.run(FRAME).columns) == ["score"]


def test_requirements_are_kept_as_they_were_given(registry: Registry) -> None:
    name = fresh("NEEDS")
    exact = {"relax_version": False, "target_methods": ["predict_proba"]}
    conda = log(registry, name, "CONDA", model=CLASSIFIER, pip_requirements=None, conda_dependencies=["xgboost"])
    log(registry, name, "EXACT", model=CLASSIFIER, pip_requirements=["xgboost"], options=exact, python_version="3.11")
    log(
        registry,
        name,
        "MAPPED",
        model=CLASSIFIER,
        artifact_repository_map={"pip": "snowflake.snowpark.pypi_shared_repository"},
        resource_constraint={"architecture": "x86"},
    )
    shown = registry.get_model(name).show_versions().set_index("name")
    assert [f["name"] for f in registry.get_model(name).version("EXACT").show_functions()] == ["PREDICT_PROBA"]
    assert "architecture: x86" in shown["model_spec"]["MAPPED"]
    assert f"xgboost=={xgb.__version__}" not in shown["model_spec"]["CONDA"]
    assert list(conda.run(FRAME, function_name="predict").iloc[:, 0]) == list(CLASSIFIER.predict(FRAME))


def test_an_explainable_model_has_a_table_function_more(registry: Registry) -> None:
    options = {"enable_explainability": True}
    version = log(registry, fresh("EXPLAINED"), model=CLASSIFIER, pip_requirements=["xgboost"], options=options)
    kinds = {f["name"]: f["target_method_function_type"] for f in version.show_functions()}
    assert kinds["EXPLAIN"] == "TABLE_FUNCTION"
    assert kinds["PREDICT"] == "FUNCTION"
