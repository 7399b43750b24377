from __future__ import annotations

import math

import pytest

from snowmaker.performance import PerformanceThresholds, default_thresholds


def test_a_metric_that_is_not_defined_is_a_breach() -> None:
    for undefined in (None, math.nan):
        assert PerformanceThresholds(0.05, 0.1).verdict("f1", undefined, 0.8) == "breach"
        assert PerformanceThresholds(0.05, 0.1, breach_below=0.1).verdict("f1", undefined, None) == "breach"


@pytest.mark.parametrize(("value", "verdict"), [(0.9, "ok"), (0.76, "ok"), (0.75, "warn"), (0.7, "breach")])
def test_a_fall_from_the_holdout_is_judged(value: float, verdict: str) -> None:
    assert PerformanceThresholds(0.0499, 0.0999).verdict("f1", value, 0.8) == verdict


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [
        ("rmse", 50.0, "ok"),
        ("rmse", 109.0, "ok"),
        ("rmse", 110.0, "warn"),
        ("mae", 124.0, "warn"),
        ("mae", 125.0, "breach"),
    ],
)
def test_of_an_error_a_rise_by_a_share_is_judged(metric: str, value: float, verdict: str) -> None:
    assert PerformanceThresholds(0.1, 0.25).verdict(metric, value, 100.0) == verdict


def test_r2_falls_by_a_difference_and_an_error_of_nothing_cannot_be_judged() -> None:
    assert PerformanceThresholds(0.05, 0.1).verdict("r2", -3.0, 0.9) == "breach"
    assert PerformanceThresholds(0.05, 0.1).verdict("r2", 0.88, 0.9) == "ok"
    assert PerformanceThresholds(0.1, 0.25).verdict("rmse", 1e-9, 0.0) == "breach"
    assert PerformanceThresholds(0.1, 0.25).verdict("rmse", 0.0, 0.0) == "ok"


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [("f1", 0.7, "ok"), ("f1", 0.69, "warn"), ("f1", 0.6, "warn"), ("f1", 0.59, "breach")],
)
def test_absolute_bounds_judge_without_a_reference(metric: str, value: float, verdict: str) -> None:
    thresholds = PerformanceThresholds(0.05, 0.1, warn_below=0.7, breach_below=0.6)
    assert thresholds.bound(metric, None) == 0.6
    assert thresholds.verdict(metric, value, None) == verdict


def test_the_stricter_of_the_two_rules_counts() -> None:
    thresholds = PerformanceThresholds(0.05, 0.125, warn_below=0.7, breach_below=0.5)
    assert thresholds.verdict("f1", 0.55, 0.55) == "warn"
    assert thresholds.verdict("f1", 0.75, 0.875) == "breach"
    assert (thresholds.bound("f1", 0.55), thresholds.bound("f1", 0.875)) == (0.5, 0.75)
    errors = PerformanceThresholds(0.1, 0.25, warn_above=90, breach_above=110)
    assert [errors.verdict("rmse", value, 80.0) for value in (87, 88, 100, 111)] == ["ok", "warn", "breach", "breach"]
    assert (errors.bound("rmse", 80.0), errors.bound("rmse", 100.0)) == (100.0, 110)


def test_a_rise_of_the_calibration_error_is_a_difference() -> None:
    thresholds = default_thresholds("calibration_error")
    assert [thresholds.verdict("calibration_error", value, 0.0) for value in (0.04, 0.06, 0.11)] == [
        "ok",
        "warn",
        "breach",
    ]
    assert default_thresholds("log_loss").verdict("log_loss", 0.1125, 0.1) == "warn"
    assert thresholds.bound("calibration_error", 0.25) == pytest.approx(0.35)


def test_there_is_no_bound_without_reference_and_absolute_bound() -> None:
    assert PerformanceThresholds(0.05, 0.1).bound("f1", None) is None
    assert PerformanceThresholds(0.05, 0.1, warn_below=0.5).bound("f1", None) is None


@pytest.mark.parametrize(
    ("metric", "bounds", "told"),
    [
        ("f1", {"warn_above": 0.5}, "warn_above does not go with metric f1; write warn_below"),
        ("rmse", {"breach_below": 5}, "breach_below does not go with metric rmse; write breach_above"),
        ("f1", {"warn_below": 0.5, "breach_below": 0.6}, r"breach_below \(0.6\) is reached before warn_below \(0.5\)"),
        ("mae", {"warn_above": 9, "breach_above": 8}, r"breach_above \(8\) is reached before warn_above \(9\)"),
    ],
)
def test_bounds_that_do_not_go_together_are_refused(metric: str, bounds: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PerformanceThresholds(0.05, 0.1, **bounds).check(metric)
    PerformanceThresholds(0.05, 0.1).check(metric)
