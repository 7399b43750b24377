"""The section of a pipeline file that says when a version counts as degraded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from snowmaker.alert_definition import AlertDefinition
from snowmaker.drift import DriftRules
from snowmaker.drift_metrics import METRICS
from snowmaker.metrics import RELATIVE, Metric
from snowmaker.monitor_options import MonitorOptions, Others
from snowmaker.performance import PerformanceThresholds
from snowmaker.pipeline_base import Column, Section
from snowmaker.profile import LABEL, ROWS, SCORE
from snowmaker.snowflake.alert import metric_beyond
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.verdicts import Degradation, Threshold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.snowflake.identifiers import QualifiedName

Engine = Literal["snowmaker", "snowflake_monitor"]
PSEUDO_FEATURES = (SCORE, LABEL, ROWS)


def _check_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"is no drift metric; choose of {', '.join(METRICS)}")
    return name


def _name(text: str) -> str:
    return text if text in PSEUDO_FEATURES else Identifier.parse(text).name


def _thresholds(metrics: Mapping[str, ThresholdSection]) -> dict[str, Threshold]:
    return {name: Threshold(section.warn, section.breach) for name, section in metrics.items()}


DriftMetric = Annotated[str, AfterValidator(_check_metric)]


class DegradedWhen(Section):
    """So many breaches in so many weeks mark the model degraded: one odd week does not."""

    breaches: int = Field(ge=1)
    of_weeks: int = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> DegradedWhen:
        if self.breaches > self.of_weeks:
            raise ValueError(f"breaches ({self.breaches}) cannot happen in of_weeks ({self.of_weeks}); raise of_weeks")
        return self

    @property
    def rule(self) -> Degradation:
        """The rule as the checks take it."""
        return Degradation(self.breaches, self.of_weeks)


class ThresholdSection(Section):
    """From which value on a metric warns, and from which it breaches."""

    warn: float = Field(gt=0)
    breach: float = Field(gt=0)

    @model_validator(mode="after")
    def _check(self) -> ThresholdSection:
        if self.breach < self.warn:
            raise ValueError(f"breach ({self.breach}) is below warn ({self.warn}); raise breach or lower warn")
        return self


class DriftSection(Section):
    """How far features and score may be from the version's frozen baseline."""

    warn: float = Field(0.1, gt=0, description="Population stability index that warns.")
    breach: float = Field(0.25, gt=0, description="Population stability index that breaches.")
    metrics: dict[DriftMetric, ThresholdSection] = Field(
        default_factory=dict, description="Further metrics to judge every feature and the score by."
    )
    features: dict[str, dict[DriftMetric, ThresholdSection]] = Field(
        default_factory=dict,
        description="Thresholds of single features, metric by metric; also of score, label and rows.",
    )
    ignore: tuple[str, ...] = Field((), description="Features, or score, whose drift is shown and not judged.")
    false_alarm_rate: float = Field(
        0.01, gt=0, lt=1, description="Greatest chance that a week without drift warns or breaches."
    )
    bins: int = Field(10, ge=2, le=50, description="Quantile bins of a numeric feature.")
    categories: int = Field(60, ge=2, le=500, description="Categories told apart; the rest are 'other'.")
    baseline_weeks: int = Field(
        0, ge=0, le=52, description="Make the baseline of the first weeks that a version scores; 0: of its holdout."
    )
    degraded_when: DegradedWhen = DegradedWhen(breaches=3, of_weeks=4)

    @model_validator(mode="after")
    def _check(self) -> DriftSection:
        if self.breach < self.warn:
            raise ValueError(f"breach ({self.breach}) is below warn ({self.warn}); raise breach or lower warn")
        if "psi" in self.metrics:
            raise ValueError("metrics has psi, whose thresholds are warn and breach; write them there")
        return self

    def rules(self, features: Sequence[Identifier]) -> DriftRules:
        """Return which metrics are judged by which thresholds.

        :param features: the source's
        :raises ValueError: if thresholds are given, or ignored, of something else
        """
        known = {*PSEUDO_FEATURES, *(feature.name for feature in features)}
        for place, named in (("features", self.features), ("ignore", self.ignore)):
            for text in named:
                if _name(text) not in known:
                    raise ValueError(f"{place} names {text}, which is no feature of the source; mend or remove it")
        return DriftRules(
            metrics={"psi": Threshold(self.warn, self.breach), **_thresholds(self.metrics)},
            features={_name(text): _thresholds(metrics) for text, metrics in self.features.items()},
            ignored=frozenset(_name(text) for text in self.ignore),
            false_alarm_rate=self.false_alarm_rate,
        )


class PerformanceSection(Section):
    """How much worse a week may be than the version's own holdout, and how bad at all.

    Of rmse, mae, mape, log_loss and brier a rise counts, as a share of the holdout's error (``…_rise``): 0.1 is an
    error greater by a tenth. Of any other metric the difference counts by which it is worse (``…_drop``).
    """

    metric: Metric | None = Field(None, description="The metric to judge by; default: f1, f1_macro or rmse.")
    warn_drop: float = Field(0.05, gt=0, lt=1, description="By how much it may be worse.")
    breach_drop: float = Field(0.1, gt=0, lt=1, description="By how much it may be worse.")
    warn_rise: float = Field(0.1, gt=0, description="By what share an error may rise.")
    breach_rise: float = Field(0.25, gt=0, description="By what share an error may rise.")
    warn_below: float | None = Field(None, description="Value of a metric below which it warns; not for errors.")
    breach_below: float | None = Field(None, description="Value of a metric below which it breaches; not for errors.")
    warn_above: float | None = Field(None, description="Value of an error above which it warns.")
    breach_above: float | None = Field(None, description="Value of an error above which it breaches.")
    lookback_weeks: int = Field(26, ge=1, le=520, description="How long a week's labels may come or change.")
    estimate: bool = Field(True, description="Estimate the metrics of weeks whose labels have not come.")
    degraded_when: DegradedWhen = DegradedWhen(breaches=2, of_weeks=3)

    @model_validator(mode="after")
    def _check(self) -> PerformanceSection:
        for warn, breach in (("warn_drop", "breach_drop"), ("warn_rise", "breach_rise")):
            if getattr(self, breach) < getattr(self, warn):
                raise ValueError(
                    f"{breach} ({getattr(self, breach)}) is below {warn} ({getattr(self, warn)}); "
                    f"raise {breach} or lower {warn}"
                )
        return self

    def thresholds(self, metric: Metric) -> PerformanceThresholds:
        """Return how bad the metric may be.

        :raises ValueError: if bounds are given that do not go with it
        """
        right, wrong = ("rise", "drop") if metric in RELATIVE else ("drop", "rise")
        for name in (f"warn_{wrong}", f"breach_{wrong}"):
            if name in self.model_fields_set:
                raise ValueError(f"{name} does not go with metric {metric}; write {name.replace(wrong, right)}")
        thresholds = PerformanceThresholds(
            getattr(self, f"warn_{right}"),
            getattr(self, f"breach_{right}"),
            warn_below=self.warn_below,
            breach_below=self.breach_below,
            warn_above=self.warn_above,
            breach_above=self.breach_above,
        )
        thresholds.check(metric)
        return thresholds


class AlertSection(Section):
    """A mail that Snowflake itself sends as long as a metric of the champion is beyond a bound."""

    metric: Metric
    below: float | None = Field(None, description="Least value that is good; not for errors.")
    above: float | None = Field(None, description="Greatest value that is good, of an error.")
    integration: Column = Field(description="Notification integration of type EMAIL.")
    recipients: tuple[str, ...] = Field(min_length=1)
    schedule: str = Field("0 9 * * MON", description="Cron (UTC) by which Snowflake looks.")

    def definition(self, model: QualifiedName, warehouse: str) -> AlertDefinition:
        """Return the alert on a model.

        :raises ValueError: naming what contradicts itself
        """
        return AlertDefinition(
            condition=metric_beyond(model, self.metric, below=self.below, above=self.above),
            warehouse=warehouse,
            integration=self.integration,
            recipients=self.recipients,
            subject=f"{model.object.name}: {self.metric}",
            schedule=self.schedule,
        )


class SnowflakeMonitoringSection(Section):
    """What Snowflake itself watches: a model monitor of the champion, and alerts."""

    warehouse: Column = Field(description="Warehouse of the monitor's refreshes and of the alerts.")
    monitor: bool = Field(True, description="Keep a model monitor of each champion.")
    refresh_interval: str = Field("1 hour", description="How often the monitor reads new rows and labels.")
    other_versions: Others = Field("suspend", description="What becomes of earlier champions' monitors.")
    wait_minutes: int = Field(180, ge=1, description="How long a check waits until the monitor has seen the week.")
    alerts: tuple[AlertSection, ...] = ()


class MonitoringSection(Section):
    """When a version counts as degraded."""

    engine: Engine = Field("snowmaker", description="snowflake_monitor: verdicts from Snowflake's model monitors.")
    snowflake: SnowflakeMonitoringSection | None = Field(None, description="Default: neither monitor nor alerts.")
    segments: tuple[Column, ...] = Field(
        (), max_length=5, description="Features or key columns whose values are checked one by one."
    )
    cool_down_weeks: int = Field(
        2, ge=0, le=52, description="So many weeks after a retraining no other one is asked for."
    )
    drift: DriftSection = DriftSection()
    performance: PerformanceSection = PerformanceSection()

    @model_validator(mode="after")
    def _check(self) -> MonitoringSection:
        if self.engine == "snowflake_monitor" and not (self.snowflake and self.snowflake.monitor):
            raise ValueError("engine snowflake_monitor asks model monitors; add snowflake: {warehouse: …}")
        return self

    @property
    def monitor_options(self) -> MonitorOptions | None:
        """How the champion's model monitor works; None: there is none.

        :raises ValueError: if Snowflake does not allow it
        """
        if self.snowflake is None or not self.snowflake.monitor:
            return None
        return MonitorOptions(
            self.snowflake.warehouse, refresh_interval=self.snowflake.refresh_interval, segments=self.segments
        )
