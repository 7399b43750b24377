"""A gate's verdict as a page by itself: no network, no script; everything that is not ours is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.report import interval_chart
from snowmaker.report.numbers import Table
from snowmaker.report.page import environment
from snowmaker.report.text import clipped, metric_name, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.gate import GateVerdict


def render_verdict(verdict: GateVerdict, run: str) -> str:
    """Write the page, with the rules that are not met first.

    :param run: which run judged
    """
    rules = sorted(verdict.rules, key=lambda rule: rule.passed)
    charts = interval_chart.draw_all(rules)
    return (
        environment()
        .get_template("verdict.html")
        .render(
            verdict=verdict,
            run=run,
            rules=rules,
            charts=charts if any(charts) else None,
            counted=_counted(verdict),
            metrics=_metrics(verdict),
        )
    )


def _counted(verdict: GateVerdict) -> str:
    failed = sum(not rule.passed for rule in verdict.rules)
    open_ones = sum(not rule.is_judged for rule in verdict.rules)
    told = f"{len(verdict.rules) - failed - open_ones} of {len(verdict.rules)} rules are met"
    told += f", {open_ones} could not be judged" if open_ones else ""
    return f"{told}; {verdict.left_out} more are in the table" if verdict.left_out else told


def _metrics(verdict: GateVerdict) -> Table:
    versions = [name for name in (verdict.challenger, verdict.champion) if name in verdict.metrics]
    rows = []
    for metric in verdict.metrics.get(verdict.challenger, {}):
        cells = [
            _with_interval(verdict.metrics[version].get(metric), verdict.intervals.get(version, {}).get(metric))
            for version in versions
        ]
        if verdict.gains:
            value, *around = verdict.gains.get(metric) or [None]
            cells.append(_with_interval(value, around))
        rows.append((metric_name(metric), *cells))
    return Table(
        ("Metric", *(clipped(version or "", 40) for version in versions), *(["Gain"] * bool(verdict.gains))), rows
    )


def _with_interval(value: float | None, around: Sequence[float | None] | None) -> str:
    low, high = around or (None, None)
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"
