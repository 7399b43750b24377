"""The model monitors that Snowmaker made, through an open warehouse session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.monitor_state import MonitorState
from snowmaker.snowflake import monitor as monitor_sql
from snowmaker.snowflake.identifiers import Identifier

if TYPE_CHECKING:
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName

MONITOR, SOURCE, BASELINE = "MONITOR", "MONITORED", "MONITOR_BASELINE"


def monitors_of(session: WarehouseSession, model: QualifiedName) -> list[MonitorState]:
    """Read the states of a model's monitors, anybody's."""
    shown = (MonitorState.from_row(row) for row in session.rows(monitor_sql.show_monitors(model)))
    return [monitor for monitor in shown if monitor.model == model.object.name]


def drop_monitor(session: WarehouseSession, model: QualifiedName, monitor: MonitorState) -> None:
    """Drop a monitor that Snowmaker made, with its view and its baseline.

    The monitor goes last: by it another try knows that there is something left to drop.
    """
    view, table = (monitor_sql.sibling_of_version(model, monitor.version, suffix) for suffix in (SOURCE, BASELINE))
    session.execute(monitor_sql.drop_source(view))
    session.execute(monitor_sql.drop_baseline(table))
    session.execute(monitor_sql.drop_monitor(type(model)(model.database, model.schema, Identifier(monitor.name))))
