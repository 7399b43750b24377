"""Only the named approvers may answer: an API server whose users log in, on the same Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from running_demo import until

from demo.decisions import ASK, Decisions, answer_when_asked
from demo.deployment import PersonsApi
from include.demo.local_airflow import LocalAirflow
from include.demo.processes import ProcessGroup
from include.sandbox.settings import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]

# Both may edit runs; the question names ada.
USERS = {"ada": "ada's", "bob": "bob's"}


@pytest.fixture(scope="module")
def as_user(decisions: Decisions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], PersonsApi]]:
    """The REST API as a user sees it who has logged in."""
    passwords = tmp_path_factory.mktemp("users") / "passwords.json"
    passwords.write_text(json.dumps(USERS))
    running = decisions.deployment.airflow
    variables = {
        **running.environment,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:op" for name in USERS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    other = LocalAirflow(running.home, free_port(), variables, Path(running.bundle))
    processes = ProcessGroup()
    other.start_component("api-server", processes)

    def log_in(name: str) -> PersonsApi:
        api = PersonsApi(other.url)
        api.log_in(name, USERS[name])
        return api

    yield log_in
    processes.stop()


def test_who_is_not_named_is_refused_and_who_is_decides(
    decisions: Decisions, as_user: Callable[[str], PersonsApi]
) -> None:
    ada, bob, before = as_user("ada"), as_user("bob"), decisions.champion
    run_id = decisions.ask("V6")
    until(
        lambda: {task["task_id"]: task["state"] for task in ada.tasks(ASK, run_id)}["approve"] == "awaiting_input",
        120,
        "the question",
    )
    path = f"/api/v2/dags/{ASK}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    body = {"chosen_options": ["Approve"], "params_input": {"note": "mine"}}
    with pytest.raises(httpx.HTTPStatusError) as refused:
        bob._send("PATCH", path, json=body)
    assert refused.value.response.status_code == httpx.codes.FORBIDDEN
    assert "bob (id=bob) is not a respondent" in refused.value.response.text
    assert answer_when_asked(ada, ASK, run_id, "Reject", "not yet") == "failed"
    ((event, version, champion, *decided),) = decisions.events(run=run_id)
    assert (event, version, champion, decided) == ("REJECTED", "V6", before, ["ada", "not yet", None])
    assert decisions.champion == before
