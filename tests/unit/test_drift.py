from __future__ import annotations

import math
import re
from datetime import date
from statistics import mean
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from bench.hysteresis import RULES, outcome, years

from snowmaker.drift import DriftRules, FeatureDrift, compare, compare_segments
from snowmaker.drift_metrics import METRICS, psi
from snowmaker.exceptions import PipelineError, SnowmakerError
from snowmaker.profile import LABEL, ROWS, SCORE, Bins, Kind, Profile
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.profiles import Column, Count, side_by_side
from snowmaker.snowflake.statement import Statement
from snowmaker.verdicts import Degradation, Threshold, Verdict, cooling, worst
from snowmaker.week import Week

BINS = Bins.categorical(["a"])
PSI = {"psi": Threshold(0.1, 0.25)}


def names(a: int, others: int) -> Profile:
    return Profile(BINS, (a, others, 0))


def judged(drifts: list[FeatureDrift]) -> list[tuple[str, str | None]]:
    return [(drift.feature, drift.verdict) for drift in drifts if drift.metric == "psi"]


def test_small_weeks_without_drift_do_not_breach() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(12, 1 / 12)
    values = [psi(rng.multinomial(2000, shares), rng.multinomial(500, shares)) for _ in range(500)]
    assert np.mean(values) == pytest.approx(11 * (1 / 2000 + 1 / 500), rel=0.1)
    assert max(values) < METRICS["psi"].threshold.breach


@pytest.mark.parametrize(("value", "verdict"), [(0.0999, "ok"), (0.1, "warn"), (0.2499, "warn"), (0.25, "breach")])
def test_thresholds_are_reached_at_their_value(value: float, verdict: str) -> None:
    assert METRICS["psi"].threshold.verdict(value) == verdict


def test_the_worst_column_comes_first() -> None:
    baseline = {name: names(500, 500) for name in ("CALM", "MOVED")}
    drifts = compare(baseline, {"CALM": names(50, 50), "MOVED": names(90, 10)}, DriftRules())
    assert judged(drifts) == [("MOVED", "breach"), ("CALM", "ok")]
    assert drifts[0].metric == "psi"


def test_a_value_that_can_be_chance_is_ok_whatever_its_size() -> None:
    few = compare({"MOVED": names(500, 500)}, {"MOVED": names(4, 1)}, DriftRules())[0]
    assert few.verdict == "ok"
    assert few.value == pytest.approx(psi([500, 500], [4, 1]))
    assert few.value > 0.25
    assert few.p_value == pytest.approx(2 * 6 / 32, rel=0.01)  # of five fair coins four or more fall alike
    many = compare({"MOVED": names(500, 500)}, {"MOVED": names(80, 20)}, DriftRules())[0]
    assert many.verdict == "breach"
    assert many.p_value is not None
    assert many.p_value < 1e-6


def test_by_thresholds_alone_chance_counts_too() -> None:
    few = compare({"MOVED": names(500, 500)}, {"MOVED": names(4, 1)}, DriftRules(false_alarm_rate=1))[0]
    assert few.verdict == "breach"


def test_the_more_is_judged_the_surer_a_verdict_must_be() -> None:
    baseline = {f"F{i}": names(500, 500) for i in range(300)}
    week = {name: names(50, 50) for name in baseline} | {"F7": names(66, 34)}
    assert judged(compare({"F7": baseline["F7"]}, {"F7": week["F7"]}, DriftRules()))[0] == ("F7", "warn")
    assert set(judged(compare(baseline, week, DriftRules()))) == {(name, "ok") for name in baseline}


def test_what_is_not_judged_is_shown() -> None:
    drifts = compare({"A": names(500, 500)}, {"A": names(900, 100)}, DriftRules())
    shown = {drift.metric for drift in drifts if drift.verdict is None}
    assert shown == {name for name, metric in METRICS.items() if "categorical" in metric.kinds} - {"psi"}
    assert all(drift.threshold is None and drift.p_value is None for drift in drifts if drift.verdict is None)
    assert all(drift.value is not None for drift in drifts)


def test_a_feature_may_have_thresholds_of_its_own_or_none() -> None:
    baseline = {name: names(500, 500) for name in ("A", "B", "C")}
    week = {name: names(900, 100) for name in baseline}
    rules = DriftRules(
        features={"A": {"psi": Threshold(5, 9)}, "B": {"hellinger": Threshold(0.1, 0.2)}}, ignored=frozenset({"C"})
    )
    verdicts = {(d.feature, d.metric): d.verdict for d in compare(baseline, week, rules)}
    assert verdicts["A", "psi"] == "ok"
    assert verdicts["B", "psi"] == verdicts["B", "hellinger"] == "breach"
    assert {verdict for (feature, _), verdict in verdicts.items() if feature == "C"} == {None}


def test_label_and_rows_are_judged_only_where_that_is_asked_for() -> None:
    baseline = {LABEL: names(500, 500), ROWS: Profile.of_rows(4000, weeks=4), SCORE: names(500, 500)}
    week = {LABEL: names(900, 100), ROWS: Profile.of_rows(100), SCORE: names(900, 100)}
    verdicts = {(d.feature, d.metric): d.verdict for d in compare(baseline, week, DriftRules())}
    assert verdicts[LABEL, "psi"] is None
    assert verdicts[ROWS, "row_count_change"] is None
    assert verdicts[SCORE, "psi"] == "breach"
    asked = DriftRules(features={LABEL: PSI, ROWS: {"row_count_change": Threshold(0.3, 0.5)}})
    verdicts = {(d.feature, d.metric): d.verdict for d in compare(baseline, week, asked)}
    assert verdicts[LABEL, "psi"] == verdicts[ROWS, "row_count_change"] == "breach"


def test_segments_are_compared_with_their_own_baseline_and_share_one_rate() -> None:
    baseline = {
        "": {"A": names(800, 800)},
        "REGION=north": {"A": names(700, 100)},
        "REGION=south": {"A": names(100, 700)},
    }
    week = {"": {"A": names(60, 140)}, "REGION=north": {"A": names(30, 70)}, "REGION=south": {"A": names(12, 88)}}
    drifts = [drift for drift in compare_segments(baseline, week, DriftRules()) if drift.verdict]
    assert [(d.segment, d.verdict) for d in drifts] == [
        ("REGION=north", "breach"),
        ("", "warn"),
        ("REGION=south", "ok"),
    ]
    unknown = compare_segments(baseline, {"REGION=west": {"A": names(5, 5)}}, DriftRules())
    assert unknown == []


def test_a_week_without_rows_has_no_verdict() -> None:
    drifts = compare({"A": names(500, 500)}, {"A": names(0, 0)}, DriftRules())
    assert {(drift.value, drift.verdict) for drift in drifts} == {(None, None)}
    with pytest.raises(SnowmakerError, match="nothing was checked"):
        worst([drift.verdict for drift in drifts])


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"metrics": {"pis": Threshold(0.1, 0.2)}}, "drift of every feature: no metric 'pis'; there are: psi, "),
        ({"features": {"A": {"psi": Threshold(0.3, 0.2)}}}, "drift of A: psi warns from 0.3 and breaches from 0.2"),
        ({"metrics": {"psi": Threshold(0, 0.2)}}, "two numbers above 0"),
        ({"false_alarm_rate": 0}, "false alarm rate is 0; write a probability like 0.01"),
    ],
    ids=["unknown", "crossed", "zero", "rate"],
)
def test_rules_that_cannot_be_are_refused(rules: dict[str, Any], told: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(told)):
        DriftRules(**rules)


def test_a_metric_that_is_not_for_a_features_kind_is_refused() -> None:
    rules = DriftRules(features={"A": {"wasserstein": Threshold(0.3, 0.5)}})
    with pytest.raises(
        PipelineError, match=r"drift of A \(categorical\) cannot be judged by wasserstein; there are: psi"
    ):
        compare({"A": names(5, 5)}, {"A": names(5, 5)}, rules)


def test_a_metric_for_every_feature_is_for_those_of_its_kind() -> None:
    rules = DriftRules(metrics={"wasserstein": Threshold(0.3, 0.5)})
    number = Profile(Bins.numeric([0.0]), (50, 50, 0), stddev=1.0, bin_means=(-0.8, 0.8))
    drifts = compare({"A": names(5, 5), "N": number}, {"A": names(5, 5), "N": number}, rules)
    assert [(drift.feature, drift.verdict) for drift in drifts if drift.verdict] == [("N", "ok")]


def test_a_week_of_three_hundred_features_is_judged_with_few_operations() -> None:
    rng = np.random.default_rng(0)
    bins = Bins.numeric([float(i) for i in range(9)])
    baseline = {f"F{i}": Profile(bins, (*[2000] * 10, 0)) for i in range(300)}
    week = {name: Profile(bins, (*rng.multinomial(5000, np.full(10, 0.1)).tolist(), 0)) for name in baseline}
    with patch("snowmaker.drift.p_value", side_effect=AssertionError("a p-value of a value below warn")):
        drifts = compare(baseline, week, DriftRules())
    assert len(judged(drifts)) == 300


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


@pytest.mark.parametrize(
    ("newest_first", "since"),
    [
        (["breach", "breach", "breach", "ok", "ok", "ok"], 2),
        (["breach", "ok", "breach", "breach", "ok", "ok"], 3),
        (["breach", "breach", "breach", "ok", "breach", "ok"], 4),
        (["breach", "breach", "breach", "ok", "warn", "breach"], 2),
        (["breach", "breach", None, "breach", "breach", "breach"], 5),
        (["ok", "breach", "breach", "breach", "ok", "ok"], None),
        (["breach", "ok", "ok", "breach", "breach", "breach"], None),
    ],
)
def test_a_model_is_degraded_since_its_breaches_began(newest_first: list[Verdict | None], since: int | None) -> None:
    newest = Week(date(2024, 5, 6))
    weeks = {str(newest.shift(-i)): verdict for i, verdict in enumerate(newest_first)}
    expected = None if since is None else str(newest.shift(-since))
    assert Degradation(breaches=3, of_weeks=4).since(weeks) == expected


def test_a_slow_climb_degrades_a_model_and_an_odd_week_does_not() -> None:
    rule, threshold = Degradation(breaches=3, of_weeks=4), METRICS["psi"].threshold
    climb = [threshold.verdict(0.02 * week) for week in range(20)]
    degraded = [week for week in range(20) if rule.met(climb[week::-1])]
    assert degraded == [15, 16, 17, 18, 19]  # PSI reaches 0.25 in week 13, and is there in three weeks by 15
    odd: list[Verdict] = ["breach" if week in (5, 12) else "ok" for week in range(20)]
    assert not [week for week in range(20) if rule.met(odd[week::-1])]


def test_a_model_that_was_just_retrained_cools_down() -> None:
    retrained = Week(date(2024, 3, 4))
    assert [cooling(retrained.shift(n), retrained, 4) for n in (-1, 0, 1, 3, 4, 9)] == [True] * 4 + [False] * 2
    assert not cooling(retrained, None, 4)
    assert not cooling(retrained, retrained, 0)


def test_cumulative_counts_become_counts_by_bin() -> None:
    count = Count(
        {column("A", "numeric"): (Bins.numeric([1.0, 2.0]), 0.0), column("B"): (Bins.categorical(["x"]), 0.0)}
    )
    numbers = {"C0K": 8, "C0F": 7, "C0M": 1.5, "C0S": 4.25, "C0B0": 3, "C0B1": 5}
    found = count.read({"CN": 10, **numbers, "C1K": 8, "C1B0": 4})
    assert found["A"].counts == (3, 2, 2, 2)  # up to 1, up to 2, above, NULL
    assert (found["A"].not_finite, found["A"].stddev) == (1, pytest.approx(math.sqrt(2)))
    assert found["B"].counts == (4, 4, 2)  # x, others, NULL


def test_all_columns_are_counted_in_one_statement_with_bound_values() -> None:
    columns = {
        column("A%", "numeric"): (Bins.numeric([0.5]), 0.25),
        column("B"): (Bins.categorical(["'; DROP TABLE t; --"]), 0.0),
    }
    statement = side_by_side(
        Count(columns, baseline=True, prefix="F").statement(Statement("SELECT * FROM t WHERE w = %s", (7,))),
        Count({}).statement(Statement("SELECT 1")),
    )
    assert statement.text.count("FROM t") == 1
    assert "DROP" not in statement.text
    assert statement.values == (0.25, 0.25, 0.5, 0.5, 0.5, "'; DROP TABLE t; --", 7)
    assert statement.text.count("%s") == len(statement.values)
    assert '"A%%"::FLOAT' in statement.text
    assert "COUNT_IF(V0 <= %s)" in statement.text


def column(name: str, kind: Kind = "categorical") -> Column:
    return Column(name, Identifier(name), kind)


def test_three_breaches_of_four_weeks_spare_false_alarms_and_cost_two_weeks() -> None:
    found = years(150, seed=1)
    single, default = outcome(RULES["1 of 1"], found), outcome(RULES["3 of 4"], found)
    assert single.false_alarms > 0.8
    assert default.false_alarms < single.false_alarms / 20
    assert default.missed == single.missed == 0
    assert 1 < mean(default.delays) - mean(single.delays) < 3
    assert max(default.delays) <= 5
