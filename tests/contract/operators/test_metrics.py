"""The sums that the warehouse makes, against scikit-learn on the same rows: ties, segments, odd scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle
from snowflake.connector.pandas_tools import write_pandas

from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.measured import Measured
from snowmaker.multiclass import MulticlassClassification
from snowmaker.scored_task import BinaryClassification, Regression
from snowmaker.scored_task_base import ScoredTask
from snowmaker.snowflake.statement import Statement

from .lab import DATABASE, SCHEMA, Lab, fresh
from .oracle import binary_metrics, calibration_error
from .weekly_data import WEEKS

THRESHOLD = 0.35
CLASSES = ["bug", "it's", "question %", "Ü"]
REGIONS = ["north", "it's 50%", None]


def rows_of(rng: np.random.Generator, size: int) -> pd.DataFrame:
    """Weeks, versions and regions of some rows."""
    return pd.DataFrame(
        {
            "WEEK_START": np.repeat([str(week) for week in WEEKS[:2]], size // 2),
            "MODEL_VERSION": rng.choice(["V1", "V2"], size),
            "SEGMENT_0": rng.choice(["REGION=north", "REGION=(other)"], size),
            "SEGMENT_1": rng.choice(["KIND=1", "KIND=2"], size),
        }
    )


def measured(
    lab: Lab, task: ScoredTask, frame: pd.DataFrame, columns: str, segments: int = 0
) -> dict[tuple[str, str, str], Measured]:
    """Write the rows and let the task's statement measure them."""
    name = fresh("ROWS")
    write_pandas(lab.connection, frame, name, database=DATABASE, schema=SCHEMA, auto_create_table=True)
    split = "".join(f", SEGMENT_{place}" for place in range(segments))
    relation = f"SELECT WEEK_START::DATE AS WEEK_START, MODEL_VERSION, {columns}{split} FROM {lab.name(name)}"
    with WarehouseHook().session() as session:
        return task.read_all(session.rows(task.measure(Statement(relation), segments)))


def parts(frame: pd.DataFrame, segments: Sequence[str] = ()) -> dict[tuple[str, str, str], pd.DataFrame]:
    """The rows of each week, version and segment."""
    by = ["WEEK_START", "MODEL_VERSION"]
    found = {(*key, ""): rows for key, rows in frame.groupby(by)}
    for segment in segments:
        found |= {tuple(key): rows for key, rows in frame.groupby([*by, segment])}
    return found


def scores_with_ties(rng: np.random.Generator, size: int) -> np.ndarray:
    scores = np.where(rng.random(size) < 0.5, rng.random(size), rng.integers(0, 21, size) / 20)
    # As sure as can be, and right or wrong: the logarithm of 0 is not asked for.
    return np.where(rng.random(size) < 0.05, rng.integers(0, 2, size), scores).astype(float)


def test_a_binary_classification_is_measured_as_scikit_learn_measures_it(lab: Lab) -> None:
    rng = np.random.default_rng(11)
    frame = rows_of(rng, 1200)
    frame["SCORE"] = scores_with_ties(rng, 1200)
    frame["LABEL"] = (rng.random(1200) < 0.2 + 0.6 * frame["SCORE"]).astype(int)
    task = BinaryClassification(THRESHOLD)
    found = measured(lab, task, frame, "LABEL, SCORE", segments=2)
    expected = parts(frame, ["SEGMENT_0", "SEGMENT_1"])
    assert found.keys() == expected.keys()
    assert len(found) == 4 * 5
    for key, rows in expected.items():
        assert found[key].rows == len(rows)
        assert found[key].metrics == pytest.approx(binary_metrics(rows["LABEL"], rows["SCORE"], THRESHOLD), rel=1e-9)
        by_bin = rows.groupby(np.minimum(np.floor(rows["SCORE"] * 10), 9))
        assert [(one.place, one.rows) for one in found[key].calibration] == [(p, len(r)) for p, r in by_bin]
        assert [one.rate for one in found[key].calibration] == pytest.approx(by_bin["LABEL"].mean().tolist(), rel=1e-9)


def test_several_classes_are_measured_as_scikit_learn_measures_them(lab: Lab) -> None:
    rng = np.random.default_rng(12)
    size = 800
    frame = rows_of(rng, size)
    chances = np.round(rng.dirichlet([0.6] * 4, size), 2) + 0.01
    chances /= chances.sum(axis=1, keepdims=True)
    frame["PROBABILITIES"] = [json.dumps(dict(zip(CLASSES, row, strict=True))) for row in chances.tolist()]
    frame["PREDICTION"] = [CLASSES[place] for place in chances.argmax(axis=1)]
    frame["SCORE"] = chances.max(axis=1)
    truth = [rng.choice(CLASSES, p=row) if rng.random() < 0.7 else rng.choice(CLASSES) for row in chances]
    frame["LABEL"] = truth
    columns = "LABEL, SCORE, PREDICTION, PARSE_JSON(PROBABILITIES)::OBJECT AS PROBABILITIES"
    found = measured(lab, MulticlassClassification(), frame, columns, segments=1)
    expected = parts(frame, ["SEGMENT_0"])
    assert found.keys() == expected.keys()
    for key, rows in expected.items():
        label, chosen, chance = rows["LABEL"], rows["PREDICTION"], chances[rows.index]
        per_class = oracle.precision_recall_fscore_support(label, chosen, labels=CLASSES)
        aucs = [oracle.roc_auc_score(label == name, chance[:, place]) for place, name in enumerate(CLASSES)]
        assert found[key].metrics == pytest.approx(
            {
                "accuracy": oracle.accuracy_score(label, chosen),
                "precision_macro": oracle.precision_score(label, chosen, average="macro"),
                "recall_macro": oracle.recall_score(label, chosen, average="macro"),
                "f1_macro": oracle.f1_score(label, chosen, average="macro"),
                "roc_auc_macro": oracle.roc_auc_score(label, chance, multi_class="ovr", labels=CLASSES),
                "log_loss": oracle.log_loss(label, chance, labels=CLASSES),
            },
            rel=1e-9,
        )
        for place, name in enumerate(CLASSES):
            values = (per_class[0][place], per_class[1][place], per_class[2][place], aucs[place])
            own = dict(zip(("precision", "recall", "f1", "roc_auc"), values, strict=True))
            assert found[key].classes[name] == pytest.approx(own, rel=1e-9)


def test_a_regression_is_measured_by_segment_too(lab: Lab) -> None:
    rng = np.random.default_rng(13)
    frame = rows_of(rng, 400)
    frame["LABEL"] = np.round(rng.normal(1000, 50, 400), 2)
    frame["SCORE"] = frame["LABEL"] + rng.normal(3, 20, 400)
    frame.loc[:5, "LABEL"] = 0.0
    found = measured(lab, Regression(), frame, "LABEL, SCORE", segments=1)
    for key, rows in parts(frame, ["SEGMENT_0"]).items():
        label, score = rows["LABEL"], rows["SCORE"]
        expected = {
            "rmse": oracle.root_mean_squared_error(label, score),
            "mae": oracle.mean_absolute_error(label, score),
            "mape": oracle.mean_absolute_percentage_error(label, score),
            "r2": oracle.r2_score(label, score),
        }
        assert found[key].metrics == pytest.approx(expected, rel=1e-9)


UNDEFINED: dict[str, tuple[list[tuple[float, float]], dict[str, Any]]] = {
    "one row": (
        [(1, 0.75)],
        {"accuracy": 1, "precision": 1, "recall": 1, "f1": 1, "roc_auc": None, "pr_auc": 1, "brier": 0.0625},
    ),
    "only class 0": (
        [(0, 0.25), (0, 0.75), (0, 0.75), (0, 0.0), (0, 0.5)],
        {"accuracy": 0.4, "precision": 0, "recall": None, "f1": 0, "roc_auc": None, "pr_auc": None},
    ),
    "only class 1": (
        [(1, 0.25), (1, 0.75)],
        {"accuracy": 0.5, "precision": 1, "recall": 0.5, "f1": 2 / 3, "roc_auc": None, "pr_auc": 1},
    ),
    "nothing but equal scores": ([(1, 0.5), (0, 0.5), (0, 0.5), (0, 0.5)], {"roc_auc": 0.5, "pr_auc": 0.25}),
    "as sure as can be": ([(1, 1.0), (0, 0.0)], {"roc_auc": 1, "log_loss": pytest.approx(0, abs=1e-15), "brier": 0}),
    "sure and wrong": ([(1, 0.0), (0, 1.0)], {"roc_auc": 0, "log_loss": pytest.approx(36.04365338911715), "brier": 1}),
}


def test_what_is_not_defined_is_none(lab: Lab) -> None:
    frame = pd.DataFrame(
        [
            {"WEEK_START": str(WEEKS[0]), "MODEL_VERSION": name, "LABEL": label, "SCORE": score}
            for name, (rows, _) in UNDEFINED.items()
            for label, score in rows
        ]
    )
    found = measured(lab, BinaryClassification(), frame, "LABEL, SCORE")
    for name, (rows, expected) in UNDEFINED.items():
        one = found[str(WEEKS[0]), name, ""]
        assert one.rows == len(rows)
        assert {metric: one.metrics[metric] for metric in expected} == pytest.approx(expected), name


def test_labels_and_scores_that_cannot_be_are_counted(lab: Lab) -> None:
    rows = [(1, "0.5"), (2, "0.5"), (-1, "0.1"), (0, "1.5"), (1, "-0.1"), (0, "NaN"), (0, "inf"), (1, None)]
    frame = pd.DataFrame(rows, columns=["LABEL", "TOLD"]).assign(WEEK_START=str(WEEKS[0]), MODEL_VERSION="V1")
    found = measured(lab, BinaryClassification(), frame, "LABEL, TOLD::FLOAT AS SCORE")
    (one,) = found.values()
    assert (one.rows, one.wrong, one.bad) == (8, 2, 5)


def test_the_calibration_error_is_scikit_learns_calibration_curve_weighed(lab: Lab) -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(14)
    frame = pd.DataFrame({"SCORE": rng.random(500)}).assign(WEEK_START=str(WEEKS[0]), MODEL_VERSION="V1")
    frame["LABEL"] = (rng.random(500) < frame["SCORE"] ** 2).astype(int)
    (one,) = measured(lab, BinaryClassification(), frame, "LABEL, SCORE").values()
    rate, mean = calibration_curve(frame["LABEL"], frame["SCORE"], n_bins=10)
    assert [bin_.rate for bin_ in one.calibration] == pytest.approx(rate.tolist(), rel=1e-9)
    assert [bin_.mean_score for bin_ in one.calibration] == pytest.approx(mean.tolist(), rel=1e-9)
    expected = calibration_error(frame["LABEL"].to_numpy(), frame["SCORE"].to_numpy())
    assert one.metrics["calibration_error"] == pytest.approx(expected, rel=1e-9)
