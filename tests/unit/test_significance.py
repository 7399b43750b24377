from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact, hypergeom, ttest_ind_from_stats

from snowmaker.drift import DriftRules, compare
from snowmaker.drift_metrics import METRICS
from snowmaker.profile import Bins, Profile
from snowmaker.significance import p_value, same_distribution, significant

RATE = DriftRules().false_alarm_rate
KINDS = (
    "mean moved by one deviation",
    "every category's share changed by two fifths",
    "a tenth of the rows lost their value",
)
ZIPF, LONG_TAIL, EVEN = 1 / np.arange(1, 61), 1 / np.sqrt(np.arange(1, 301)), np.ones(600)


def numbers(rows: np.ndarray, edges: np.ndarray | None = None) -> Profile:
    """Profile values over the deciles of their own or of others."""
    edges = np.quantile(rows, np.arange(1, 10) / 10) if edges is None else edges
    found = np.bincount(np.searchsorted(edges, rows), minlength=10)
    return Profile(
        Bins.numeric(edges.tolist()), (*found.tolist(), 0), mean=float(rows.mean()), stddev=float(rows.std())
    )


def names(found: np.ndarray, most: int, listed: np.ndarray | None = None) -> tuple[Profile, np.ndarray]:
    """Profile categories over the commonest of their own or of others."""
    listed = np.argsort(-found, kind="stable")[:most] if listed is None else listed
    known = found[listed].tolist()
    bins = Bins.categorical([f"category {i}" for i in listed])
    return Profile(bins, (*known, int(found.sum()) - sum(known), 0)), listed


def alarms(baseline_rows: int, week_rows: int, weeks: int) -> int:
    """Count the weeks that get a verdict although nothing changes, in ten features."""
    rng = np.random.default_rng([baseline_rows, week_rows])
    found = 0
    for _ in range(weeks):
        baseline, week = {}, {}
        for i in range(5):
            rows = rng.normal(size=baseline_rows)
            baseline[f"N{i}"] = numbers(rows)
            week[f"N{i}"] = numbers(rng.normal(size=week_rows), np.array(baseline[f"N{i}"].bins.edges))
        for i in range(5):
            # Sixty that are all listed, or the sixty that happen to be commonest of many rare ones.
            shares = (ZIPF, ZIPF, LONG_TAIL, LONG_TAIL, EVEN)[i]
            shares = shares / shares.sum()
            baseline[f"C{i}"], listed = names(rng.multinomial(baseline_rows, shares), 60)
            week[f"C{i}"], _ = names(rng.multinomial(week_rows, shares), 60, listed)
        found += compare(baseline, week, DriftRules())[0].verdict != "ok"
    return found


def check_alarms(baseline_rows: int, week_rows: int, weeks: int) -> None:
    # At the stated rate fewer than one run of a thousand has so many alarms.
    found = alarms(baseline_rows, week_rows, weeks)
    assert binomtest(found, weeks, RATE, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(("baseline_rows", "week_rows"), [(1000, 1), (1000, 5), (1000, 50), (1000, 500), (1000, 5000)])
def test_weeks_without_drift_raise_no_more_false_alarms_than_stated(baseline_rows: int, week_rows: int) -> None:
    check_alarms(baseline_rows, week_rows, weeks=200)


@pytest.mark.slow
@pytest.mark.parametrize("week_rows", [5, 50, 500, 5000])
@pytest.mark.parametrize("baseline_rows", [300, 2000, 10_000])
def test_many_weeks_without_drift_raise_no_more_false_alarms_than_stated(baseline_rows: int, week_rows: int) -> None:
    check_alarms(baseline_rows, week_rows, weeks=1000)


@cache
def powers(week_rows: int) -> dict[str, float]:
    """Give the share of weeks in which drift of a kind is found among 30 features, by kind."""
    rng = np.random.default_rng(week_rows)
    calm = {f"N{i}": numbers(rng.normal(size=20_000)) for i in range(29)}
    base = rng.normal(size=20_000)
    edges = np.quantile(base, np.arange(1, 10) / 10)
    uniform, uneven = np.full(60, 1 / 60), np.tile([0.6, 1.4], 30) / 60
    categories, listed = names(rng.multinomial(20_000, uniform), 60)
    drifts = {
        KINDS[0]: (numbers(base), lambda: numbers(rng.normal(1, size=week_rows), edges)),
        KINDS[1]: (
            categories,
            lambda: names(rng.multinomial(week_rows, uneven), 60, listed)[0],
        ),
        KINDS[2]: (
            numbers(base),
            lambda: replace(numbers(rng.normal(size=week_rows), edges), not_finite=week_rows // 9),
        ),
    }
    found = {}
    for kind, (baseline, draw) in drifts.items():
        weeks = [compare({**calm, "X": baseline}, {**calm, "X": draw()}, DriftRules())[0] for _ in range(40)]
        found[kind] = sum(first.feature == "X" and first.verdict != "ok" for first in weeks) / 40
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_real_drift_is_found_in_a_week_of_a_thousand_rows(kind: str) -> None:
    assert powers(1000)[kind] >= 0.95


def test_a_moved_mean_is_found_in_a_week_of_fifty_rows() -> None:
    assert powers(50)[KINDS[0]] >= 0.8


def test_five_rows_can_tell_only_of_what_never_was() -> None:
    baseline = numbers(np.random.default_rng(0).normal(size=20_000))
    odd, lost = replace(baseline, counts=(0,) * 9 + (5, 0)), replace(baseline, counts=(0,) * 10 + (5,))
    assert compare({"A": baseline}, {"A": odd}, DriftRules())[0].verdict == "breach"  # all in the top tenth: 1e-5
    mixed = replace(baseline, counts=(2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0))
    first = compare({"A": baseline}, {"A": mixed}, DriftRules())[0]
    assert (first.metric, first.verdict) == ("psi", "ok")
    assert first.value is not None
    assert first.value > 0.25
    assert compare({"A": baseline}, {"A": lost}, DriftRules())[0].verdict == "breach"


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_two_bins_are_judged_by_fishers_exact_test(a: int, b: int, c: int, d: int) -> None:
    if not (a + b and c + d and a + c and b + d):
        return
    tails = [float(fisher_exact([[a, b], [c, d]], alternative=side).pvalue) for side in ("less", "greater")]
    assert same_distribution([a, b], [c, d]) == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-7)


@pytest.mark.parametrize("rows", [10**4, 10**6, 10**9])
def test_tails_of_many_rows_are_right_or_on_the_safe_side(rows: int) -> None:
    for deviations in (0.5, 3, 6, 12):
        part = rows // 10 + round(deviations * math.sqrt(rows * 0.09 * 1.1))
        exact = 2 * float(hypergeom.sf(part - 1, 11 * rows, rows + part, rows)) if rows < 10**9 else None
        found = same_distribution([rows, 9 * rows], [part, rows - part])
        if exact is None:
            assert found >= 0.95 * math.erfc(deviations / math.sqrt(2))
            assert found <= 1.5 * math.erfc(deviations / math.sqrt(2)) or deviations < 1
        else:
            assert found == pytest.approx(min(exact, 1), rel=1e-6) or 1 >= found > exact


def test_an_order_of_categories_that_comes_from_counts_changes_nothing() -> None:
    counts, week = (400, 30, 20, 500, 40, 0), (10, 15, 5, 60, 3, 0)
    order = (3, 0, 1, 2)
    one = Profile(Bins.categorical(["a", "b", "c", "d"]), counts), Profile(Bins.categorical([]), week[4:])
    other = Profile(Bins.categorical([["a", "b", "c", "d"][i] for i in order]), (*(counts[i] for i in order), 40, 0))
    weeks = [replace(one[0], counts=week), replace(other, counts=(*(week[i] for i in order), *week[4:]))]
    assert p_value("psi", one[0], weeks[0]) == p_value("psi", other, weeks[1])


@pytest.mark.parametrize("name", METRICS)
def test_equal_data_is_chance(name: str) -> None:
    found = Profile(Bins.numeric([0.0]), (50, 45, 5), mean=1.0, stddev=2.0)
    if METRICS[name].kinds == {"rows"}:
        found = Profile.of_rows(100)
    assert p_value(name, found, found) == pytest.approx(1)


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 300))
def test_holms_rule_is_between_bonferronis_and_none(p_values: list[float], more: int) -> None:
    tests = len(p_values) + more
    found = significant(p_values, RATE, tests)
    for p, real in zip(p_values, found, strict=True):
        assert real or p > RATE / tests
        assert not real or p <= RATE


def test_the_mean_is_judged_by_students_law_with_the_greater_deviation() -> None:
    baseline = Profile(Bins.numeric([]), (400, 0), mean=10.0, stddev=3.0)
    week = Profile(Bins.numeric([]), (400, 0), mean=10.5, stddev=3.0)
    oracle = ttest_ind_from_stats(10, 3 * math.sqrt(400 / 399), 400, 10.5, 3 * math.sqrt(400 / 399), 400).pvalue
    assert p_value("mean_difference", baseline, week) == pytest.approx(float(oracle), rel=0.05)
    alike = replace(week, counts=(5, 0), mean=9.0, stddev=0.001)
    assert (p_value("mean_difference", baseline, alike) or 0) > 0.3
    assert p_value("mean_difference", baseline, replace(week, counts=(1, 0))) is None


@pytest.mark.parametrize("week_rows", [5, 50, 500])
@pytest.mark.parametrize("draw", ["normal", "lognormal"])
def test_means_of_unchanged_rows_seldom_seem_to_have_moved(draw: str, week_rows: int) -> None:
    rng = np.random.default_rng(week_rows)
    rows = getattr(rng, draw)(size=20_000)
    baseline = Profile(Bins.numeric([]), (20_000, 0), mean=float(rows.mean()), stddev=float(rows.std()))
    found = 0
    for _ in range(1000):
        week = getattr(rng, draw)(size=week_rows)
        profile = Profile(Bins.numeric([]), (week_rows, 0), mean=float(week.mean()), stddev=float(week.std()))
        found += (p_value("mean_difference", baseline, profile) or 1) <= RATE
    assert binomtest(found, 1000, RATE, alternative="greater").pvalue > 1e-3


def test_the_number_of_rows_is_judged_by_an_exact_test_of_two_rates() -> None:
    month = Profile.of_rows(4000, weeks=4)
    for rows in (900, 1000, 1100):
        oracle = binomtest(rows, 4000 + rows, 0.2)
        found = p_value("row_count_change", month, Profile.of_rows(rows))
        assert found == pytest.approx(min(1, float(oracle.pvalue)), rel=0.15)
    nothing = p_value("row_count_change", month, Profile.of_rows(0))
    assert nothing is not None
    assert nothing < 1e-90
