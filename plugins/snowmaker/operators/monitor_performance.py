"""The operator that checks past weeks' performance by what a model monitor measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import ModelVersionError
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.monitor_metrics import performance_metrics
from snowmaker.operators.base import rewrite_rows, run_label
from snowmaker.operators.monitor_checks import ENGINE, MonitorCheckOperator
from snowmaker.operators.performance_record import week_of
from snowmaker.performance import default_thresholds
from snowmaker.performance_result import degraded_by_performance, performance_result
from snowmaker.snowflake import monitor_metrics, tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement
from snowmaker.verdicts import Degradation
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.performance import PerformanceThresholds
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.verdicts import Verdict
    from snowmaker.week import Week


@dataclass(frozen=True)
class _WeekMeasured:
    """A week's metrics, and how many labelled rows they are of."""

    values: Mapping[str, float | None]
    rows: int


class MonitorPerformanceCheckOperator(MonitorCheckOperator):
    """Judge how well a version predicted past weeks by what its model monitor measured.

    Does what ``PerformanceCheckOperator`` does, with the same thresholds, tables and events, but takes the values from
    MODEL_MONITOR_PERFORMANCE_METRIC; nothing is estimated. Looks at all weeks of the version whose labels are due and
    writes those that are not as they were. A week of which the monitor has not seen all predictions is left out.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param label_delay_weeks: weeks after which labels are due
    :param lookback_weeks: how many weeks with due labels to look at
    :param task: what the model predicts
    :param metric: the metric to judge by; default: f1, of a regression rmse, of several classes accuracy
    :param thresholds: how bad it may be; default: ``performance.default_thresholds``
    :param degraded_when: how many breaches in how many weeks with labels mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :return: ``{"week", "model_version", "weeks": {week: value}, "estimated": {}, "metric", "verdict", "degraded",
        "since"}``; the verdict is that of the newest week with labels
    """

    cause = "performance"

    def __init__(
        self,
        *,
        label_delay_weeks: int = 0,
        lookback_weeks: int = 26,
        task: ScoredTaskType = "binary_classification",
        metric: str | None = None,
        thresholds: PerformanceThresholds | None = None,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=2, of_weeks=3), **kwargs)
        self.label_delay_weeks = label_delay_weeks
        self.lookback_weeks = lookback_weeks
        self.metric, self.metrics = performance_metrics(task, metric)
        self.thresholds = thresholds or default_thresholds(self.metric)
        self.thresholds.check(self.metric)

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, write what changed, judge."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        due = week.shift(-self.label_delay_weeks)
        first = due.shift(1 - self.lookback_weeks)
        model = QualifiedName.parse(self.model_name)
        table = model.sibling(tables.PERFORMANCE)
        with self.hook.session() as session:
            monitor = self._ready_monitor(session, model)
            measured = self._measure(session, model, monitor, first, due)
            references = self._references(session, model) if measured else {}
            verdicts = {
                one: self.thresholds.verdict(self.metric, found.values[self.metric], references.get(self.metric))
                for one, found in measured.items()
            }
            ensure_table(session, table)
            written = self._written(session, table, model, first, due)
            for one, found in measured.items():
                rows = _rows(found, references, self.metric, verdicts[one])
                if written.get(one) != _told_values(rows):
                    self._write(session, table, model, one, rows, run_label(context))
            history = self._history(session, table, model, due)
            retrained = self._last_retraining(session, model)
        values = {one: found.values[self.metric] for one, found in measured.items()}
        return self._judge(context, week, values, references.get(self.metric), history, retrained)

    def _measure(
        self, session: WarehouseSession, model: QualifiedName, monitor: QualifiedName, first: Week, last: Week
    ) -> dict[Week, _WeekMeasured]:
        predicted = self._predicted(session, model, first, last)
        values: dict[Week, dict[str, float | None]] = {}
        used: dict[Week, int] = {}
        seen: dict[Week, int] = {}
        for row in session.rows(monitor_metrics.performance_values(monitor, self.metrics, first, last)):
            week, metric = week_of(row), str(row["METRIC"])
            values.setdefault(week, {})[metric] = row["VALUE"]
            if metric == self.metric:
                used[week], seen[week] = int(row["USED"]), int(row["USED"]) + int(row["UNUSED"])
        late = [week for week, rows in predicted.items() if seen.get(week, 0) != rows]
        if late:
            self.log.warning(
                "Monitor %s has not seen all predictions of %s; these weeks are left out until it has: it refreshes by "
                "its interval, or their rows changed since they were scored",
                monitor.quoted,
                ", ".join(map(str, late)),
            )
        return {
            week: _WeekMeasured(found, used[week])
            for week, found in sorted(values.items())
            if week in predicted and week not in late and used[week]
        }

    def _references(self, session: WarehouseSession, model: QualifiedName) -> dict[str, float]:
        own = dict(read_state(session, model).version(self.model_version).metrics)
        reference = own.get(self.metric)
        if self.thresholds.bound(self.metric, reference) is None:
            raise ModelVersionError(
                f"version {self.model_version} of model {self.model_name} has no metric {self.metric!r} in the "
                f"registry to hold its weeks against; log the model with its metrics, give an absolute bound, or judge "
                f"by another metric"
            )
        return {metric: float(own[metric]) for metric in self.metrics if metric in own}

    def _written(
        self, session: WarehouseSession, table: QualifiedName, model: QualifiedName, first: Week, last: Week
    ) -> dict[Week, set[tuple[Any, ...]]]:
        statement = Statement(
            f"SELECT WEEK_START, METRIC, VALUE, REFERENCE, VERDICT, ROW_COUNT FROM {table} WHERE MODEL_NAME = %s "
            f"AND MODEL_VERSION = %s AND ENGINE = %s AND WEEK_START >= %s::DATE AND WEEK_START <= %s::DATE",
            (model.quoted, self.model_version, ENGINE, first.start, last.start),
        )
        written: dict[Week, set[tuple[Any, ...]]] = {}
        for row in session.rows(statement):
            written.setdefault(week_of(row), set()).update(_told_values([row]))
        return written

    def _write(
        self,
        session: WarehouseSession,
        table: QualifiedName,
        model: QualifiedName,
        week: Week,
        rows: Sequence[Mapping[str, Any]],
        run: str,
    ) -> None:
        where = {
            "WEEK_START": week.start,
            "MODEL_NAME": model.quoted,
            "MODEL_VERSION": self.model_version,
            "ENGINE": ENGINE,
        }
        rewrite_rows(session, table, where, rows, run)

    def _judge(
        self,
        context: Mapping[str, Any],
        week: Week,
        values: Mapping[Week, float | None],
        reference: float | None,
        history: Mapping[str, Verdict],
        retrained: Week | None,
    ) -> dict[str, Any]:
        told = {str(one): value for one, value in values.items()}
        self.log.info("%s by week: %s", self.metric, told or "no labels yet")
        newest = max(history, default="")
        bound = self.thresholds.bound(self.metric, reference)
        degraded = degraded_by_performance(
            week,
            self.model_version,
            self.metric,
            history,
            self.degraded_when,
            value=told.get(newest),
            bound=self.thresholds.breach if bound is None else bound,
        )
        if degraded:
            self._report_degraded(context, week, degraded, retrained)
        return performance_result(week, self.model_version, self.metric, told, {}, history.get(newest), degraded)


def _rows(found: _WeekMeasured, references: Mapping[str, float], judged: str, verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "SEGMENT": "",
            "CLASS": "",
            "METRIC": metric,
            "VALUE": value,
            "REFERENCE": references.get(metric),
            "IS_ESTIMATE": False,
            "VERDICT": verdict if metric == judged else None,
            "ROW_COUNT": found.rows,
        }
        for metric, value in found.values.items()
    ]


def _told_values(rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in ("METRIC", "VALUE", "REFERENCE", "VERDICT", "ROW_COUNT")) for row in rows}
