"""What a weekly report tells: small values, read elsewhere and drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from snowmaker.verdicts import Verdict


@dataclass(frozen=True)
class ScoreWeek:
    """The prediction scores of a week.

    :param shares: share of the rows in each bin of the baseline, from the lowest scores to the highest
    """

    week: date
    mean: float | None
    stddev: float | None
    shares: tuple[float, ...]
    rows: int


@dataclass(frozen=True)
class ScoreTrend:
    """The prediction scores by week, the oldest first, and those of the version's baseline."""

    weeks: tuple[ScoreWeek, ...]
    baseline_mean: float | None = None
    baseline_shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class DriftCell:
    """A feature's worst judged metric in one week."""

    metric: str
    value: float | None
    warn: float | None
    breach: float | None
    verdict: Verdict
    p_value: float | None = None

    @property
    def severity(self) -> float:
        """How much of the way to a breach the value is; 1 is a breach."""
        if self.value is None or not self.breach:
            return 0.0
        return abs(self.value) / abs(self.breach)


@dataclass(frozen=True)
class DriftMap:
    """Drift by feature and week: the worst features first, weeks from the oldest to the newest.

    :param left_out: how many features are not among them
    :param moved: how many features, of all, are beyond a bound in the newest week
    """

    weeks: tuple[date, ...]
    features: tuple[str, ...]
    cells: Mapping[tuple[str, date], DriftCell]
    left_out: int = 0
    moved: int = 0

    def of_week(self, week: date) -> list[tuple[str, DriftCell]]:
        """Return feature and cell of one week, the worst first."""
        found = [(feature, self.cells[feature, week]) for feature in self.features if (feature, week) in self.cells]
        order = ("ok", "warn", "breach")
        return sorted(found, key=lambda pair: (order.index(pair[1].verdict), pair[1].severity), reverse=True)


@dataclass(frozen=True)
class Distribution:
    """A column's shares by bin, in the baseline and in the week.

    :param bins: the bins' names
    """

    feature: str
    bins: tuple[str, ...]
    baseline: tuple[float, ...]
    current: tuple[float, ...]
    cell: DriftCell


@dataclass(frozen=True)
class PerformancePoint:
    """A metric of one week's predictions by one version.

    :param reference: the same metric of the version's own holdout
    :param estimate: whether it was estimated before the labels came
    """

    week: date
    version: str
    value: float | None
    reference: float | None
    estimate: bool
    verdict: Verdict | None
    rows: int


@dataclass(frozen=True)
class PromotionMark:
    """A version became champion as of a week."""

    week: date
    version: str


@dataclass(frozen=True)
class OtherMetric:
    """A value of the newest week with labels: another metric, or one of a single class ('': of all)."""

    name: str
    class_name: str
    value: float | None
    reference: float | None


@dataclass(frozen=True)
class PerformanceTrend:
    """The metric that the model is judged by, by week and version, and what else is known of the newest week.

    :param others: of the newest week with labels
    """

    metric: str
    points: tuple[PerformancePoint, ...] = ()
    promotions: tuple[PromotionMark, ...] = ()
    others: tuple[OtherMetric, ...] = ()

    @property
    def newest(self) -> PerformancePoint | None:
        """The newest week whose labels have come."""
        labelled = [point for point in self.points if not point.estimate]
        return max(labelled, key=lambda point: point.week) if labelled else None


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar scores: their mean score, and how many of them were of class 1."""

    mean_score: float
    rate: float
    rows: int


@dataclass(frozen=True)
class Calibration:
    """How far the scores of a week were probabilities."""

    week: date
    version: str
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class FeatureShare:
    """How much of a version's score a feature makes, and how much it made of the champion's before it."""

    feature: str
    share: float
    before: float | None = None


@dataclass(frozen=True)
class TopFeatures:
    """The features that make most of a version's score on a sample, the most important first.

    :param champion: the champion before it, if there was one and it could be explained
    :param rows: how many rows were explained
    :param left_out: how many features are not among them
    """

    features: tuple[FeatureShare, ...]
    champion: str | None
    rows: int
    left_out: int = 0


@dataclass(frozen=True)
class SegmentDrift:
    """A segment's drift of one feature in the week."""

    segment: str
    feature: str
    cell: DriftCell
    rows: int


@dataclass(frozen=True)
class SegmentPerformance:
    """A segment's metric in the newest week with labels."""

    segment: str
    week: date
    value: float | None
    reference: float | None
    verdict: Verdict | None
    rows: int


@dataclass(frozen=True)
class ReportData:
    """All that one week's report of one model tells.

    :param name: the model's own name
    :param model: its full name
    :param version: the version that scored the week
    :param degraded: one sentence a cause for which the model counts as degraded
    """

    name: str
    model: str
    version: str
    week: date
    run: str
    written_at: datetime
    drift: DriftMap
    score: ScoreTrend
    performance: PerformanceTrend
    has_baseline: bool = True
    degraded: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    calibration: Calibration | None = None
    top_features: TopFeatures | None = None
    drift_segments: tuple[SegmentDrift, ...] = ()
    performance_segments: tuple[SegmentPerformance, ...] = ()
