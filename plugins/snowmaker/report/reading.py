"""Makes what a report tells of the rows that ``snowflake.report`` selects. Pure."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from snowmaker.profile import ROWS, SCORE, Profile
from snowmaker.report.bins import shown_bins
from snowmaker.report.data import (
    Calibration,
    CalibrationBin,
    Distribution,
    DriftCell,
    DriftMap,
    FeatureShare,
    OtherMetric,
    PerformancePoint,
    PromotionMark,
    ScoreTrend,
    ScoreWeek,
    SegmentDrift,
    SegmentPerformance,
    TopFeatures,
)
from snowmaker.report.text import every_week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def read_drift(rows: Sequence[Mapping[str, Any]]) -> DriftMap:
    """Make the map of the rows of ``drift_by_week``."""
    if not rows:
        return DriftMap((), (), {})
    features = tuple(dict.fromkeys(str(row["FEATURE"]) for row in rows))
    return DriftMap(
        weeks=every_week(_day(row["WEEK_START"]) for row in rows),
        features=features,
        cells={(str(row["FEATURE"]), _day(row["WEEK_START"])): _cell(row) for row in rows},
        left_out=int(rows[0]["FEATURES"]) - len(features),
        moved=int(rows[0]["MOVED"]),
    )


def read_drift_segments(rows: Sequence[Mapping[str, Any]]) -> tuple[SegmentDrift, ...]:
    """Read the rows of ``drift_by_segment``."""
    return tuple(
        SegmentDrift(str(row["SEGMENT"]), str(row["FEATURE"]), _cell(row), int(row["ROW_COUNT"])) for row in rows
    )


def read_distributions(
    rows: Sequence[Mapping[str, Any]], worst: Sequence[tuple[str, DriftCell]]
) -> tuple[Distribution, ...]:
    """Make the distributions of some features of the rows of ``baseline_and_week``.

    :param worst: the features, in the order in which they are shown
    """
    found = {str(row["FEATURE"]): row for row in rows}
    distributions = []
    for feature, cell in worst:
        row = found.get(feature)
        if feature == ROWS or row is None or row["NOW"] is None:
            continue
        baseline, week = Profile.from_json(row["BEFORE"]), Profile.from_json(row["NOW"])
        names, before, now = shown_bins(baseline.as_boolean() if week.bins.kind == "boolean" else baseline, week)
        distributions.append(Distribution(feature, tuple(names), tuple(before), tuple(now), cell))
    return tuple(distributions)


def read_score(weeks: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]]) -> ScoreTrend:
    """Make the trend of the rows of ``score_profiles``, and of the version's baseline."""
    found = []
    for row in weeks:
        profile = Profile.from_json(row["PROFILE"])
        found.append(
            ScoreWeek(_day(row["WEEK_START"]), profile.mean, profile.stddev, _value_shares(profile), profile.rows)
        )
    before = [Profile.from_json(row["BEFORE"]) for row in baselines if row["FEATURE"] == SCORE]
    if not before:
        return ScoreTrend(tuple(found))
    return ScoreTrend(tuple(found), before[0].mean, _value_shares(before[0]))


def read_performance(rows: Sequence[Mapping[str, Any]]) -> tuple[PerformancePoint, ...]:
    """Read the rows of ``performance_by_week``."""
    return tuple(
        PerformancePoint(
            week=_day(row["WEEK_START"]),
            version=str(row["MODEL_VERSION"]),
            value=_float(row["VALUE"]),
            reference=_float(row["REFERENCE"]),
            estimate=bool(row["IS_ESTIMATE"]),
            verdict=row["VERDICT"],
            rows=int(row["ROW_COUNT"]),
        )
        for row in rows
    )


def read_newest(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[OtherMetric, ...], tuple[SegmentPerformance, ...]]:
    """Read the rows of ``newest_performance``: those of all rows and classes, and those of segments."""
    others = [
        OtherMetric(str(row["METRIC"]), str(row["CLASS"]), _float(row["VALUE"]), _float(row["REFERENCE"]))
        for row in rows
        if not row["SEGMENT"]
    ]
    segments = [
        SegmentPerformance(
            segment=str(row["SEGMENT"]),
            week=_day(row["WEEK_START"]),
            value=_float(row["VALUE"]),
            reference=_float(row["REFERENCE"]),
            verdict=row["VERDICT"],
            rows=int(row["ROW_COUNT"]),
        )
        for row in rows
        if row["SEGMENT"]
    ]
    return tuple(others), tuple(segments)


def read_calibration(rows: Sequence[Mapping[str, Any]]) -> Calibration | None:
    """Read the rows of ``newest_calibration``; bins that no row fell into are left out."""
    bins = [
        CalibrationBin(float(row["MEAN_SCORE"]), float(row["RATE"]), int(row["ROW_COUNT"]))
        for row in rows
        if row["MEAN_SCORE"] is not None and row["RATE"] is not None
    ]
    if not bins:
        return None
    return Calibration(_day(rows[0]["WEEK_START"]), str(rows[0]["MODEL_VERSION"]), tuple(bins))


def read_top_features(rows: Sequence[Mapping[str, Any]]) -> TopFeatures | None:
    """Read the rows of ``top_features``; None if the version has not been explained."""
    if not rows:
        return None
    shares = (FeatureShare(str(row["FEATURE"]), float(row["SHARE"]), _float(row["CHAMPION_SHARE"])) for row in rows)
    first = rows[0]
    return TopFeatures(tuple(shares), first["CHAMPION"], int(first["ROW_COUNT"]), int(first["FEATURES"]) - len(rows))


def read_promotions(rows: Sequence[Mapping[str, Any]], first: date, last: date) -> tuple[PromotionMark, ...]:
    """Read the promotions as of the weeks from ``first`` to ``last``."""
    marks = (PromotionMark(_day(row["WEEK_START"]), str(row["MODEL_VERSION"])) for row in rows)
    return tuple(mark for mark in marks if first <= mark.week <= last)


def _cell(row: Mapping[str, Any]) -> DriftCell:
    return DriftCell(
        metric=str(row["METRIC"]),
        value=_float(row["VALUE"]),
        warn=_float(row["WARN"]),
        breach=_float(row["BREACH"]),
        verdict=row["VERDICT"],
        p_value=_float(row["P_VALUE"]),
    )


def _value_shares(profile: Profile) -> tuple[float, ...]:
    rows = sum(profile.values)
    return tuple(count / rows for count in profile.values) if rows else ()


def _day(value: object) -> date:
    return date.fromisoformat(str(value)[:10])


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
