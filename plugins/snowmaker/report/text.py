"""How numbers, weeks and long names are written in a report."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from snowmaker.drift_metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

_PERFORMANCE = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
    "r2": "R²",
    "f1_macro": "F1, macro",
    "roc_auc_macro": "ROC AUC, macro",
}


def number(value: float | None) -> str:
    """Write a number in about three digits.

    >>> [number(value) for value in (None, 0.12345, 12.345, 1234567.8, 0.00001234, 0)]
    ['-', '0.123', '12.3', '1,234,568', '1.23e-05', '0']
    """
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.001:
        return f"{value:.3f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """Write a share.

    >>> percent(0.1234), percent(0.0004), percent(0)
    ('12.3 %', '0.04 %', '0 %')
    """
    if not share:
        return "0 %"
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2g} %"


def short_week(week: date) -> str:
    """Write a week's first day as a chart has room for it.

    >>> from datetime import date
    >>> short_week(date(2026, 3, 2))
    '2 Mar'
    """
    return f"{week.day} {week:%b}"


def every_week(weeks: Iterable[date]) -> tuple[date, ...]:
    """Return all weeks from the first to the last of some, those between them that are missing too.

    >>> from datetime import date
    >>> [str(week) for week in every_week([date(2026, 3, 16), date(2026, 3, 2)])]
    ['2026-03-02', '2026-03-09', '2026-03-16']
    """
    known = sorted(weeks)
    if not known:
        return ()
    return tuple(known[0] + timedelta(days=7 * i) for i in range((known[-1] - known[0]).days // 7 + 1))


def metric_name(metric: str) -> str:
    """Write a metric's name for people.

    >>> metric_name("psi"), metric_name("f1"), metric_name("log_loss")
    ('PSI', 'F1', 'Log loss')
    """
    if metric in METRICS:
        return METRICS[metric].title
    return _PERFORMANCE.get(metric) or clipped(metric.replace("_", " ").capitalize())


def clipped(text: str, most: int = 60) -> str:
    """Shorten a name that is too long to show, as a category of a million letters.

    >>> clipped("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"
