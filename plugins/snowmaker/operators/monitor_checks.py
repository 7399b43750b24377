"""What the weekly checks by Snowflake's model monitors share, in place of Snowmaker's own SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import MonitorError
from snowmaker.hooks.own_tables import ensure_predictions
from snowmaker.monitor_options import ONE_DAY, seconds_of
from snowmaker.operators.monitor import monitor_name, read_monitor
from snowmaker.operators.performance_record import week_of
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.snowflake import monitor_metrics
from snowmaker.snowflake.identifiers import QualifiedName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.source import Source
    from snowmaker.verdicts import Verdict
    from snowmaker.week import Week

ENGINE = "snowflake_monitor"
_VERDICTS: tuple[Verdict, ...] = ("ok", "warn", "breach")
LOOKBACK_WEEKS = 52


class MonitorCheckOperator(WeeklyCheckOperator):
    """A weekly check by a model monitor, which must be there, at work, and keep days."""

    template_fields: Sequence[str] = ("model_name", "model_version", "predictions_table", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        predictions_table: str,
        week: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.week = week

    def _ready_monitor(self, session: WarehouseSession, model: QualifiedName) -> QualifiedName:
        monitor = monitor_name(model, self.model_version)
        state = read_monitor(session, monitor)
        if state is None:
            raise MonitorError(
                f"version {self.model_version} of model {model.quoted} has no monitor {monitor.quoted}; run "
                f"ModelMonitorOperator for it (the retraining DAG does)"
            )
        if state.state != "ACTIVE":
            raise MonitorError(
                f"monitor {monitor.quoted} is {state.state}, so it does not tell of this week ({state.told_errors}); "
                f"mend the cause, then ALTER MODEL MONITOR {monitor.quoted} RESUME"
            )
        if seconds_of(state.aggregation_window) != seconds_of(ONE_DAY):
            raise MonitorError(
                f"monitor {monitor.quoted} adds up {state.aggregation_window}; how such windows lie to weeks is not "
                f"published. Make it anew with aggregation_window '{ONE_DAY}'"
            )
        return monitor

    def _predicted(self, session: WarehouseSession, model: QualifiedName, first: Week, last: Week) -> dict[Week, int]:
        predictions = QualifiedName.parse(self.predictions_table)
        ensure_predictions(session, predictions)
        rows = session.rows(monitor_metrics.predicted_rows(predictions, model.quoted, self.model_version, first, last))
        return {week_of(row): int(row["N"]) for row in rows}

    def _history(
        self, session: WarehouseSession, table: QualifiedName, model: QualifiedName, week: Week
    ) -> dict[str, Verdict]:
        """Read the verdicts of the weeks up to one, by first day."""
        first = week.shift(1 - LOOKBACK_WEEKS)
        rows = session.rows(monitor_metrics.week_verdicts(table, model.quoted, self.model_version, ENGINE, first, week))
        return {str(week_of(row)): _VERDICTS[int(row["WORST"])] for row in rows}
