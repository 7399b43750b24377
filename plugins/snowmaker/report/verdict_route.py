"""The API server's page of a gate's verdict: who may read the run's results may read it."""

from __future__ import annotations

import json
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from fastapi import Depends
from fastapi.responses import HTMLResponse

from snowmaker.gate import GateVerdict
from snowmaker.links.verdict import VERDICT_KEY
from snowmaker.report.route import HEADERS, app, say
from snowmaker.report.verdict_page import render_verdict

__all__ = ["app"]


# Not async: the API server runs it in a thread, for the metadata database may take its time.
@app.get("/verdicts/{dag_id}/{run_id}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))])
def show_verdict(dag_id: str, run_id: str) -> HTMLResponse:
    """Show what a run's gate said."""
    task_id = _xcom(dag_id, run_id, VERDICT_KEY)
    content = _xcom(dag_id, run_id, "return_value", task_id) if isinstance(task_id, str) else None
    if content is None:
        return say(404, "No verdict here", f"Run {run_id} of {dag_id} has judged no challenger (yet).")
    try:
        html = render_verdict(GateVerdict.from_dict(content), f"{dag_id}/{run_id}")
    except (KeyError, TypeError, ValueError, AttributeError):
        # An XCom can be written by others than the task.
        return say(
            502, "The verdict cannot be read", f"The result of task {task_id} of run {run_id} is no verdict; clear it."
        )
    return HTMLResponse(html, headers=HEADERS)


def _xcom(dag_id: str, run_id: str, key: str, task_id: str | None = None) -> Any:
    with create_session() as session:
        wanted = XComModel.get_many(run_id=run_id, key=key, dag_ids=dag_id, task_ids=task_id, limit=1)
        found = session.scalars(wanted).first()
        value = XComModel.deserialize_value(found) if found else None
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
