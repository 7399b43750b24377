"""What a person does in the UI after the demo: trigger by hand, right and wrong, and clear a run."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import psutil
import pytest
from running_demo import RunningDemo

from demo.deployment import RETRAIN, SCORE, Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        pytest.param(
            {"week": "2019-01-07"},
            [
                'table "ML"."MORTGAGE"."MORTGAGE_APPLICATIONS" has no rows in week 2019-01-07',
                "it has 30 weeks from {first} to {last}",
            ],
            id="a week without data",
        ),
        pytest.param(
            {"week": "2026-11-04"},
            ["week '2026-11-04' is a Wednesday, but weeks start on Monday; use 2026-11-02 or 2026-11-09"],
            id="a day that is no Monday",
        ),
        pytest.param(
            {"week": "{last}", "model_version": "V_NEVER_MADE"},
            ["has no version or alias 'V_NEVER_MADE'; there are: {versions}"],
            id="a version that does not exist",
        ),
    ],
)
def test_a_wrong_request_fails_at_once_and_says_why(
    deployment: Deployment, params: dict[str, str], told: list[str]
) -> None:
    facts = known_facts(deployment)
    before = deployment.predictions()
    run_id, state = deployment.score(**{name: value.format(**facts) for name, value in params.items()})
    assert state == "failed"
    tasks = {task["task_id"]: task for task in deployment.api.tasks(SCORE, run_id)}
    assert (tasks["check_input"]["state"], tasks["check_input"]["try_number"]) == ("failed", 1)
    assert {task["state"] for name, task in tasks.items() if name != "check_input"} == {"upstream_failed"}
    log = json.loads(deployment.api.first_log(SCORE, run_id, "check_input"))
    messages = json.dumps(log, ensure_ascii=False)
    for text in told:
        assert json.dumps(text.format(**facts))[1:-1] in messages
    assert deployment.predictions() == before


def test_an_older_version_scores_one_week_anew(deployment: Deployment) -> None:
    week = known_facts(deployment)["last"]
    oldest = deployment.versions()[0]
    others = deployment.predictions(except_week=week)
    before = deployment.predictions(week=week)
    assert {row[2] for row in before} != {oldest}
    _, state = deployment.score(week=week, model_version=oldest)
    assert state == "success"
    after = deployment.predictions(week=week)
    assert {row[2] for row in after} == {oldest}
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert [row[3] for row in after] != [row[3] for row in before]
    assert deployment.predictions(except_week=week) == others


def test_a_cleared_run_gives_the_same_rows(deployment: Deployment) -> None:
    # A week that the champion of today has scored: cleared, a run asks for the champion anew.
    week = str(date.fromisoformat(known_facts(deployment)["last"]) - timedelta(weeks=1))
    run_id = next(
        run["dag_run_id"]
        for run in deployment.api.runs(SCORE)
        if run["run_type"] == "backfill" and deployment.api.xcom(SCORE, run["dag_run_id"], "score")["week"] == week
    )
    before, written = deployment.predictions(), scored_at(deployment, week)
    deployment.api.clear(SCORE, run_id)
    assert deployment.api.wait(SCORE, run_id) == "success"
    assert scored_at(deployment, week) > written
    assert deployment.predictions() == before


def test_no_task_gives_more_than_10_kilobytes_to_others(deployment: Deployment) -> None:
    sizes = {
        (dag_id, run["dag_run_id"], task["task_id"]): len(json.dumps(values))
        for dag_id in (SCORE, RETRAIN)
        for run in deployment.api.runs(dag_id)
        for task in deployment.api.tasks(dag_id, run["dag_run_id"])
        if (values := deployment.api.xcom_values(dag_id, run["dag_run_id"], task["task_id"]))
    }
    assert {task for _, _, task in sizes} >= {"check_input", "score", "check_drift", "train", "evaluate", "promote"}
    assert {task: size for task, size in sizes.items() if size >= 10_000} == {}


def known_facts(deployment: Deployment) -> dict[str, str]:
    """Return the first and the last week there is, and the model's versions as messages list them."""
    ((first, last),) = deployment.query(
        "SELECT MIN(WEEK_START_DATE)::DATE, MAX(WEEK_START_DATE)::DATE FROM MORTGAGE_APPLICATIONS"
    )
    return {"first": str(first), "last": str(last), "versions": deployment.versions()[0]}


def scored_at(deployment: Deployment, week: str) -> datetime:
    ((found,),) = deployment.query("SELECT MAX(SCORED_AT) FROM MORTGAGE_PREDICTIONS WHERE WEEK_START = %s", week)
    return found


def test_nothing_listens_beyond_this_machine(deployment: Deployment, second_run: RunningDemo) -> None:
    listening = {
        connection.laddr
        for process in second_run.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    settings = deployment.environment.sandbox.settings
    assert {port for _, port in listening} >= {deployment.airflow.port, settings.snowflake_port, settings.aws_port}
    assert {address for address, _ in listening} == {"127.0.0.1"}
