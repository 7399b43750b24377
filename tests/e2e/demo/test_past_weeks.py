"""Past weeks in a real Airflow: backfilled again by the champions of their time, and scored in the shadow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from running_demo import until

from demo.decisions import MODEL as MODEL_OF_DECISIONS
from demo.decisions import REARRANGED, SCHEMA, Decisions
from demo.deployment import ENDED, SCORE, Deployment
from demo.pages import command, with_options
from include.demo.local_airflow import create_backfill

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]

SHADOW, MODEL = "shadow_mortgage", '"ML"."MORTGAGE"."MORTGAGE_RESPONSE"'


def second_champion(deployment: Deployment) -> tuple[list[str], date]:
    """Both champions, and the week as of which the second one was promoted."""
    rows = deployment.query(
        "SELECT MODEL_VERSION, WEEK_START FROM SNOWMAKER_MODEL_EVENTS WHERE EVENT = 'PROMOTED' AND MODEL_NAME = %s "
        "ORDER BY SEQUENCE",
        MODEL,
    )
    (first, _), (second, week) = rows[:2]
    return [first, second], week


def runs_of(deployment: Deployment, weeks: list[date]) -> list[dict[str, Any]]:
    """The backfill's runs of these weeks, in the weeks' order."""
    by_week = {run["logical_date"][:10]: run for run in deployment.api.runs(SCORE) if run["run_type"] == "backfill"}
    return [by_week[str(week)] for week in weeks]


def test_completed_weeks_are_backfilled_again_newest_first_by_the_champions_of_their_time(
    deployment: Deployment,
) -> None:
    champions, week = second_champion(deployment)
    weeks = [week, week + timedelta(weeks=1)]
    before = deployment.predictions()
    (written,) = deployment.query("SELECT MAX(SCORED_AT) FROM MORTGAGE_PREDICTIONS")[0]
    # Airflow looks now and then whether a backfill, such as the demo's, is over, and takes no other until then.
    until(lambda: not deployment.api.active_backfills(SCORE), 120, "the end of the demo's backfill")
    shown = command(f"airflow backfill create --dag-id {SCORE}")[4:]
    options = with_options(shown, from_date=str(weeks[0]), to_date=str(weeks[1] + timedelta(days=1)))
    create_backfill(deployment.airflow, deployment.api, SCORE, *options)
    until(lambda: not deployment.api.active_backfills(SCORE), 400, "the end of the backfill")
    runs = runs_of(deployment, weeks)
    assert [run["state"] for run in runs] == ["success", "success"]
    assert runs[0]["start_date"] > runs[1]["end_date"]
    # Today's champion would have scored both.
    assert [deployment.api.xcom(SCORE, run["dag_run_id"], "score")["model_version"] for run in runs] == champions
    after = deployment.predictions()
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert {row[0]: row[2] for row in after if row[0] in weeks} == dict(zip(weeks, champions, strict=True))
    # Another test may have had a week scored by another version meanwhile; the same one scores alike.
    assert [(old, new) for old, new in zip(before, after, strict=True) if old[2] == new[2] and old != new] == []
    assert [row for row in after if row[0] not in weeks] == [row for row in before if row[0] not in weeks]
    again = deployment.query("SELECT DISTINCT WEEK_START FROM MORTGAGE_PREDICTIONS WHERE SCORED_AT > %s", written)
    assert sorted(one for (one,) in again) == weeks


def test_a_version_scores_a_week_in_the_shadow_and_is_compared(deployment: Deployment) -> None:
    (first, second), week = second_champion(deployment)
    current = "SELECT WEEK_START, ROW_ID, MODEL_VERSION, SCORE FROM MORTGAGE_PREDICTIONS_CURRENT ORDER BY 1, 2"
    before = deployment.query(current)
    deployment.api.wait_for_dags({SHADOW}, 60)
    deployment.api.pause(SHADOW, paused=False)
    run_id = deployment.api.trigger(SHADOW, {"week": str(week), "model_version": second})
    assert deployment.api.wait(SHADOW, run_id) in ENDED
    assert {task["task_id"]: task["state"] for task in deployment.api.tasks(SHADOW, run_id)} == {
        "check_input": "success",
        "score": "success",
        "compare": "success",
    }
    compared = deployment.api.xcom(SHADOW, run_id, "compare")
    rows = sum(one[0] == week for one in before)
    assert {
        name: compared[name] for name in ("week", "version", "against", "rows", "only_version", "only_against")
    } == {
        "week": str(week),
        "version": second,
        "against": first,
        "rows": rows,
        "only_version": 0,
        "only_against": 0,
    }
    assert 0 < compared["correlation"] < 1
    assert sum(pair["rows"] for pair in compared["classes"]) == compared["labelled"] == rows
    assert set(compared["metrics"]["f1"]) == {"version", "against"}
    assert deployment.query(current) == before


def test_a_version_scores_alike_whatever_features_the_pipeline_file_lists_by_now(decisions: Decisions) -> None:
    deployment, dag_id = decisions.deployment, f"score_{REARRANGED}"
    week, version = deployment.query(
        "SELECT WEEK_START, MIN(MODEL_VERSION) FROM MORTGAGE_PREDICTIONS_CURRENT GROUP BY 1 ORDER BY 1 DESC LIMIT 1"
    )[0]
    name = MODEL_OF_DECISIONS
    deployment.query(f'ALTER MODEL {name} ADD VERSION LATEST FROM MODEL MORTGAGE_RESPONSE VERSION "{version}"')
    deployment.api.wait_for_dags({dag_id}, 60)
    deployment.api.pause(dag_id, paused=False)
    run_id = deployment.api.trigger(dag_id, {"week": str(week), "model_version": "LATEST"})
    assert deployment.api.wait(dag_id, run_id) == "success"
    rows = deployment.query(f"SELECT ROW_ID, SCORE FROM ML.{SCHEMA}.REARRANGED_PREDICTIONS ORDER BY 1")
    assert rows == [row[1::2] for row in deployment.predictions(week=str(week))]
