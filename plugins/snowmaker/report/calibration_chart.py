"""Calibration: what was predicted against what came true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import Plot, framed, line, ticks, value_axis
from snowmaker.report.text import number

if TYPE_CHECKING:
    from snowmaker.report.data import Calibration


def draw(calibration: Calibration) -> Markup:
    """Draw a circle a bin of similar scores, its area by its rows; a calibrated model's lie on the diagonal."""
    plot = Plot(380, 340, top=12, bottom=44)
    x, y = plot.x(0, 1), plot.y(0, 1)
    bins = calibration.bins
    most = max(bin_.rows for bin_ in bins) or 1
    parts = [value_axis(plot, y), line([(x(0), y(0)), (x(1), y(1))], "reference")]
    for tick in ticks(0, 1):
        parts.append(
            Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
                x(tick), plot.height - plot.bottom + 17, f"{tick:g}"
            )
        )
    parts.append(Markup('<text class="middle" x="{}" y="{}">mean score</text>').format(x(0.5), plot.height - 6))
    parts.append(line([(x(bin_.mean_score), y(bin_.rate)) for bin_ in bins], "series s0"))
    for bin_ in bins:
        told = f"score {number(bin_.mean_score)}: {number(bin_.rate)} came true, {bin_.rows:,} rows"
        radius = round(2.5 + 6.5 * (bin_.rows / most) ** 0.5, 1)
        parts.append(
            Markup('<circle class="point s0" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                x(bin_.mean_score), y(bin_.rate), radius, told
            )
        )
    told = f"{len(bins)} bins of scores of week {calibration.week}"
    return framed("calibration", "Share that came true by mean score", told, plot, parts)
