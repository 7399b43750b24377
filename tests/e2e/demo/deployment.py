"""What a person can do and see in a running deployment, by REST API and SQL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from running_demo import until

from include.demo.environment import Environment
from include.demo.local_airflow import AirflowApi, LocalAirflow

SCORE, RETRAIN = "score_mortgage", "retrain_mortgage"
ENDED = ("success", "failed")


class PersonsApi(AirflowApi):
    """Airflow's REST API, with what a person does besides triggering."""

    def log_in(self, name: str, password: str, seconds: float = 90) -> None:
        """Be this user from now on, as soon as the server answers."""

        def token() -> str | None:
            with suppress(httpx.TransportError):
                answer = self._client.post("/auth/token", json={"username": name, "password": password})
                return str(answer.raise_for_status().json()["access_token"])
            return None

        self._client.headers["Authorization"] = f"Bearer {until(token, seconds, f'the login of {name}')}"

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def wait(self, dag_id: str, run_id: str, seconds: float = 120) -> str:
        """Wait until a run has ended, and return its state."""
        until(lambda: self.run(dag_id, run_id)["state"] in ENDED, seconds, f"the end of {dag_id}/{run_id}")
        return str(self.run(dag_id, run_id)["state"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear a whole run, so that it runs again."""
        body = {"dry_run": False, "only_failed": False}
        self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/clear", json=body)

    def xcom_values(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return all that a task has given to other tasks, by key."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"
        keys = [entry["key"] for entry in self._get(path, limit=100)["xcom_entries"]]
        return {key: self._get(f"{path}/{key}")["value"] for key in keys}

    def approval(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return what a task asks a person."""
        return self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails")

    def answer(self, dag_id: str, run_id: str, task_id: str, chosen: str, note: str | None) -> None:
        """Answer what a task asks."""
        body = {"chosen_options": [chosen], "params_input": {"note": note}}
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        with suppress(httpx.HTTPStatusError):
            # Somebody else has answered, or time has.
            self._send("PATCH", path, json=body)

    def first_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return the log of a task's first attempt."""
        return self.log(dag_id, run_id, task_id, 1)


@dataclass
class Deployment:
    """A running Airflow and its sandbox."""

    environment: Environment
    airflow: LocalAirflow
    api: PersonsApi

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the demo's schema in Snowflake."""
        with self.environment.connect() as connection:
            return list(connection.cursor().execute(statement, values or None).fetchall())

    def score(self, **params: str) -> tuple[str, str]:
        """Trigger the scoring by hand; return the run's id and how it ended."""
        run_id = self.api.trigger(SCORE, params)
        return run_id, self.api.wait(SCORE, run_id)

    def predictions(self, *, except_week: str | None = None, week: str | None = None) -> list[tuple[Any, ...]]:
        """Return week, row, version and score of the predictions, in a fixed order."""
        return self.query(
            "SELECT WEEK_START, ROW_ID, MODEL_VERSION, SCORE FROM MORTGAGE_PREDICTIONS "
            "WHERE (%s IS NULL OR WEEK_START = %s::DATE) AND (%s IS NULL OR WEEK_START <> %s::DATE) ORDER BY 1, 2",
            *(week, week, except_week, except_week),
        )

    def versions(self) -> list[str]:
        """Return the model's versions, the oldest first."""
        events = self.query(
            "SELECT MODEL_VERSION FROM SNOWMAKER_MODEL_EVENTS GROUP BY MODEL_VERSION ORDER BY MIN(SEQUENCE)"
        )
        return [version for (version,) in events]
