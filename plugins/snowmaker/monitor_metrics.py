"""Verdicts from what a model monitor measured: which metrics it has, under Snowmaker's names, and how they count. Pure.

Snowflake publishes neither bins nor formulas, so values are comparable with one another, not with Snowmaker's; and how
likely chance is cannot be told, so only whole weeks are judged, by the thresholds alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.drift import ALL_ROWS, FeatureDrift
from snowmaker.profile import SCORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from snowmaker.drift import DriftRules
    from snowmaker.source import Source
    from snowmaker.verdicts import Threshold


@dataclass(frozen=True)
class MonitorMetric:
    """A metric of MODEL_MONITOR_DRIFT_METRIC.

    :param name: Snowflake's name of it
    :param numbers_only: whether it is for numbers only
    :param in_unit: whether it is in the column's unit; it is divided by the baseline's standard deviation then, as
        Snowmaker's metric of the name is
    """

    name: str
    numbers_only: bool = False
    in_unit: bool = False


DRIFT: dict[str, MonitorMetric] = {
    "psi": MonitorMetric("POPULATION_STABILITY_INDEX"),
    "jensen_shannon": MonitorMetric("JENSEN_SHANNON"),
    "mean_difference": MonitorMetric("DIFFERENCE_OF_MEANS", numbers_only=True, in_unit=True),
    "wasserstein": MonitorMetric("WASSERSTEIN", numbers_only=True, in_unit=True),
}
PERFORMANCE: dict[str, dict[str, str]] = {
    "binary_classification": {
        "f1": "F1_SCORE",
        "accuracy": "CLASSIFICATION_ACCURACY",
        "precision": "PRECISION",
        "recall": "RECALL",
        "roc_auc": "ROC_AUC",
    },
    "multiclass_classification": {
        "accuracy": "CLASSIFICATION_ACCURACY",
        "precision_macro": "MACRO_AVERAGE_PRECISION",
        "recall_macro": "MACRO_AVERAGE_RECALL",
    },
    "regression": {"rmse": "RMSE", "mae": "MAE", "mape": "MAPE"},
}
"""Snowflake's names of the performance metrics, by task and name; the first of a task is its default."""


@dataclass(frozen=True)
class Asked:
    """One value to ask a monitor for.

    :param feature: a feature's name, or 'score'
    :param threshold: None: shown, not judged
    """

    feature: str
    metric: str
    threshold: Threshold | None

    def judged(self, value: float | None, segment: str = ALL_ROWS) -> FeatureDrift:
        """Judge the value; of a segment it is shown."""
        threshold = None if segment else self.threshold
        verdict = threshold.verdict(value) if threshold and value is not None else None
        return FeatureDrift(segment, self.feature, self.metric, value, None, threshold, verdict)


def check_rules(source: Source, rules: DriftRules) -> None:
    """Refuse rules that a monitor cannot follow.

    :raises ValueError: naming metric and feature, and what there is
    """
    kinds = _kinds(source)
    for feature, thresholds in (("every feature", rules.metrics), *rules.features.items()):
        if feature != "every feature" and feature not in kinds:
            raise ValueError(
                f"drift of {feature}: a monitor judges features and {SCORE} only; remove it, or use engine snowmaker"
            )
        for metric in thresholds:
            if metric not in DRIFT:
                raise ValueError(
                    f"drift of {feature}: a model monitor has no {metric}; choose of {', '.join(DRIFT)}, or use engine "
                    f"snowmaker"
                )
            if DRIFT[metric].numbers_only and kinds.get(feature) == "categorical":
                raise ValueError(
                    f"drift of {feature}: {metric} is for numbers, and {feature} is categorical; remove it"
                )


def to_ask(source: Source, rules: DriftRules) -> list[Asked]:
    """Return the values to ask for: every judged metric of every feature and the score; ignored ones are shown."""
    return [
        Asked(feature, metric, None if feature in rules.ignored else threshold)
        for feature, kind in _kinds(source).items()
        for metric, threshold in {**rules.metrics, **rules.features.get(feature, {})}.items()
        if kind == "numeric" or not DRIFT[metric].numbers_only
    ]


def worst_first(drifts: Sequence[FeatureDrift]) -> list[FeatureDrift]:
    """Order drifts by verdict, then by how far they are beyond their threshold."""
    return sorted(drifts, key=_rank)


def performance_metrics(task: str, metric: str | None) -> tuple[str, dict[str, str]]:
    """Return the metric to judge by, and Snowflake's names of all metrics of a task.

    :param metric: None for the task's default
    :raises ValueError: if a monitor does not have it
    """
    known = PERFORMANCE[task]
    chosen = metric or next(iter(known))
    if chosen not in known:
        raise ValueError(
            f"a model monitor has no metric {chosen!r} of {task}; choose of {', '.join(known)}, or use engine snowmaker"
        )
    return chosen, known


@dataclass(frozen=True)
class Compared:
    """One metric of two versions in one week; None where a monitor has no value.

    :param metric: a performance metric, or 'score': the drift (PSI) of the score
    """

    week: str
    metric: str
    champion: float | None
    challenger: float | None


def side_by_side(rows: Iterable[Mapping[str, Any]], champion: str, challenger: str) -> list[Compared]:
    """Put what two versions' monitors measured beside each other, week by week and metric by metric.

    :param rows: VERSION, METRIC, WEEK_START, VALUE
    """
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for row in rows:
        key = (str(row["WEEK_START"])[:10], str(row["METRIC"]))
        found.setdefault(key, {})[str(row["VERSION"])] = row["VALUE"]
    return [Compared(*key, values.get(champion), values.get(challenger)) for key, values in sorted(found.items())]


def tabulate(compared: Sequence[Compared], champion: str, challenger: str) -> str:
    """Write a comparison as a table for people.

    >>> print(tabulate([Compared("2026-03-02", "f1", 0.75, 0.8), Compared("2026-03-09", "f1", None, 0.7)], "V1", "V2"))
    week        metric  V1      V2
    2026-03-02  f1      0.7500  0.8000
    2026-03-09  f1      -       0.7000
    """
    rows = [["week", "metric", champion, challenger]]
    for one in compared:
        values = ("-" if value is None else f"{value:.4f}" for value in (one.champion, one.challenger))
        rows.append([one.week, one.metric, *values])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _kinds(source: Source) -> Mapping[str, str]:
    return {**{feature.column.name: feature.kind for feature in source.features}, SCORE: "numeric"}


def _rank(drift: FeatureDrift) -> tuple[int, float, str, str, str]:
    place = ("breach", "warn", "ok", None).index(drift.verdict)
    size = abs(drift.value or 0.0)
    return (
        place,
        -(size / drift.threshold.breach if drift.threshold else size),
        drift.segment,
        drift.feature,
        drift.metric,
    )
