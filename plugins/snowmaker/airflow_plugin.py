"""What Airflow's plugin manager loads in each of its processes; so nothing heavy is imported here."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from snowmaker import listener


class _ForApiServers:
    """Imports FastAPI and the routes when the API server asks for its apps; no other process does."""

    def __get__(self, instance: object, owner: type) -> list[dict[str, Any]]:
        from snowmaker.report.verdict_route import app

        return [{"app": app, "url_prefix": "/snowmaker", "name": "Snowmaker reports"}]


class SnowmakerPlugin(AirflowPlugin):
    """The provider's listener, and the API server's pages of reports and verdicts.

    ``/snowmaker/reports/<DAG id>/<run id>`` and ``/snowmaker/verdicts/<DAG id>/<run id>``.
    """

    name = "snowmaker"
    listeners = [listener]  # noqa: RUF012 (Airflow's own declaration)
    fastapi_apps: Any = _ForApiServers()
