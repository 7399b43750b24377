"""Shows the pipeline files that are wrong as an import error; the DAGs of the others are built all the same."""

from __future__ import annotations

from pathlib import Path

from snowmaker.pipeline import load_pipelines, raise_for

# Airflow looks for "airflow" and "dag" in a file before it parses it.
raise_for(load_pipelines(Path(__file__).parents[1] / "include" / "pipelines").errors)
