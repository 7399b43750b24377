"""The operator that trains a model on SageMaker."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields
from airflow.sdk.exceptions import TaskDeferralTimeout

from snowmaker import training_job, training_source
from snowmaker.exceptions import ServiceUnreachableError, TrainingError
from snowmaker.hooks.sagemaker import SageMakerTrainingHook, find_image, split_uri
from snowmaker.links.sagemaker import TrainingJobLink
from snowmaker.operators.base import code_commit
from snowmaker.training_job import Action, OnExisting, TaskIdentity, TrainingResult, TrainingSpec
from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.source import TaskType


class SageMakerTrainOperator(AwsBaseOperator[SageMakerTrainingHook]):
    """Train a script-mode XGBoost model on SageMaker, on rows the instances read from Snowflake themselves.

    The job's name is a function of the run's task and of the job's specification, so a retried, restarted or
    re-deferred task finds its running job and waits for it, and a completed one is reused. A job that failed or
    was stopped gets a successor under the next name (``…-a2``, ``…-a3``). Killing the task, or its timeout,
    stops the job. Deferrable or not, the result is the same. No credential goes through here: the job fetches
    its Snowflake login from Secrets Manager by ``secret_id``.

    :param source_dir: directory of the training code; packed with a ``job.json`` and stored in S3 (templated)
    :param entry_point: script in it that SageMaker starts
    :param table: quoted full name of the table to train on (templated)
    :param features: the input columns, each ``{"name": …, "kind": "numeric" | "categorical"}`` (templated)
    :param label: the column to predict
    :param week_column: the date or timestamp that orders the rows in time (templated)
    :param holdout_from: ISO date; rows from then on are held out for evaluation and early stopping (templated)
    :param secret_id: Secrets Manager secret with the arguments of ``snowflake.connector.connect`` (templated)
    :param role_arn: IAM role the job runs as (templated)
    :param artefacts_uri: S3 folder for code (``code/``) and artefacts (``jobs/``) (templated)
    :param task: binary_classification (default), multiclass_classification or regression
    :param hyperparameters: XGBoost's own, plus num_boost_round and early_stopping_rounds (templated)
    :param seed: seed of the training (templated)
    :param recency_half_life_weeks: age at which a training row counts half; default: all count alike (templated)
    :param code_commit: commit the code comes from, for the model card; default: the bundle's (templated)
    :param image_uri: training image; default: SageMaker's XGBoost image of ``framework_version`` (templated)
    :param framework_version: version of that image
    :param instance_type: (templated)
    :param instance_count: number of instances
    :param volume_size_gb: disk of each
    :param max_runtime_seconds: SageMaker stops the job after so long
    :param queue_margin_seconds: how much longer to wait for the job to be started and to upload
    :param poll_interval: longest pause between two looks at the job, in seconds; the first ones are short
    :param deferrable: wait in the triggerer, without a worker slot (default true)
    :param on_existing: what a job of the same name means: ``reattach`` (default) as told above, ``fail``, or
        ``new`` to start another one whatever there is
    :return: ``{"job_name", "job_arn", "artefact_uri", "metrics", "table", "rows", "billable_seconds"}``
    """

    aws_hook_class = SageMakerTrainingHook
    operator_extra_links = (TrainingJobLink(),)
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
        entry_point: str = "train.py",
        task: TaskType = "binary_classification",
        hyperparameters: Mapping[str, Any] | None = None,
        seed: int | str = 7,
        recency_half_life_weeks: float | str | None = None,
        code_commit: str | None = None,
        image_uri: str | None = None,
        framework_version: str = "3.0-5",
        instance_type: str = "ml.m5.xlarge",
        instance_count: int = 1,
        volume_size_gb: int = 30,
        max_runtime_seconds: int = 3600,
        queue_margin_seconds: int = 3600,
        poll_interval: float = 30.0,
        deferrable: bool = True,
        on_existing: OnExisting = "reattach",
        **kwargs: Any,
    ) -> None:
        # So that .output["artefact_uri"] gives a field of the result.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        if on_existing not in get_args(OnExisting):
            raise ValueError(f"on_existing is {on_existing!r}; choose one of {', '.join(get_args(OnExisting))}")
        if poll_interval <= 0:
            raise ValueError(f"poll_interval is {poll_interval}; give seconds above 0")
        self.source_dir = source_dir
        self.entry_point = entry_point
        self.table = table
        self.features = features
        self.label_column = label  # ``label`` is Airflow's: what the graph shows
        self.week_column = week_column
        self.holdout_from = holdout_from
        self.secret_id = secret_id
        self.role_arn = role_arn
        self.artefacts_uri = artefacts_uri
        self.task = task
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
        self.queue_margin_seconds = queue_margin_seconds
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.on_existing: OnExisting = on_existing
        self._job_name: str | None = None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Find or create the job, wait for it, return its result."""
        description = self._find_or_create(context)
        self._job_name = description["TrainingJobName"]
        if not training_job.is_ended(description):
            if self.deferrable:
                self._defer()
            description = self._wait(description)
        return self._finish(description)

    def execute_complete(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (Airflow's signature)
        """Take up again after the trigger has fired. The job itself says how it ended, not the event.

        :raises TrainingError: if the job gave no model, or could not be looked at any more
        """
        name = event["job_name"]
        if error := event.get("error"):
            raise TrainingError(
                f"training job {name} cannot be looked at: {error}; it is not stopped, a retry finds it"
            )
        self._job_name = name
        return self._finish(self._look(name))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Stop the job if the wait for it has timed out: no trigger's ``on_kill`` is called then."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            running = self._find_running(context)
            if running is None:
                raise
            self.hook.stop(running)
            raise TrainingError(f"{self._tell_timeout(running)}; it is being stopped") from None

    @property
    def job_address(self) -> tuple[str, str] | None:
        """Region and name of the task's job, once it is known."""
        return (self.hook.conn_region_name, self._job_name) if self._job_name else None

    def on_kill(self) -> None:
        """Stop the task's job; nothing if it has ended."""
        if self._job_name:
            self.log.info("Stopping training job %s", self._job_name)
            self.hook.stop(self._job_name)

    def _find_or_create(self, context: Mapping[str, Any]) -> dict[str, Any]:
        files = training_source.read_source(Path(self.source_dir), self.entry_point)
        spec = self._spec(context, training_source.digest(files))
        identity = _identity(context)
        attempt = 1
        while True:
            name = training_job.job_name(identity, spec.fingerprint, attempt)
            description = self.hook.describe(name)
            action = training_job.decide(description, self.on_existing)
            if action is Action.REFUSE:
                raise TrainingError(f"training job {name} exists and on_existing is 'fail'; delete it or reattach")
            if action is Action.NEXT_ATTEMPT:
                attempt += 1
            elif description is not None:
                self.log.info("Training job %s: %s", name, action.value)
                return description
            elif self._create(spec, files, name):
                return {"TrainingJobName": name, "TrainingJobStatus": "InProgress"}
            # Otherwise another attempt has just created it: look again what it is.

    def _create(self, spec: TrainingSpec, files: Mapping[str, bytes], name: str) -> bool:
        packed = {**files, training_source.JOB_DOCUMENT: spec.document}
        folder = f"{spec.artefacts_uri.rstrip('/')}/code/{training_source.digest(packed)}"
        source_uri = f"{folder}/sourcedir.tar.gz"
        self.hook.upload_once(source_uri, training_source.pack(packed))
        image = spec.image_uri or find_image(spec.framework_version, self.hook.conn_region_name)
        request = training_job.build_request(spec, name=name, image_uri=image, source_uri=source_uri)
        self._job_name = name  # a kill from here on must stop it
        created = self.hook.create(request)
        if created:
            self.log.info("Training job %s created from %s", name, source_uri)
        return created

    def _spec(self, context: Mapping[str, Any], source_digest: str) -> TrainingSpec:
        if not self.role_arn:
            raise TrainingError("role_arn is empty; give the IAM role that training jobs run as")
        split_uri(self.artefacts_uri)
        half_life = self.recency_half_life_weeks
        return TrainingSpec(
            source_digest=source_digest,
            entry_point=self.entry_point,
            table=self.table,
            features=tuple(self.features),
            label=self.label_column,
            week_column=self.week_column,
            task=self.task,
            holdout_from=str(self.holdout_from)[:10],
            seed=int(self.seed),
            recency_half_life_weeks=None if half_life in (None, "", "None") else float(half_life),
            hyperparameters=dict(self.hyperparameters or {}),
            secret_id=self.secret_id,
            role_arn=self.role_arn,
            artefacts_uri=self.artefacts_uri,
            image_uri=self.image_uri or None,
            framework_version=self.framework_version,
            instance_type=self.instance_type,
            instance_count=self.instance_count,
            volume_size_gb=self.volume_size_gb,
            max_runtime_seconds=self.max_runtime_seconds,
            code_commit=self.code_commit or code_commit(context),
        )

    @property
    def _patience(self) -> dt.timedelta:
        return dt.timedelta(seconds=self.max_runtime_seconds + self.queue_margin_seconds)

    def _defer(self) -> None:
        self.defer(
            trigger=SageMakerTrainingTrigger(
                job_name=str(self._job_name),
                poll_interval=self.poll_interval,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name=self.execute_complete.__name__,
            timeout=self._patience,
        )

    def _wait(self, description: dict[str, Any]) -> dict[str, Any]:
        name = description["TrainingJobName"]
        deadline = time.monotonic() + self._patience.total_seconds()
        delay, failures = None, 0
        while not training_job.is_ended(description):
            if time.monotonic() > deadline:
                self.hook.stop(name)
                raise TrainingError(f"{self._tell_timeout(name)}; it is being stopped")
            delay = training_job.next_poll_delay(delay, self.poll_interval)
            time.sleep(delay)
            try:
                description = self._look(name)
                failures = 0
            except (TrainingError, ServiceUnreachableError) as error:
                failures += 1
                self.log.warning("Look %d at training job %s failed: %s", failures, name, error)
                if failures >= training_job.FAILED_LOOKS_BORNE:
                    raise
        return description

    def _look(self, name: str) -> dict[str, Any]:
        description = self.hook.describe(name)
        if description is None:
            raise TrainingError(f"training job {name} was deleted while the task waited for it; clear the task")
        return description

    def _finish(self, description: Mapping[str, Any]) -> dict[str, Any]:
        name = description["TrainingJobName"]
        if description["TrainingJobStatus"] != "Completed":
            for line in self.hook.last_log_lines(name):
                self.log.info("[%s] %s", name, line)
            raise TrainingError(training_job.explain_end(description))
        card = self.hook.read_card(training_job.card_archive_uri(description))
        result = TrainingResult.of(description, self.table, card)
        self.log.info("Training job %s completed: %s", name, result.metrics)
        return result.as_xcom()

    def _find_running(self, context: Mapping[str, Any]) -> str | None:
        """Return the name of this task's running job: a task that times out has nothing else left to tell it."""
        files = training_source.read_source(Path(self.source_dir), self.entry_point)
        fingerprint = self._spec(context, training_source.digest(files)).fingerprint
        attempt = 1
        while True:
            name = training_job.job_name(_identity(context), fingerprint, attempt)
            description = self.hook.describe(name)
            if description is None:
                return None
            if not training_job.is_ended(description):
                return name
            attempt += 1

    def _tell_timeout(self, name: str) -> str:
        return (
            f"training job {name} has not ended within {self._patience}; "
            f"raise max_runtime_seconds ({self.max_runtime_seconds}) or queue_margin_seconds "
            f"({self.queue_margin_seconds})"
        )


def _identity(context: Mapping[str, Any]) -> TaskIdentity:
    instance = context["ti"]
    return TaskIdentity(instance.dag_id, instance.run_id, instance.task_id, instance.map_index)
