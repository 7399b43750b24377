"""The README's parts of pipeline files: each fits into the whole one that it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from snowmaker.pipeline import Pipeline

README = (Path(__file__).parents[2] / "README.md").read_text()
WHOLE, *PARTS = re.findall(r"^```yaml\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


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
