"""Builds ``retrain_<name>`` for every pipeline file: train, log, judge, let people approve, promote the better one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    BaseOperator,
    CronTriggerTimetable,
    Param,
    XComArg,
    get_parsing_context,
)

from snowmaker import settings
from snowmaker.hyperparameters import combinations
from snowmaker.notifications.callbacks import NotificationCallbacks, notification_callbacks
from snowmaker.operators.alert import AlertOperator
from snowmaker.operators.approval import ApproveChallengerOperator
from snowmaker.operators.baseline import FreezeBaselineOperator
from snowmaker.operators.choice import ChooseTrainingOperator
from snowmaker.operators.evaluation import EvaluateChallengerOperator
from snowmaker.operators.explain import ExplainModelOperator
from snowmaker.operators.log_model import LogModelOperator
from snowmaker.operators.monitor import ModelMonitorOperator
from snowmaker.operators.promotion import PromoteModelOperator
from snowmaker.operators.retention import RetireVersionsOperator
from snowmaker.operators.sagemaker import SageMakerTrainOperator
from snowmaker.operators.training_set import CreateTrainingSetOperator
from snowmaker.pipeline import Pipeline, load_pipelines

INCLUDE = Path(__file__).parents[1] / "include"
# What the train operator calls as the pipeline file does.
PASSED_ON = (
    "recency_half_life_weeks",
    "seed",
    "estimator",
    "class_weight",
    "reader",
    "image_uri",
    "framework_version",
    "instance_type",
    "instance_count",
    "volume_size_gb",
    "spot",
    "max_retry_attempts",
    "subnets",
    "security_group_ids",
    "volume_kms_key",
    "output_kms_key",
    "tags",
    "create_training_job",
)


def train(pipeline: Pipeline, training_set: XComArg) -> XComArg:
    """Wire the training: one task, or with a search one a combination and the choice of the best."""
    training, source = pipeline.training, pipeline.source_table
    arguments = {
        "task_id": "train",
        "source_dir": str(INCLUDE / "training"),
        "table": training_set["table"],
        "key": [column.name for column in source.key],
        "features": source.features_for_training,
        "label": source.label.name,
        "week_column": source.week_column.name,
        "task": pipeline.task,
        "threshold": pipeline.model.threshold,
        "holdout_from": training_set["holdout_first"],
        "max_runtime_seconds": 60 * training.max_runtime_minutes,
        "max_wait_seconds": 60 * training.max_wait_minutes if training.max_wait_minutes else None,
        "keep_alive_seconds": 60 * training.keep_alive_minutes,
        "role_arn": settings.role_arn(),
        "artefacts_uri": settings.artefacts_uri(),
        "secret_id": settings.snowflake_secret_id(),
        "model_name": pipeline.model_name.quoted,
        "week": training_set["week"],
        "costs_table": pipeline.costs_table.quoted,
        "snowflake_conn_id": pipeline.snowflake.conn_id,
        **{name: getattr(training, name) for name in PASSED_ON},
    }
    if not training.search:
        return SageMakerTrainOperator(hyperparameters=training.hyperparameters, **arguments).output
    tried = combinations(training.search)
    trained = SageMakerTrainOperator.partial(map_index_template="{{ task.hyperparameters }}", **arguments).expand(
        hyperparameters=[{**training.hyperparameters, **combination} for combination in tried]
    )
    choose = ChooseTrainingOperator(
        task_id="choose", train_task_id=trained.task_id, combinations=tried, metric=pipeline.metric
    )
    trained >> choose
    return choose.output


def ask(pipeline: Pipeline, verdict: XComArg, notify: NotificationCallbacks) -> XComArg | None:
    """Wire the approval by a person, if the pipeline file wants one."""
    promotion = pipeline.promotion
    if promotion.approval == "auto":
        return None
    return ApproveChallengerOperator(
        task_id="approve",
        verdict=verdict,
        approvers=promotion.approvers,
        timeout=timedelta(hours=promotion.approval_timeout_hours),
        on_timeout=promotion.approval_default,
        notifiers=notify.on_approval,
    ).output


def watch(pipeline: Pipeline, **monitored: Any) -> list[BaseOperator]:
    """Wire what Snowflake itself watches: the new champion's monitor, and the alerts."""
    snowflake, conn_id = pipeline.monitoring.snowflake, pipeline.snowflake.conn_id
    tasks: list[BaseOperator] = [
        AlertOperator(task_id=f"alert_{place}", alert_name=name, definition=definition, snowflake_conn_id=conn_id)
        for place, (name, definition) in enumerate(pipeline.alerts.items(), start=1)
    ]
    if options := pipeline.monitoring.monitor_options:
        monitor = ModelMonitorOperator(
            task_id="monitor",
            predictions_table=pipeline.predictions_table.quoted,
            options=options,
            others=snowflake.other_versions,
            task=pipeline.task,
            threshold=pipeline.model.threshold,
            **monitored,
        )
        tasks.append(monitor)
    return tasks


def retire(pipeline: Pipeline, **common: Any) -> list[BaseOperator]:
    """Wire what takes old versions out of the registry, if the pipeline file wants that."""
    if pipeline.retention is None:
        return []
    return [
        RetireVersionsOperator(
            task_id="retire",
            pinned=pipeline.pinned_versions,
            starts_on=pipeline.week_starts_on,
            **pipeline.retention.model_dump(),
            **common,
        )
    ]


def weekly_retraining(pipeline: Pipeline) -> DAG:
    """Wire the retraining of one model: on degradation, on schedule, or by hand."""
    training, drift = pipeline.training, pipeline.monitoring.drift
    source = pipeline.source_table
    notify = notification_callbacks(pipeline.destinations, model=pipeline.model_name.quoted)
    degraded = Asset(**pipeline.degraded_asset)
    schedule = (
        AssetOrTimeSchedule(
            timetable=CronTriggerTimetable(pipeline.retraining_schedule, timezone="UTC"), assets=[degraded]
        )
        if pipeline.retraining_schedule
        else [degraded]
    )
    with DAG(
        f"retrain_{pipeline.name}",
        doc_md=__doc__,
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        default_args={**pipeline.task_defaults, "on_failure_callback": notify.on_failure},
        **pipeline.dag_arguments,
        params={
            "week": Param(
                None,
                type=["null", "string"],
                format="date",
                title="As of week",
                description="Train on what was known at the end of the week that starts on this day; empty: the "
                "last complete week, or the one that was found degraded.",
            ),
            "window_weeks": Param(
                training.window_weeks,
                type="integer",
                minimum=training.holdout_weeks + 1,
                title="Training window",
                description="How many of the newest labelled weeks to use, holdout included.",
            ),
            "reason": Param(
                None, type=["null", "string"], title="Reason", description="Why; kept with the model's events."
            ),
        },
    ) as dag:
        model = {"model_name": pipeline.model_name.quoted, "snowflake_conn_id": pipeline.snowflake.conn_id}
        training_set = CreateTrainingSetOperator(
            task_id="training_set",
            source=source,
            task=pipeline.task,
            week="{{ params.week or '' }}",
            window_weeks="{{ params.window_weeks }}",
            reason="{{ params.reason or '' }}",
            holdout_weeks=training.holdout_weeks,
            label_delay_weeks=pipeline.source.label_delay_weeks,
            **model,
        ).output
        trained = train(pipeline, training_set)
        log_model = LogModelOperator(
            task_id="log_model",
            artefact_uri=trained["artefact_uri"],
            version_prefix="V{{ ti.xcom_pull('training_set')['week'] | replace('-', '') }}",
            training_job=trained["job_name"],
            training_table=training_set["table"],
            conda_dependencies=pipeline.model.conda_dependencies,
            pip_requirements=pipeline.model.pip_requirements,
            **model,
        ).output
        holdout = {
            "training_table": training_set["table"],
            "first_week": training_set["holdout_first"],
            "last_week": training_set["holdout_last"],
        }
        # Before the promotion, so that no champion is without a baseline.
        freeze_baseline = FreezeBaselineOperator(
            task_id="freeze_baseline",
            source=source,
            model_version=log_model["model_version"],
            task=pipeline.task,
            bins=drift.bins,
            categories=drift.categories,
            segments=pipeline.monitoring.segments,
            calibration_only=drift.baseline_weeks > 0,
            **holdout,
            **model,
        )
        if pipeline.explain:
            ExplainModelOperator(
                task_id="explain",
                source=source,
                model_version=log_model["model_version"],
                sample_rows=pipeline.explain.sample_rows,
                **holdout,
                **model,
            )
        evaluate = EvaluateChallengerOperator(
            task_id="evaluate",
            source=source,
            challenger=log_model["model_version"],
            floors=pipeline.promotion.floors,
            ceilings=pipeline.promotion.ceilings,
            min_gain=pipeline.min_gain,
            confidence=pipeline.promotion.confidence,
            not_worse=pipeline.promotion.not_worse,
            not_worse_metric=pipeline.promotion.not_worse_metric,
            max_scoring_seconds_per_million=pipeline.promotion.max_scoring_seconds_per_million,
            max_training_cost=pipeline.promotion.max_training_cost,
            costs_table=pipeline.costs_table.quoted,
            task=pipeline.task,
            threshold=pipeline.model.threshold,
            week=training_set["week"],
            **holdout,
            **model,
        )
        promote = PromoteModelOperator(
            task_id="promote",
            verdict=evaluate.output,
            approval=ask(pipeline, evaluate.output, notify),
            week=training_set["week"],
            reason=training_set["reason"],
            on_success_callback=notify.on_promotion,
            on_skipped_callback=notify.on_rejection,
            on_failure_callback=[*notify.on_failure, *notify.on_rejection],
            **model,
        )
        [freeze_baseline, evaluate] >> promote
        promote >> [
            *watch(pipeline, source=source, model_version=log_model["model_version"], **holdout, **model),
            *retire(pipeline, week=training_set["week"], **model),
        ]
    return dag


for pipeline in load_pipelines(INCLUDE / "pipelines").pipelines:
    # A task's process builds its own DAG only.
    if get_parsing_context().dag_id in (None, f"retrain_{pipeline.name}"):
        weekly_retraining(pipeline)
