"""The arguments of a training task, and what a job is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from snowmaker import training_source
from snowmaker.exceptions import TrainingSetupError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook, split_uri
from snowmaker.operators.base import code_commit
from snowmaker.operators.run_costs import RunCosts
from snowmaker.training_job import ClassWeight, Estimator, Reader, Resources, TrainingSpec
from snowmaker.training_outcome import OnExisting
from snowmaker.training_request import check_more, check_resources, longest_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.source import TaskType


class TrainingArguments(AwsBaseOperator[SageMakerTrainingHook]):
    """Holds the arguments of ``SageMakerTrainOperator``, which tells their meaning and does the work."""

    aws_hook_class = SageMakerTrainingHook
    template_fields: Sequence[str] = aws_template_fields(
        "source_dir",
        "table",
        "features",
        "week_column",
        "holdout_from",
        "secret_id",
        "role_arn",
        "artefacts_uri",
        "hyperparameters",
        "seed",
        "recency_half_life_weeks",
        "code_commit",
        "image_uri",
        "instance_type",
        "tags",
        "create_training_job",
        "model_name",
        "week",
        "costs_table",
    )

    def __init__(
        self,
        *,
        source_dir: str,
        table: str,
        features: Sequence[Mapping[str, str]],
        label: str,
        week_column: str,
        holdout_from: str,
        secret_id: str,
        role_arn: str,
        artefacts_uri: str,
        key: Sequence[str] = (),
        entry_point: str = "train.py",
        task: TaskType = "binary_classification",
        estimator: Estimator = "xgboost",
        class_weight: ClassWeight | None = None,
        reader: Reader = "connector",
        threshold: float = 0.5,
        hyperparameters: Mapping[str, Any] | None = None,
        seed: int | str = 7,
        recency_half_life_weeks: float | str | None = None,
        code_commit: str | None = None,
        image_uri: str | None = None,
        framework_version: str = "3.2-0",
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        volume_size_gb: int = 30,
        max_runtime_seconds: int = 3600,
        spot: bool = False,
        max_wait_seconds: int | None = None,
        keep_alive_seconds: int = 0,
        max_retry_attempts: int = 0,
        subnets: Sequence[str] = (),
        security_group_ids: Sequence[str] = (),
        volume_kms_key: str | None = None,
        output_kms_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        create_training_job: Mapping[str, Any] | None = None,
        queue_margin_seconds: int = 3600,
        poll_interval: float = 30.0,
        deferrable: bool = True,
        on_existing: OnExisting = "reattach",
        model_name: str | None = None,
        week: str | None = None,
        costs_table: str | None = None,
        snowflake_conn_id: str = "snowflake_default",
        prices: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        # So that .output["artefact_uri"] gives a field of the result.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        _check_choice("on_existing", on_existing, get_args(OnExisting))
        _check_choice("estimator", estimator, get_args(Estimator))
        _check_choice("class_weight", class_weight, (None, *get_args(ClassWeight)))
        _check_choice("reader", reader, get_args(Reader))
        if poll_interval <= 0:
            raise ValueError(f"poll_interval is {poll_interval}; give seconds above 0")
        self.source_dir = source_dir
        self.entry_point = entry_point
        self.table = table
        self.key = key
        self.features = features
        self.label_column = label  # ``label`` is Airflow's: what the graph shows
        self.week_column = week_column
        self.holdout_from = holdout_from
        self.secret_id = secret_id
        self.role_arn = role_arn
        self.artefacts_uri = artefacts_uri
        self.task = task
        self.estimator: Estimator = estimator
        self.class_weight: ClassWeight | None = class_weight
        self.reader: Reader = reader
        self.threshold = threshold
        self.hyperparameters = hyperparameters
        self.seed = seed
        self.recency_half_life_weeks = recency_half_life_weeks
        self.code_commit = code_commit
        self.image_uri = image_uri
        self.framework_version = framework_version
        self.instance_type = instance_type
        self.instance_count = instance_count
        self.volume_size_gb = volume_size_gb
        self.max_runtime_seconds = max_runtime_seconds
        self.spot = spot
        self.max_wait_seconds = max_wait_seconds
        self.keep_alive_seconds = keep_alive_seconds
        self.max_retry_attempts = max_retry_attempts
        self.subnets = subnets
        self.security_group_ids = security_group_ids
        self.volume_kms_key = volume_kms_key
        self.output_kms_key = output_kms_key
        self.tags = tags
        self.create_training_job = create_training_job
        self.queue_margin_seconds = queue_margin_seconds
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.on_existing: OnExisting = on_existing
        self.model_name = model_name
        self.week = week
        self.costs_table = costs_table
        self.snowflake_conn_id = snowflake_conn_id
        self.prices = prices
        check_resources(self._resources)
        check_more(create_training_job or {})

    def _specify(self, context: Mapping[str, Any]) -> tuple[TrainingSpec, dict[str, bytes]]:
        """Read everything that the job is made from, and refuse what cannot work before anything is sent."""
        if not self.role_arn:
            raise TrainingSetupError("role_arn is empty; give the IAM role that training jobs run as")
        split_uri(self.artefacts_uri)
        _ = self._costs
        files = training_source.read_source(Path(self.source_dir), self.entry_point)
        half_life = self.recency_half_life_weeks
        spec = TrainingSpec(
            source_digest=training_source.digest(files),
            entry_point=self.entry_point,
            table=self.table,
            key=tuple(self.key),
            features=tuple(self.features),
            label=self.label_column,
            week_column=self.week_column,
            task=self.task,
            holdout_from=str(self.holdout_from)[:10],
            seed=int(self.seed),
            recency_half_life_weeks=None if half_life in (None, "", "None") else float(half_life),
            estimator=self.estimator,
            class_weight=self.class_weight,
            reader=self.reader,
            threshold=self.threshold,
            hyperparameters=dict(self.hyperparameters or {}),
            secret_id=self.secret_id,
            role_arn=self.role_arn,
            artefacts_uri=self.artefacts_uri,
            image_uri=self.image_uri or None,
            framework_version=self.framework_version,
            resources=self._resources,
            more=dict(self.create_training_job or {}),
            tags=dict(self.tags or {}),
            code_commit=self.code_commit or code_commit(context),
        )
        return spec, files

    @property
    def _resources(self) -> Resources:
        return Resources(
            instance_type=self.instance_type,
            instance_count=self.instance_count,
            volume_size_gb=self.volume_size_gb,
            max_runtime_seconds=self.max_runtime_seconds,
            spot=self.spot,
            max_wait_seconds=self.max_wait_seconds,
            keep_alive_seconds=self.keep_alive_seconds,
            max_retry_attempts=self.max_retry_attempts,
            subnets=tuple(self.subnets),
            security_group_ids=tuple(self.security_group_ids),
            volume_kms_key=self.volume_kms_key,
            output_kms_key=self.output_kms_key,
        )

    @property
    def _costs(self) -> RunCosts:
        return RunCosts.of(
            prices=self.prices,
            table=self.costs_table,
            snowflake_conn_id=self.snowflake_conn_id,
            model=self.model_name,
            week=self.week,
        )

    @property
    def _patience(self) -> float:
        return longest_run(self._resources) + self.queue_margin_seconds


def _check_choice(argument: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{argument} is {value!r}; choose one of {', '.join(str(choice) for choice in choices)}")
