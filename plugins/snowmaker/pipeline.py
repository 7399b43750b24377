"""The pipeline definition: one YAML file in ``include/pipelines/`` describes the weekly life of one model.

Checked by pydantic when a DAG file is parsed; imports nothing heavy. An error names file, field, value and
remedy. ``pipeline.schema.json`` is this model's JSON schema, for editors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from croniter import croniter
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from snowmaker.champion import CHAMPION, CHAMPION_AS_OF_WEEK
from snowmaker.exceptions import PipelineError, SnowmakerError
from snowmaker.hyperparameters import check_names
from snowmaker.metrics import Metric
from snowmaker.monitor_metrics import check_rules, performance_metrics
from snowmaker.performance import PerformanceThresholds
from snowmaker.pipeline_base import Section
from snowmaker.pipeline_monitoring import MonitoringSection
from snowmaker.pipeline_sections import (
    ModelSection,
    NotificationSection,
    SnowflakeSection,
    SourceSection,
    TrainingSection,
)
from snowmaker.pipeline_versions import ExplainSection, PromotionSection, RetentionSection, ScoringSection
from snowmaker.scored_task import TASKS
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.source import Feature, Source, TaskType
from snowmaker.week import Weekday

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snowmaker.alert_definition import AlertDefinition
    from snowmaker.drift import DriftRules


class Pipeline(Section):
    """One model's weekly life, as its YAML file tells it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Names the DAGs score_… and retrain_….")
    description: str = ""
    owner: str = "airflow"
    task: TaskType = "binary_classification"
    schedule: str | None = Field("0 6 * * MON", description="Cron (UTC) of weekly scoring; null: by hand.")
    retraining_schedule: str | None = Field(
        None, description="Cron (UTC) of retraining besides the one on degradation."
    )
    week_starts_on: Weekday = "monday"
    start_date: str = Field("2024-01-01", pattern=r"^\d{4}-\d{2}-\d{2}$", description="First day of runs.")
    retries: int = Field(2, ge=0, le=100, description="How often a failed task is tried again.")
    retry_delay_seconds: float = Field(30, ge=0, description="How long to wait before that.")
    snowflake: SnowflakeSection
    source: SourceSection
    model: ModelSection = ModelSection()
    scoring: ScoringSection = ScoringSection()
    training: TrainingSection = TrainingSection()
    monitoring: MonitoringSection = MonitoringSection()
    promotion: PromotionSection = PromotionSection()
    explain: ExplainSection | None = Field(ExplainSection(), description="null: no version is explained.")
    retention: RetentionSection | None = Field(None, description="Default: all versions stay.")
    notifications: tuple[NotificationSection, ...] = ()

    @field_validator("schedule", "retraining_schedule")
    @classmethod
    def _check_cron(cls, cron: str | None) -> str | None:
        if cron is not None and not croniter.is_valid(cron):
            raise ValueError("is not a cron expression; write e.g. '0 6 * * MON'")
        return cron

    @model_validator(mode="after")
    def _check_task(self) -> Pipeline:
        if self.training.class_weight and self.task == "regression":
            raise ValueError("training.class_weight weighs classes, and a regression has none; remove it")
        check_names(self.training.estimator, self.task, (*self.training.hyperparameters, *self.training.search))
        if self.task != "binary_classification" and "threshold" in self.model.model_fields_set:
            has = "a regression has none" if self.task == "regression" else "this task has several"
            raise ValueError(f"model.threshold decides between two classes, and {has}; remove it")
        return self

    @model_validator(mode="after")
    def _check_metrics(self) -> Pipeline:
        promotion = self.promotion
        named = {
            "monitoring.performance.metric": (self.metric,),
            "promotion.floors": promotion.floors,
            "promotion.ceilings": promotion.ceilings,
            "promotion.min_gain": self.min_gain,
            "promotion.not_worse_metric": (promotion.not_worse_metric,) if promotion.not_worse_metric else (),
        }
        allowed = TASKS[self.task].metrics
        for place, metrics in named.items():
            for metric in metrics:
                if metric not in allowed:
                    raise ValueError(f"{place}: {metric} is no metric of {self.task}; choose of {', '.join(allowed)}")
        return self

    @model_validator(mode="after")
    def _check_monitoring(self) -> Pipeline:
        monitoring = self.monitoring
        for place, check in (
            ("performance.", lambda: monitoring.performance.thresholds(self.metric)),
            ("drift: ", lambda: self.drift_rules),
            ("segments: ", lambda: self._check_segments(monitoring.segments)),
            ("snowflake: ", self._check_snowflake),
        ):
            try:
                check()
            except (ValueError, SnowmakerError) as error:
                raise ValueError(f"monitoring.{place}{error}") from None
        return self

    @model_validator(mode="after")
    def _check_not_worse(self) -> Pipeline:
        try:
            self._check_segments(self.promotion.not_worse)
        except ValueError as error:
            raise ValueError(f"promotion.not_worse: {error}") from None
        return self

    def _check_segments(self, segments: Iterable[str]) -> None:
        source = self.source_table
        known = [column.name for column in (*source.key, *(feature.column for feature in source.features))]
        for segment in segments:
            if Identifier.parse(segment).name not in known:
                raise ValueError(f"{segment} is neither a feature nor in source.key; choose of {', '.join(known)}")

    def _check_snowflake(self) -> None:
        _ = self.monitoring.monitor_options, self.alerts
        if self.monitoring.engine == "snowflake_monitor":
            check_rules(self.source_table, self.drift_rules)
            performance_metrics(self.task, self.metric)

    @property
    def metric(self) -> Metric:
        """The metric that weeks are judged by, and the combinations of a search."""
        return self.monitoring.performance.metric or TASKS[self.task].default_metric

    @property
    def performance_thresholds(self) -> PerformanceThresholds:
        """How bad that metric may be."""
        return self.monitoring.performance.thresholds(self.metric)

    @property
    def drift_rules(self) -> DriftRules:
        """Which drift metrics are judged, by which thresholds."""
        return self.monitoring.drift.rules([feature.column for feature in self.source_table.features])

    @property
    def min_gain(self) -> dict[Metric, float]:
        """The least gain of a challenger over the champion, metric by metric."""
        asked = self.promotion.min_gain
        return {TASKS[self.task].default_metric: 0.0} if asked is None else asked

    @cached_property
    def source_table(self) -> Source:
        """The typed description of the weekly rows that the operators take."""
        features = self.source.features
        return Source(
            table=self.table(self.source.table),
            week_column=Identifier.parse(self.source.week_column),
            features=(
                *(Feature(Identifier.parse(column), "categorical") for column in features.categorical),
                *(Feature(Identifier.parse(column), "numeric") for column in features.numeric),
            ),
            label=Identifier.parse(self.source.label),
            key=tuple(Identifier.parse(column) for column in self.source.key),
            starts_on=self.week_starts_on,
        )

    @property
    def model_name(self) -> QualifiedName:
        """The model's full name in the registry."""
        return self.table(self.model.name or self.name)

    @property
    def pinned_versions(self) -> tuple[str, ...]:
        """The version that scores whoever is champion, if the file names one."""
        asked = self.scoring.model
        return () if asked.lower() in (CHAMPION, CHAMPION_AS_OF_WEEK) else (asked,)

    @property
    def predictions_table(self) -> QualifiedName:
        """The table of this pipeline's predictions."""
        return self.table(f"{self.name}_predictions")

    @property
    def costs_table(self) -> QualifiedName:
        """The table with a row about each training job's cost, beside the model."""
        return self.model_name.sibling(tables.RUN_COSTS)

    @property
    def alerts(self) -> dict[str, AlertDefinition]:
        """The alerts in Snowflake, by full name."""
        snowflake = self.monitoring.snowflake
        if snowflake is None:
            return {}
        return {
            self.table(f"{self.name}_{alert.metric}_alert").quoted: alert.definition(
                self.model_name, snowflake.warehouse
            )
            for alert in snowflake.alerts
        }

    @property
    def task_defaults(self) -> dict[str, Any]:
        """What every task of the pipeline's DAGs has."""
        return {
            "owner": self.owner,
            "retries": self.retries,
            "retry_delay": timedelta(seconds=self.retry_delay_seconds),
        }

    @property
    def dag_arguments(self) -> dict[str, Any]:
        """What all of the pipeline's DAGs have."""
        return {
            "description": self.description,
            "start_date": datetime.fromisoformat(f"{self.start_date}T00:00:00+00:00"),
            "tags": ["snowmaker", self.name],
        }

    @property
    def destinations(self) -> list[dict[str, Any]]:
        """Who is told of what, as ``notification_callbacks`` takes it."""
        return [section.model_dump(by_alias=True) for section in self.notifications]

    @property
    def degraded_asset(self) -> dict[str, str]:
        """Name and URI of the asset that gets an event when the model is degraded."""
        return {"name": f"{self.name}_degraded", "uri": f"snowmaker://{self.name}/degraded"}

    def table(self, name: str) -> QualifiedName:
        """Return the full name of an object of the pipeline's schema."""
        return QualifiedName.parse(name, database=self.snowflake.database, schema=self.snowflake.snowflake_schema)


# The one in C takes a tenth of the time, where the installed PyYAML has it.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class PipelineFiles:
    """The pipelines of a folder, and what is wrong with the files that hold none."""

    pipelines: tuple[Pipeline, ...]
    errors: tuple[PipelineError, ...]


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file.

    :raises PipelineError: naming the file, the field, the value found and what to write instead
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{_place(path)}: cannot be read as YAML: {error}") from None
    return _parse(_place(path), text)


# Every DAG file reads all pipeline files, and where one process reads several, it is the same text again.
@lru_cache(maxsize=1024)
def _parse(place: str, text: str) -> Pipeline:
    try:
        content = yaml.load(text, Loader=_YAML_LOADER)  # noqa: S506  a safe one
    except yaml.YAMLError as error:
        raise PipelineError(f"{place}: cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise PipelineError(f"{place}: holds no mapping; start from include/pipelines/mortgage.yaml")
    try:
        return Pipeline.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors())
        raise PipelineError(f"{place}: {faults}") from None
    except SnowmakerError as error:
        raise PipelineError(f"{place}: {error}") from None


def load_pipelines(folder: Path) -> PipelineFiles:
    """Read every ``*.yaml`` of a folder; a bad file does not hide the good ones.

    Of two files that give the same name, the first (by file name) keeps it, and the other is an error.
    """
    pipelines: dict[str, Pipeline] = {}
    owners: dict[str, Path] = {}
    errors: list[PipelineError] = []
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            pipeline = load_pipeline(path)
        except PipelineError as error:
            errors.append(error)
            continue
        if pipeline.name in pipelines:
            errors.append(
                PipelineError(
                    f"{_place(path)}: name {pipeline.name!r} is taken by {_place(owners[pipeline.name])}; "
                    f"give this pipeline another name"
                )
            )
            continue
        pipelines[pipeline.name], owners[pipeline.name] = pipeline, path
    return PipelineFiles(tuple(pipelines.values()), tuple(errors))


def raise_for(errors: Iterable[PipelineError]) -> None:
    """Raise one error that tells all, so that Airflow shows the bad files as an import error.

    :raises PipelineError: if there is any error
    """
    messages = [str(error) for error in errors]
    if messages:
        raise PipelineError("\n".join(messages))


def _place(path: Path) -> str:
    return "/".join(path.parts[-3:])


def _describe(fault: Any) -> str:
    field = ".".join(str(part) for part in fault["loc"] if part != "function-after")
    message = str(fault["msg"]).removeprefix("Value error, ")
    value = fault.get("input")
    if fault["type"] == "extra_forbidden":
        return f"{field}: is no known key; remove it or mend its spelling"
    if fault["type"] == "missing":
        return f"{field}: is missing; add it"
    if isinstance(value, dict | BaseModel) or repr(value) in message:
        return f"{field}: {message}" if field else message
    return f"{field}: found {value!r}: {message}"


if __name__ == "__main__":
    print(json.dumps(Pipeline.model_json_schema(), indent=2))
