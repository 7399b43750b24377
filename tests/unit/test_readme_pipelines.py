"""The docs' parts of pipeline files: each fits into the whole one that the README shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG

from snowmaker.pipeline import Pipeline

REPOSITORY = Path(__file__).parents[2]
MONITORING, VERSIONS = (
    (REPOSITORY / "include" / "pipelines" / f"{page}.md").read_text() for page in ("MONITORING", "VERSIONS")
)


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


WHOLE, *PARTS = blocks((REPOSITORY / "README.md").read_text(), "yaml")
PARTS += [*blocks(MONITORING, "yaml"), *blocks(VERSIONS, "yaml")]


def merge(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Put one mapping's values into another, at any depth."""
    merged = dict(whole)
    for key, value in part.items():
        merged[key] = merge(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("number", range(len(PARTS)))
def test_a_part_fits_into_the_whole(number: int) -> None:
    whole, part = yaml.safe_load(WHOLE), yaml.safe_load(PARTS[number])
    if {"hyperparameters", "search"} & set(part.get("training", {})) or "task" in part:
        # It names its own hyperparameters, and another task's metrics and rules.
        whole = {**whole, "training": {}, "monitoring": {}, "promotion": {}}
    Pipeline.model_validate(merge(whole, part))


def test_the_operators_of_the_monitoring_page_make_a_dag() -> None:
    names: dict[str, Any] = {}
    with DAG("page", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        for block in blocks(MONITORING, "python"):
            exec(block, names)  # noqa: S102
    assert set(dag.task_ids) == {"monitor", "alert", "check_drift"}
    assert dag.get_task("check_drift").on_failure_callback
