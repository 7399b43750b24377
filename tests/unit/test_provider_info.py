"""What the provider tells of itself."""

from __future__ import annotations

import importlib
import pkgutil

from airflow.sdk import BaseOperator

from snowmaker import operators
from snowmaker.provider_info import get_provider_info

# Bases of several operators, not for use by themselves.
SHARED = {f"snowmaker.operators.{name}" for name in ("base", "monitor_checks", "training_arguments", "weekly_check")}


def test_all_modules_with_an_operator_are_told() -> None:
    (told,) = (entry["python-modules"] for entry in get_provider_info()["operators"])
    found = set()
    for info in pkgutil.iter_modules(operators.__path__, "snowmaker.operators."):
        module = importlib.import_module(info.name)
        own = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == info.name)
        if any(issubclass(one, BaseOperator) for one in own):
            found.add(info.name)
    assert set(told) == found - SHARED
