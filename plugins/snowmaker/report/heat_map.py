"""Drift by feature and week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import Plot, framed, rect, week_axis
from snowmaker.report.text import clipped, metric_name, number

if TYPE_CHECKING:
    from datetime import date

    from snowmaker.report.data import DriftCell, DriftMap

_ROW = 18
_WORST = 1.6
"""The severity from which a cell is as dark as it gets."""


def draw(drift: DriftMap) -> Markup:
    """Draw a cell a feature and week: the darker, the nearer to a breach or beyond it."""
    plot = Plot(900, len(drift.features) * _ROW + 36, left=190, right=10, top=6)
    slots = plot.slots(len(drift.weeks))
    parts = [week_axis(plot, drift.weeks, [start + width / 2 for start, width in slots])]
    for i, feature in enumerate(drift.features):
        top = plot.top + i * _ROW
        parts.append(
            Markup('<text class="end" x="{}" y="{}">{}<title>{}</title></text>').format(
                plot.left - 8, top + 13, clipped(feature, 26), clipped(feature)
            )
        )
        for week, (start, width) in zip(drift.weeks, slots, strict=True):
            cell = drift.cells.get((feature, week))
            if cell:
                parts += _cell(feature, week, cell, start, top, width)
    newest = drift.of_week(drift.weeks[-1])
    breaches = sum(cell.verdict == "breach" for _, cell in newest)
    told = f"{len(drift.features)} features, {len(drift.weeks)} weeks; {breaches} breaches in the newest week"
    return framed("drift-map", "Drift by feature and week", told, plot, parts)


def _cell(feature: str, week: date, cell: DriftCell, start: float, top: float, width: float) -> list[Markup]:
    opacity = 0.05 + 0.9 * min(cell.severity / _WORST, 1.0)
    parts = [rect(start + 0.5, top + 0.5, width - 1, _ROW - 1, "heat", told(feature, week, cell), opacity)]
    x, y = round(start + width / 2, 1), top + _ROW / 2
    # Marks, so that a verdict can be seen without seeing colours.
    if cell.verdict == "breach":
        parts.append(Markup('<path class="mark" d="M{} {}l7 7m0 -7l-7 7"/>').format(x - 3.5, y - 3.5))
    elif cell.verdict == "warn":
        parts.append(Markup('<circle class="mark-dot" cx="{}" cy="{}" r="2"/>').format(x, y))
    return parts


def told(feature: str, week: date, cell: DriftCell) -> str:
    """Say a cell's numbers in words."""
    text = f"{clipped(feature)}, {week}: {metric_name(cell.metric)} {number(cell.value)}, {cell.verdict}"
    if cell.breach is not None:
        text += f" (warn from {number(cell.warn)}, breach from {number(cell.breach)})"
    return text if cell.p_value is None else f"{text}, p {number(cell.p_value)}"
