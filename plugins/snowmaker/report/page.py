"""One week's report as a page by itself: no network, no script; everything that is not ours is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from snowmaker.report import (
    calibration_chart,
    distribution_chart,
    feature_chart,
    heat_map,
    numbers,
    performance_chart,
    score_chart,
    summary,
    text,
)

if TYPE_CHECKING:
    from markupsafe import Markup

    from snowmaker.report.data import Distribution, ReportData


def render(data: ReportData) -> str:
    """Write the page."""
    trend = data.performance
    return (
        environment()
        .get_template("page.html")
        .render(
            data=data,
            judgements=summary.judgements(data),
            moved=summary.moved(data),
            charts=_charts(data),
            numbers=numbers,
            distributions=[_drawn(i, distribution) for i, distribution in enumerate(data.distributions)],
            versions=[
                (version, performance_chart.shape_of(i), f"s{i % performance_chart.COLOURS}")
                for i, version in enumerate(performance_chart.versions_of(trend))
            ],
        )
    )


def _charts(data: ReportData) -> dict[str, Markup | None]:
    """Draw what there is data for."""
    has_scores = any(week.mean is not None for week in data.score.weeks)
    has_shares = bool(data.score.baseline_shares and data.score.weeks)
    has_performance = any(point.value is not None for point in data.performance.points)
    return {
        "score_means": score_chart.draw_means(data.score) if has_scores else None,
        "score_shares": score_chart.draw_shares(data.score) if has_shares else None,
        "drift": heat_map.draw(data.drift) if data.drift.cells else None,
        "performance": performance_chart.draw(data.performance) if has_performance else None,
        "calibration": calibration_chart.draw(data.calibration) if data.calibration else None,
        "top_features": feature_chart.draw(data.top_features) if data.top_features else None,
    }


def _drawn(position: int, distribution: Distribution) -> tuple[Distribution, Markup]:
    return distribution, distribution_chart.draw(f"distribution-{position}", distribution)


@cache
def environment() -> Environment:
    """Return what the pages of this folder are made with."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=text.number,
        metric=text.metric_name,
        clip=text.clipped,
    )
    return environment
