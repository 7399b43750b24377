"""The API server's page of a run's report: who may read the run's results may read it.

A plugin's app is open to everybody unless its routes ask who it is: every route here does.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from snowmaker.exceptions import SnowmakerError
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.links.report import REPORT_KEY
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.report import read_report
from snowmaker.week import Week

# The page needs neither script nor network; whoever can write into the table can have neither.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
_SAID = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    "<style>:root {{ color-scheme: light dark }} body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; "
    "margin: 4rem auto; padding: 0 1rem }}</style></head><body><h1>{title}</h1><p>{told}</p></body></html>"
)

app = FastAPI(title="Snowmaker reports", openapi_url=None)


# Not async: the API server runs it in a thread, for Snowflake may take its time.
@app.get("/reports/{dag_id}/{run_id}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))])
def show_report(dag_id: str, run_id: str) -> HTMLResponse:
    """Show what a run reported."""
    found_by = _reported(dag_id, run_id)
    if found_by is None:
        return say(404, "No report here", f"Run {run_id} of {dag_id} has written no report (yet).")
    try:
        html = _read(found_by, dag_id)
    except (SnowmakerError, AirflowNotFoundException) as error:
        return say(502, "The report cannot be read", str(error))
    if html is None:
        told = (
            f"The report of week {found_by['week']} of {found_by['model']} is no longer in its table; clear the task."
        )
        return say(404, "No report here", told)
    return HTMLResponse(html, headers=HEADERS)


def _reported(dag_id: str, run_id: str) -> dict[str, Any] | None:
    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=run_id, key=REPORT_KEY, dag_ids=dag_id, limit=1)).first()
        value = XComModel.deserialize_value(found) if found else None
    if isinstance(value, str):
        value = json.loads(value)
    return value if isinstance(value, dict) else None


def _read(found_by: dict[str, Any], dag_id: str) -> str | None:
    # An XCom can be written by others than the task: it leads to no other DAG's reports.
    model, week = QualifiedName.parse(found_by["model"]), Week(date.fromisoformat(found_by["week"]))
    with WarehouseHook(snowflake_conn_id=found_by["snowflake_conn_id"]).session() as session:
        rows = session.rows_if_any(read_report(model, week, dag_id))
    return str(rows[0]["HTML"]) if rows else None


def say(status: int, title: str, told: str) -> HTMLResponse:
    """Answer with a page of one sentence."""
    return HTMLResponse(_SAID.format(title=title, told=told), status_code=status, headers=HEADERS)
