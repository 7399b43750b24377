"""The sections of a pipeline file, each checked by itself; ``pipeline.py`` checks what spans two of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import Field, model_validator

from snowmaker.hyperparameters import MAX_COMBINATIONS, Value, check_search
from snowmaker.notifications.delivery import Destination, Service
from snowmaker.notifications.notice import Event
from snowmaker.pipeline_base import Column, Section, Table
from snowmaker.snowflake.identifiers import Identifier
from snowmaker.training_job import ClassWeight, Estimator, Reader
from snowmaker.training_request import check_more


class SnowflakeSection(Section):
    """Where the model's data lives."""

    conn_id: str = Field("snowflake_default", description="Airflow connection of type Snowflake.")
    database: Column = Field(description="Database of the tables, the model and Snowmaker's own tables.")
    snowflake_schema: Column = Field(alias="schema", description="Schema in that database.")


class FeaturesSection(Section):
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


class SourceSection(Section):
    """The table of weekly rows."""

    table: Table = Field(description="name, schema.name or database.schema.name")
    week_column: Column = Field(description="Date or timestamp (UTC) that tells a row's week.")
    key: tuple[Column, ...] = Field((), description="Columns copied to the predictions; need not be unique.")
    features: FeaturesSection = Field(description="Inputs of the next version; earlier ones keep their own.")
    label: Column = Field(description="The column to predict; NULL until the truth is known.")
    label_delay_weeks: int = Field(0, ge=0, le=52, description="Weeks after which a week's labels are in.")


class ModelSection(Section):
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


class TrainingSection(Section):
    """How SageMaker trains the model."""

    window_weeks: int = Field(8, ge=2, description="Newest labelled weeks to use, holdout included.")
    holdout_weeks: int = Field(1, ge=1, description="Newest of them kept for evaluation and the baseline.")
    recency_half_life_weeks: float | None = Field(
        None, gt=0, description="Age at which a training row counts half; default: all count the same."
    )
    seed: int = Field(7, ge=0)
    estimator: Estimator = Field("xgboost", description="linear: logistic or ridge regression, on one instance.")
    class_weight: ClassWeight | None = Field(
        None, description="balanced: a class's rows weigh n / (classes * its rows); default: all weigh the same."
    )
    reader: Reader = Field("connector", description="How the instances read; snowpark needs an image that has it.")
    hyperparameters: dict[str, Value] = Field(
        default_factory=dict,
        description="The estimator's own names, e.g. max_depth, num_boost_round; C, alpha, max_iter.",
    )
    search: dict[str, tuple[Value, ...]] = Field(
        default_factory=dict,
        description=f"Hyperparameters to try: a list of values each. Every combination (at most "
        f"{MAX_COMBINATIONS}) is a training job; the best by monitoring.performance.metric is logged.",
    )
    image_uri: str | None = Field(None, description="Training image; default: SageMaker's XGBoost image.")
    framework_version: str = Field("3.2-0", description="Version of SageMaker's XGBoost image.")
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = Field(1, ge=1, description="Training instances; each reads its share of the rows.")
    volume_size_gb: int = Field(30, ge=1)
    max_runtime_minutes: int = Field(60, ge=1, le=7200)
    spot: bool = Field(False, description="Train on spot instances; an interrupted job goes on from its checkpoint.")
    max_wait_minutes: int | None = Field(
        None, ge=1, description="With spot: the longest time for waiting and running together."
    )
    keep_alive_minutes: int = Field(0, ge=0, le=360, description="Keep the instances for the next job (a warm pool).")
    max_retry_attempts: int = Field(0, ge=0, le=30, description="How often SageMaker itself tries again.")
    subnets: tuple[str, ...] = Field((), max_length=16, description="Of the VPC that the job runs in.")
    security_group_ids: tuple[str, ...] = Field((), max_length=5, description="Of the VPC that the job runs in.")
    volume_kms_key: str | None = Field(None, description="KMS key of the instances' disks.")
    output_kms_key: str | None = Field(None, description="KMS key of the artefacts.")
    tags: dict[str, str] = Field(default_factory=dict, max_length=50, description="Tags of the training job.")
    create_training_job: dict[str, Any] = Field(
        default_factory=dict,
        description="Anything else of SageMaker's CreateTrainingJob request, merged into it.",
    )

    @model_validator(mode="after")
    def _check_weeks(self) -> TrainingSection:
        if self.holdout_weeks >= self.window_weeks:
            raise ValueError(
                f"holdout_weeks ({self.holdout_weeks}) leaves no week to train on; "
                f"lower it below window_weeks ({self.window_weeks})"
            )
        return self

    @model_validator(mode="after")
    def _check_instances(self) -> TrainingSection:
        if self.estimator == "linear" and self.instance_count > 1:
            raise ValueError(
                f"estimator linear trains on one instance, instance_count is {self.instance_count}; set it to 1, or "
                f"take xgboost"
            )
        if self.max_wait_minutes is not None and not self.spot:
            raise ValueError("max_wait_minutes is for spot instances, and spot is false; remove it or set spot: true")
        if self.max_wait_minutes is not None and self.max_wait_minutes < self.max_runtime_minutes:
            raise ValueError(
                f"max_wait_minutes ({self.max_wait_minutes}) is below max_runtime_minutes "
                f"({self.max_runtime_minutes}), which it includes; raise it"
            )
        if self.spot and self.keep_alive_minutes:
            raise ValueError("spot instances cannot be kept in a warm pool; remove spot or keep_alive_minutes")
        if bool(self.subnets) != bool(self.security_group_ids):
            raise ValueError("subnets and security_group_ids belong together; give both or none")
        check_more(self.create_training_job)
        return self

    @model_validator(mode="after")
    def _check_hyperparameters(self) -> TrainingSection:
        check_search(self.search, self.hyperparameters)
        if self.class_weight and "scale_pos_weight" in (*self.hyperparameters, *self.search):
            raise ValueError("class_weight and scale_pos_weight both weigh the classes; remove one of them")
        return self


class NotificationSection(Section):
    """Who is told of which events."""

    to: Service = Field(description="smtp: mail; slack; http: the message as JSON by POST.")
    events: tuple[Event, ...] = Field(min_length=1, description="Events to tell of.")
    conn_id: str | None = Field(
        None, description="Airflow connection that sends; default: smtp_default, slack_default or http_default."
    )
    recipients: tuple[str, ...] = Field((), description="Of a mail.")
    sender: str | None = Field(None, alias="from", description="Of a mail; default: the connection's.")
    channel: str | None = Field(None, description="Slack channel; default: the webhook's own.")

    @model_validator(mode="after")
    def _check(self) -> NotificationSection:
        Destination.of(self.model_dump(by_alias=True))
        return self
