"""A pipeline's predictions table is made on first use, and the view of the rows that count with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.hooks.warehouse import StatementError
from snowmaker.input_check import check_predictions
from snowmaker.snowflake import predictions
from snowmaker.snowflake.source_rows import describe_columns

if TYPE_CHECKING:
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.scored_task_base import ScoredTask
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source


def ensure_predictions(session: WarehouseSession, table: QualifiedName, source: Source, task: ScoredTask) -> None:
    """Make table and view if they are not there, or not as they should be.

    :raises InputDataError: if the table was made for predictions of another task
    """
    described = session.rows_if_any(describe_columns(table))
    if not described:
        session.execute(predictions.create_predictions(table, source, task.prediction_type, task.own_columns))
        described = session.rows(describe_columns(table))
    check_predictions(table.quoted, described, task.prediction_type)
    _ensure_shadow(session, table, described)
    columns = predictions.current_columns(source, task.own_columns)
    shown = session.rows_if_any(predictions.describe_view(predictions.current_view(table)))
    if [row["name"] for row in shown] != columns:
        session.execute(predictions.create_current(table, columns))


def ensure_readable(session: WarehouseSession, table: QualifiedName) -> None:
    """Let the rows that count be told from shadow rows, also in a table that an older release made."""
    described = session.rows_if_any(describe_columns(table))
    if described:
        _ensure_shadow(session, table, described)


def _ensure_shadow(session: WarehouseSession, table: QualifiedName, described: list[dict[str, Any]]) -> None:
    if _has_shadow(described):
        return
    try:
        session.execute(predictions.add_shadow(table))
    except StatementError:
        # Somebody else may have been faster.
        if not _has_shadow(session.rows(describe_columns(table))):
            raise


def _has_shadow(described: list[dict[str, Any]]) -> bool:
    return any(row["name"] == predictions.SHADOW for row in described)
