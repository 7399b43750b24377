"""Runs an ``airflow`` command that has imported what its forked children would each import anew.

The scheduler's workers fork a process for each task, the dag-processor one for each file: two seconds' work that each
has then. Code that is changed meanwhile is seen when the command starts again; DAG and pipeline files at once.
"""

from __future__ import annotations

import pkgutil
import runpy
import sys
from importlib import import_module
from pathlib import Path

MODULES = (
    "airflow.api_fastapi.auth.managers.models.resource_details",
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.operators.sagemaker",
    "airflow.providers.snowflake.hooks.snowflake",
    "airflow.sdk.execution_time.cache",
    "jinja2.ext",
    "scipy.special",
    "snowflake.connector",
    "snowmaker.notifications.callbacks",
    "snowmaker.pipeline",
)


def preload(bundle: Path) -> None:
    """Import what tasks and DAG files need, and read what all of them read.

    :param bundle: folder with the DAGs and ``include/pipelines``
    """
    for name in MODULES:
        import_module(name)
    operators = import_module("snowmaker.operators")
    for module in pkgutil.iter_modules(operators.__path__, "snowmaker.operators."):
        import_module(module.name)

    from airflow.sdk.listener import get_listener_manager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    from snowmaker.pipeline import load_pipelines

    # Each of them keeps what it has found; of the pipelines that is what their text means.
    get_listener_manager()
    ProvidersManagerTaskRuntime().initialize_providers_asset_uri_resources()
    load_pipelines(bundle / "include" / "pipelines")


if __name__ == "__main__":
    preload(Path(sys.argv.pop(1)))
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)
