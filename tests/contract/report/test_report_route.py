"""The API server's pages of reports and verdicts: who may see them, and what, in an Airflow of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from include.sandbox.settings import free_port
from snowmaker.gate import judge
from snowmaker.links.report import REPORT_KEY
from snowmaker.links.verdict import VERDICT_KEY
from snowmaker.snowflake import tables

from .a_year import Year
from .test_report_operator import LAST, Run, operator_of

PLUGINS = Path(__file__).parents[3] / "plugins"
PAGE = "<!doctype html><p>The report</p><script>alert(1)</script>"

# Airflow's own people, each with DAGs of theirs.
_PEOPLE = """
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

MAY_READ = {"owner": ("score_loans",), "stranger": ("score_cars",)}


class People(SimpleAuthManager):
    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        allowed = super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        return allowed and details.id in MAY_READ[user.username]
"""
_RUN = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import text

told = json.load(sys.stdin)
with create_session() as session:
    session.execute(text("PRAGMA foreign_keys = OFF"))
    for run_id, xcoms in told["runs"].items():
        session.add(DagRun(dag_id="score_loans", run_id=run_id, run_type="manual"))
        session.flush()
        dag_run_id = session.scalar(text("SELECT MAX(id) FROM dag_run"))
        for task_id, key, value in xcoms:
            session.add(XComModel(dag_run_id=dag_run_id, dag_id="score_loans", run_id=run_id, task_id=task_id,
                                  map_index=-1, key=key, value=value))
app = create_app(apps="core")
tokens = {
    name: get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role="viewer"))
    for name in ("owner", "stranger")
}
answers = []
with TestClient(app) as client:
    for person, path in told["asked"]:
        client.cookies.clear()
        headers = {"Authorization": f"Bearer {tokens[person]}"} if person in tokens else {}
        if person == "owner by cookie":
            client.cookies.set("_token", tokens["owner"])
        answer = client.get(path, headers=headers, follow_redirects=False)
        answers.append({"status": answer.status_code, "text": answer.text, "headers": dict(answer.headers)})
print("\\nTOLD" + json.dumps(answers))
"""
WRITTEN = "manual__2026-06-29T06:00:00+00:00"
OTHERS = LAST.shift(-2)
"""The week whose report is another DAG's."""
RUNS = (WRITTEN, "shown", "without", "gone", "others", "unreachable", "unknown")
VERDICT = judge(
    "V2", "V1", {"V1": {"f1": 0.7}, "V2": {"f1": 0.8}}, rows=100, floors={"f1": 0.75}, min_gain={"f1": 0.2},
    notes=["<script>alert(1)</script>"],
).to_dict()  # fmt: skip
FORGED_RULE = {"rule": "f1", "value": "x", "bound": 1, "passed": True}
# By run: what its task returned, and by which XCom the API server knows the task.
JUDGED: dict[str, tuple[Any, Any]] = {
    "judged": (VERDICT, "evaluate"),
    "judged__2026-06-29T06:00:00+00:00": (VERDICT, "evaluate"),
    "not-yet": (None, None),
    "of-another-task": (VERDICT, "train"),
    "no-verdict": ({"champion": "V1"}, "evaluate"),
    "forged": ({**VERDICT, "rules": [FORGED_RULE]}, "evaluate"),
    "worse-forged": ([["metrics"]], {"task": 1}),
}


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def answers(
    schema: SnowflakeConnection, year: Year, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Answer]:
    """What each person is answered about each run."""
    folder = tmp_path_factory.mktemp("api-server")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "snowmaker_plugin.py").write_text("from snowmaker.airflow_plugin import SnowmakerPlugin\n")
    (folder / "people.py").write_text(_PEOPLE)
    others = ("owner by cookie", "nobody", "stranger")
    asked = [("owner", run) for run in (*RUNS, *JUDGED)]
    asked += [(person, run) for person in others for run in ("shown", "judged")]
    reported = {run: [("report", REPORT_KEY, value)] if value else [] for run, value in found_by(schema, year).items()}
    judged = {
        run: [
            *([("evaluate", "return_value", result)] if result else []),
            *([("evaluate", VERDICT_KEY, task)] if task else []),
        ]
        for run, (result, task) in JUDGED.items()
    }
    told = {
        "runs": {**reported, **judged},
        "asked": [
            (person, f"/snowmaker/{'verdicts' if run in JUDGED else 'reports'}/score_loans/{run}")
            for person, run in asked
        ],
    }
    closed = json.dumps({"conn_type": "snowflake", "extra": {"account": "a", "host": "localhost", "port": free_port()}})
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__AUTH_MANAGER": "people.People",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "owner:viewer,stranger:viewer",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "AIRFLOW_CONN_CLOSED": closed,
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "PYTHONPATH": f"{PLUGINS}:{folder}",
    }
    command = [sys.executable, "-c", _RUN]
    done = subprocess.run(
        command, env=environment, input=json.dumps(told), capture_output=True, text=True, timeout=240, check=False
    )
    assert "TOLD" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(done.stdout.rsplit("TOLD", 1)[1])
    return {pair: Answer(**answer) for pair, answer in zip(asked, found, strict=True)}


def found_by(schema: SnowflakeConnection, year: Year) -> dict[str, Any]:
    """What the runs of a DAG told of their reports."""
    shown, run = Year.of(schema, "Shown"), Run()
    for week, dag_id in ((LAST, "score_loans"), (OTHERS, "score_cars")):
        shown.add(tables.REPORTS, [{"WEEK_START": week.start, "HTML": PAGE, "RUN_ID": f"{dag_id}/scheduled__1"}])
    operator_of(year).execute(run.context)
    where = {"model": shown.model.quoted, "week": str(LAST), "snowflake_conn_id": "snowflake_default"}
    return {
        WRITTEN: run.pushed[REPORT_KEY],
        "shown": where,
        "without": None,
        "gone": {**where, "week": str(LAST.shift(-1))},
        "others": {**where, "week": str(OTHERS)},
        "unreachable": {**where, "snowflake_conn_id": "closed"},
        "unknown": {**where, "snowflake_conn_id": "nowhere"},
    }


def test_the_report_is_shown_as_it_was_written(answers: dict[tuple[str, str], Answer]) -> None:
    answer = answers["owner", "shown"]
    assert (answer.status, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_what_the_operator_tells_of_its_report_leads_to_it(answers: dict[tuple[str, str], Answer]) -> None:
    answer = answers["owner", WRITTEN]
    assert answer.status == 200
    assert "✕ Drift: breach" in answer.text


def test_a_page_may_neither_run_scripts_nor_load_anything(answers: dict[tuple[str, str], Answer]) -> None:
    for answer in (answers["owner", run] for run in (*RUNS, *JUDGED)):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"


def test_only_who_may_read_the_dag_may_read_its_report(answers: dict[tuple[str, str], Answer]) -> None:
    assert answers["nobody", "shown"].status == 401
    assert answers["stranger", "shown"].status == 403
    assert "The report" not in answers["nobody", "shown"].text + answers["stranger", "shown"].text
    assert answers["owner by cookie", "shown"].status == 200


def test_a_run_without_a_report_says_so(answers: dict[tuple[str, str], Answer]) -> None:
    answer = answers["owner", "without"]
    assert answer.status == 404
    assert "Run without of score_loans has written no report (yet)." in answer.text
    assert "is no longer in its table; clear the task." in answers["owner", "gone"].text
    assert answers["owner", "gone"].status == 404


def test_no_run_shows_the_report_of_another_dag(answers: dict[tuple[str, str], Answer]) -> None:
    assert answers["owner", "others"].status == 404
    assert "The report</p>" not in answers["owner", "others"].text


def test_a_warehouse_that_cannot_be_asked_is_told_with_what_to_do(answers: dict[tuple[str, str], Answer]) -> None:
    answer = answers["owner", "unreachable"]
    assert answer.status == 502
    assert "nobody answers at localhost:" in answer.text
    assert "start the sandbox" in answer.text
    answer = answers["owner", "unknown"]
    assert answer.status == 502
    assert "nowhere" in answer.text
    assert "Traceback" not in answer.text


def test_a_verdict_is_shown_to_who_may_read_the_run(answers: dict[tuple[str, str], Answer]) -> None:
    for run in list(JUDGED)[:2]:
        answer = answers["owner", run]
        assert answer.status == 200
        assert "The gate is not passed" in answer.text
        assert "1 of 2 rules are met" in answer.text
        assert "<script>" not in answer.text
    assert answers["owner by cookie", "judged"].status == 200
    assert answers["nobody", "judged"].status == 401
    assert answers["stranger", "judged"].status == 403
    assert "gate" not in answers["nobody", "judged"].text + answers["stranger", "judged"].text


def test_a_run_that_has_judged_nothing_says_so(answers: dict[tuple[str, str], Answer]) -> None:
    for run in ("not-yet", "of-another-task", "worse-forged"):
        answer = answers["owner", run]
        assert answer.status == 404, run
        assert f"Run {run} of score_loans has judged no challenger (yet)." in answer.text


def test_what_is_no_verdict_is_told_and_not_shown(answers: dict[tuple[str, str], Answer]) -> None:
    for run in ("no-verdict", "forged"):
        answer = answers["owner", run]
        assert answer.status == 502, run
        assert f"The result of task evaluate of run {run} is no verdict; clear it." in answer.text
        assert "Traceback" not in answer.text
