"""Gives Airflow the provider's plugin where the provider is only a folder; an installed one brings its own."""

from importlib.metadata import entry_points

if not any(point.module.startswith("snowmaker.") for point in entry_points(group="airflow.plugins")):
    from snowmaker.airflow_plugin import SnowmakerPlugin

    __all__ = ["SnowmakerPlugin"]
