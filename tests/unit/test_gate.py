from __future__ import annotations

import json

import pytest

from snowmaker.gate import GateVerdict, judge

GOOD = {"V1": {"f1": 0.70, "roc_auc": 0.8}, "V2": {"f1": 0.80, "roc_auc": 0.8}}


def test_every_rule_is_named_with_value_bound_and_outcome() -> None:
    verdict = judge("V2", "V1", GOOD, rows=10, floors={"f1": 0.9}, min_gain={"f1": 0.05, "roc_auc": 0.01})
    assert not verdict.passed
    assert [(rule.rule, rule.passed) for rule in verdict.rules] == [
        ("f1", False),
        ("f1 gain", True),
        ("roc_auc gain", False),
    ]
    assert "f1 0.8000 (needs 0.9): FAIL" in verdict.summary
    assert "against V1, 10 rows" in verdict.summary


def test_without_champion_only_the_floors_count() -> None:
    verdict = judge("V2", None, {"V2": {"f1": 0.8}}, rows=10, floors={"f1": 0.6}, min_gain={"f1": 0.5})
    assert verdict.passed
    assert len(verdict.rules) == 1


def test_a_metric_that_is_not_defined_meets_no_rule() -> None:
    verdict = judge("V2", "V1", {"V1": {"f1": 0.1}, "V2": {"f1": None}}, rows=1, floors={"f1": 0}, min_gain={"f1": 0})
    assert [rule.passed for rule in verdict.rules] == [False, False]


def test_a_verdict_survives_its_xcom() -> None:
    verdict = judge("V2", "V1", GOOD, rows=10, floors={"f1": 0.6}, min_gain={"f1": 0.01})
    assert GateVerdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


ERRORS = {"V1": {"rmse": 100.0, "r2": 0.5}, "V2": {"rmse": 90.0, "r2": 0.6}}


def test_an_error_has_a_ceiling_and_its_gain_is_the_share_by_which_it_is_smaller() -> None:
    verdict = judge(
        "V2", "V1", ERRORS, rows=10, floors={"r2": 0.6}, ceilings={"rmse": 80}, min_gain={"rmse": 0.1, "r2": 0.2}
    )
    assert [(rule.rule, rule.value, rule.passed) for rule in verdict.rules] == [
        ("r2", 0.6, True),
        ("rmse", 90.0, False),
        ("rmse gain", 0.1, True),
        ("r2 gain", pytest.approx(0.1), False),
    ]
    assert "r2 0.6000 (needs 0.6): pass; rmse 90.0000 (needs at most 80): FAIL" in verdict.summary
    assert GateVerdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_a_worse_error_is_a_negative_gain_and_one_that_is_not_defined_meets_no_ceiling() -> None:
    verdict = judge("V1", "V2", ERRORS, rows=1, floors={}, min_gain={"rmse": 0})
    assert (verdict.passed, verdict.rules[0].value) == (False, pytest.approx(-1 / 9))
    undefined = judge("V3", None, {"V3": {"rmse": None}}, rows=0, floors={}, ceilings={"rmse": 1}, min_gain={})
    assert not undefined.passed
