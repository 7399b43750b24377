"""The sums by random group that the warehouse makes: of any of its resamples they give the metrics, and intervals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as oracle
from snowflake.connector.pandas_tools import write_pandas

from snowmaker.bootstrap import draw, gain_intervals, interval
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.multiclass import MulticlassClassification
from snowmaker.scored_task import BinaryClassification, Regression
from snowmaker.scored_task_base import ScoredTask
from snowmaker.snowflake.statement import Statement

from .lab import DATABASE, SCHEMA, Lab, fresh
from .oracle import binary_metrics

THRESHOLD = 0.35
SIZE, GROUPS = 900, 60
CLASSES = ["bug", "it's", "question %"]


def binary_rows(rng: np.random.Generator) -> pd.DataFrame:
    """Rows of one version, and the same ones scored a little better by another: with ties, and of two segments."""
    truth = rng.random(SIZE)
    frame = frame_of(rng, (rng.random(SIZE) < truth**2).astype(int))
    frame.loc[frame["MODEL_VERSION"] == "V1", "SCORE"] = np.round(noisy(rng, truth, 1.2), 2)
    frame.loc[frame["MODEL_VERSION"] == "V2", "SCORE"] = np.round(noisy(rng, truth, 0.6), 2)
    return frame


def noisy(rng: np.random.Generator, truth: np.ndarray, noise: float) -> np.ndarray:
    logit = np.log(truth / (1 - truth)) + rng.normal(0, noise, len(truth))
    return np.asarray((1 / (1 + np.exp(-logit))) ** 2)


def frame_of(rng: np.random.Generator, label: Any) -> pd.DataFrame:
    one = pd.DataFrame(
        {
            "ROW": range(SIZE),
            "ROW_GROUP": rng.integers(0, GROUPS, SIZE),
            "LABEL": label,
            "SEGMENT_0": rng.choice(["0:0", "0:1"], SIZE, p=[0.7, 0.3]),
        }
    )
    return pd.concat([one.assign(MODEL_VERSION=version) for version in ("V1", "V2")], ignore_index=True)


def summed(lab: Lab, task: ScoredTask, frame: pd.DataFrame, columns: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The metrics that the task's statements measure, and the sums by group, by version and segment."""
    name = fresh("GROUPED")
    write_pandas(lab.connection, frame, name, database=DATABASE, schema=SCHEMA, auto_create_table=True)
    relation = Statement(
        f"SELECT '2026-01-05'::DATE AS WEEK_START, MODEL_VERSION, LABEL, ROW_GROUP, {columns}, SEGMENT_0 "
        f"FROM {lab.name(name)}"
    )
    with WarehouseHook().session() as session:
        measured = task.read_all(session.rows(task.measure(relation, 1)))
        rows = session.rows(task.add_up_groups(relation, 1))
    sums: dict[Any, Any] = {}
    for row in rows:
        sums.setdefault((row["MODEL_VERSION"], row["SEGMENT"]), []).append(row)
    return {key[1:]: found.metrics for key, found in measured.items()}, sums


def once(task: ScoredTask, rows: list[dict[str, Any]], without: int | None = None) -> dict[str, float]:
    """The metrics with each group drawn once, but one."""
    draws = np.array([[float(group != without) for group in range(GROUPS)]])
    return {name: float(values[0]) for name, values in task.resample(rows, range(GROUPS), draws).items()}


def test_a_binary_classification_is_resampled_as_the_rows_would_be(lab: Lab) -> None:
    frame, task = binary_rows(np.random.default_rng(5)), BinaryClassification(THRESHOLD)
    measured, sums = summed(lab, task, frame, "SCORE")
    assert sums.keys() == measured.keys() == {(v, s) for v in ("V1", "V2") for s in ("", "0:0", "0:1")}
    for key, rows in sums.items():
        assert once(task, rows) == pytest.approx(measured[key], rel=1e-9)
    mine = frame[frame["MODEL_VERSION"] == "V1"]
    for group in (0, 17):
        rest = mine[mine["ROW_GROUP"] != group]
        found = once(task, sums["V1", ""], without=group)
        expected = binary_metrics(rest["LABEL"], rest["SCORE"], THRESHOLD)
        # Of ranks only what is linear in the rows: what is left is of the order of the square of the share left out.
        for ranked in ("roc_auc", "pr_auc"):
            assert found.pop(ranked) == pytest.approx(expected[ranked], abs=1e-3)
            assert expected.pop(ranked) != pytest.approx(measured["V1", ""][ranked], abs=2e-4)
        assert found == pytest.approx(expected, rel=1e-9)


def bootstrapped(statistic: Callable[[np.ndarray], float], seed: int) -> tuple[float, float]:
    """The percentile interval of a bootstrap of rows."""
    found = stats.bootstrap(
        (np.arange(SIZE),), statistic, n_resamples=1000, vectorized=False, method="percentile",
        confidence_level=0.9, rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def test_intervals_of_metrics_and_gains_are_those_of_a_bootstrap_of_rows(lab: Lab) -> None:
    frame, task = binary_rows(np.random.default_rng(6)), BinaryClassification(THRESHOLD)
    _, sums = summed(lab, task, frame, "SCORE")
    mine, other = ({c: rows[c].to_numpy() for c in rows} for _, rows in frame.groupby("MODEL_VERSION"))
    draws = draw(GROUPS)
    first, second = (task.resample(sums[version, ""], range(GROUPS), draws) for version in ("V1", "V2"))
    gained = gain_intervals(second, first, 0.9)

    def area(rows: dict[str, np.ndarray], at: np.ndarray) -> float:
        label, ranks = rows["LABEL"][at], stats.rankdata(rows["SCORE"][at])
        positives = label.sum()
        return float((ranks[label == 1].mean() - (positives + 1) / 2) / (SIZE - positives))

    def precise(rows: dict[str, np.ndarray], at: np.ndarray) -> float:
        order = np.argsort(-rows["SCORE"][at])
        label, score = rows["LABEL"][at][order], rows["SCORE"][at][order]
        last = np.flatnonzero(np.diff(score, append=-1))
        right = np.cumsum(label)[last]
        return float(np.sum(np.diff(right, prepend=0) * right / (last + 1)) / right[-1])

    everything = np.arange(SIZE)
    assert area(mine, everything) == pytest.approx(oracle.roc_auc_score(mine["LABEL"], mine["SCORE"]))
    assert precise(mine, everything) == pytest.approx(oracle.average_precision_score(mine["LABEL"], mine["SCORE"]))

    def brier(rows: dict[str, np.ndarray], at: np.ndarray) -> float:
        return float(np.mean((rows["LABEL"][at] - rows["SCORE"][at]) ** 2))

    for seed, (metric, value) in enumerate({"roc_auc": area, "pr_auc": precise, "brier": brier}.items()):
        low, high = bootstrapped(lambda at, value=value: value(mine, at), seed)  # type: ignore[misc]
        found, width = interval(first[metric], 0.9), high - low
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * width), metric
    low, high = bootstrapped(lambda at: area(other, at) - area(mine, at), 9)
    found = gained["roc_auc"]
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))
    # Pairs are kept: apart, the two vary much more than their difference does.
    apart = interval(second["roc_auc"] - first["roc_auc"][::-1], 0.9)
    assert apart.high - apart.low > 1.3 * (found.high - found.low)


def test_several_classes_are_resampled_as_the_rows_would_be(lab: Lab) -> None:
    rng = np.random.default_rng(7)
    chances = np.round(rng.dirichlet([0.6] * 3, SIZE), 2) + 0.01
    chances /= chances.sum(axis=1, keepdims=True)
    # A class that no version knows, too.
    truth = [rng.choice([*CLASSES, "new"], p=[*(0.98 * row), 0.02]) for row in chances]
    frame = frame_of(rng, truth)
    frame["PROBABILITIES"] = [json.dumps(dict(zip(CLASSES, row, strict=True))) for row in chances.tolist()] * 2
    frame["PREDICTION"] = [CLASSES[place] for place in chances.argmax(axis=1)] * 2
    frame["SCORE"] = [*chances.max(axis=1)] * 2
    task = MulticlassClassification()
    columns = "SCORE, PREDICTION, PARSE_JSON(PROBABILITIES)::OBJECT AS PROBABILITIES"
    measured, sums = summed(lab, task, frame, columns)
    for key, rows in sums.items():
        assert once(task, rows) == pytest.approx(measured[key], rel=1e-9)
    rest = frame[(frame["MODEL_VERSION"] == "V1") & (frame["ROW_GROUP"] != 3)]
    found = once(task, sums["V1", ""], without=3)
    assert found["f1_macro"] == pytest.approx(
        oracle.f1_score(rest["LABEL"], rest["PREDICTION"], average="macro", labels=[*CLASSES, "new"], zero_division=0)
    )
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(rest["LABEL"], rest["PREDICTION"]))
    areas = [oracle.roc_auc_score(rest["LABEL"] == name, chances[rest["ROW"], i]) for i, name in enumerate(CLASSES)]
    assert found["roc_auc_macro"] == pytest.approx(np.mean(areas), abs=1e-3)


def test_predicted_numbers_are_resampled_as_the_rows_would_be(lab: Lab) -> None:
    rng = np.random.default_rng(8)
    frame = frame_of(rng, 1e7 + rng.normal(0, 5, SIZE))
    frame["SCORE"] = frame["LABEL"] + rng.normal(0, 2, 2 * SIZE)
    task = Regression()
    measured, sums = summed(lab, task, frame, "SCORE")
    for key, rows in sums.items():
        assert once(task, rows) == pytest.approx(measured[key], rel=1e-8)
    rest = frame[(frame["MODEL_VERSION"] == "V2") & (frame["ROW_GROUP"] != 3)]
    truth, found = rest["LABEL"], rest["SCORE"]
    assert once(task, sums["V2", ""], without=3) == pytest.approx(
        {
            "rmse": oracle.root_mean_squared_error(truth, found),
            "mae": oracle.mean_absolute_error(truth, found),
            "mape": oracle.mean_absolute_percentage_error(truth, found),
            "r2": oracle.r2_score(truth, found),
        },
        rel=1e-7,
    )
