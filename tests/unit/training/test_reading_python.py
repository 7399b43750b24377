"""The training code must run in SageMaker's images: version 3.0-5 has Python 3.10."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TRAINING = REPOSITORY / "include" / "training"
NEWER = {"UTC", "StrEnum", "ExceptionGroup", "tomllib", "Self", "assert_never", "add_note", "batched", "chdir"}


@pytest.mark.parametrize("path", sorted(TRAINING.rglob("*.py")), ids=lambda path: path.stem)
def test_a_file_is_python_3_10(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 10))))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    assert not names & NEWER


def test_xgboost_is_of_the_versions_that_the_warehouse_has() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    there = {re.split(r"[<>=\[;]", line)[0]: line for line in project["dependencies"]}
    here = {re.split(r"[<>=\[;]", line)[0]: line for line in (TRAINING / "requirements.txt").read_text().splitlines()}
    assert here["xgboost"] == there["xgboost"]
