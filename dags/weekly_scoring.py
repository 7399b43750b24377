"""Builds ``score_<name>`` for every pipeline file: check the input, score the week, check drift and performance."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from snowmaker.notifications.callbacks import notification_callbacks
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.report import WeeklyReportOperator
from snowmaker.operators.scoring import BatchInferenceOperator, CheckInputOperator
from snowmaker.pipeline import Pipeline, load_pipelines
from snowmaker.verdicts import Degradation

PIPELINES = Path(__file__).parents[1] / "include" / "pipelines"


def weekly_scoring(pipeline: Pipeline) -> DAG:
    """Wire the weekly scoring of one model."""
    monitoring, notify = (
        pipeline.monitoring,
        notification_callbacks(pipeline.destinations, model=pipeline.model_name.quoted),
    )
    drift, performance = monitoring.drift, monitoring.performance
    task = {"task": pipeline.task, "threshold": pipeline.model.threshold}
    common = {
        "source": pipeline.source_table,
        "model_name": pipeline.model_name.quoted,
        "snowflake_conn_id": pipeline.snowflake.conn_id,
    }
    with DAG(
        f"score_{pipeline.name}",
        description=pipeline.description,
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(pipeline.schedule, timezone="UTC") if pipeline.schedule else None,
        start_date=datetime.fromisoformat(f"{pipeline.start_date}T00:00:00+00:00"),
        catchup=False,
        default_args={
            "owner": pipeline.owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "on_failure_callback": notify.on_failure,
        },
        tags=["snowmaker", pipeline.name],
        params={
            "week": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Week",
                description="First day of the week to score; empty: the last complete week.",
            ),
            "model_version": Param(
                "champion",
                type="string",
                title="Model version",
                description="champion, champion_as_of_week, an alias, or a version's name.",
            ),
        },
    ) as dag:
        check_input = CheckInputOperator(
            task_id="check_input",
            week="{{ params.week or '' }}",
            model_version="{{ params.model_version }}",
            **common,
        )
        settled = {"week": check_input.output["week"], "model_version": check_input.output["model_version"]}
        predictions = pipeline.predictions_table.quoted
        checked = {
            "predictions_table": predictions,
            "segments": monitoring.segments,
            "degraded_asset": Asset(**pipeline.degraded_asset),
            "cool_down_weeks": monitoring.cool_down_weeks,
            "on_success_callback": notify.on_check,
        }
        score = BatchInferenceOperator(task_id="score", predictions_table=predictions, **task, **settled, **common)
        check_drift = DriftCheckOperator(
            task_id="check_drift",
            rules=pipeline.drift_rules,
            baseline_weeks=drift.baseline_weeks,
            bins=drift.bins,
            categories=drift.categories,
            degraded_when=Degradation(drift.degraded_when.breaches, drift.degraded_when.of_weeks),
            **checked,
            **settled,
            **common,
        )
        check_performance = PerformanceCheckOperator(
            task_id="check_performance",
            label_delay_weeks=pipeline.source.label_delay_weeks,
            lookback_weeks=performance.lookback_weeks,
            estimate=performance.estimate,
            metric=pipeline.metric,
            thresholds=pipeline.performance_thresholds,
            degraded_when=Degradation(performance.degraded_when.breaches, performance.degraded_when.of_weeks),
            **checked,
            **task,
            **settled,
            **common,
        )
        report = WeeklyReportOperator(
            task_id="report",
            metric=pipeline.metric,
            drift=check_drift.output,
            performance=check_performance.output,
            **settled,
            **common,
        )
        score >> [check_drift, check_performance] >> report
    return dag


for pipeline in load_pipelines(PIPELINES).pipelines:
    weekly_scoring(pipeline)
