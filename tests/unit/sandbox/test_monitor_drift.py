from __future__ import annotations

from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from include.sandbox.snowflake.monitors.drift import DRIFT_METRICS, drift_sql
from include.sandbox.snowflake.monitors.windows import time_range

NOW = datetime(2024, 3, 1)  # noqa: DTZ001
DAYS = time_range(1, "1 DAY", datetime(2024, 1, 1), datetime(2024, 1, 8), NOW)  # noqa: DTZ001


def table(values: list[object], stamps: pd.Series | None = None, kind: pa.DataType | None = None) -> pa.Table:
    columns = {"value": pa.array(values, kind, from_pandas=True)}
    if stamps is not None:
        columns["ts"] = pa.array(stamps, pa.timestamp("us"))
    return pa.table(columns)


def stamps(rows: int, seed: int = 0) -> pd.Series:
    rng = np.random.default_rng(seed)
    return pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 7 * 86_400, rows), "s"))


def measure(metric: str, kind: str, source: pa.Table, baseline: pa.Table) -> pd.DataFrame:
    sql = drift_sql(metric, kind, DAYS)
    assert sql is not None
    with duckdb.connect() as connection:
        connection.register("source", source)
        connection.register("baseline", baseline)
        return connection.execute(sql).df().set_index("bucket")


NUMBERS = {
    "continuous": lambda rng, rows: rng.normal(3, 2, rows),
    "ties": lambda rng, rows: rng.integers(0, 5, rows).astype(float),
    "one value": lambda rng, rows: rng.normal(7.5, 0, rows),
    "large": lambda rng, rows: rng.lognormal(12, 3, rows),
    "far from zero": lambda rng, rows: rng.normal(1e9, 1, rows),
    "few": lambda rng, rows: rng.normal(0, 1, min(rows, 3)),
}


def numbers(name: str, *, shift: float) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    values = NUMBERS[name](rng, 700) + shift
    frame = pd.DataFrame({"ts": stamps(len(values)), "value": values})
    frame.loc[rng.random(len(frame)) < 0.1, "value"] = np.nan
    return frame, NUMBERS[name](rng, 900)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("shift", [0.0, 0.7, -40.0])
def test_wasserstein_is_scipys(name: str, shift: float) -> None:
    frame, base = numbers(name, shift=shift)
    got = measure("WASSERSTEIN", "numerical", table(list(frame["value"]), frame["ts"], pa.float64()), table(list(base)))
    for day, rows in frame.groupby(frame["ts"].dt.floor("D")):
        values = rows["value"].dropna()
        if values.empty:
            assert np.isnan(got.loc[day, "metric"])
        else:
            assert got.loc[day, "metric"] == pytest.approx(wasserstein_distance(values, base), rel=1e-9, abs=1e-9)


def bins(values: np.ndarray, base: np.ndarray) -> np.ndarray:
    edges = np.quantile(base, np.arange(1, 10) / 10, method="inverted_cdf")
    return np.searchsorted(np.unique(edges), values, side="left")


def expected(metric: str, current: pd.Series, base: pd.Series) -> float:
    categories = sorted({*current, *base})
    q = current.value_counts(normalize=True).reindex(categories, fill_value=0).to_numpy()
    p = base.value_counts(normalize=True).reindex(categories, fill_value=0).to_numpy()
    if metric == "JENSEN_SHANNON":
        return float(jensenshannon(p, q, 2))
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(((q - p) * np.log(q / p)).sum())


@pytest.mark.parametrize("metric", ["JENSEN_SHANNON", "POPULATION_STABILITY_INDEX"])
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("shift", [0.0, 0.7, -40.0])
def test_shares_are_compared_in_the_baselines_deciles(metric: str, name: str, shift: float) -> None:
    frame, base = numbers(name, shift=shift)
    got = measure(metric, "numerical", table(list(frame["value"]), frame["ts"], pa.float64()), table(list(base)))
    for day, rows in frame.groupby(frame["ts"].dt.floor("D")):
        values = rows["value"].dropna().to_numpy()
        if len(values):
            known = expected(metric, pd.Series(bins(values, base)), pd.Series(bins(base, base)))
            assert got.loc[day, "metric"] == pytest.approx(known, abs=1e-7)


@pytest.mark.parametrize("metric", ["JENSEN_SHANNON", "POPULATION_STABILITY_INDEX"])
@pytest.mark.parametrize(("kind", "values"), [("string", ["a", "b", "c", "d'e", ""]), ("boolean", [True, False])])
def test_texts_and_truth_values_are_their_own_categories(metric: str, kind: str, values: list[object]) -> None:
    rng = np.random.default_rng(2)
    current = pd.Series(rng.choice(np.array(values, dtype=object), 300))
    base = pd.Series(rng.choice(np.array([*values[1:], values[0]][:4], dtype=object), 400))
    times = stamps(300)
    got = measure(metric, kind, table(list(current), times), table([*base, None]))
    for day, rows in current.groupby(times.dt.floor("D")):
        assert got.loc[day, "metric"] == pytest.approx(expected(metric, rows, base), abs=1e-9)
    assert set(got["baseline_used"]) == {400}
    assert set(got["baseline_unused"]) == {1}


@pytest.mark.parametrize("metric", DRIFT_METRICS)
def test_what_has_not_changed_has_no_drift(metric: str) -> None:
    values = [1.0, 2.0, 2.0, 3.0, 10.0, None]
    got = measure(metric, "numerical", table(values, pd.Series([pd.Timestamp("2024-01-03")] * 6)), table(values))
    assert list(got.index) == [pd.Timestamp("2024-01-03")]
    assert got["metric"].iloc[0] == pytest.approx(0, abs=1e-12)
    assert got[["used", "unused", "baseline_used", "baseline_unused"]].iloc[0].tolist() == [5, 1, 5, 1]


@pytest.mark.parametrize("metric", DRIFT_METRICS)
def test_without_values_on_one_side_there_is_no_number(metric: str) -> None:
    nothing = pa.array([None, None], pa.float64())
    when = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 2)], pa.timestamp("us"))  # noqa: DTZ001
    empty = measure(metric, "numerical", pa.table({"ts": when, "value": nothing}), table([1.0, 2.0]))
    assert empty["metric"].isna().tolist() == [True]
    assert empty[["used", "unused"]].iloc[0].tolist() == [0, 2]
    source = pa.table({"ts": when, "value": pa.array([1.0, 2.0])})
    assert measure(metric, "numerical", source, pa.table({"value": nothing}))["metric"].isna().tolist() == [True]


def test_the_difference_of_means_is_the_windows_less_the_baselines() -> None:
    when = pd.Series([pd.Timestamp("2024-01-03")] * 2)
    got = measure("DIFFERENCE_OF_MEANS", "numerical", table([4, 8], when), table([1, 2, 3]))
    assert got["metric"].tolist() == [4.0]


@pytest.mark.parametrize("kind", ["string", "boolean"])
@pytest.mark.parametrize("metric", ["WASSERSTEIN", "DIFFERENCE_OF_MEANS"])
def test_what_needs_numbers_is_not_there_for_others(metric: str, kind: str) -> None:
    assert drift_sql(metric, kind, DAYS) is None
