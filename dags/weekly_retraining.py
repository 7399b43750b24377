"""Builds ``retrain_<name>`` for every pipeline file: train, log, judge, and promote the better version."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param

from snowmaker import settings
from snowmaker.operators.baseline import FreezeBaselineOperator
from snowmaker.operators.log_model import LogModelOperator
from snowmaker.operators.promotion import EvaluateChallengerOperator, PromoteModelOperator
from snowmaker.operators.sagemaker import SageMakerTrainOperator
from snowmaker.operators.training_set import CreateTrainingSetOperator
from snowmaker.pipeline import Pipeline, load_pipelines

INCLUDE = Path(__file__).parents[1] / "include"


def weekly_retraining(pipeline: Pipeline) -> DAG:
    """Wire the retraining of one model: on degradation, on schedule, or by hand."""
    training, drift = pipeline.training, pipeline.monitoring.drift
    source = pipeline.source_table
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
        description=pipeline.description,
        doc_md=__doc__,
        schedule=schedule,
        start_date=datetime.fromisoformat(f"{pipeline.start_date}T00:00:00+00:00"),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": pipeline.owner, "retries": 2, "retry_delay": timedelta(seconds=30)},
        tags=["snowmaker", pipeline.name],
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
        train = SageMakerTrainOperator(
            task_id="train",
            source_dir=str(INCLUDE / "training"),
            table=training_set["table"],
            features=source.features_for_training,
            label=source.label.name,
            week_column=source.week_column.name,
            task=pipeline.task,
            holdout_from=training_set["holdout_first"],
            recency_half_life_weeks=training.recency_half_life_weeks,
            seed=training.seed,
            hyperparameters=training.hyperparameters,
            image_uri=training.image_uri,
            framework_version=training.framework_version,
            instance_type=training.instance_type,
            instance_count=training.instance_count,
            volume_size_gb=training.volume_size_gb,
            max_runtime_seconds=60 * training.max_runtime_minutes,
            role_arn=settings.role_arn(),
            artefacts_uri=settings.artefacts_uri(),
            secret_id=settings.snowflake_secret_id(),
        ).output
        log_model = LogModelOperator(
            task_id="log_model",
            artefact_uri=train["artefact_uri"],
            version_prefix="V{{ ti.xcom_pull('training_set')['week'] | replace('-', '') }}",
            training_job=train["job_name"],
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
            task=pipeline.task,
            threshold=pipeline.model.threshold,
            **holdout,
            **model,
        )
        promote = PromoteModelOperator(
            task_id="promote",
            verdict=evaluate.output,
            week=training_set["week"],
            reason=training_set["reason"],
            **model,
        )
        [freeze_baseline, evaluate] >> promote
    return dag


for pipeline in load_pipelines(INCLUDE / "pipelines").pipelines:
    weekly_retraining(pipeline)
