"""The rollback that the documentation shows, in the demo's Airflow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_demo import until

from demo.deployment import ENDED, Deployment
from demo.pages import command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]

ROLLBACK = "rollback_model"
CHAMPIONS = (
    "SELECT MODEL_VERSION, EVENT, REASON FROM SNOWMAKER_MODEL_EVENTS "
    "WHERE EVENT IN ('PROMOTED', 'ROLLED_BACK') ORDER BY SEQUENCE"
)


@pytest.fixture
def champions(deployment: Deployment) -> Iterator[list[str]]:
    """Who was champion up to now; afterwards the last one is champion again."""
    champions = [row[0] for row in deployment.query(CHAMPIONS)]
    yield champions
    again = {"pipeline": "mortgage", "target": champions[-1], "reason": "after the test"}
    assert deployment.api.wait(ROLLBACK, deployment.api.trigger(ROLLBACK, again)) == "success"


def test_one_click_goes_back_to_the_champion_before(deployment: Deployment, champions: list[str]) -> None:
    known = {run["dag_run_id"] for run in deployment.api.runs(ROLLBACK)}
    deployment.airflow.cli(*command("airflow dags trigger rollback_model"))
    (run,) = (run for run in deployment.api.runs(ROLLBACK) if run["dag_run_id"] not in known)
    until(lambda: deployment.api.run(ROLLBACK, run["dag_run_id"])["state"] in ENDED, 60, "the rollback")
    assert deployment.query(CHAMPIONS)[-1] == (champions[-2], "ROLLED_BACK", "complaints about large loans")
    shown = deployment.query(
        'SHOW VERSIONS IN MODEL MORTGAGE_RESPONSE ->> SELECT "name", "aliases" FROM $1 '
        "WHERE \"is_default_version\" = 'true'"
    )
    assert [(name, "PRODUCTION" in aliases) for name, aliases in shown] == [(champions[-2], True)]
