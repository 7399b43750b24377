"""An interval in a table's cell: a line from end to end, a point at the value, a mark at the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from snowmaker.report.svg import Scale, padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.gate import Rule

_WIDTH, _HEIGHT = 130, 16


def draw_all(rules: Sequence[Rule]) -> list[Markup]:
    """Draw each rule's interval, those of gains on one scale, so that they can be compared; empty if it has none."""
    scales: dict[str, Scale] = {}
    for kind in {_kind(rule) for rule in rules}:
        values = [value for rule in rules if _kind(rule) == kind for value in _values(rule)]
        if values:
            low, high = padded(values)
            scales[kind] = Scale(low, high, 4, _WIDTH - 4)
    return [_draw(rule, scales[_kind(rule)]) if _values(rule) else Markup("") for rule in rules]


def _kind(rule: Rule) -> str:
    return "gain" if rule.segment or rule.rule.endswith(" gain") else rule.rule


def _values(rule: Rule) -> list[float]:
    if rule.value is None or rule.low is None or rule.high is None:
        return []
    return [rule.value, rule.low, rule.high, rule.bound]


def _draw(rule: Rule, x: Scale) -> Markup:
    low, value, high, bound = (x(one or 0) for one in (rule.low, rule.value, rule.high, rule.bound))
    middle = _HEIGHT / 2
    return Markup(
        '<svg class="interval" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img"><title>{told}</title>'
        '<line class="bound" x1="{bound}" x2="{bound}" y1="1" y2="{foot}"/>'
        '<line class="span {outcome}" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
        '<circle class="value {outcome}" cx="{value}" cy="{middle}" r="3.5"/></svg>'
    ).format(
        w=_WIDTH,
        h=_HEIGHT,
        told=f"{rule.value:.4f}, from {rule.low:.4f} to {rule.high:.4f}; bound {rule.bound:g}",
        bound=bound,
        foot=_HEIGHT - 1,
        low=low,
        high=high,
        value=value,
        middle=middle,
        outcome=("pass" if rule.passed else "fail") if rule.is_judged else "open",
    )
