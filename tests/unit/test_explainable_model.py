"""What EXPLAIN gives adds up to the margin, whatever the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from snowmaker.artefact import Artefact, build_model, explanation_name
from snowmaker.explainable_model import BASE_VALUE, explanation_of, make_explainable

CATEGORIES = ["King County", "St. Louis"]
COLUMNS = [
    {"name": "COUNTY", "kind": "categorical", "categories": CATEGORIES},
    {"name": 'the "old" % income', "kind": "numeric"},
    {"name": "NOISE", "kind": "numeric"},
]
INPUTS = ["COUNTY", '"the ""old"" % income"', "NOISE"]
RAW = [["King County", 10.0, 0.5], ["St. Louis", 27.0, 0.1], ["never seen", 30.0, 0.2], [None, None, None]]
EXPLAINED = ["COUNTY_EXPLANATION", '"the ""old"" % income_EXPLANATION"', "NOISE_EXPLANATION", BASE_VALUE]
CLASSES = ["it's", "No claim", "3"]
KINDS = ["c", "q", "q"]


def built(folder: Path, task: str, scores: np.ndarray, estimator: str = "xgboost") -> Any:
    classes = {"multiclass_classification": CLASSES, "binary_classification": [0, 1]}.get(task)
    card = {
        "task": task,
        "estimator": estimator,
        "classes": classes,
        "libraries": {},
        "verification": {"columns": [c["name"] for c in COLUMNS], "rows": RAW, "scores": scores.tolist()},
    }
    return build_model(Artefact(folder, "", {"columns": COLUMNS}, card))


def trees(folder: Path, task: str, rounds: int | None = None) -> Any:
    objective = {"binary_classification": "binary:logistic", "regression": "reg:squarederror"}.get(
        task, "multi:softprob"
    )
    rng = np.random.default_rng(3)
    codes = np.column_stack([rng.integers(0, 2, 300).astype(float), rng.normal(20, 8, 300), rng.random(300)])
    codes[rng.random(300) < 0.1] = np.nan
    worth = np.nan_to_num(codes[:, 1]) + 9 * np.nan_to_num(codes[:, 0])
    label = {"regression": worth, "binary_classification": worth > 24}.get(task, np.digitize(worth, [15, 25]))
    data = xgb.DMatrix(codes, label=label, feature_types=KINDS, enable_categorical=True)
    parameters = {"objective": objective, "max_depth": 3, "nthread": 1}
    if objective == "multi:softprob":
        parameters["num_class"] = 3
    booster = xgb.train(parameters, data, num_boost_round=8)
    if rounds:
        booster.set_attr(best_iteration=str(rounds - 1))
    booster.save_model(folder / "model.ubj")
    encoded = np.array([[float(CATEGORIES.index(a)) if a in CATEGORIES else np.nan, b, c] for a, b, c in RAW], float)
    check = xgb.DMatrix(encoded, feature_types=KINDS, enable_categorical=True)
    return built(folder, task, booster.predict(check, iteration_range=(0, rounds or 0)))


def linear(folder: Path, task: str) -> Any:
    outputs = 3 if task == "multiclass_classification" else 1
    rng = np.random.default_rng(5)
    means, scales = np.array([20.0, 0.4]), np.array([8.0, 0.3])
    coefficients, intercepts = rng.normal(size=(outputs, 4)), rng.normal(size=outputs)
    content = {"means": means, "scales": scales, "coefficients": coefficients, "intercepts": intercepts}
    told = {"format": 1, **{name: values.tolist() for name, values in content.items()}}
    (folder / "model.json").write_text(json.dumps(told))
    county = np.array([[row[0] == category for category in CATEGORIES] for row in RAW], float)
    numbers = np.nan_to_num((np.array([row[1:] for row in RAW], float) - means) / scales)
    margins = np.hstack([county, numbers]) @ coefficients.T + intercepts
    if task == "regression":
        return built(folder, task, margins[:, 0], "linear")
    if outputs == 1:
        return built(folder, task, 1 / (1 + np.exp(-margins[:, 0])), "linear")
    likelihoods = np.exp(margins)
    return built(folder, task, likelihoods / likelihoods.sum(axis=1, keepdims=True), "linear")


def explained(model: Any, task: str, rows: pd.DataFrame) -> pd.DataFrame:
    methods = ["predict"] if task == "regression" else ["predict", "predict_proba"]
    classes = CLASSES if task == "multiclass_classification" else ()
    names = [explanation_name(column) for column in COLUMNS]
    found = make_explainable(model, methods, names, classes).explain(rows)
    assert list(found.columns) == EXPLAINED
    return found


def rows_of(**types: str) -> pd.DataFrame:
    return pd.DataFrame(RAW, columns=INPUTS).astype({"COUNTY": "object", INPUTS[1]: float, "NOISE": float, **types})


@pytest.mark.parametrize("make", [trees, linear])
@pytest.mark.parametrize("task", ["binary_classification", "regression", "multiclass_classification"])
def test_what_the_features_add_and_the_base_are_the_margin(tmp_path: Path, make: Any, task: str) -> None:
    model, rows = make(tmp_path, task), rows_of()
    found = explained(model, task, rows)
    if task == "regression":
        assert found.sum(axis=1).to_numpy() == pytest.approx(model.predict(rows), rel=1e-5)
    elif task == "binary_classification":
        chances = model.predict_proba(rows)[:, 1]
        assert found.sum(axis=1).to_numpy() == pytest.approx(np.log(chances / (1 - chances)), abs=1e-5)
    else:
        parts = [[list(json.loads(text).items()) for text in found[column]] for column in EXPLAINED]
        assert {tuple(name for name, _ in pairs) for column in parts for pairs in column} == {tuple(CLASSES)}
        margins = np.array([[[value for _, value in pairs] for pairs in column] for column in parts]).sum(axis=0)
        logarithms = np.log(model.predict_proba(rows))
        # The softmax forgets what all of a row's margins have in common.
        assert margins - margins[:, :1] == pytest.approx(logarithms - logarithms[:, :1], abs=1e-5)


@pytest.mark.parametrize("make", [trees, linear])
def test_the_types_that_the_warehouse_hands_over_change_nothing(tmp_path: Path, make: Any) -> None:
    task = "binary_classification"
    model = make(tmp_path, task)
    nullable = rows_of(**{"COUNTY": "string", INPUTS[1]: "Float64", "NOISE": "Float64"})
    pd.testing.assert_frame_equal(explained(model, task, rows_of()), explained(model, task, nullable))
    whole = rows_of().iloc[:3].astype({INPUTS[1]: "int64"})
    pd.testing.assert_frame_equal(explained(model, task, rows_of().iloc[:3]), explained(model, task, whole))


def test_a_linear_models_base_is_a_row_of_which_nothing_is_known(tmp_path: Path) -> None:
    model = linear(tmp_path, "regression")
    found = explained(model, "regression", rows_of())
    unknown, base = found.iloc[3], model.predict(rows_of().iloc[[3]])[0]
    assert unknown.to_numpy() == pytest.approx([0, 0, 0, base])
    assert found[BASE_VALUE].to_numpy() == pytest.approx([base] * len(RAW))


def test_a_training_that_stopped_early_is_explained_up_to_its_best_round(tmp_path: Path) -> None:
    model = trees(tmp_path, "regression", rounds=3)
    assert explained(model, "regression", rows_of()).sum(axis=1).to_numpy() == pytest.approx(
        model.predict(rows_of()), rel=1e-5
    )


def test_the_longest_name_that_snowflake_takes_has_a_column_still() -> None:
    assert len(explanation_of("Ä" * 255)) == 255
    assert explanation_of("Ä" * 255).endswith("Ä_EXPLANATION")
