"""The pipeline definition: one YAML file in ``include/pipelines/`` describes the weekly life of one model.

Checked by pydantic when a DAG file is parsed; imports nothing heavy. An error names file, field, value and
remedy. ``pipeline.schema.json`` is this model's JSON schema, for editors.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from snowmaker.exceptions import PipelineError, SnowmakerError
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.source import Feature, Source, TaskType
from snowmaker.week import Weekday

if TYPE_CHECKING:
    from collections.abc import Iterable


def _check_identifier(text: str) -> str:
    Identifier.parse(text)
    return text


def _check_table(text: str) -> str:
    QualifiedName.parse(text, database="D", schema="S")
    return text


Column = Annotated[str, AfterValidator(_check_identifier)]
Table = Annotated[str, AfterValidator(_check_table)]
Metric = Literal["accuracy", "precision", "recall", "f1", "roc_auc"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SnowflakeSection(_Section):
    """Where the model's data lives."""

    conn_id: str = Field("snowflake_default", description="Airflow connection of type Snowflake.")
    database: Column = Field(description="Database of the tables, the model and Snowmaker's own tables.")
    snowflake_schema: Column = Field(alias="schema", description="Schema in that database.")


class FeaturesSection(_Section):
    """The model's input columns, by kind."""

    numeric: tuple[Column, ...] = Field((), description="Numbers and booleans; missing values allowed.")
    categorical: tuple[Column, ...] = Field((), description="Text; missing and unseen values allowed.")

    @model_validator(mode="after")
    def _check(self) -> FeaturesSection:
        names = [Identifier.parse(column).name for column in (*self.categorical, *self.numeric)]
        if not names:
            raise ValueError("lists no column; name at least one under numeric or categorical")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"lists {', '.join(twice)} more than once; name each column once")
        return self


class SourceSection(_Section):
    """The table of weekly rows."""

    table: Table = Field(description="name, schema.name or database.schema.name")
    week_column: Column = Field(description="Date or timestamp (UTC) that tells a row's week.")
    key: tuple[Column, ...] = Field((), description="Columns copied to the predictions; need not be unique.")
    features: FeaturesSection
    label: Column = Field(description="The column to predict; NULL until the truth is known.")
    label_delay_weeks: int = Field(0, ge=0, le=52, description="Weeks after which a week's labels are in.")


class ModelSection(_Section):
    """The model in Snowflake's Model Registry."""

    name: Column | None = Field(None, description="Registry name; default: the pipeline's name.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Score from which the class 1 is predicted.")
    conda_dependencies: tuple[str, ...] | None = Field(
        None, description="Requirements in the warehouse, e.g. xgboost==3.2.0; default: the versions that log it."
    )
    pip_requirements: tuple[str, ...] | None = Field(
        None, description="The same for an account whose models install from PyPI."
    )

    @model_validator(mode="after")
    def _check(self) -> ModelSection:
        if self.conda_dependencies and self.pip_requirements:
            raise ValueError("conda_dependencies and pip_requirements contradict each other; give one of them")
        return self


class TrainingSection(_Section):
    """How SageMaker trains the model."""

    window_weeks: int = Field(8, ge=2, description="Newest labelled weeks to use, holdout included.")
    holdout_weeks: int = Field(1, ge=1, description="Newest of them kept for evaluation and the baseline.")
    recency_half_life_weeks: float | None = Field(
        None, gt=0, description="Age at which a training row counts half; default: all count the same."
    )
    seed: int = Field(7, ge=0)
    image_uri: str | None = Field(None, description="Training image; default: SageMaker's XGBoost image.")
    framework_version: str = Field("3.0-5", description="Version of SageMaker's XGBoost image.")
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = Field(1, ge=1, le=1, description="Training instances; one, for now.")
    volume_size_gb: int = Field(30, ge=1)
    max_runtime_minutes: int = Field(60, ge=1, le=7200)
    hyperparameters: dict[str, int | float | str] = Field(
        default_factory=dict,
        description="XGBoost's own names, e.g. max_depth, num_boost_round.",
    )

    @model_validator(mode="after")
    def _check(self) -> TrainingSection:
        if self.holdout_weeks >= self.window_weeks:
            raise ValueError(
                f"holdout_weeks ({self.holdout_weeks}) leaves no week to train on; "
                f"lower it below window_weeks ({self.window_weeks})"
            )
        return self


class DegradedWhen(_Section):
    """So many breaches in so many weeks mark the model degraded: one odd week does not."""

    breaches: int = Field(ge=1)
    of_weeks: int = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> DegradedWhen:
        if self.breaches > self.of_weeks:
            raise ValueError(f"breaches ({self.breaches}) cannot happen in of_weeks ({self.of_weeks}); raise of_weeks")
        return self


class DriftSection(_Section):
    """Population stability index of each feature and of the score against the frozen baseline."""

    warn: float = Field(0.1, gt=0)
    breach: float = Field(0.25, gt=0)
    bins: int = Field(10, ge=2, le=50, description="Quantile bins of a numeric feature.")
    categories: int = Field(60, ge=2, le=500, description="Categories told apart; the rest are 'other'.")
    degraded_when: DegradedWhen = DegradedWhen(breaches=3, of_weeks=4)

    @model_validator(mode="after")
    def _check(self) -> DriftSection:
        if self.breach < self.warn:
            raise ValueError(f"breach ({self.breach}) is below warn ({self.warn}); raise breach or lower warn")
        return self


class PerformanceSection(_Section):
    """How far a metric may fall below the version's own holdout."""

    metric: Metric = "f1"
    warn_drop: float = Field(0.05, gt=0, lt=1)
    breach_drop: float = Field(0.1, gt=0, lt=1)
    degraded_when: DegradedWhen = DegradedWhen(breaches=2, of_weeks=3)

    @model_validator(mode="after")
    def _check(self) -> PerformanceSection:
        if self.breach_drop < self.warn_drop:
            raise ValueError(
                f"breach_drop ({self.breach_drop}) is below warn_drop ({self.warn_drop}); "
                f"raise breach_drop or lower warn_drop"
            )
        return self


class MonitoringSection(_Section):
    """When a version counts as degraded."""

    drift: DriftSection = DriftSection()
    performance: PerformanceSection = PerformanceSection()


class PromotionSection(_Section):
    """The gate a challenger must pass, on the holdout rows that neither version was trained on."""

    floors: dict[Metric, float] = Field(default_factory=dict, description="Least value of each metric.")
    min_gain: dict[Metric, float] = Field({"f1": 0.0}, description="Least gain over the champion, metric by metric.")


class Pipeline(_Section):
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
    snowflake: SnowflakeSection
    source: SourceSection
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    monitoring: MonitoringSection = MonitoringSection()
    promotion: PromotionSection = PromotionSection()

    @field_validator("schedule", "retraining_schedule")
    @classmethod
    def _check_cron(cls, cron: str | None) -> str | None:
        if cron is not None and not croniter.is_valid(cron):
            raise ValueError("is not a cron expression; write e.g. '0 6 * * MON'")
        return cron

    @model_validator(mode="after")
    def _check_task(self) -> Pipeline:
        if self.task != "binary_classification":
            raise ValueError(
                f"task {self.task!r} can be trained but not yet scored and checked; use binary_classification"
            )
        return self

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
    def predictions_table(self) -> QualifiedName:
        """The table of this pipeline's predictions."""
        return self.table(f"{self.name}_predictions")

    @property
    def degraded_asset(self) -> dict[str, str]:
        """Name and URI of the asset that gets an event when the model is degraded."""
        return {"name": f"{self.name}_degraded", "uri": f"snowmaker://{self.name}/degraded"}

    def table(self, name: str) -> QualifiedName:
        """Return the full name of an object of the pipeline's schema."""
        return QualifiedName.parse(name, database=self.snowflake.database, schema=self.snowflake.snowflake_schema)


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PipelineError(f"{_place(path)}: cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise PipelineError(f"{_place(path)}: holds no mapping; start from include/pipelines/mortgage.yaml")
    try:
        return Pipeline.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(_describe(fault) for fault in error.errors())
        raise PipelineError(f"{_place(path)}: {faults}") from None
    except SnowmakerError as error:
        raise PipelineError(f"{_place(path)}: {error}") from None


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
