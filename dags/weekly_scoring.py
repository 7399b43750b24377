"""Builds ``score_<name>`` for every pipeline file: check the input, score the week, check drift and performance."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param

from snowmaker.drift import Degradation, DriftThresholds
from snowmaker.operators.drift import DriftCheckOperator
from snowmaker.operators.performance import PerformanceCheckOperator
from snowmaker.operators.scoring import BatchInferenceOperator, CheckInputOperator
from snowmaker.pipeline import Pipeline, load_pipelines

PIPELINES = Path(__file__).parents[1] / "include" / "pipelines"


def weekly_scoring(pipeline: Pipeline) -> DAG:
    """Wire the weekly scoring of one model."""
    drift, performance = pipeline.monitoring.drift, pipeline.monitoring.performance
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
        default_args={"owner": pipeline.owner, "retries": 2, "retry_delay": timedelta(seconds=30)},
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
        degraded = Asset(**pipeline.degraded_asset)
        score = BatchInferenceOperator(task_id="score", predictions_table=predictions, **task, **settled, **common)
        check_drift = DriftCheckOperator(
            task_id="check_drift",
            predictions_table=predictions,
            thresholds=DriftThresholds(drift.warn, drift.breach),
            degraded_when=Degradation(drift.degraded_when.breaches, drift.degraded_when.of_weeks),
            degraded_asset=degraded,
            **settled,
            **common,
        )
        check_performance = PerformanceCheckOperator(
            task_id="check_performance",
            predictions_table=predictions,
            label_delay_weeks=pipeline.source.label_delay_weeks,
            metric=pipeline.metric,
            thresholds=pipeline.performance_thresholds,
            degraded_when=Degradation(performance.degraded_when.breaches, performance.degraded_when.of_weeks),
            degraded_asset=degraded,
            **task,
            **settled,
            **common,
        )
        score >> [check_drift, check_performance]
    return dag


for pipeline in load_pipelines(PIPELINES).pipelines:
    weekly_scoring(pipeline)
