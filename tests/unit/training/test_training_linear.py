"""The linear estimator: the same artefact and card, but for the model's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from .conftest import make_table

Train = Callable[..., Path]
TASKS = {
    "binary_classification": None,
    "multiclass_classification": lambda i: f"class {i % 3}",
    "regression": lambda i: 2.0 * (i % 17),
}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def table_for(task: str) -> dict[str, Any]:
    table = make_table()
    label = TASKS[task]
    if label:
        table["ACCEPTED"] = pa.array([label(i) for i in range(600)])
    return table


def rescore(model: Path, rows: list[list[Any]], task: str) -> np.ndarray:
    """Score raw rows by nothing but the artefact's files and arithmetic."""
    columns, content = read(model / "preprocessing.json")["columns"], read(model / "model.json")
    laid_out = []
    for row in rows:
        scaling = iter(zip(content["means"], content["scales"], strict=True))
        line: list[float] = []
        for column, value in zip(columns, row, strict=True):
            if "categories" in column:
                line += [float(value == category) for category in column["categories"]]
            else:
                mean, scale = next(scaling)
                line.append(0.0 if value is None else (value - mean) / scale)
        laid_out.append(line)
    outputs = np.array(laid_out) @ np.array(content["coefficients"]).T + np.array(content["intercepts"])
    if task == "regression":
        return outputs[:, 0]
    if task == "binary_classification":
        return 1 / (1 + np.exp(-outputs[:, 0]))
    return np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("task", TASKS)
def test_the_files_alone_give_the_card_s_scores(train: Train, task: str) -> None:
    model = train(table_for(task), estimator="linear", task=task)
    assert sorted(path.name for path in model.iterdir()) == ["model.json", "model_card.json", "preprocessing.json"]
    card = read(model / "model_card.json")
    assert card["estimator"] == "linear"
    assert card["rows"] == {"train": 500, "holdout": 100}
    check = card["verification"]
    assert np.allclose(rescore(model, check["rows"], task), check["scores"], atol=1e-12)


def test_it_learns_and_gives_the_same_bytes_again(train: Train) -> None:
    models = [train(make_table(), "--C", "0.5", "--l1_ratio", "0.3", estimator="linear", name=name) for name in "ab"]
    card = read(models[0] / "model_card.json")
    assert card["metrics"]["f1"] > 0.85
    assert card["hyperparameters"] == {"C": 0.5, "l1_ratio": 0.3}
    for file in ("model.json", "model_card.json"):
        assert (models[0] / file).read_bytes() == (models[1] / file).read_bytes()


def test_rare_classes_count_more_where_asked(train: Train) -> None:
    table = make_table()
    table["ACCEPTED"] = pa.array([int(i % 12 == 0 and bool(n)) for i, n in enumerate(table["ACCEPTED"].to_pylist())])
    cards = [
        read(train(table, estimator="linear", name=str(weight), class_weight=weight) / "model_card.json")
        for weight in (None, "balanced")
    ]
    assert cards[0]["metrics"]["recall"] < cards[1]["metrics"]["recall"]
    assert [card["class_weight"] for card in cards] == [None, "balanced"]


@pytest.mark.parametrize(
    ("arguments", "changes", "reason"),
    [
        (["--max_depth", "3"], {}, "hyperparameter 'max_depth' is unknown to estimator linear; known are C, alpha"),
        (["--alpha", "3"], {}, "hyperparameter 'alpha' is none of the linear estimator's for a binary classification"),
        (["--C", "3"], {"task": "regression"}, "hyperparameter 'C' is none of the linear estimator's for a regression"),
        (["--C", "-1"], {}, "scikit-learn refused to train: The 'C' parameter of LogisticRegression must be a float"),
    ],
)
def test_a_wrong_hyperparameter_is_told(
    train: Train, arguments: list[str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        train(make_table(), *arguments, estimator="linear", **changes)
    assert str(caught.value).startswith(reason)


def test_several_hosts_are_refused(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_HOSTS", '["algo-1", "algo-2"]')
    monkeypatch.setenv("SM_CURRENT_HOST", "algo-1")
    monkeypatch.setattr("os._exit", lambda _: None)
    with pytest.raises(AssertionError, match="linear trains on one instance, and there are 2; set instance_count to 1"):
        train(make_table(), estimator="linear")
