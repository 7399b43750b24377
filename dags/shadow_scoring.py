"""Builds ``shadow_<name>`` for every pipeline file: a version scores a week beside the one that counts."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param, get_parsing_context

from snowmaker.operators.scoring import BatchInferenceOperator, CheckInputOperator
from snowmaker.operators.shadow import ComparePredictionsOperator
from snowmaker.pipeline import Pipeline, load_pipelines

PIPELINES = Path(__file__).parents[1] / "include" / "pipelines"


def shadow_scoring(pipeline: Pipeline) -> DAG:
    """Wire the shadow scoring of one model, by hand."""
    common = {
        "source": pipeline.source_table,
        "model_name": pipeline.model_name.quoted,
        "snowflake_conn_id": pipeline.snowflake.conn_id,
    }
    predicted = {
        "predictions_table": pipeline.predictions_table.quoted,
        "task": pipeline.task,
        "threshold": pipeline.model.threshold,
    }
    with DAG(
        f"shadow_{pipeline.name}",
        doc_md=__doc__,
        schedule=None,
        default_args=pipeline.task_defaults,
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
                "challenger",
                type="string",
                title="Model version",
                description="An alias, or a version's name. Its predictions stand beside those that count.",
            ),
            "against": Param(
                None,
                type=["null", "string"],
                title="Compare with",
                description="An alias, or a version that has scored the week; empty: the one whose predictions count.",
            ),
        },
    ) as dag:
        settled = CheckInputOperator(
            task_id="check_input",
            week="{{ params.week or '' }}",
            model_version="{{ params.model_version }}",
            **common,
        ).output
        score = BatchInferenceOperator(
            task_id="score",
            week=settled["week"],
            model_version=settled["model_version"],
            shadow=True,
            **predicted,
            **common,
        )
        compare = ComparePredictionsOperator(
            task_id="compare",
            week=settled["week"],
            version=settled["model_version"],
            against="{{ params.against or '' }}",
            **predicted,
            **common,
        )
        score >> compare
    return dag


for pipeline in load_pipelines(PIPELINES).pipelines:
    # A task's process builds its own DAG only.
    if get_parsing_context().dag_id in (None, f"shadow_{pipeline.name}"):
        shadow_scoring(pipeline)
