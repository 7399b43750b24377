"""Half a year of a mortgage model: calm weeks, a shift, a promotion, estimates where labels have not come."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

from snowmaker.report.data import (
    Calibration,
    CalibrationBin,
    Distribution,
    DriftCell,
    DriftMap,
    FeatureShare,
    OtherMetric,
    PerformancePoint,
    PerformanceTrend,
    PromotionMark,
    ReportData,
    ScoreTrend,
    ScoreWeek,
    SegmentDrift,
    SegmentPerformance,
    TopFeatures,
)

WEEKS = tuple(date(2026, 1, 5) + timedelta(days=7 * i) for i in range(26))
FEATURES = (
    "COUNTY_NAME",
    "LOAN_AMOUNT",
    "INCOME",
    "score",
    "PROPERTY_VALUE",
    "DEBT_TO_INCOME",
    "APPLICANT_AGE",
    "LOAN_TERM",
    "LOAN_PURPOSE",
    "OCCUPANCY",
    "CO_APPLICANT",
    "rows",
)
SHIFT, PROMOTED = 17, 20
"""In which week (from 0) the distribution shifts, and in which the second version comes."""
OLD, NEW = "V20251229_1F3A", "V20260525_77C0"


def cell(value: float, metric: str = "psi") -> DriftCell:
    """A drift value with the usual bounds."""
    verdict = "breach" if value >= 0.25 else "warn" if value >= 0.1 else "ok"
    return DriftCell(metric, value, 0.1, 0.25, verdict, p_value=0.001 if verdict != "ok" else 0.4)


def wave(i: int, j: int = 0) -> float:
    """A number from -1 to 1 that looks like chance."""
    return math.sin(12.9898 * (i + 1) + 78.233 * (j + 1))


def a_report(**changes: object) -> ReportData:
    """The whole report of the newest week."""
    report = {
        "name": "MORTGAGE_RESPONSE",
        "model": '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"',
        "version": NEW,
        "week": WEEKS[-1],
        "run": "score_mortgage/scheduled__2026-07-06T06:00:00+00:00",
        "written_at": datetime(2026, 7, 6, 6, 2, tzinfo=UTC),
        "drift": a_drift_map(),
        "score": a_score_trend(),
        "performance": a_performance(),
        "degraded": ("Drift has breached its bounds in enough weeks since the week of 2026-05-04.",),
        "distributions": (
            Distribution(
                "COUNTY_NAME",
                ("Bristol", "Essex", "Middlesex", "Norfolk", "Suffolk", "other", "missing"),
                (0.31, 0.22, 0.18, 0.14, 0.1, 0.05, 0.0),
                (0.11, 0.12, 0.2, 0.16, 0.12, 0.26, 0.03),
                cell(0.412),
            ),
            Distribution(
                "LOAN_AMOUNT",
                ("up to 120,000", *(f"{100 + 20 * i},000 to {120 + 20 * i},000" for i in range(1, 9)), "above 280,000"),
                (0.1,) * 10,
                (0.04, 0.05, 0.06, 0.07, 0.09, 0.1, 0.12, 0.13, 0.15, 0.19),
                cell(0.187),
            ),
        ),
        "calibration": Calibration(
            WEEKS[-5],
            NEW,
            tuple(
                CalibrationBin(0.05 + 0.1 * i, min(1.0, max(0.0, 0.02 + 0.108 * i)), round(400 / (1 + i)))
                for i in range(10)
            ),
        ),
        "top_features": TopFeatures(
            tuple(
                FeatureShare(name, share, before)
                for name, share, before in (
                    ("LOAN_AMOUNT", 0.312, 0.221),
                    ("COUNTY_NAME", 0.204, 0.341),
                    ("INCOME", 0.187, 0.166),
                    ("DEBT_TO_INCOME", 0.121, 0.118),
                    ("PROPERTY_VALUE", 0.063, 0.057),
                    ("APPLICANT_AGE", 0.0008, 0.0),
                )
            ),
            OLD,
            500,
            left_out=6,
        ),
        "drift_segments": (
            SegmentDrift("CHANNEL=broker", "COUNTY_NAME", cell(0.62), 812),
            SegmentDrift("CHANNEL=broker", "LOAN_AMOUNT", cell(0.31), 812),
            SegmentDrift("CHANNEL=online", "INCOME", cell(0.12), 2044),
        ),
        "performance_segments": (
            SegmentPerformance("CHANNEL=broker", WEEKS[-5], 0.71, 0.84, "breach", 640),
            SegmentPerformance("CHANNEL=online", WEEKS[-5], 0.83, 0.84, "ok", 1900),
        ),
        **changes,
    }
    return ReportData(**report)  # type: ignore[arg-type]


def a_drift_map() -> DriftMap:
    cells = {}
    for j, feature in enumerate(FEATURES):
        for i, week in enumerate(WEEKS):
            shifted = SHIFT <= i < PROMOTED or i == len(WEEKS) - 1
            climb = 0.42 / (1 + j) if shifted else 0.0
            cells[feature, week] = cell(round(0.03 + 0.025 * abs(wave(i, j)) + climb, 4))
    moved = sum(cells[feature, WEEKS[-1]].verdict != "ok" for feature in FEATURES)
    return DriftMap(WEEKS, FEATURES, cells, left_out=3, moved=moved)


def a_score_trend() -> ScoreTrend:
    weeks = []
    for i, week in enumerate(WEEKS):
        tilt = 0.05 * wave(i) + (0.35 if SHIFT <= i < PROMOTED else 0.0)
        raw = [1 + tilt * (bin_ - 4.5) / 4.5 for bin_ in range(10)]
        weeks.append(ScoreWeek(week, 0.42 + 0.12 * tilt, 0.21, tuple(share / sum(raw) for share in raw), 3000 + 10 * i))
    return ScoreTrend(tuple(weeks), 0.42, (0.1,) * 10)


def a_performance() -> PerformanceTrend:
    points = []
    for i, week in enumerate(WEEKS):
        version = OLD if i <= PROMOTED else NEW
        fall = 0.13 if SHIFT <= i <= PROMOTED else 0.0
        value, reference = 0.84 + 0.015 * wave(i) - fall, 0.845 if version == OLD else 0.852
        estimate = i >= len(WEEKS) - 4
        verdict = None if estimate else "breach" if fall else "ok"
        points.append(PerformancePoint(week, version, round(value, 4), reference, estimate, verdict, 2900))
    others = tuple(
        OtherMetric(metric, "", value, value + 0.01)
        for metric, value in (("accuracy", 0.88), ("roc_auc", 0.91), ("brier", 0.1), ("log_loss", 0.33))
    )
    return PerformanceTrend(
        "f1", tuple(points), (PromotionMark(WEEKS[0], OLD), PromotionMark(WEEKS[PROMOTED], NEW)), others
    )
