from __future__ import annotations

import pytest

from snowmaker.drift import DriftRules
from snowmaker.monitor_metrics import Asked, check_rules, performance_metrics, to_ask, worst_first
from snowmaker.source import Source
from snowmaker.verdicts import Threshold

SOURCE = Source.of("ml.loans.t", week_column="d", label="y", categorical=["county"], numeric=["income"])
PSI, OTHER = Threshold(0.1, 0.25), Threshold(0.3, 0.5)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (DriftRules(metrics={"hellinger": OTHER}), "has no hellinger; choose of psi, jensen_shannon, mean_difference"),
        (DriftRules(features={"INCOME": {"kolmogorov_smirnov": OTHER}}), "drift of INCOME: .* no kolmogorov_smirnov"),
        (DriftRules(features={"rows": {"psi": PSI}}), "drift of rows: a monitor judges features and score only"),
        (DriftRules(features={"COUNTY": {"wasserstein": OTHER}}), "wasserstein is for numbers, and COUNTY is categor"),
    ],
)
def test_rules_that_a_monitor_cannot_follow_are_refused(rules: DriftRules, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_rules(SOURCE, rules)


def test_every_judged_metric_of_every_feature_is_asked_for() -> None:
    rules = DriftRules(
        metrics={"psi": PSI, "wasserstein": OTHER},
        features={"INCOME": {"psi": OTHER}, "score": {"jensen_shannon": OTHER}},
        ignored=frozenset({"COUNTY"}),
    )
    check_rules(SOURCE, rules)
    assert to_ask(SOURCE, rules) == [
        Asked("COUNTY", "psi", None),
        Asked("INCOME", "psi", OTHER),
        Asked("INCOME", "wasserstein", OTHER),
        Asked("score", "psi", PSI),
        Asked("score", "wasserstein", OTHER),
        Asked("score", "jensen_shannon", OTHER),
    ]


def test_whole_weeks_are_judged_and_segments_shown() -> None:
    asked = Asked("INCOME", "mean_difference", OTHER)
    assert [asked.judged(value).verdict for value in (-0.6, 0.4, 0.0, None)] == ["breach", "warn", "ok", None]
    shown = asked.judged(0.9, "COUNTY=a")
    assert (shown.value, shown.verdict, shown.threshold) == (0.9, None, None)


def test_the_worst_verdict_stands_first_whatever_the_values() -> None:
    drifts = [
        Asked("SHOWN", "psi", None).judged(9.0),
        Asked("A", "psi", Threshold(1.0, 2.0)).judged(1.9),
        Asked("B", "psi", PSI).judged(0.3),
        Asked("C", "psi", PSI).judged(0.4),
        Asked("D", "psi", PSI).judged(0.0),
    ]
    assert [drift.feature for drift in worst_first(drifts)] == ["C", "B", "A", "D", "SHOWN"]


def test_a_tasks_metrics_are_those_of_its_monitors() -> None:
    assert performance_metrics("binary_classification", None)[0] == "f1"
    assert performance_metrics("regression", "mae") == ("mae", {"rmse": "RMSE", "mae": "MAE", "mape": "MAPE"})
    with pytest.raises(
        ValueError, match=r"has no metric 'f1_macro' of multiclass.*; choose of accuracy, precision_mac"
    ):
        performance_metrics("multiclass_classification", "f1_macro")
