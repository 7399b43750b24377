"""A pipeline's predictions table is made on first use, and with it the view of the rows that count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.hooks.own_tables import ensure_predictions
from snowmaker.input_check import check_predictions
from snowmaker.snowflake import predictions
from snowmaker.snowflake.source_rows import describe_columns

if TYPE_CHECKING:
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.scored_task_base import ScoredTask
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source


def prepare_predictions(session: WarehouseSession, table: QualifiedName, source: Source, task: ScoredTask) -> None:
    """Make table and view if they are not there, or not as this release makes them.

    :raises InputDataError: if the table was made for predictions of another task
    """
    create = predictions.create_predictions(table, source, task.prediction_type, task.own_columns)
    ensure_predictions(session, table, create)
    check_predictions(table.quoted, session.rows(describe_columns(table)), task.prediction_type)
    columns = predictions.current_columns(source, task.own_columns)
    shown = session.rows_if_any(predictions.describe_view(predictions.current_view(table)))
    if [row["name"] for row in shown] != columns:
        session.execute(predictions.create_current(table, columns))
