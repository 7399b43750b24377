"""What a version looks at: the features that make most of its score, against the champion's before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.numbers import change
from snowmaker.report.svg import Plot, framed, rect
from snowmaker.report.text import clipped, percent

if TYPE_CHECKING:
    from snowmaker.report.data import FeatureShare, TopFeatures

_ROW = 26


def draw(top: TopFeatures) -> Markup:
    """Draw a bar a feature; above it a grey one where there was a champion, and beside it share and change."""
    plot = Plot(900, len(top.features) * _ROW + 10, left=190, right=150, top=4, bottom=6)
    x = plot.x(0, max(1e-9, *(max(one.share, one.before or 0.0) for one in top.features)))
    parts: list[Markup] = []
    for place, one in enumerate(top.features):
        at = plot.top + place * _ROW
        parts.append(
            Markup('<text class="end" x="{}" y="{}">{}<title>{}</title></text>').format(
                plot.left - 8, at + 16, clipped(one.feature, 26), clipped(one.feature)
            )
        )
        told = f"{clipped(one.feature)}: {_told(one)}"
        if one.before is not None:
            parts.append(rect(plot.left, at + 2, x(one.before) - plot.left, 8, "base", told))
        parts.append(rect(plot.left, at + 11, x(one.share) - plot.left, 11, "s0 fill", told))
        beside = max(x(one.share), x(one.before or 0.0)) + 6
        parts.append(Markup('<text x="{}" y="{}">{}</text>').format(beside, at + 17, _told(one)))
    against = f", against {clipped(top.champion)}" if top.champion else ""
    first = top.features[0]
    told = f"{len(top.features)} features{against}; most is made by {clipped(first.feature)}: {_told(first)}"
    return framed("top-features", "Share of the score by feature", told, plot, parts)


def _told(one: FeatureShare) -> str:
    return percent(one.share) if one.before is None else f"{percent(one.share)} ({change(one)})"
