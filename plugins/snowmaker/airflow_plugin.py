"""What Airflow's plugin manager loads in each of its processes; so nothing heavy is imported here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from snowmaker import listener


class SnowmakerPlugin(AirflowPlugin):
    """The provider's listener."""

    name = "snowmaker"
    listeners = [listener]  # noqa: RUF012 (Airflow's own declaration)
