"""The prediction scores by week: their mean, and how many fell into each bin of the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import Plot, framed, line, marker, padded, rect, value_axis, week_axis
from snowmaker.report.text import every_week, number, percent

if TYPE_CHECKING:
    from snowmaker.report.data import ScoreTrend


def draw_means(trend: ScoreTrend) -> Markup:
    """Draw the mean score by week, a standard deviation to both sides, and the baseline's mean."""
    plot = Plot(900, 220, right=70)
    weeks = [week for week in trend.weeks if week.mean is not None]
    spread = [(week.mean or 0.0, week.stddev or 0.0) for week in weeks]
    bounds = [mean + sign * stddev for mean, stddev in spread for sign in (-1, 1)]
    if trend.baseline_mean is not None:
        bounds.append(trend.baseline_mean)
    y = plot.y(*padded(bounds))
    shown = every_week(week.week for week in weeks)
    middles = dict(zip(shown, (start + width / 2 for start, width in plot.slots(len(shown))), strict=True))
    centres = [middles[week.week] for week in weeks]
    band = [(x, y(mean + stddev)) for x, (mean, stddev) in zip(centres, spread, strict=True)]
    band += [(x, y(mean - stddev)) for x, (mean, stddev) in reversed(list(zip(centres, spread, strict=True)))]
    parts = [value_axis(plot, y), week_axis(plot, shown, list(middles.values()))]
    parts.append(Markup('<polygon class="band" points="{}"/>').format(" ".join(f"{x:g},{at:g}" for x, at in band)))
    if trend.baseline_mean is not None:
        at = y(trend.baseline_mean)
        ends = [(plot.left, at), (plot.width - plot.right, at)]
        parts += [
            line(ends, "reference"),
            Markup('<text x="{}" y="{}">baseline</text>').format(ends[1][0] + 6, at + 4),
        ]
    parts.append(line([(x, y(mean)) for x, (mean, _) in zip(centres, spread, strict=True)], "series s0"))
    for x, week, (mean, stddev) in zip(centres, weeks, spread, strict=True):
        told = f"{week.week}: mean {number(mean)}, standard deviation {number(stddev)}, {week.rows:,} rows"
        parts.append(marker("circle", x, y(mean), "point s0", told, 3.5))
    newest = weeks[-1]
    told = f"{len(weeks)} weeks; in the newest the mean is {number(newest.mean)}"
    if trend.baseline_mean is not None:
        told += f", in the baseline {number(trend.baseline_mean)}"
    return framed("score-means", "Mean prediction score by week", told, plot, parts)


def draw_shares(trend: ScoreTrend) -> Markup:
    """Draw how the scores of each week spread over the bins of the baseline, which stands first."""
    plot = Plot(900, 200, right=70)
    weeks = [week for week in trend.weeks if len(week.shares) == len(trend.baseline_shares)]
    by_week = {week.week: week.shares for week in weeks}
    shown = every_week(by_week)
    columns = [("baseline", trend.baseline_shares), *((str(week), by_week.get(week, ())) for week in shown)]
    y, slots = plot.y(0, 1), plot.slots(len(columns))
    centres = [start + width / 2 for start, width in slots]
    parts = [value_axis(plot, y, "{:.0%}".format), week_axis(plot, shown, centres[1:])]
    count = len(trend.baseline_shares)
    for (start, width), (name, shares) in zip(slots, columns, strict=True):
        below = 0.0
        for i, share in enumerate(shares):
            told = f"{name}: {percent(share)} of the scores in bin {i + 1} of {count} (lowest scores first)"
            top = y(below + share)
            opacity = 0.12 + 0.83 * i / max(count - 1, 1)
            style = "base" if name == "baseline" else "s0 fill"
            parts.append(rect(start + 1.5, top, width - 3, y(below) - top, style, told, opacity))
            below += share
    beside = plot.width - plot.right + 6
    parts.append(
        Markup('<text x="{x}" y="{}">highest</text><text x="{x}" y="{}">lowest</text>').format(
            y(1) + 12, y(0) - 4, x=beside
        )
    )
    told = f"Shares of {count} score bins, in the baseline and in {len(weeks)} weeks"
    return framed("score-shares", "Prediction scores by bin of the baseline", told, plot, parts)
