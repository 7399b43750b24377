"""The API server's page of a verdict: who may see it, and what they see, in an Airflow of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from snowmaker.gate import judge
from snowmaker.links.verdict import VERDICT_KEY

from .test_report_route import _PEOPLE, _RUN, PLUGINS, Answer

VERDICT = judge(
    "V2", "V1", {"V1": {"f1": 0.7}, "V2": {"f1": 0.8}}, rows=100, floors={"f1": 0.75}, min_gain={"f1": 0.2},
    notes=["<script>alert(1)</script>"],
)  # fmt: skip
# By run: what its task returned, and by which XCom the API server knows the task.
RUNS: dict[str, tuple[Any, Any]] = {
    "shown": (VERDICT.to_dict(), "evaluate"),
    "manual__2026-06-29T06:00:00+00:00": (VERDICT.to_dict(), "evaluate"),
    "not-yet": (None, None),
    "of-another-task": (VERDICT.to_dict(), "train"),
    "no-verdict": ({"champion": "V1"}, "evaluate"),
    "forged": ({**VERDICT.to_dict(), "rules": [{"rule": "f1", "value": "x", "bound": 1, "passed": True}]}, "evaluate"),
    "worse-forged": ([["metrics"]], {"task": 1}),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Answer]:
    """What each person is answered about each run."""
    folder = tmp_path_factory.mktemp("api-server")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "snowmaker_plugin.py").write_text("from snowmaker.airflow_plugin import SnowmakerPlugin\n")
    (folder / "people.py").write_text(_PEOPLE)
    asked = [*(("owner", run) for run in RUNS), *((person, "shown") for person in ("nobody", "stranger"))]
    told = {
        "key": VERDICT_KEY,
        "runs": {run: task for run, (_, task) in RUNS.items()},
        "asked": [(person, f"/snowmaker/verdicts/score_loans/{run}") for person, run in asked],
        "results": {run: result for run, (result, _) in RUNS.items()},
    }
    result = """
        result = told["results"][run_id]
        if result:
            session.add(XComModel(dag_run_id=session.scalar(text("SELECT MAX(id) FROM dag_run")), dag_id="score_loans",
                                  run_id=run_id, task_id="evaluate", map_index=-1, key="return_value", value=result))
app = create_app"""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__AUTH_MANAGER": "people.People",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "owner:viewer,stranger:viewer",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "s" * 64,
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "PYTHONPATH": f"{PLUGINS}:{folder}",
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUN.replace("\napp = create_app", result, 1)],
        env=environment, input=json.dumps(told), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert "TOLD" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(done.stdout.rsplit("TOLD", 1)[1])
    return {pair: Answer(**answer) for pair, answer in zip(asked, found, strict=True)}


def test_the_verdict_is_shown_to_who_may_read_the_run(answers: dict[tuple[str, str], Answer]) -> None:
    for run in list(RUNS)[:2]:
        answer = answers["owner", run]
        assert answer.status == 200
        assert "The gate is not passed" in answer.text
        assert "1 of 2 rules are met" in answer.text
        assert "<script>" not in answer.text
    assert answers["nobody", "shown"].status == 401
    assert answers["stranger", "shown"].status == 403
    assert "gate" not in answers["nobody", "shown"].text + answers["stranger", "shown"].text


def test_the_page_may_neither_run_scripts_nor_load_anything(answers: dict[tuple[str, str], Answer]) -> None:
    for answer in (answers["owner", run] for run in RUNS):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
        assert answer.headers["cache-control"] == "private, no-store"


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
