"""What a report says first: the verdicts, what moved, since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.report.text import clipped, metric_name, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.report.data import ReportData
    from snowmaker.verdicts import Verdict

MOVED = 5


@dataclass(frozen=True)
class Judgement:
    """A verdict, of what, and why. No verdict: there is nothing to judge yet."""

    what: str
    verdict: Verdict | None
    reason: str

    @property
    def sign(self) -> str:
        """A sign beside the colour, for those who see none."""
        return {"ok": "✓", "warn": "!", "breach": "✕"}.get(self.verdict or "", "-")


def judgements(data: ReportData) -> list[Judgement]:
    """Judge drift and performance, with a sentence for each."""
    return [_drift(data), _performance(data)]


def moved(data: ReportData) -> list[str]:
    """Tell which features moved, and by how much; the worst first, five at most."""
    found = [(feature, cell) for feature, cell in data.drift.of_week(data.week) if cell.verdict != "ok"]
    told = [
        f"{clipped(feature)}: {metric_name(cell.metric)} {number(cell.value)} ({cell.verdict} from "
        f"{number(cell.breach if cell.verdict == 'breach' else cell.warn)})"
        for feature, cell in found[:MOVED]
    ]
    return told if data.drift.moved <= MOVED else [*told, f"and {data.drift.moved - len(told)} more"]


def degradations(checks: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Tell by which of the weekly checks' results the model is degraded, and since when.

    >>> degradations({"Drift": {"degraded": True, "since": "2026-02-16"}, "Performance": None})
    ('Drift has breached its bounds in enough weeks since the week of 2026-02-16.',)
    """
    return tuple(
        f"{check} has breached its bounds in enough weeks since the week of {result['since']}."
        for check, result in checks.items()
        if result and result["degraded"]
    )


def _drift(data: ReportData) -> Judgement:
    cells = data.drift.of_week(data.week)
    if not data.has_baseline:
        return Judgement("Drift", None, f"Version {data.version} has no frozen baseline yet")
    if not cells:
        return Judgement("Drift", None, "Not judged this week")
    feature, worst = cells[0]
    reason = f"{metric_name(worst.metric)} of {clipped(feature)} is {number(worst.value)}"
    if worst.verdict == "ok":
        return Judgement("Drift", "ok", f"Nothing is beyond its bounds; the nearest: {reason}")
    others = f", and {data.drift.moved - 1} more moved" if data.drift.moved > 1 else ""
    return Judgement("Drift", worst.verdict, f"{reason}{others}")


def _performance(data: ReportData) -> Judgement:
    newest, metric = data.performance.newest, metric_name(data.performance.metric)
    if newest is None:
        estimates = [point for point in data.performance.points if point.estimate and point.value is not None]
        if not estimates:
            return Judgement("Performance", None, "No labels have come yet")
        last = max(estimates, key=lambda point: point.week)
        return Judgement("Performance", None, f"No labels have come yet; {metric} is estimated at {number(last.value)}")
    beside = f", {number(newest.reference)} on its holdout" if newest.reference is not None else ""
    reason = f"{metric} of {newest.version} is {number(newest.value)} in the week of {newest.week}{beside}"
    return Judgement("Performance", newest.verdict, reason)
