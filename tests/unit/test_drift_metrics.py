from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import chi2_contingency, entropy, ks_2samp, wasserstein_distance

from snowmaker.drift_metrics import (
    METRICS,
    chi_squared,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    psi,
    total_variation,
    wasserstein,
)
from snowmaker.profile import Bins, Profile

counts = st.lists(st.integers(1, 10_000), min_size=2, max_size=30)
OF_COUNTS = [psi, jensen_shannon, hellinger, chi_squared, total_variation, l_infinity, kolmogorov_smirnov]
Histograms = tuple[list[int], list[int]]


@st.composite
def pairs(draw: st.DrawFn, least: int = 0) -> Histograms:
    """Two histograms over the same bins, both with rows."""
    size = draw(st.integers(2, 30))
    rows = st.lists(st.integers(least, 10_000), min_size=size, max_size=size).filter(any)
    return draw(rows), draw(rows)


def shares(histograms: Histograms) -> tuple[np.ndarray, np.ndarray]:
    p, q = (np.array(side) / sum(side) for side in histograms)
    return p, q


def close(value: float | None, oracle: float) -> bool:
    return value is not None and math.isclose(value, oracle, rel_tol=1e-9, abs_tol=1e-12)


def profile(values: np.ndarray, bins: Bins, *, means: bool = False) -> Profile:
    """Profile finite values as the warehouse does."""
    places = np.searchsorted(bins.edges, values)
    found = np.bincount(places, minlength=bins.size - 1)
    by_bin = [float(values[places == i].mean()) if n else None for i, n in enumerate(found)] if means else []
    return Profile(
        bins,
        (*found.tolist(), 0),
        mean=float(values.mean()) if len(values) else None,
        stddev=float(values.std()) if len(values) else None,
        bin_means=tuple(by_bin),
    )


def deciles(values: np.ndarray) -> Bins:
    return Bins.numeric(np.quantile(values, np.arange(1, 10) / 10).tolist())


@given(counts, st.data())
def test_psi_is_the_symmetric_relative_entropy(baseline: list[int], data: st.DataObject) -> None:
    current = data.draw(st.lists(st.integers(1, 10_000), min_size=len(baseline), max_size=len(baseline)))
    p, q = np.array(baseline) / sum(baseline), np.array(current) / sum(current)
    if min(p.min(), q.min()) < 1e-4:
        return
    oracle = float(rel_entr(p, q).sum() + rel_entr(q, p).sum())
    assert math.isclose(psi(baseline, current), oracle, rel_tol=1e-9, abs_tol=1e-12)
    assert close(psi(baseline, current), float(entropy(p, q) + entropy(q, p)))


@given(pairs())
def test_jensen_shannon_is_scipys(histograms: Histograms) -> None:
    p, q = shares(histograms)
    # Near 0 scipy's root of a difference of sums is noise.
    assert jensen_shannon(*histograms) == pytest.approx(float(jensenshannon(p, q, base=2)), rel=1e-9, abs=1e-7)


def test_jensen_shannon_is_scipys_to_the_last_digits_where_there_is_drift() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        histograms = rng.integers(0, 1000, (2, 12))
        p, q = histograms / histograms.sum(axis=1, keepdims=True)
        assert close(jensen_shannon(*histograms.tolist()), float(jensenshannon(p, q, base=2)))


@given(pairs())
def test_hellinger_total_variation_and_l_infinity_are_their_norms(histograms: Histograms) -> None:
    p, q = shares(histograms)
    assert close(hellinger(*histograms), float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)))
    assert close(total_variation(*histograms), float(np.abs(p - q).sum() / 2))
    assert close(l_infinity(*histograms), float(np.abs(p - q).max()))


@settings(max_examples=40)
@given(pairs())
def test_cramers_v_is_that_of_a_table_of_equally_many_rows(histograms: Histograms) -> None:
    table = np.array([side for side in zip(*histograms, strict=True) if any(side)]).T
    if table.shape[1] < 2:
        return
    rows = table.sum(axis=1)
    # Each side as often as the other has rows: the same shares, equally many.
    statistic = chi2_contingency(table * rows[::-1, None], correction=False).statistic
    assert close(chi_squared(*histograms), math.sqrt(statistic / (2 * rows[0] * rows[1])))


@settings(max_examples=40)
@given(pairs())
def test_kolmogorov_smirnov_is_scipys_of_binned_values(histograms: Histograms) -> None:
    small = [[min(count, 60) for count in side] for side in histograms]
    values = [np.repeat(np.arange(len(side)), side) for side in small]
    assert close(kolmogorov_smirnov(small[0], small[1]), float(ks_2samp(*values, method="asymp").statistic))


@settings(max_examples=40)
@given(pairs(), st.data())
def test_wasserstein_is_scipys_with_the_rows_at_the_bins_means(histograms: Histograms, data: st.DataObject) -> None:
    size = len(histograms[0])
    edges = tuple(float(i) for i in range(size - 1))
    means = tuple(i - data.draw(st.floats(0.01, 0.99)) for i in range(size))
    baseline = Profile(Bins.numeric(edges), (*histograms[0], 5), stddev=2.5, bin_means=means)
    current = Profile(Bins.numeric(edges), (*histograms[1], 9))
    oracle = wasserstein_distance(means, means, histograms[0], histograms[1]) / 2.5
    assert close(wasserstein(baseline, current), float(oracle))


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("draw", [np.random.Generator.normal, np.random.Generator.exponential], ids=["normal", "long"])
def test_what_binning_costs_is_as_the_docstrings_say(draw: Callable[..., np.ndarray], shift: float) -> None:
    rng = np.random.default_rng(1)
    before, after = draw(rng, size=20_000), draw(rng, size=20_000) + shift
    bins = deciles(before)
    baseline, current = profile(before, bins, means=True), profile(after, bins)
    raw = wasserstein_distance(before, after) / before.std()
    places = np.array(baseline.bin_means)[np.searchsorted(bins.edges, np.concatenate([before, after]))]
    moved = np.abs(np.concatenate([before, after]) - places).reshape(2, -1).mean(axis=1).sum() / before.std()
    measured = wasserstein(baseline, current)
    assert measured is not None
    assert abs(measured - raw) <= moved  # each row stands at most so far from its value
    assert abs(measured - raw) <= 0.12
    binned, exact = kolmogorov_smirnov(baseline.values, current.values), ks_2samp(before, after).statistic
    p, q = shares((list(baseline.values), list(current.values)))
    assert binned <= exact + 1e-12
    assert exact - binned <= np.minimum(p, q).max() + 1e-12


def test_the_difference_of_means_is_in_the_baselines_deviations() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.normal(10, 4, 5000), rng.normal(8, 9, 700)
    bins = deciles(before)
    value = METRICS["mean_difference"].measure(profile(before, bins), profile(after, bins))
    assert close(value, float((after.mean() - before.mean()) / before.std()))


@given(counts, st.integers(1, 1000))
def test_equal_shares_give_exactly_zero_at_any_size(baseline: list[int], factor: int) -> None:
    for metric in OF_COUNTS:
        assert metric(baseline, [count * factor for count in baseline]) == 0.0


@given(pairs(least=1))
def test_metrics_of_shares_are_symmetric_and_keep_their_range(histograms: Histograms) -> None:
    baseline, current = histograms
    for metric in OF_COUNTS:
        assert close(metric(baseline, current), metric(current, baseline))
        assert metric(baseline, current) >= 0
        assert metric is psi or metric(baseline, current) <= 1 + 1e-12


@pytest.mark.parametrize("metric", [metric for metric in OF_COUNTS if metric is not psi])
def test_shares_without_a_common_bin_are_one_apart(metric: Callable[[list[int], list[int]], float]) -> None:
    assert metric([7, 0], [0, 31]) == pytest.approx(1, abs=1e-15)


def test_an_empty_bin_gives_a_finite_value_of_the_floor() -> None:
    assert psi([1000, 0], [500, 500]) == pytest.approx(-0.5 * math.log(0.5) + 0.4999 * math.log(0.5 / 1e-4))


def test_histograms_without_rows_or_of_other_bins_are_refused() -> None:
    for metric in OF_COUNTS:
        with pytest.raises(ValueError, match="without rows"):
            metric([1, 1], [0, 0])
        with pytest.raises(ValueError, match="2 and 3 bins"):
            metric([1, 1], [1, 1, 1])


NUMBERS = Profile(
    Bins.numeric([1.0, 2.0]), (40, 30, 30, 10), mean=1.5, stddev=0.8, not_finite=2, bin_means=(0.5, 1.4, 2.7)
)
NAMES = Profile(Bins.categorical(["a", "b"]), (60, 30, 10, 5))


def measure(name: str, baseline: Profile, current: Profile) -> float | None:
    return METRICS[name].measure(baseline, current)


@pytest.mark.parametrize("name", METRICS)
def test_identical_data_scores_exactly_zero(name: str) -> None:
    for found in (NUMBERS, NAMES, Profile.of_rows(500)):
        if found.bins.kind in METRICS[name].kinds:
            assert measure(name, found, found) == 0.0


def test_means_that_differ_in_the_order_of_adding_are_equal() -> None:
    values = [0.1, 0.2, 0.3] * 1000
    forwards, backwards = sum(values) / 3000, sum(reversed(values)) / 3000
    assert forwards != backwards
    assert measure("mean_difference", replace(NUMBERS, mean=forwards), replace(NUMBERS, mean=backwards)) == 0.0


@pytest.mark.parametrize("name", [name for name in METRICS if name != "row_count_change"])
def test_a_week_without_rows_has_no_drift_to_tell(name: str) -> None:
    empty = Profile(NUMBERS.bins, (0, 0, 0, 0)) if "numeric" in METRICS[name].kinds else Profile(NAMES.bins, (0,) * 4)
    full = NUMBERS if "numeric" in METRICS[name].kinds else NAMES
    assert measure(name, full, empty) is None
    assert measure(name, empty, full) is None


def test_a_week_of_one_row_is_measured() -> None:
    one = Profile(NUMBERS.bins, (0, 1, 0, 0), mean=1.5, stddev=0.0)
    for name, metric in METRICS.items():
        if "numeric" in metric.kinds:
            assert measure(name, NUMBERS, one) is not None


def test_a_column_that_is_all_null_has_lost_its_values() -> None:
    nothing = Profile(NUMBERS.bins, (0, 0, 0, 70))
    assert measure("missing_rate_change", NUMBERS, nothing) == pytest.approx(1 - 12 / 112)
    assert (measure("psi", NUMBERS, nothing) or 0) > METRICS["psi"].threshold.breach
    for name in ("kolmogorov_smirnov", "wasserstein", "mean_difference"):
        assert measure(name, NUMBERS, nothing) is None


def test_infinities_are_missing_and_drift() -> None:
    week = replace(NUMBERS, not_finite=30)
    assert measure("missing_rate_change", NUMBERS, week) == pytest.approx(40 / 140 - 12 / 112)
    assert (measure("psi", NUMBERS, week) or 0) > METRICS["psi"].threshold.breach
    assert measure("mean_difference", NUMBERS, week) == 0.0
    assert measure("kolmogorov_smirnov", NUMBERS, week) == 0.0


@pytest.mark.parametrize("moved_to", [4.0, 6.0])
def test_a_constant_column_that_moves_is_seen_by_what_needs_no_deviation(moved_to: float) -> None:
    constant = np.full(1000, 5.0)
    bins = deciles(constant)
    baseline, current = profile(constant, bins, means=True), profile(np.full(800, moved_to), bins)
    assert measure("kolmogorov_smirnov", baseline, current) == 1.0
    assert (measure("psi", baseline, current) or 0) > 1
    assert measure("mean_difference", baseline, current) is None
    assert measure("wasserstein", baseline, current) is None


def test_a_constant_column_that_stays_has_no_drift() -> None:
    constant = np.full(1000, 5.0)
    bins = deciles(constant)
    baseline, current = profile(constant, bins, means=True), profile(constant[:77], bins)
    values = {n: measure(n, baseline, current) for n, metric in METRICS.items() if "numeric" in metric.kinds}
    assert set(values.values()) == {0.0}


def test_new_categories_are_those_of_no_bin() -> None:
    week = Profile(NAMES.bins, (30, 30, 40, 0))
    assert measure("new_category_share", NAMES, week) == pytest.approx(0.3)
    assert measure("new_category_share", week, NAMES) == 0.0


def test_the_number_of_rows_is_compared_by_week() -> None:
    month = Profile.of_rows(4000, weeks=4)
    assert measure("row_count_change", month, Profile.of_rows(500)) == -0.5
    assert measure("row_count_change", month, Profile.of_rows(0)) == -1.0
    assert measure("row_count_change", month, Profile.of_rows(3000)) == 2.0
    assert measure("row_count_change", Profile.of_rows(0), month) is None


@pytest.mark.parametrize(("shift", "bound"), [(math.sqrt(0.1), "warn"), (0.5, "breach")])
def test_the_default_thresholds_agree_on_a_normal_feature(shift: float, bound: str) -> None:
    rng = np.random.default_rng(3)
    before = rng.normal(size=200_000)
    bins = deciles(before)
    baseline, current = profile(before, bins, means=True), profile(rng.normal(shift, size=200_000), bins)
    for name in ("psi", "jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein", "mean_difference"):
        threshold, value = getattr(METRICS[name].threshold, bound), measure(name, baseline, current)
        assert value == pytest.approx(threshold, rel=0.15), name
    assert measure("l_infinity", baseline, current) == pytest.approx(
        getattr(METRICS["l_infinity"].threshold, bound), rel=0.15
    )
