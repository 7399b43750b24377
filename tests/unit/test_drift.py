from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from snowmaker.drift import Bins, Degradation, DriftThresholds, Histogram, compare, psi, worst
from snowmaker.exceptions import SnowmakerError
from snowmaker.snowflake.drift import histograms, read_histograms, side_by_side
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.statement import Statement

counts = st.lists(st.integers(1, 10_000), min_size=2, max_size=30)


@given(counts, st.data())
def test_psi_is_the_symmetric_relative_entropy(baseline: list[int], data: st.DataObject) -> None:
    current = data.draw(st.lists(st.integers(1, 10_000), min_size=len(baseline), max_size=len(baseline)))
    p, q = np.array(baseline) / sum(baseline), np.array(current) / sum(current)
    if min(p.min(), q.min()) < 1e-4:
        return
    oracle = float(rel_entr(p, q).sum() + rel_entr(q, p).sum())
    assert math.isclose(psi(baseline, current), oracle, rel_tol=1e-9, abs_tol=1e-12)


@given(counts, st.integers(1, 1000))
def test_equal_shares_give_exactly_zero_at_any_size(baseline: list[int], factor: int) -> None:
    assert psi(baseline, [count * factor for count in baseline]) == 0.0


def test_an_empty_bin_gives_a_finite_value_of_the_floor() -> None:
    assert psi([1000, 0], [500, 500]) == pytest.approx(-0.5 * math.log(0.5) + 0.4999 * math.log(0.5 / 1e-4))


def test_histograms_without_rows_or_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="without rows"):
        psi([1, 1], [0, 0])
    with pytest.raises(ValueError, match="2 and 3 bins"):
        psi([1, 1], [1, 1, 1])


def test_small_weeks_without_drift_do_not_breach() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(12, 1 / 12)
    values = [psi(rng.multinomial(2000, shares), rng.multinomial(500, shares)) for _ in range(500)]
    assert np.mean(values) == pytest.approx(11 * (1 / 2000 + 1 / 500), rel=0.1)
    assert max(values) < DriftThresholds().breach


@pytest.mark.parametrize(("value", "verdict"), [(0.0999, "ok"), (0.1, "warn"), (0.2499, "warn"), (0.25, "breach")])
def test_thresholds_are_reached_at_their_value(value: float, verdict: str) -> None:
    assert DriftThresholds().verdict(value) == verdict


def test_the_worst_column_comes_first() -> None:
    bins = Bins.categorical(["a"])
    baseline = {name: Histogram(bins, (50, 50, 0)) for name in ("CALM", "MOVED")}
    drifts = compare(baseline, {"CALM": (5, 5, 0), "MOVED": (9, 1, 0)}, DriftThresholds())
    assert [(drift.feature, drift.verdict) for drift in drifts] == [("MOVED", "breach"), ("CALM", "ok")]


def test_one_odd_week_does_not_degrade_a_model_but_enough_of_them_do() -> None:
    rule = Degradation(breaches=3, of_weeks=4)
    assert not rule.met(["breach"])
    assert not rule.met(["breach", "ok", "breach", "ok", "breach"])
    assert rule.met(["breach", "breach", "ok", "breach"])
    assert not rule.met(["warn", "breach", "breach", "breach"])
    assert not rule.met([])


def test_nothing_checked_is_no_verdict() -> None:
    with pytest.raises(SnowmakerError, match="nothing was checked"):
        worst([])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=12))
def test_bins_survive_their_table(quantiles: list[float]) -> None:
    bins = Bins.numeric(quantiles)
    assert Bins.from_json(bins.to_json()) == bins
    categories = Bins.categorical(["St. Louis County", 'quote "', "ü"])
    assert Bins.from_json(categories.to_json()) == categories


def test_cumulative_counts_become_counts_by_bin() -> None:
    bins = {Identifier("A"): Bins.numeric([1.0, 2.0]), Identifier("B"): Bins.categorical(["x"])}
    row = {"CN": 10, "C0": 3, "C1": 5, "C2": 1, "C3": 4, "C4": 2}
    found = read_histograms(row, bins)
    assert found["A"].counts == (3, 2, 4, 1)  # up to 1, up to 2, above, NULL
    assert found["B"].counts == (4, 4, 2)  # x, others, NULL


def test_all_columns_are_counted_in_one_statement_with_bound_values() -> None:
    bins = {Identifier("A%"): Bins.numeric([0.5]), Identifier("B"): Bins.categorical(["'; DROP TABLE t; --"])}
    statement = side_by_side(
        histograms(Statement("SELECT * FROM t WHERE w = %s", (7,)), bins, "F"), histograms(Statement("SELECT 1"), {})
    )
    assert statement.text.count("FROM t") == 1
    assert "DROP" not in statement.text
    assert statement.values == (0.5, "'; DROP TABLE t; --", 7)
    assert statement.text.count("%s") == len(statement.values)
    assert 'CAST("A%%" AS FLOAT) <= %s' in statement.text
