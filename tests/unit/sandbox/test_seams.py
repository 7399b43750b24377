"""What the sandbox takes from the pinned fakesnow is in one file."""

from __future__ import annotations

import ast
from pathlib import Path

import include.sandbox

SANDBOX = Path(include.sandbox.__file__ or "").parent


def test_one_file_imports_fakesnow() -> None:
    importing = {
        file.name
        for file in SANDBOX.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fakesnow")
        or (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "fakesnow" for a in node.names))
    }
    assert importing == {"fakesnow_seams.py"}
