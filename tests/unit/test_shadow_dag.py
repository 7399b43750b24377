from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from airflow.sdk import DAG

from snowmaker.pipeline import load_pipelines

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    """The DAGs of the file, by pipeline."""
    build = runpy.run_path(str(REPOSITORY / "dags" / "shadow_scoring.py"))["shadow_scoring"]
    pipelines = load_pipelines(REPOSITORY / "include" / "pipelines").pipelines
    return {pipeline.name: build(pipeline) for pipeline in pipelines}


def test_every_pipeline_can_be_scored_in_the_shadow_by_hand(dags: dict[str, DAG]) -> None:
    assert {"mortgage", "house_values", "support_tickets"} <= dags.keys()
    assert [dag.dag_id for dag in dags.values()] == [f"shadow_{name}" for name in dags]
    assert [dag.schedule for dag in dags.values()] == [None] * len(dags)


def test_a_week_is_settled_then_scored_in_the_shadow_then_compared(dags: dict[str, DAG]) -> None:
    dag = dags["support_tickets"]
    check_input, score, compare = (dag.get_task(name) for name in ("check_input", "score", "compare"))
    assert score.upstream_task_ids == {"check_input"}
    assert compare.upstream_task_ids == {"check_input", "score"}
    assert score.shadow
    assert score.predictions_table == compare.predictions_table == '"ML"."SUPPORT"."SUPPORT_TICKETS_PREDICTIONS"'
    assert score.scored_task == compare.scored_task
    # What is compared is what was scored, whatever an alias means by then.
    for task in (score.week, score.model_version, compare.week, compare.version):
        assert task.operator is check_input
    assert not dags["house_values"].get_task("compare").is_classification


def test_what_a_person_can_ask_for(dags: dict[str, DAG]) -> None:
    params = dags["mortgage"].params
    assert {name: params[name] for name in params} == {"week": None, "model_version": "challenger", "against": None}
    params["week"] = "2026-03-02"
    with pytest.raises(ValueError, match="not a 'date'"):
        params["week"] = "last Monday"
