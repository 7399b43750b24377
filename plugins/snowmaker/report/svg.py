"""What the charts are made of: scales, axes, a frame that tells what it shows. Static SVG, no script.

All text goes through ``Markup.format``, which escapes it. Colours are the page's: charts name classes only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.text import short_week

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

_NICE = (1, 2, 2.5, 5, 10)
_FEWEST_SLOTS = 13


@dataclass(frozen=True)
class Scale:
    """Turns values into places on the picture, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return a value's place."""
        width = (self.high - self.low) or 1.0
        return round(self.start + (value - self.low) / width * (self.end - self.start), 1)


@dataclass(frozen=True)
class Plot:
    """The area of a chart that the data is drawn in, with room for the axes' texts around it."""

    width: float
    height: float
    left: float = 52
    right: float = 16
    top: float = 14
    bottom: float = 28

    def x(self, low: float, high: float) -> Scale:
        """Return the scale of the horizontal axis."""
        return Scale(low, high, self.left, self.width - self.right)

    def y(self, low: float, high: float) -> Scale:
        """Return the scale of the vertical axis."""
        return Scale(low, high, self.height - self.bottom, self.top)

    def slots(self, count: int) -> list[tuple[float, float]]:
        """Divide the width into equal parts, from the left: where each begins, and how wide it is.

        Few parts do not fill it: two weeks are not drawn half a page wide each.
        """
        width = (self.width - self.right - self.left) / max(count, _FEWEST_SLOTS)
        return [(round(self.left + i * width, 1), round(width, 1)) for i in range(count)]


def framed(key: str, title: str, told: str, plot: Plot, parts: Iterable[Markup]) -> Markup:
    """Make the whole picture.

    :param key: unique on the page
    :param title: what it shows, in a few words
    :param told: what a reader who sees no pictures is told
    """
    return Markup(
        '<svg class="chart" viewBox="0 0 {w} {h}" style="max-width:{w}px" role="img" '
        'aria-labelledby="{k}-title {k}-desc"><title id="{k}-title">{title}</title>'
        '<desc id="{k}-desc">{told}</desc>{parts}</svg>'
    ).format(w=plot.width, h=plot.height, k=key, title=title, told=told, parts=Markup("").join(parts))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values from ``low`` to ``high``.

    >>> ticks(0, 1), ticks(0.62, 0.87)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.65, 0.7, 0.75, 0.8, 0.85])
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((nice * power for nice in _NICE if nice * power >= rough * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(values: Sequence[float]) -> tuple[float, float]:
    """Return a range that holds some values with a little room around them, so that noise does not look like news.

    >>> padded([0.0, 10.0]), padded([2.0, 2.0])
    ((-0.8, 10.8), (1.9, 2.1))
    """
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, max(abs(low), abs(high)) * 0.05) or 1.0
    return low - room, high + room


def value_axis(plot: Plot, scale: Scale, write: Callable[[float], str] = "{:,.5g}".format) -> Markup:
    """Draw the vertical axis: a line across and a text for each round value."""
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="end" x="{}" y="{}">{}</text>'
        ).format(plot.left, plot.width - plot.right, plot.left - 7, scale(tick) + 4, write(tick), y=scale(tick))
        for tick in ticks(scale.low, scale.high)
    )


def week_axis(plot: Plot, weeks: Sequence[date], centres: Sequence[float]) -> Markup:
    """Write the weeks below the chart, as many as there is room for, the newest always."""
    every = max(1, math.ceil(len(weeks) * 52 / (plot.width - plot.left - plot.right)))
    shown = [i for i in range(len(weeks)) if (len(weeks) - 1 - i) % every == 0]
    return Markup("").join(
        Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
            round(centres[i], 1), plot.height - plot.bottom + 18, short_week(weeks[i])
        )
        for i in shown
    )


def rect(x: float, y: float, width: float, height: float, style: str, told: str, opacity: float = 1.0) -> Markup:
    """Draw a rectangle that tells its numbers when pointed at."""
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"><title>{}</title></rect>'
    ).format(
        style, round(x, 1), round(y, 1), round(max(width, 0), 1), round(max(height, 0), 1), round(opacity, 2), told
    )


def line(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """Draw a line through some places."""
    return Markup('<polyline class="{}" points="{}"/>').format(style, " ".join(f"{x:g},{y:g}" for x, y in points))


MARKERS = ("circle", "square", "triangle", "diamond")
"""Shapes by which series are told apart where colours cannot be."""


def marker(shape: str, x: float, y: float, style: str, told: str, size: float = 4.5) -> Markup:
    """Draw a point of a series."""
    corners = {
        "circle": [(math.cos(i * math.pi / 8), math.sin(i * math.pi / 8)) for i in range(16)],
        "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
        "triangle": [(0, -1.1), (1.05, 0.85), (-1.05, 0.85)],
        "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
    }[shape]
    places = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in corners)
    return Markup('<polygon class="{}" points="{}"><title>{}</title></polygon>').format(style, places, told)
