"""The operator that puts two versions' monitors side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import MonitorError
from snowmaker.monitor_metrics import DRIFT, performance_metrics, side_by_side, tabulate
from snowmaker.operators.base import WarehouseOperator
from snowmaker.operators.monitor import monitor_name, read_monitor
from snowmaker.snowflake import monitor_metrics
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.week import Weekday

_MOST_WEEKS = 12


class CompareMonitorsOperator(WarehouseOperator):
    """Put champion and challenger side by side, week by week, by what their model monitors measured.

    Both need a monitor, and predictions of the same weeks if they are to be compared: let the challenger score into a
    predictions table of its own. The log has the table; only its values leave the warehouse.

    :param model_name: the model, written database.schema.name (templated)
    :param champion: one version (templated)
    :param challenger: the other one (templated)
    :param week: first day of the newest week, or empty: the week the run is for (templated)
    :param weeks: how many weeks, 12 at most
    :param task: what the model predicts
    :param starts_on: the day on which weeks start
    :return: ``{"champion", "challenger", "rows": [{"week", "metric", "champion", "challenger"}]}``; the metric
        ``score`` is the drift (PSI) of the score, a value is None where a monitor has none
    """

    template_fields: Sequence[str] = ("model_name", "champion", "challenger", "week")

    def __init__(
        self,
        *,
        model_name: str,
        champion: str,
        challenger: str,
        week: str | None = None,
        weeks: int = 8,
        task: ScoredTaskType = "binary_classification",
        starts_on: Weekday = "monday",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 1 <= weeks <= _MOST_WEEKS:
            raise ValueError(f"weeks is {weeks}; choose 1 to {_MOST_WEEKS}, for the result must stay small")
        self.model_name = model_name
        self.champion = champion
        self.challenger = challenger
        self.week = week
        self.weeks = weeks
        _, self.metrics = performance_metrics(task, None)
        self.starts_on = starts_on

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Ask both monitors, and tell."""
        last = week_of_run(context, self.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        monitors = {version: monitor_name(model, version) for version in (self.champion, self.challenger)}
        with self.hook.session() as session:
            for version, monitor in monitors.items():
                if read_monitor(session, monitor) is None:
                    raise MonitorError(
                        f"version {version} of model {model.quoted} has no monitor {monitor.quoted}; run "
                        f"ModelMonitorOperator for it"
                    )
            first = last.shift(1 - self.weeks)
            rows = session.rows(monitor_metrics.histories(monitors, self.metrics, DRIFT["psi"].name, first, last))
        compared = side_by_side(rows, self.champion, self.challenger)
        self.log.info(
            "%s and %s:\n%s", self.champion, self.challenger, tabulate(compared, self.champion, self.challenger)
        )
        return {
            "champion": self.champion,
            "challenger": self.challenger,
            "rows": [asdict(one) for one in compared],
        }
