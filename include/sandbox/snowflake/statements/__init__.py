"""The statements, table functions and views that the sandbox carries out itself, a file a kind of object.

A new one is a function under `@statement(GRAMMAR)`, `@table_function(NAME)` or `@information_schema(NAME)` in one of
these modules; each registers itself when it is imported.
"""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Register all of them."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
