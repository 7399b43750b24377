"""What must hold of any verdict, whatever the numbers: better is never worse off, and an XCom stays small."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.bootstrap import Interval
from snowmaker.gate import FEWEST_ROWS, GateVerdict, SegmentGain, judge
from snowmaker.metrics import ERRORS, gain

METRICS = ("f1", "roc_auc", "rmse", "log_loss", "calibration_error")
VALUES = st.floats(0.01, 1).map(lambda value: round(value, 4))
SCORES = st.fixed_dictionaries(dict.fromkeys(METRICS, VALUES))
BOUNDS = st.dictionaries(st.sampled_from(METRICS), st.floats(-0.5, 1).map(lambda value: round(value, 3)))


def verdict_of(own: dict[str, float], champion: dict[str, float], bounds: tuple[dict[str, float], ...]) -> GateVerdict:
    floors, ceilings, min_gain = bounds
    return judge(
        "NEW",
        "OLD",
        {"NEW": own, "OLD": champion},
        rows=100,
        floors={metric: bound for metric, bound in floors.items() if metric not in ERRORS},
        ceilings={metric: bound for metric, bound in ceilings.items() if metric in ERRORS},
        min_gain=min_gain,
    )


@given(own=SCORES, champion=SCORES, by=st.floats(0, 0.5), bounds=st.tuples(BOUNDS, BOUNDS, BOUNDS))
def test_a_better_challenger_never_fails_where_a_worse_one_passes(
    own: dict[str, float], champion: dict[str, float], by: float, bounds: tuple[dict[str, float], ...]
) -> None:
    better = {metric: value * (1 - by) if metric in ERRORS else value * (1 + by) for metric, value in own.items()}
    worse_off = [
        (before.rule, before.value, after.value)
        for before, after in zip(
            verdict_of(own, champion, bounds).rules, verdict_of(better, champion, bounds).rules, strict=True
        )
        if before.passed and not after.passed
    ]
    assert worse_off == []


@given(scores=SCORES, min_gain=BOUNDS)
def test_a_version_that_is_as_good_passes_exactly_where_no_gain_is_asked_for(
    scores: dict[str, float], min_gain: dict[str, float]
) -> None:
    rules = verdict_of(scores, scores, ({}, {}, min_gain)).rules
    assert [(rule.value, rule.passed) for rule in rules] == [(0.0, bound <= 0) for bound in min_gain.values()]


@given(own=SCORES, champion=SCORES)
def test_with_the_roles_swapped_gains_are_mirrored(own: dict[str, float], champion: dict[str, float]) -> None:
    for metric in METRICS:
        there, back = gain(metric, own[metric], champion[metric]), gain(metric, champion[metric], own[metric])
        assert there is not None
        assert back is not None
        # A share of the champion's error is another one of the challenger's: (1 - there) * (1 - back) = 1.
        mirrored = -there / (1 - there) if metric in ("rmse", "log_loss") else -there
        assert back == pytest.approx(mirrored, abs=1e-9)


@given(low=st.floats(-1, 1), width=st.floats(0, 1), by=st.floats(0, 1), margin=st.floats(0, 1), rows=st.integers(1, 90))
def test_a_segment_fails_only_if_its_whole_interval_is_worse_than_is_borne(
    low: float, width: float, by: float, margin: float, rows: int
) -> None:
    def rule(at: float, borne: float) -> bool:
        segment = SegmentGain("A=b", "f1", rows, at + width / 2, Interval(at, at + width), borne)
        return segment.judge().passed

    assert rule(low, margin) == (rows < FEWEST_ROWS or low + width >= -margin)
    assert rule(low, margin) <= rule(low + by, margin)
    assert rule(low, margin) <= rule(low, margin + by)


@pytest.mark.parametrize(
    ("segment", "told"),
    [
        (SegmentGain("A=b", "f1", 29, -0.9, Interval(-0.95, -0.8), 0), "29 rows, and fewer than 30 say nothing"),
        (SegmentGain("A=b", "f1", 400, None, Interval(), 0), "the gain is not defined on its 400 rows"),
        (SegmentGain("A=b", "f1", 400, -0.9, Interval(), 0), "the gain is not defined on its 400 rows"),
    ],
)
def test_a_segment_that_cannot_be_judged_is_told_and_stops_nobody(segment: SegmentGain, told: str) -> None:
    rule = segment.judge()
    assert (rule.passed, rule.is_judged, rule.note, rule.outcome) == (True, False, told, "not judged")


def great(passed: bool = False) -> GateVerdict:
    """Twenty segments of each of ten columns, of names in many bytes, and all metrics there are."""
    metrics = {name: {f"metric_{i}": 0.123456789012345 for i in range(9)} for name in ("V" * 60, "W" * 60)}
    around = {name: {metric: Interval(0.123456, 0.234567) for metric in values} for name, values in metrics.items()}
    segments = [
        SegmentGain(
            f"{'SPALTE ÄÖÜ'}{column}={'Üñ' * 60} {value}",
            "metric_1",
            1000,
            0.0123456789 * value,
            Interval(-0.05 - (0 if passed or value != 7 else 0.5), 0.07 if passed or value != 7 else -0.4),
            0.05,
        )
        for column in range(10)
        for value in range(20)
    ]
    return judge(
        "V" * 60,
        "W" * 60,
        metrics,
        rows=10**9,
        floors=dict.fromkeys(metrics["V" * 60], 0.1),
        min_gain=dict.fromkeys(metrics["V" * 60], 0.0),
        intervals=around,
        gain_intervals=around["V" * 60],
        segments=segments,
        weeks=[f"2026-01-{day:02d}" for day in range(1, 27)],
        confidence=0.95,
        notes=["a note " * 200] * 20,
    )


@pytest.mark.parametrize("passed", [True, False])
def test_an_xcom_of_a_great_many_segments_stays_under_10_kb_and_keeps_the_worst(passed: bool) -> None:
    verdict = great(passed)
    content = verdict.to_dict()
    assert len(json.dumps(content)) < 10_000
    read = GateVerdict.from_dict(json.loads(json.dumps(content)))
    assert read.passed == verdict.passed == passed
    assert read.left_out == len(verdict.rules) - len(read.rules) > 100
    # General rules are all there, and of the segments those that fail, as many as there is room for.
    assert [rule.rule for rule in read.rules if not rule.segment] == [
        rule.rule for rule in verdict.rules if not rule.segment
    ]
    assert {rule.passed for rule in read.rules if rule.segment} == {passed}
    assert GateVerdict.from_dict(read.to_dict()) == read
    assert len(verdict.summary) < 4000
    assert f"{read.left_out} more in SNOWMAKER_VERDICTS" in read.summary


def test_a_verdict_with_all_that_it_may_have_survives_its_xcom() -> None:
    verdict = judge(
        "V2",
        "V1",
        {"V1": {"f1": 0.7}, "V2": {"f1": 0.8}},
        rows=10,
        floors={"f1": 0.6},
        min_gain={"f1": 0.01},
        intervals={"V1": {"f1": Interval(0.6, 0.8)}, "V2": {"f1": Interval()}},
        gain_intervals={"f1": Interval(0.05, 0.15)},
        segments=[SegmentGain("A=b", "f1", 50, 0.1, Interval(0, 0.2), 0.02)],
        weeks=["2026-03-02"],
        confidence=0.9,
        notes=["a note"],
    )
    assert GateVerdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    assert verdict.gains == {"f1": [pytest.approx(0.1), 0.05, 0.15]}
    assert "f1 gain 0.1000 [0.0500, 0.1500] (needs 0.01): pass; 1 segment not worse: pass" in verdict.summary
