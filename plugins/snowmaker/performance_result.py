"""What a performance check answers, whichever engine measured: the task's result, and why a model is degraded. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.degradation import Degraded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.verdicts import Degradation, Verdict
    from snowmaker.week import Week


def performance_result(
    week: Week,
    version: str,
    metric: str,
    values: Mapping[str, float | None],
    estimated: Mapping[str, float | None],
    verdict: Verdict | None,
    degraded: Degraded | None,
) -> dict[str, Any]:
    """Return the result of a check.

    :param values: the metric by the first day of the weeks that have labels
    :param estimated: the estimated metric by the first day of the others
    :param verdict: that of the newest week with labels
    """
    return {
        "week": str(week),
        "model_version": version,
        "weeks": dict(values),
        "estimated": dict(estimated),
        "metric": metric,
        "verdict": verdict,
        "degraded": degraded is not None,
        "since": degraded.since if degraded else None,
    }


def degraded_by_performance(
    week: Week,
    version: str,
    metric: str,
    verdicts: Mapping[str, Verdict | None],
    rule: Degradation,
    *,
    value: float | None,
    bound: float,
) -> Degraded | None:
    """Say why a model is degraded; None if it is not.

    :param verdicts: those of the weeks with labels, by first day
    :param value: the metric in the newest of them
    :param bound: from where on it is a breach there
    """
    since = rule.since(verdicts)
    if since is None:
        return None
    newest = [verdicts[day] for day in sorted(verdicts, reverse=True)][: rule.of_weeks]
    return Degraded(
        week=str(week),
        model_version=version,
        cause="performance",
        what=metric,
        metric=metric,
        value=value,
        bound=bound,
        since=since,
        breaches=newest.count("breach"),
        of_weeks=rule.of_weeks,
    )
