"""Builds ``rollback_model``: one click back to an earlier champion, for the model of any pipeline file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from snowmaker.notifications.callbacks import ByPipeline, notification_callbacks
from snowmaker.operators.rollback import RollbackModelOperator
from snowmaker.pipeline import Pipeline, load_pipelines

PIPELINES = Path(__file__).parents[1] / "include" / "pipelines"


def rollback_model(pipelines: dict[str, Pipeline]) -> DAG:
    """Wire the rollback: by hand only, and for whichever model the form names."""
    notify = {
        name: notification_callbacks(pipeline.destinations, model=pipeline.model_name.quoted)
        for name, pipeline in pipelines.items()
    }
    with DAG(
        "rollback_model",
        description="Make an earlier champion of a model the champion again.",
        doc_md=__doc__,
        schedule=None,
        # Nothing to wait for, and a paused one would leave a rollback queued.
        is_paused_upon_creation=False,
        user_defined_macros={"pipelines": pipelines},
        default_args={"retries": 5, "retry_delay": timedelta(seconds=5)},
        tags=["snowmaker"],
        params={
            "pipeline": Param(
                type="string", enum=sorted(pipelines), title="Pipeline", description="Whose model goes back."
            ),
            "target": Param(
                "previous",
                type="string",
                minLength=1,
                title="Target version",
                description="previous: the champion before this one; or a version that was champion once.",
            ),
            "reason": Param(
                type="string",
                minLength=3,
                pattern=r"\S",
                title="Reason",
                description="Why; kept with the model's event.",
            ),
            "week": Param(
                None,
                type=["null", "string"],
                format="date",
                title="As of week",
                description="First day of the last week that keeps its champion; empty: the last complete week.",
            ),
        },
    ) as dag:
        RollbackModelOperator(
            task_id="roll_back",
            model_name="{{ pipelines[params.pipeline].model_name.quoted }}",
            snowflake_conn_id="{{ pipelines[params.pipeline].snowflake.conn_id }}",
            starts_on="{{ pipelines[params.pipeline].week_starts_on }}",
            target="{{ params.target }}",
            reason="{{ params.reason }}",
            week="{{ params.week or '' }}",
            on_success_callback=ByPipeline({name: told.on_rollback for name, told in notify.items()}),
            on_failure_callback=ByPipeline({name: told.on_failure for name, told in notify.items()}),
        )
    return dag


if found := {pipeline.name: pipeline for pipeline in load_pipelines(PIPELINES).pipelines}:
    rollback_model(found)
