"""Performance by week and version, with the promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import MARKERS, Plot, framed, line, marker, padded, value_axis, week_axis
from snowmaker.report.text import clipped, every_week, metric_name, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from snowmaker.report.data import PerformancePoint, PerformanceTrend
    from snowmaker.report.svg import Scale

COLOURS = 4


def versions_of(trend: PerformanceTrend) -> list[str]:
    """Return the versions in the order of their first week."""
    return list(dict.fromkeys(point.version for point in sorted(trend.points, key=lambda point: point.week)))


def shape_of(version: int) -> str:
    """Return the shape of the n-th version's points."""
    return MARKERS[version % len(MARKERS)]


def draw(trend: PerformanceTrend) -> Markup:
    """Draw a line a version: full points where labels have come, hollow ones where it is an estimate."""
    plot = Plot(900, 270, top=34)
    points = [point for point in trend.points if point.value is not None]
    weeks = every_week([point.week for point in trend.points] + [mark.week for mark in trend.promotions])
    centres = dict(zip(weeks, (start + width / 2 for start, width in plot.slots(len(weeks))), strict=True))
    values = [point.value or 0.0 for point in points]
    values += [point.reference for point in points if point.reference is not None]
    y = plot.y(*padded(values))
    parts = [value_axis(plot, y), week_axis(plot, weeks, list(centres.values())), _promotions(trend, plot, centres)]
    for i, version in enumerate(versions_of(trend)):
        parts += _series([point for point in points if point.version == version], i, centres, y)
    newest = trend.newest
    told = f"{len(versions_of(trend))} versions, {len(weeks)} weeks"
    if newest:
        told += f"; in the newest week with labels, {newest.week}, it is {number(newest.value)}"
    return framed("performance", f"{metric_name(trend.metric)} by week and version", told, plot, parts)


def _promotions(trend: PerformanceTrend, plot: Plot, centres: Mapping[date, float]) -> Markup:
    parts = Markup("")
    for i, mark in enumerate(trend.promotions):
        x = round(centres[mark.week], 1)
        # Two promotions close to each other must not write over each other.
        parts += Markup(
            '<line class="promotion" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="middle" x="{}" y="{}">▲ {}'
            "<title>{} became champion as of {}</title></text>"
        ).format(
            plot.top - 4,
            plot.height - plot.bottom,
            min(max(x, plot.left + 30), plot.width - 70),
            plot.top - 8 - 12 * (i % 2),
            clipped(mark.version, 22),
            clipped(mark.version),
            mark.week,
            x=x,
        )
    return parts


def _series(points: list[PerformancePoint], version: int, centres: Mapping[date, float], y: Scale) -> list[Markup]:
    colour, parts = f"s{version % COLOURS}", []
    for estimate, style in ((False, f"series {colour}"), (True, f"series estimate {colour}")):
        places = [(centres[point.week], y(point.value or 0.0)) for point in points if point.estimate == estimate]
        parts.append(line(places, style))
    references = [(centres[point.week], y(point.reference)) for point in points if point.reference is not None]
    if references:
        (first, at), (last, _) = references[0], references[-1]
        parts.append(line([(first - 12, at), (last + 12, at)], f"holdout {colour}"))
    for point in points:
        kind = "estimate" if point.estimate else point.verdict or "not judged"
        told = (
            f"{clipped(point.version)}, {point.week}: {number(point.value)} ({kind}), holdout {number(point.reference)}"
            f", {point.rows:,} rows"
        )
        hollow = " hollow" if point.estimate else ""
        x, at = centres[point.week], y(point.value or 0.0)
        parts.append(marker(shape_of(version), x, at, f"point {colour}{hollow}", told))
        if point.verdict == "breach" and not point.estimate:
            parts.append(_cross(x - 4.5, at - 18, f"{point.week}: breach"))
    return parts


def _cross(x: float, y: float, told: str) -> Markup:
    return Markup('<path class="breach-ring" d="M{:.1f} {:.1f}l9 9m0 -9l-9 9"><title>{}</title></path>').format(
        x, y, told
    )
