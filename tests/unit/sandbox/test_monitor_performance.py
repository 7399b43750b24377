from __future__ import annotations

from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from include.sandbox.snowflake.monitors.performance import (
    BINARY,
    METRICS,
    MULTI_CLASS,
    REGRESSION,
    STATISTICS,
    performance_sql,
    statistic_sql,
)
from include.sandbox.snowflake.monitors.windows import TimeRange, time_range

NOW = datetime(2024, 3, 1)  # noqa: DTZ001
DAYS = time_range(1, "1 DAY", datetime(2024, 1, 1), datetime(2024, 1, 8), NOW)  # noqa: DTZ001
SCORES = {"PRECISION": metrics.precision_score, "RECALL": metrics.recall_score, "F1_SCORE": metrics.f1_score}


def measure(task: str, metric: str, frame: pd.DataFrame, asked: TimeRange = DAYS) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.register("source", frame)
        return connection.execute(performance_sql(task, metric, asked)).df().set_index("bucket")


def rows(prediction: object, actual: object, seed: int = 0, *, missing: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"prediction": prediction, "actual": actual})
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 7 * 86_400, len(frame)), "s")
    for column in ("prediction", "actual"):
        if frame[column].dtype == object:
            frame.loc[rng.random(len(frame)) < missing, column] = None
        else:
            frame[column] = frame[column].astype("Float64").mask(rng.random(len(frame)) < missing)
    return frame.assign(ts=times)


def compare(got: pd.DataFrame, frame: pd.DataFrame, known: object) -> None:
    """Each day's number is that of the reference on the rows that have both values."""
    days = frame.groupby(frame["ts"].dt.floor("D"))
    assert len(got) == len(days)
    for day, group in days:
        whole = group.dropna()
        assert got.loc[day, "metric"] == pytest.approx(known(whole["actual"], whole["prediction"]))  # type: ignore[operator]
        assert (got.loc[day, "used"], got.loc[day, "unused"]) == (len(whole), len(group) - len(whole))


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("MSE", metrics.mean_squared_error),
        ("RMSE", metrics.root_mean_squared_error),
        ("MAE", metrics.mean_absolute_error),
        ("MAPE", metrics.mean_absolute_percentage_error),
    ],
)
def test_errors_of_a_regression_are_scikit_learns(metric: str, known: object) -> None:
    rng = np.random.default_rng(3)
    actual = rng.normal(10, 5, 500)
    frame = rows(actual + rng.normal(0, 1, 500), actual)
    compare(measure(REGRESSION, metric, frame), frame, known)


def test_mape_leaves_out_what_has_no_share() -> None:
    frame = pd.DataFrame({"prediction": [1.0, 3.0], "actual": [0.0, 2.0], "ts": pd.Timestamp("2024-01-01")})
    got = measure(REGRESSION, "MAPE", frame).iloc[0]
    assert got.tolist() == [0.5, 1, 1]


@pytest.mark.parametrize("digits", [1, 8])
def test_the_area_under_the_curve_is_scikit_learns_also_with_ties(digits: int) -> None:
    rng = np.random.default_rng(4)
    actual = rng.integers(0, 2, 600)
    frame = rows(np.round(np.clip(rng.normal(0.4 + 0.2 * actual, 0.2), 0, 1), digits), actual)
    compare(measure(BINARY, "ROC_AUC", frame), frame, lambda a, p: metrics.roc_auc_score(a.astype(int), p))


@pytest.mark.parametrize("metric", ["CLASSIFICATION_ACCURACY", *SCORES])
def test_scores_of_two_classes_are_scikit_learns(metric: str) -> None:
    rng = np.random.default_rng(5)
    actual = rng.integers(0, 2, 500)
    frame = rows(np.where(rng.random(500) < 0.7, actual, 1 - actual), actual)
    known = SCORES.get(metric, metrics.accuracy_score)
    compare(measure(BINARY, metric, frame), frame, lambda a, p: known(a.astype(int), p.astype(int)))


def test_what_is_not_defined_is_null() -> None:
    one_class = pd.DataFrame({"prediction": [0.0, 0.0], "actual": [0, 0], "ts": pd.Timestamp("2024-01-01")})
    for metric in ("ROC_AUC", *SCORES):
        got = measure(BINARY, metric, one_class)
        assert got["metric"].isna().tolist() == [True]
        assert got[["used", "unused"]].iloc[0].tolist() == [2, 0]
    assert measure(BINARY, "CLASSIFICATION_ACCURACY", one_class)["metric"].tolist() == [1.0]


@pytest.mark.parametrize("metric", METRICS[MULTI_CLASS])
def test_scores_of_several_classes_are_scikit_learns(metric: str) -> None:
    rng = np.random.default_rng(6)
    actual = rng.choice(["a", "b", "c'c", "rare"], 400, p=[0.4, 0.3, 0.29, 0.01]).astype(object)
    predicted = np.where(rng.random(400) < 0.6, actual, rng.choice(["a", "b", "odd"], 400)).astype(object)
    frame = rows(predicted, actual)
    if metric == "CLASSIFICATION_ACCURACY":
        compare(measure(MULTI_CLASS, metric, frame), frame, metrics.accuracy_score)
        return
    average, kind = metric.split("_AVERAGE_")
    known = SCORES[kind]
    compare(
        measure(MULTI_CLASS, metric, frame),
        frame,
        lambda a, p: known(a, p, average=average.lower(), zero_division=0),
    )


@pytest.mark.parametrize("task", METRICS)
def test_where_there_are_no_rows_there_is_no_answer(task: str) -> None:
    frame = pd.DataFrame({"prediction": [1.0], "actual": [1.0], "ts": pd.Timestamp("2025-01-01")})
    for metric in METRICS[task]:
        assert measure(task, metric, frame).empty


def test_statistics_count_and_sum_the_values() -> None:
    frame = pd.DataFrame({"value": pd.array([1, 2, 6, None], "Int64"), "ts": pd.Timestamp("2024-01-01")})
    expected = {"COUNT": 3, "COUNT_NULL": 1, "MIN": 1, "MAX": 6, "AVG": 3, "SUM": 9}
    with duckdb.connect() as connection:
        connection.register("source", frame)
        got = {m: connection.execute(statistic_sql(m, DAYS, is_number=True)).fetchall()[0][1] for m in STATISTICS}
    assert got == expected
