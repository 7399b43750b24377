"""Snowmaker's own tables are made on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake import tables

if TYPE_CHECKING:
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName


def ensure_table(session: WarehouseSession, table: QualifiedName) -> None:
    """Make one of Snowmaker's tables if it is not there."""
    session.execute(tables.create_table(table))
