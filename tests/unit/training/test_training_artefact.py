"""What a training job leaves behind, from the entry point on; only the connection is a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost as xgb

from include.training.trainer import artefact

from .conftest import TIMESTAMP, make_table

Train = Callable[..., Path]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def rescore(model: Path) -> np.ndarray:
    """Score the card's verification rows by nothing but the artefact's files."""
    columns = read(model / "preprocessing.json")["columns"]
    matrix = [
        [
            np.nan
            if value is None or value not in column.get("categories", [value])
            else float(column["categories"].index(value) if "categories" in column else value)
            for column, value in zip(columns, row, strict=True)
        ]
        for row in read(model / "model_card.json")["verification"]["rows"]
    ]
    booster = xgb.Booster(model_file=model / "model.ubj")
    kinds = ["c" if column["kind"] == "categorical" else "q" for column in columns]
    return booster.predict(xgb.DMatrix(np.array(matrix), feature_types=kinds, enable_categorical=True))


def test_the_card_tells_what_the_model_is(train: Train) -> None:
    card = read(train(make_table()) / "model_card.json")
    assert card["task"] == "binary_classification"
    assert [feature["name"] for feature in card["features"]] == ["COUNTY", "INCOME", "MEMBER"]
    assert card["classes"] == [0, 1]
    assert card["rows"] == {"train": 500, "holdout": 100}
    assert card["window"] == {"train": ["2024-01-01", "2024-01-29"], "holdout": ["2024-02-05", "2024-02-05"]}
    assert card["hyperparameters"]["max_depth"] == 3
    assert card["code_commit"] == "0123abc"
    assert set(card["metrics"]) == {
        *("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "pr_auc", "brier"),
        "calibration_error",
    }
    assert card["snapshot"] == {"timestamp": TIMESTAMP, "rows": 600}
    assert (card["estimator"], card["instances"], card["class_weight"]) == ("xgboost", 1, None)
    assert card["metrics"]["f1"] > 0.85
    (tn, fp), (fn, tp) = card["confusion_matrix"]
    assert tn + fp + fn + tp == 100
    assert card["metrics"]["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_the_card_lies_in_the_output_too_and_the_metrics_in_the_log(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    model = train(make_table())
    card = read(model / "model_card.json")
    assert read(model.parent / "output" / "data" / "model_card.json") == card
    assert f"holdout:f1={card['metrics']['f1']:.6g}" in capsys.readouterr().out.splitlines()


def test_categories_are_those_of_the_training_rows_sorted(train: Train) -> None:
    table = make_table()
    table["COUNTY"] = pa.array([*table["COUNTY"].to_pylist()[:500], *["only in holdout"] * 100], pa.string())
    assert read(train(table) / "preprocessing.json") == {
        "format": 1,
        "columns": [
            {"name": "COUNTY", "kind": "categorical", "categories": ["St. Mary's", "a/b", "c-d"]},
            {"name": "INCOME", "kind": "numeric"},
            {"name": "MEMBER", "kind": "numeric"},
        ],
    }


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ("binary_classification", None),
        ("multiclass_classification", lambda i: f"class {i % 3}"),
        ("regression", lambda i: float(i % 17)),
    ],
)
def test_the_files_alone_give_the_card_s_scores(train: Train, task: str, label: Callable[[int], Any] | None) -> None:
    table = make_table()
    if label:
        table["ACCEPTED"] = pa.array([label(i) for i in range(600)])
    model = train(table, "--num_boost_round", "200", "--early_stopping_rounds", "5", task=task)
    card = read(model / "model_card.json")
    np.testing.assert_array_equal(rescore(model), np.array(card["verification"]["scores"], np.float32))
    # Cut to the best iteration: a plain predict uses no later tree.
    assert card["trees"] < 200
    if task == "multiclass_classification":
        assert card["classes"] == ["class 0", "class 1", "class 2"]
        assert np.shape(card["verification"]["scores"]) == (5, 3)


def test_no_verification_row_is_a_row_of_the_table(train: Train) -> None:
    table = make_table()
    card = read(train(table) / "model_card.json")
    real = set(zip(table["COUNTY"].to_pylist(), table["INCOME"].to_pylist(), strict=True))
    made_up = {(row[0], row[1]) for row in card["verification"]["rows"]} - {(None, None)}
    assert made_up.isdisjoint(real)
    assert card["verification"]["rows"][-2][0] == artefact.UNSEEN_CATEGORY
    assert card["verification"]["rows"][-1] == [None, None, None]


def test_the_same_rows_in_any_batches_give_the_same_bytes(train: Train) -> None:
    arguments = ("--num_boost_round", "15", "--subsample", "0.7", "--colsample_bytree", "0.7")
    table = pa.table(make_table())
    models = [train(table, *arguments, name=f"{chunks} batches", chunks=chunks) for chunks in (1, 7)]
    for file in ("model.ubj", "preprocessing.json", "model_card.json"):
        assert (models[0] / file).read_bytes() == (models[1] / file).read_bytes()
    other = train(table, *arguments, name="three", seed=8)
    assert (other / "model.ubj").read_bytes() != (models[0] / "model.ubj").read_bytes()


def test_recent_rows_count_more_where_asked(train: Train) -> None:
    plain = train(make_table(), name="plain", recency_half_life_weeks=None)
    weighted = train(make_table(), name="weighted", recency_half_life_weeks=1.0)
    assert (plain / "model.ubj").read_bytes() != (weighted / "model.ubj").read_bytes()


def test_a_text_label_and_a_boolean_label_keep_their_values(train: Train) -> None:
    table = make_table()
    numbers = table["ACCEPTED"].to_pylist()
    table["ACCEPTED"] = pa.array(["yes" if n else "no" for n in numbers])
    assert read(train(table, name="text") / "model_card.json")["classes"] == ["no", "yes"]
    table["ACCEPTED"] = pa.array([bool(n) for n in numbers])
    assert read(train(table, name="boolean") / "model_card.json")["classes"] == [False, True]
