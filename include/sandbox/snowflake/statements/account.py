"""The SQL of the account's package repositories."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

import pyarrow as pa

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.language.grammar import split_name, statement
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.sql.tables import information_schema

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


@statement("(DESC|DESCRIBE) ARTIFACT REPOSITORY {name:name}")
def describe_artifact_repository(session: Session, name: str) -> Result:
    """Snowflake's shared repository of Python packages."""
    if split_name(name) != ("SNOWFLAKE", "SNOWPARK", "PYPI_SHARED_REPOSITORY"):
        raise not_found("Artifact repository", ".".join(split_name(name)))
    return rows([{"name": split_name(name)[-1], "type": "PIP", "owner": session.role}], ["name", "type", "owner"])


@information_schema("PACKAGES")
def packages(session: Session, database: str) -> pa.Table:  # noqa: ARG001
    """The packages that models can have in the warehouse: those the sandbox itself runs with."""
    version = ".".join(platform.python_version_tuple()[:2])
    records = [
        {
            "PACKAGE_NAME": distribution.name.lower().replace("_", "-"),
            "VERSION": distribution.version,
            "LANGUAGE": "python",
            "RUNTIME_VERSION": version,
        }
        for distribution in importlib.metadata.distributions()
    ]
    return rows(records, ["PACKAGE_NAME", "VERSION", "LANGUAGE", "RUNTIME_VERSION"]).table
