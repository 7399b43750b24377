"""Where a task that asks a person is answered."""

from __future__ import annotations

from urllib.parse import quote

from airflow.sdk.configuration import conf


def approval_address(dag_id: str, run_id: str, task_id: str) -> str:
    """Return the page's whole address; only the path if ``[api] base_url`` is not set.

    >>> approval_address("retrain_mortgage", "manual__2026-03-09T06:00:00+00:00", "approve").partition("/dags/")[2]
    'retrain_mortgage/runs/manual__2026-03-09T06%3A00%3A00%2B00%3A00/tasks/approve/required_actions'
    """
    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    dag_id, run_id, task_id = (quote(name, safe="") for name in (dag_id, run_id, task_id))
    return f"{base}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}/required_actions"
