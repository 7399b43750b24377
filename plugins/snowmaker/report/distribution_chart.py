"""A column's distribution, the baseline against the week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import Plot, framed, rect
from snowmaker.report.text import clipped, percent

if TYPE_CHECKING:
    from snowmaker.report.data import Distribution

_ROW = 24


def draw(key: str, distribution: Distribution) -> Markup:
    """Draw two bars a bin: the baseline's share above, the week's below it."""
    plot = Plot(430, len(distribution.bins) * _ROW + 10, left=140, right=58, top=4, bottom=6)
    x = plot.x(0, max(*distribution.baseline, *distribution.current, 1e-9))
    parts = []
    for i, (name, before, now) in enumerate(
        zip(distribution.bins, distribution.baseline, distribution.current, strict=True)
    ):
        top = plot.top + i * _ROW
        parts.append(
            Markup('<text class="end" x="{}" y="{}">{}<title>{}</title></text>').format(
                plot.left - 7, top + 15, clipped(name, 20), clipped(name)
            )
        )
        shares = f"{clipped(name)}: baseline {percent(before)}, week {percent(now)}"
        parts.append(rect(plot.left, top + 2, x(before) - plot.left, 8, "base", shares))
        parts.append(rect(plot.left, top + 11, x(now) - plot.left, 9, "s0 fill", shares))
        parts.append(Markup('<text x="{}" y="{}">{}</text>').format(max(x(before), x(now)) + 5, top + 15, percent(now)))
    told = f"Shares of {len(distribution.bins)} bins in the baseline and in the week"
    return framed(key, f"Distribution of {clipped(distribution.feature)}", told, plot, parts)
