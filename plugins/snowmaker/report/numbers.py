"""The numbers behind each chart, as tables of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.report.text import clipped, metric_name, number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.report.data import (
        Calibration,
        Distribution,
        DriftMap,
        FeatureShare,
        PerformanceTrend,
        ScoreTrend,
        TopFeatures,
    )


@dataclass(frozen=True)
class Table:
    """The columns' names, and the rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def of_performance(trend: PerformanceTrend) -> Table:
    """List the metric by week and version."""
    rows = [
        (
            str(point.week),
            clipped(point.version),
            number(point.value),
            "estimate" if point.estimate else "labels",
            number(point.reference),
            point.verdict or "-",
            f"{point.rows:,}",
        )
        for point in trend.points
    ]
    return Table(("Week", "Version", metric_name(trend.metric), "From", "Holdout", "Verdict", "Rows"), rows)


def of_other_metrics(trend: PerformanceTrend) -> Table:
    """List the other metrics of the newest week with labels."""
    rows = [
        (metric_name(other.name), clipped(other.class_name) or "all", number(other.value), number(other.reference))
        for other in trend.others
    ]
    return Table(("Metric", "Class", "Week", "Holdout"), rows)


def of_drift(drift: DriftMap) -> Table:
    """List a row a feature, with a value a week."""
    rows = []
    for feature in drift.features:
        cells = [drift.cells.get((feature, week)) for week in drift.weeks]
        rows.append((clipped(feature, 40), *(number(cell.value) if cell else "" for cell in cells)))
    return Table(("Feature", *map(str, drift.weeks)), rows)


def of_distribution(distribution: Distribution) -> Table:
    """List both shares of each bin."""
    rows = [
        (clipped(name), percent(before), percent(now))
        for name, before, now in zip(distribution.bins, distribution.baseline, distribution.current, strict=True)
    ]
    return Table(("Bin", "Baseline", "Week"), rows)


def of_score(trend: ScoreTrend) -> Table:
    """List mean and standard deviation of each week's scores."""
    rows = [(str(week.week), number(week.mean), number(week.stddev), f"{week.rows:,}") for week in trend.weeks]
    return Table(("Week", "Mean", "Standard deviation", "Rows"), rows)


def of_calibration(calibration: Calibration) -> Table:
    """List what came true of each bin of scores."""
    rows = [(number(bin_.mean_score), number(bin_.rate), f"{bin_.rows:,}") for bin_ in calibration.bins]
    return Table(("Mean score", "Came true", "Rows"), rows)


def of_top_features(top: TopFeatures) -> Table:
    """List each feature's share, and the champion's where there is one."""
    if top.champion is None:
        return Table(("Feature", "Share"), [(clipped(one.feature), percent(one.share)) for one in top.features])
    rows = [
        (clipped(one.feature), percent(one.share), "-" if one.before is None else percent(one.before), change(one))
        for one in top.features
    ]
    return Table(("Feature", "Share", clipped(top.champion), "Change"), rows)


def change(one: FeatureShare) -> str:
    """Write the change of a share, in hundredths of the score.

    >>> from snowmaker.report.data import FeatureShare
    >>> change(FeatureShare("AGE", 0.3, 0.25)), change(FeatureShare("AGE", 0.3, 0.3)), change(FeatureShare("AGE", 0.3))
    ('+5.0 points', '+0.0 points', '')
    """
    return "" if one.before is None else f"{100 * (one.share - one.before):+.1f} points"
