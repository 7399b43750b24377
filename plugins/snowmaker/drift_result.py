"""What a drift check answers, whichever engine measured: the task's result, and why a model is degraded. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.degradation import Degraded
from snowmaker.drift_metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.drift import FeatureDrift
    from snowmaker.verdicts import Degradation, Verdict
    from snowmaker.week import Week

_MOST_TOLD = 5


def drift_result(week: Week, version: str, drifts: Sequence[FeatureDrift], since: str | None) -> dict[str, Any]:
    """Return the result of a check.

    :param drifts: what was measured, the worst first
    :param since: since which week the model is degraded, if it is
    """
    judged = [drift for drift in drifts if drift.verdict]
    most = judged[0] if judged else None
    return {
        "week": str(week),
        "model_version": version,
        "verdict": most and most.verdict,
        "worst_feature": most and most.feature,
        "worst_metric": most and most.metric,
        "worst_value": most and most.value,
        "worst_segment": most and most.segment,
        "moved": [_moved(drift) for drift in judged if drift.verdict != "ok"][:_MOST_TOLD],
        "degraded": since is not None,
        "since": since,
    }


def degraded_by_drift(
    result: Mapping[str, Any], most: FeatureDrift, recent: Mapping[str, Verdict | None], rule: Degradation
) -> Degraded:
    """Say why a model is degraded.

    :param result: what ``drift_result`` returned
    :param most: the drift that is worst
    :param recent: the verdicts of the last weeks, by first day
    """
    newest = [recent[week] for week in sorted(recent, reverse=True)][: rule.of_weeks]
    return Degraded(
        week=result["week"],
        model_version=result["model_version"],
        cause="drift",
        what=_what(most),
        metric=most.metric,
        value=most.value,
        bound=most.threshold.breach if most.threshold else 0.0,
        since=result["since"],
        breaches=newest.count("breach"),
        of_weeks=rule.of_weeks,
    )


def _what(drift: FeatureDrift) -> str:
    return f"{drift.feature} where {drift.segment}" if drift.segment else drift.feature


def _moved(drift: FeatureDrift) -> str:
    bound = f" ({drift.verdict} from {getattr(drift.threshold, drift.verdict or '', 0.0):.3g})"
    return f"{METRICS[drift.metric].title} of {_what(drift)} is {drift.value:.3g}{bound}"
