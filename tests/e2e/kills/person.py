"""What a person does by Airflow's REST API while processes are killed."""

from __future__ import annotations

from datetime import date

from demo.deployment import PersonsApi


class Person(PersonsApi):
    """Airflow's REST API, with the ways to end a task by hand."""

    def mark_task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self._send("PATCH", path, json={"new_state": state})

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        self._send("PATCH", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", json={"state": state})

    def last_log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return the log of a task's last attempt."""
        (tried,) = (task["try_number"] for task in self.tasks(dag_id, run_id) if task["task_id"] == task_id)
        return self.log(dag_id, run_id, task_id, tried)

    def backfill(self, dag_id: str, first: date, last: date, *, again: bool) -> None:
        """Run a DAG for the past, also for what has run already if so told; three runs at once."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "reprocess_behavior": "completed" if again else "none",
            "max_active_runs": 3,
        }
        self._send("POST", "/api/v2/backfills", json=body)
