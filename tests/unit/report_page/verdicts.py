"""Verdicts for the tests of their page."""

from __future__ import annotations

from snowmaker.bootstrap import Interval
from snowmaker.gate import GateVerdict, SegmentGain, at_least, at_most, judge

METRICS = {
    "V20260202_9F3A2C41": {"f1": 0.8466, "roc_auc": 0.9312, "log_loss": 0.3151},
    "V20260105_77B01D20": {"f1": 0.7323, "roc_auc": 0.7477, "log_loss": 0.5402},
}
CHALLENGER, CHAMPION = METRICS
AROUND = {
    CHALLENGER: {"f1": Interval(0.7895, 0.899), "roc_auc": Interval(0.9, 0.96), "log_loss": Interval(0.27, 0.36)},
    CHAMPION: {"f1": Interval(0.67, 0.79), "roc_auc": Interval(0.69, 0.8), "log_loss": Interval(0.49, 0.59)},
}
GAINS = {"f1": Interval(0.05, 0.1861), "roc_auc": Interval(0.1274, 0.2434), "log_loss": Interval(0.32, 0.49)}


def a_verdict(*segments: SegmentGain, champion: str | None = CHAMPION) -> GateVerdict:
    """A challenger that is better, but slow, and cannot score the table any more."""
    return judge(
        CHALLENGER,
        champion,
        METRICS if champion else {CHALLENGER: METRICS[CHALLENGER]},
        rows=20_412,
        floors={"f1": 0.8, "roc_auc": 0.9},
        ceilings={"log_loss": 0.5},
        min_gain={"f1": 0.02},
        intervals=AROUND,
        gain_intervals=GAINS,
        segments=segments or some_segments(),
        more=[
            at_least("schema", None, 1, note="table LOANS has no column DEBT_RATIO; there are: COUNTY, INCOME"),
            at_most("scoring seconds per million rows", 31.25, 20),
            at_most("training cost", 0.42, 5),
        ],
        weeks=["2026-02-02", "2026-02-09"],
        confidence=0.95,
        notes=["2026-01-26 left out: champion V20260105_77B01D20 was trained on weeks up to 2026-01-26"],
    )


def some_segments() -> list[SegmentGain]:
    return [
        SegmentGain("COUNTY=Hennepin", "f1", 4000, 0.08, Interval(0.01, 0.15), 0.02),
        SegmentGain("COUNTY=<b>St. Mary's</b> | `x` www.example.com", "f1", 900, -0.09, Interval(-0.15, -0.03), 0.02),
        SegmentGain("COUNTY=(other)", "f1", 12, -0.2, Interval(-0.6, 0.1), 0.02),
    ]
