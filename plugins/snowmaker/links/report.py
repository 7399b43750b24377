"""Where a run's report is, and the link to it from its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

REPORT_KEY = "snowmaker_report"
"""The XCom by which the API server knows what a run reported: connection, model, week."""


def report_path(dag_id: str, run_id: str) -> str:
    """Return the path of a run's report on the API server.

    >>> report_path("score_mortgage", "scheduled__2026-03-09T06:00:00+00:00")
    '/snowmaker/reports/score_mortgage/scheduled__2026-03-09T06%3A00%3A00%2B00%3A00'
    """
    return f"/snowmaker/reports/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"


def report_address(dag_id: str, run_id: str) -> str:
    """Return a run's report's whole address; only the path if ``[api] base_url`` is not set."""
    return _base_url() + report_path(dag_id, run_id)


def _base_url() -> str:
    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def base_path() -> str:
    """Return the path that the API server stands behind; empty if it has a host of its own."""
    return urlsplit(_base_url()).path


class _Reports(Protocol):
    is_written: bool


class WeeklyReportLink(BaseOperatorLink):
    """The week's report, as the API server shows it."""

    name = "Weekly report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, or nothing before there is a report."""
        if not cast("_Reports", operator).is_written:
            return ""
        # Without the host: who looks at Airflow by another name than base_url's stays there, and logged in.
        return base_path() + report_path(ti_key.dag_id, ti_key.run_id)
