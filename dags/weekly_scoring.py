"""Builds ``score_<name>`` for every pipeline file: check the input, score the week, check drift and performance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, get_parsing_context

from snowmaker.notifications.callbacks import notification_callbacks
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.operators.monitor_drift import MonitorDriftCheckOperator
from snowmaker.operators.monitor_performance import MonitorPerformanceCheckOperator
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.report import WeeklyReportOperator
from snowmaker.operators.scoring import BatchInferenceOperator, CheckInputOperator
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.pipeline import Pipeline, load_pipelines

PIPELINES = Path(__file__).parents[1] / "include" / "pipelines"


def check_by_sql(pipeline: Pipeline, **common: Any) -> list[WeeklyCheckOperator]:
    """Wire the two checks by Snowmaker's own statements."""
    drift, performance = pipeline.monitoring.drift, pipeline.monitoring.performance
    common |= {"segments": pipeline.monitoring.segments}
    return [
        DriftCheckOperator(
            task_id="check_drift",
            rules=pipeline.drift_rules,
            baseline_weeks=drift.baseline_weeks,
            bins=drift.bins,
            categories=drift.categories,
            degraded_when=drift.degraded_when.rule,
            **common,
        ),
        PerformanceCheckOperator(
            task_id="check_performance",
            label_delay_weeks=pipeline.source.label_delay_weeks,
            lookback_weeks=performance.lookback_weeks,
            estimate=performance.estimate,
            metric=pipeline.metric,
            thresholds=pipeline.performance_thresholds,
            threshold=pipeline.model.threshold,
            degraded_when=performance.degraded_when.rule,
            task=pipeline.task,
            **common,
        ),
    ]


def check_by_monitors(pipeline: Pipeline, **common: Any) -> list[WeeklyCheckOperator]:
    """Wire the two checks by Snowflake's model monitors."""
    monitoring = pipeline.monitoring
    return [
        MonitorDriftCheckOperator(
            task_id="check_drift",
            rules=pipeline.drift_rules,
            segments=monitoring.segments,
            wait_minutes=monitoring.snowflake.wait_minutes,
            degraded_when=monitoring.drift.degraded_when.rule,
            **common,
        ),
        MonitorPerformanceCheckOperator(
            task_id="check_performance",
            label_delay_weeks=pipeline.source.label_delay_weeks,
            lookback_weeks=monitoring.performance.lookback_weeks,
            metric=pipeline.metric,
            thresholds=pipeline.performance_thresholds,
            degraded_when=monitoring.performance.degraded_when.rule,
            task=pipeline.task,
            **common,
        ),
    ]


CHECKS = {"snowmaker": check_by_sql, "snowflake_monitor": check_by_monitors}


def weekly_scoring(pipeline: Pipeline) -> DAG:
    """Wire the weekly scoring of one model."""
    notify = notification_callbacks(pipeline.destinations, model=pipeline.model_name.quoted)
    common = {
        "source": pipeline.source_table,
        "model_name": pipeline.model_name.quoted,
        "snowflake_conn_id": pipeline.snowflake.conn_id,
    }
    with DAG(
        f"score_{pipeline.name}",
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(pipeline.schedule, timezone="UTC") if pipeline.schedule else None,
        catchup=False,
        default_args={**pipeline.task_defaults, "on_failure_callback": notify.on_failure},
        **pipeline.dag_arguments,
        params={
            "week": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Week",
                description="First day of the week to score; empty: the last complete week.",
            ),
            "model_version": Param(
                pipeline.scoring.model,
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
        # Nobody reads a single field of what follows; an XCom of each would be a call of the API for each.
        common |= {"multiple_outputs": False}
        score = BatchInferenceOperator(
            task_id="score",
            predictions_table=predictions,
            task=pipeline.task,
            threshold=pipeline.model.threshold,
            **settled,
            **common,
        )
        checks = CHECKS[pipeline.monitoring.engine](
            pipeline,
            predictions_table=predictions,
            degraded_asset=Asset(**pipeline.degraded_asset),
            cool_down_weeks=pipeline.monitoring.cool_down_weeks,
            on_success_callback=notify.on_check,
            **settled,
            **common,
        )
        check_drift, check_performance = checks
        report = WeeklyReportOperator(
            task_id="report",
            metric=pipeline.metric,
            drift=check_drift.output,
            performance=check_performance.output,
            **settled,
            **common,
        )
        score >> checks >> report
    return dag


for pipeline in load_pipelines(PIPELINES).pipelines:
    # A task's process builds its own DAG only.
    if get_parsing_context().dag_id in (None, f"score_{pipeline.name}"):
        weekly_scoring(pipeline)
