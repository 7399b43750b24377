"""Keeping what a run has cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import TrainingSetupError
from snowmaker.hooks.warehouse import WarehouseHook
from snowmaker.operators.base import replace_rows
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName

if TYPE_CHECKING:
    from collections.abc import Mapping


def costs_table(name: str) -> QualifiedName:
    """Read the name of the table of run costs.

    :raises TrainingSetupError: if it is another table's
    """
    table = QualifiedName.parse(name)
    if table.object.name != tables.RUN_COSTS:
        raise TrainingSetupError(f"costs_table is {table.quoted}; its last part must be {tables.RUN_COSTS}")
    return table


def keep_cost(snowflake_conn_id: str, table: QualifiedName, row: Mapping[str, Any]) -> None:
    """Write a job's row, in place of one that is there."""
    with WarehouseHook(snowflake_conn_id=snowflake_conn_id).session() as session:
        session.execute(tables.create_table(table))
        replace_rows(
            session,
            table,
            lock=f"{table.quoted} {row['JOB_NAME']}",
            holder=row["RUN_ID"],
            statements=[
                tables.delete_rows(table, JOB_NAME=row["JOB_NAME"]),
                tables.insert_rows(table, tuple(row), [tuple(row.values())]),
            ],
            expected=1,
        )
