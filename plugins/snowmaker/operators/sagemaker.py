"""The operator that trains a model on SageMaker."""

from __future__ import annotations

import datetime as dt
import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferralError, TaskDeferralTimeout

from snowmaker import training_outcome
from snowmaker.exceptions import SnowmakerError, TrainingError
from snowmaker.hooks.training_log import TrainingLog
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.lineage import training_lineage
from snowmaker.links.sagemaker import JobAddress, TrainingJobLink, TrainingLogLink
from snowmaker.operators.training_arguments import TrainingArguments
from snowmaker.task_states import UNKNOWN, goes_on, is_over, state_of, within
from snowmaker.training_job import TaskIdentity
from snowmaker.training_outcome import TrainingResult
from snowmaker.training_run import TrainingRun
from snowmaker.triggers.sagemaker import SageMakerTrainingTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

# Airflow kills a task's process 5 s after it has told it so.
_ASK_SECONDS, _ASK_AGAIN_SECONDS, _STOP_SECONDS = 0.5, 2.0, 3.0

# All lines of the hosts go one way, whoever waits for the job.
log = logging.getLogger(__name__)


class SageMakerTrainOperator(TrainingArguments):
    """Train a script-mode model on SageMaker, on rows the instances read from Snowflake themselves.

    The job's name is a function of the run's task and of the job's specification, so a retried, restarted, cleared
    or re-deferred task finds its running job and waits for it, and a completed one is reused. A job that failed or
    was stopped gets a successor under the next name (``…-a2``, ``…-a3``). If the specification has changed, the
    task's older job is stopped before the new one starts. Killing the task, marking it failed, or its timeout stops
    the job; losing the worker or the triggerer does not. Deferrable or not, the result is the same. A failure that
    a retry cannot mend (bad rows, a wrong secret, a refused request) is not retried. No credential goes through
    here: the job fetches its Snowflake login from Secrets Manager by ``secret_id``.

    :param source_dir: directory of the training code; packed with a ``job.json`` and stored in S3 (templated)
    :param entry_point: script in it that SageMaker starts
    :param table: quoted full name of the table to train on (templated)
    :param key: columns that tell the table's rows apart; several instances share the rows by them
    :param features: the input columns, each ``{"name": …, "kind": "numeric" | "categorical"}`` (templated)
    :param label: the column to predict
    :param week_column: the date or timestamp that orders the rows in time (templated)
    :param holdout_from: ISO date; rows from then on are held out for evaluation and early stopping (templated)
    :param secret_id: Secrets Manager secret with the arguments of ``snowflake.connector.connect`` (templated)
    :param role_arn: IAM role the job runs as (templated)
    :param artefacts_uri: S3 folder for code (``code/``), artefacts (``jobs/``) and checkpoints (templated)
    :param task: binary_classification (default), multiclass_classification or regression
    :param estimator: xgboost (default), or linear, a regularised linear model
    :param class_weight: balanced: each class weighs as much as the others; default: each row as much
    :param reader: how the job reads its rows: connector (default; Arrow batches) or snowpark
    :param threshold: score from which a binary classification predicts the class 1, for its metrics (default 0.5)
    :param hyperparameters: the estimator's own, plus num_boost_round and early_stopping_rounds (templated)
    :param seed: seed of the training (templated)
    :param recency_half_life_weeks: age at which a training row counts half; default: all count alike (templated)
    :param code_commit: commit the code comes from, for the model card; default: the bundle's (templated)
    :param image_uri: training image; default: SageMaker's XGBoost image of ``framework_version`` (templated)
    :param framework_version: version of that image
    :param instance_type: (templated)
    :param instance_count: number of instances; each reads its share of the rows
    :param volume_size_gb: disk of each
    :param max_runtime_seconds: SageMaker stops the job after so long
    :param spot: train on spot instances, with checkpoints in S3 that an interrupted job, or its successor, goes on from
    :param max_wait_seconds: with spot, how long to wait and run altogether (default twice ``max_runtime_seconds``)
    :param keep_alive_seconds: keep the instances for the next job so long (a warm pool, which is billed)
    :param max_retry_attempts: how often SageMaker itself starts the job anew after an error of its own
    :param subnets: subnets of your VPC to run in, with ``security_group_ids``
    :param security_group_ids: security groups of the instances there
    :param volume_kms_key: KMS key of the disks
    :param output_kms_key: KMS key of the artefacts
    :param tags: tags of the job (templated)
    :param create_training_job: anything else of the CreateTrainingJob request, in the API's own words, e.g.
        ``{"ResourceConfig": {"InstanceGroups": […]}}``. It adds to the request at any depth; contradicting what the
        arguments above make of it is an error. Secrets do not belong here: SageMaker shows the request (templated)
    :param queue_margin_seconds: how much longer to wait for the job to be started and to upload
    :param poll_interval: longest pause between two looks at the job, in seconds; the first ones are short
    :param deferrable: wait in the triggerer, without a worker slot (default true)
    :param on_existing: what to do about a job that an earlier try of this task has left. ``reattach`` (default) as told
        above. ``fail``: an error. ``new``: each try has a job of its own, and one of an earlier try that still runs
        is stopped first. In each case a try that is only taken up again goes on with its own job
    :param model_name: whose model it is, for the row of costs (templated)
    :param week: ISO date of the week the model is trained as of, for the row of costs (templated)
    :param costs_table: full name of the table SNOWMAKER_RUN_COSTS to keep a row about the job's cost in, whether it
        succeeds or not; default: none is kept (templated)
    :param snowflake_conn_id: Airflow connection to write that row with
    :param prices: US dollars an instance-hour by instance type; goes before ``[snowmaker] instance_prices`` and the
        built-in list
    :return: a dictionary with the fields of ``training_outcome.TrainingResult``
    """

    operator_extra_links = (TrainingJobLink(), TrainingLogLink())

    _run: TrainingRun | None = None
    _task_instance: Any = None
    _artefact_uri: str | None = None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Find or create the job, wait for it, return its result."""
        spec, files = self._specify(context)
        run = self._begin(context)
        try:
            description = run.find_or_create(spec, files, self.on_existing)
            for stopped in run.stopped:
                self._costs.keep_if_possible(stopped, self._identity)
            if not training_outcome.is_ended(description) and self.deferrable:
                self._defer(run, description)
            return self._wait_and_finish(description)
        except AirflowTaskTimeout:
            self._stop(run)
            raise

    def execute_complete(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        """Take up again after the trigger has fired. The job itself says how it ended, not the event.

        :raises TrainingError: if the job gave no model, or could not be looked at any more
        """
        name = event["job_name"]
        run = self._begin(context)
        run.name = name
        if error := event.get("error"):
            raise TrainingError(
                f"training job {name} cannot be looked at: {error}; it is not stopped, a retry finds it"
            )
        job_log = TrainingLog(self.hook, name, event.get("log_positions"))
        return self._wait_and_finish(self.hook.look(name), job_log)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Also take up again after a wait that came to nothing: Airflow tells neither trigger nor job of it.

        :raises TrainingError: if the time is over; the job is stopped then
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralTimeout, TaskDeferralError) as error:
            run = self._begin(context)
            name = run.find_again(lambda: self._specify(context)[0])
            description = self.hook.describe(name) if name else None
            if description is None:
                raise
            if not isinstance(error, TaskDeferralTimeout):
                self.log.warning("The trigger failed (%s); waiting for training job %s here", error, name)
            elif not training_outcome.is_ended(description):
                raise self._time_is_over(run, description) from None
            return self._wait_and_finish(description)

    @property
    def job_address(self) -> JobAddress | None:
        """Where the task's job is, once its name is known."""
        if self._run is None or not self._run.name:
            return None
        return JobAddress(self.hook.conn_partition, self.hook.conn_region_name, self._run.name)

    def on_kill(self) -> None:
        """Stop the task's job, unless the task was cleared and is to run again; nothing if it has ended."""
        run = self._run
        if run is None:
            return
        state = within(_ASK_SECONDS, lambda: state_of(self._task_instance))
        if state is not None:
            self._stop_if_not_wanted(run, state)
        else:
            # The signal may have interrupted a call whose lock the question needs: it goes on when this returns.
            Thread(target=self._ask_again, args=(run,), daemon=True).start()

    def _ask_again(self, run: TrainingRun) -> None:
        state = within(_ASK_AGAIN_SECONDS, lambda: state_of(self._task_instance))
        self._stop_if_not_wanted(run, state or UNKNOWN)

    def _stop_if_not_wanted(self, run: TrainingRun, state: str) -> None:
        name = run.name
        if goes_on(state):
            self.log.info("Training job %s goes on: its task is %s", name, state)
            return
        run.abandon()
        if name is None:
            return
        self.log.info("Stopping training job %s: its task is %s", name, state)
        # In a thread of its own, for the same reason.
        if not within(_STOP_SECONDS, lambda: self._ask_to_stop(name)):
            self.log.error("SageMaker has not answered yet whether training job %s is being stopped", name)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 (OpenLineage's signature)
        """Return the table that was read and the artefact that was written."""
        from airflow.providers.snowflake.utils.openlineage import fix_account_name

        extra = WarehouseHook.get_connection(self.snowflake_conn_id).extra_dejson
        account = extra.get("account")
        return training_lineage(self.table, account and fix_account_name(account), self._artefact_uri)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Return the table that was to be read."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def _begin(self, context: Mapping[str, Any]) -> TrainingRun:
        self._task_instance = context["ti"]
        self._run = TrainingRun(
            self.hook,
            self._identity,
            store=context.get("task_state_store"),
            try_id=self._try_id,
            on_name=lambda _: self._push_links(),
        )
        return self._run

    @property
    def _try_id(self) -> str:
        # Another one for each try; contexts that are made by hand have none.
        return str(getattr(self._task_instance, "id", ""))

    @property
    def _identity(self) -> TaskIdentity:
        instance = self._task_instance
        return TaskIdentity(
            instance.dag_id,
            instance.run_id,
            instance.task_id,
            instance.map_index,
            try_id=self._try_id if self.on_existing == "new" else "",
        )

    def _defer(self, run: TrainingRun, description: Mapping[str, Any]) -> None:
        if is_over(state := state_of(self._task_instance)):
            # Somebody has ended the task since it began. Nobody would tell a trigger of it any more.
            self._stop(run)
            raise TrainingError(f"training job {run.name} is being stopped: its task is {state}")
        timeout = dt.timedelta(seconds=training_outcome.seconds_left(description, self._patience))
        self.defer(
            trigger=SageMakerTrainingTrigger(
                job_name=description["TrainingJobName"],
                poll_interval=self.poll_interval,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                verify=self.verify,
                botocore_config=self.botocore_config,
            ),
            method_name=self.execute_complete.__name__,
            timeout=min(timeout, self.execution_timeout) if self.execution_timeout else timeout,
        )

    def _wait_and_finish(self, description: dict[str, Any], job_log: TrainingLog | None = None) -> dict[str, Any]:
        run, name = self._run, description["TrainingJobName"]
        if run is None:
            raise RuntimeError("no run was begun")
        if not training_outcome.is_ended(description):
            job_log = job_log or TrainingLog(self.hook, name)
            seconds = training_outcome.seconds_left(description, self._patience)
            description = run.wait(description, seconds=seconds, poll_interval=self.poll_interval, job_log=job_log)
            if not training_outcome.is_ended(description):
                raise self._time_is_over(run, description)
        for line in job_log.new_lines(at_the_end=True) if job_log else ():
            log.info("%s", line)
        return self._finish(description)

    def _finish(self, description: Mapping[str, Any]) -> dict[str, Any]:
        if description["TrainingJobStatus"] != "Completed":
            self._costs.keep_if_possible(description, self._identity)
            raise training_outcome.failure_of(description)
        card = self.hook.read_card(training_outcome.card_archive_uri(description))
        self._artefact_uri = description["ModelArtifacts"]["S3ModelArtifacts"]
        digest = self.hook.digest(self._artefact_uri)
        cost = self._costs.keep(description, self._identity)
        result = TrainingResult.of(description, table=self.table, card=card, digest=digest, cost=cost.estimated)
        self.log.info("Training job %s completed: %s", result.job_name, result.metrics)
        return result.as_xcom()

    def _time_is_over(self, run: TrainingRun, description: Mapping[str, Any]) -> TrainingError:
        name = description["TrainingJobName"]
        told = self._stop(run) or "SageMaker does not answer; look whether it runs"
        return TrainingError(
            f"training job {name} has not ended in time: execution_timeout is {self.execution_timeout}, "
            f"max_runtime_seconds {self.max_runtime_seconds}, queue_margin_seconds {self.queue_margin_seconds}; raise "
            f"what is too short. It was told to stop: {told}"
        )

    def _stop(self, run: TrainingRun) -> str | None:
        """Stop the task's job and wait until it has; return the status it was last seen in."""
        description = run.stop_and_wait(run.name) if run.name else None
        if description is None:
            return None
        self._costs.keep_if_possible(description, self._identity)
        return str(description["TrainingJobStatus"])

    def _ask_to_stop(self, name: str) -> bool:
        try:
            self.hook.insist_on_stop(name)
        except SnowmakerError as error:
            self.log.error("%s", error)
        return True

    def _push_links(self) -> None:
        """Make the links to be seen while the job runs; Airflow itself stores them at the task's end."""
        try:
            for link in self.operator_extra_links:
                address = link.get_link(self, ti_key=self._task_instance)
                self._task_instance.xcom_push(key=link.xcom_key, value=address)
        except Exception as error:
            self.log.warning("The links to the AWS console cannot be stored yet: %s", error)
