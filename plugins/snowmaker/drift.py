"""Drift decisions: which metrics are judged, by which thresholds, and what a week's values mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from snowmaker.drift_metrics import METRICS
from snowmaker.exceptions import PipelineError
from snowmaker.profile import LABEL, ROWS
from snowmaker.significance import p_value, significant
from snowmaker.verdicts import Threshold, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snowmaker.profile import Profile

ALL_ROWS = ""
"""The name of the segment that has all rows."""
_SHOWN_ONLY = (LABEL, ROWS)


@dataclass(frozen=True)
class DriftRules:
    """Which drift metrics are judged; all others are shown.

    :param metrics: thresholds of the metrics by which every feature and the score are judged, where they are
        for its kind
    :param features: thresholds by feature, beside or instead of those; 'label' and 'rows' are judged only if
        they are listed here
    :param ignored: features that are shown and never judged
    :param false_alarm_rate: the probability that a week in which nothing changed gets a warning or a breach
    """

    metrics: Mapping[str, Threshold] = field(default_factory=lambda: {"psi": METRICS["psi"].threshold})
    features: Mapping[str, Mapping[str, Threshold]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    false_alarm_rate: float = 0.01

    def __post_init__(self) -> None:
        for where, thresholds in (("every feature", self.metrics), *self.features.items()):
            for name, threshold in thresholds.items():
                _check(where, name, threshold)
        if not 0 < self.false_alarm_rate <= 1:
            raise PipelineError(
                f"drift's false alarm rate is {self.false_alarm_rate}; write a probability like 0.01 (1: judge by "
                f"the thresholds alone)"
            )

    def of(self, feature: str, profile: Profile) -> Mapping[str, Threshold]:
        """Return the thresholds of a feature by metric.

        :raises PipelineError: if the feature's own are of a metric that is not for its kind
        """
        if feature in self.ignored:
            return {}
        own = self.features.get(feature, {})
        kind = profile.bins.kind
        for name in own:
            if kind not in METRICS[name].kinds:
                there_are = ", ".join(name for name, metric in METRICS.items() if kind in metric.kinds)
                raise PipelineError(f"drift of {feature} ({kind}) cannot be judged by {name}; there are: {there_are}")
        general = {} if feature in _SHOWN_ONLY else self.metrics
        return {**{name: bound for name, bound in general.items() if kind in METRICS[name].kinds}, **own}


@dataclass(frozen=True)
class FeatureDrift:
    """How far one column is from its baseline in one week, by one metric.

    :param segment: which rows: '' for all, else COLUMN=value
    :param value: None where the metric is not defined
    :param p_value: the probability of such a difference by chance; only of values that reach their threshold
    :param threshold: what it was judged by; None if it was not
    :param verdict: 'ok' too if the value can be chance; None if it was not judged
    """

    segment: str
    feature: str
    metric: str
    value: float | None
    p_value: float | None
    threshold: Threshold | None
    verdict: Verdict | None


def compare(baseline: Mapping[str, Profile], current: Mapping[str, Profile], rules: DriftRules) -> list[FeatureDrift]:
    """Measure every feature that both have, and judge it by the rules, the worst first.

    :param baseline: profiles by feature
    :param current: profiles over the same bins, by feature
    """
    return compare_segments({ALL_ROWS: baseline}, {ALL_ROWS: current}, rules)


def compare_segments(
    baseline: Mapping[str, Mapping[str, Profile]], current: Mapping[str, Mapping[str, Profile]], rules: DriftRules
) -> list[FeatureDrift]:
    """Do what ``compare`` does for several segments at once; the false alarm rate is that of all together.

    :param baseline: profiles by segment and feature
    :param current: profiles over the same bins, by segment and feature
    """
    drifts = list(_measured(baseline, current, rules))
    judged = [i for i, drift in enumerate(drifts) if drift.verdict]
    p_values = {}
    for i in judged:
        drift = drifts[i]
        if drift.verdict != "ok":
            p = p_value(drift.metric, baseline[drift.segment][drift.feature], current[drift.segment][drift.feature])
            p_values[i] = 1.0 if p is None else p
    kept = significant(list(p_values.values()), rules.false_alarm_rate, tests=len(judged))
    for (i, p), real in zip(p_values.items(), kept, strict=True):
        drifts[i] = replace(drifts[i], p_value=p, verdict=drifts[i].verdict if real else "ok")
    return sorted(drifts, key=_rank)


def _measured(
    baseline: Mapping[str, Mapping[str, Profile]], current: Mapping[str, Mapping[str, Profile]], rules: DriftRules
) -> Iterator[FeatureDrift]:
    for segment, features in current.items():
        for feature, profile in features.items():
            expected = baseline.get(segment, {}).get(feature)
            if expected is None:
                continue
            thresholds = rules.of(feature, expected)
            for name, metric in METRICS.items():
                if expected.bins.kind in metric.kinds:
                    value, threshold = metric.measure(expected, profile), thresholds.get(name)
                    verdict = threshold.verdict(value) if threshold and value is not None else None
                    yield FeatureDrift(segment, feature, name, value, None, threshold, verdict)


def _rank(drift: FeatureDrift) -> tuple[int, float, str, str, str]:
    place = ("breach", "warn", "ok", None).index(drift.verdict)
    bound = (drift.threshold or METRICS[drift.metric].threshold).breach
    return place, -abs(drift.value or 0.0) / bound, drift.segment, drift.feature, drift.metric


def _check(where: str, name: str, threshold: Threshold) -> None:
    if name not in METRICS:
        raise PipelineError(f"drift of {where}: no metric {name!r}; there are: {', '.join(METRICS)}")
    if not 0 < threshold.warn <= threshold.breach:
        raise PipelineError(
            f"drift of {where}: {name} warns from {threshold.warn:g} and breaches from {threshold.breach:g}; write "
            f"two numbers above 0, the first not above the second"
        )
