"""The link from an evaluation to its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from snowmaker.links.report import base_path

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

VERDICT_KEY = "snowmaker_verdict"
"""The XCom by which the API server knows which of a run's tasks judged a challenger: its id."""


class _Judges(Protocol):
    has_judged: bool


class VerdictLink(BaseOperatorLink):
    """The gate's verdict, as the API server shows it."""

    name = "Verdict"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address, or nothing before there is a verdict."""
        if not cast("_Judges", operator).has_judged:
            return ""
        # Without the host: who looks at Airflow by another name than base_url's stays there, and logged in.
        return f"{base_path()}/snowmaker/verdicts/{quote(ti_key.dag_id, safe='')}/{quote(ti_key.run_id, safe='')}"
