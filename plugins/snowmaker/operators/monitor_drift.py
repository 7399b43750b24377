"""The operator that checks a week's drift by what a model monitor measured."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from snowmaker.drift import ALL_ROWS, DriftRules
from snowmaker.exceptions import InputDataError, MonitorError
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.monitors import BASELINE
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.model_inputs import own_source
from snowmaker.monitor_metrics import DRIFT, check_rules, to_ask, worst_first
from snowmaker.operators import drift_record
from snowmaker.operators.base import rewrite_rows, run_label
from snowmaker.operators.monitor_checks import ENGINE, LOOKBACK_WEEKS, MonitorCheckOperator
from snowmaker.profile import SCORE
from snowmaker.snowflake import monitor_metrics, monitor_source, tables
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.monitor import sibling_of_version
from snowmaker.snowflake.monitor_metrics import DriftCall
from snowmaker.verdicts import Degradation
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.drift import FeatureDrift
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.monitor_metrics import Asked
    from snowmaker.week import Week

_CALLS_A_STATEMENT = 50
# Snowflake: at most so many values of a segment are recommended, and special characters cannot be asked for.
_MOST_SEGMENT_VALUES = 25
_ASKABLE = re.compile(r"[\w -]+")


class MonitorDriftCheckOperator(MonitorCheckOperator):
    """Judge a scored week's drift by what the version's model monitor measured.

    Does what ``DriftCheckOperator`` does, with the same rules, tables and events, but takes the values from
    MODEL_MONITOR_DRIFT_METRIC. The monitor must have seen every prediction of the week: as long as it has not, the
    task waits, without a worker, for ``wait_minutes``, and then fails; it never says ok of rows that it has not seen.
    Snowflake publishes neither bins nor formulas: values are comparable week by week, not with Snowmaker's, and no
    significance can be told, so segments are shown and not judged.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that scored the week (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param rules: thresholds; psi, jensen_shannon, mean_difference and wasserstein are what monitors have
    :param segments: the monitor's segments to show as well
    :param wait_minutes: how long to wait until the monitor has seen the week
    :param degraded_when: how many breaches in how many weeks mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :return: ``{"week", "model_version", "verdict", "worst_feature", "worst_metric", "worst_value", "worst_segment",
        "moved", "degraded", "since"}``
    """

    cause = "drift"

    def __init__(
        self,
        *,
        rules: DriftRules | None = None,
        segments: Sequence[str] = (),
        wait_minutes: int = 180,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=3, of_weeks=4), **kwargs)
        self.rules = rules or DriftRules()
        check_rules(self.source, self.rules)
        self.segments = segments
        self.wait_minutes = wait_minutes

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Check the week, or wait for the monitor."""
        return self.check(context, until=(datetime.now(UTC) + timedelta(minutes=self.wait_minutes)).isoformat())

    def check(self, context: Mapping[str, Any], event: Any = None, *, until: str) -> dict[str, Any]:  # noqa: ARG002
        """Ask, write, judge.

        :param until: how long to wait for the monitor, an ISO time
        """
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        table = model.sibling(tables.DRIFT)
        with self.hook.session() as session:
            monitor = self._ready_monitor(session, model)
            predicted = self._predicted(session, model, week, week).get(week, 0)
            if not predicted:
                raise InputDataError(
                    f"week {week} has no predictions by {self.model_version} in {self.predictions_table}; score it "
                    f"before its drift is checked"
                )
            drifts, seen = self._measure(session, model, monitor, week)
            if seen == predicted:
                ensure_table(session, table)
                self._write(session, table, model, week, drifts, seen, run_label(context))
                key = drift_record.Key(model, self.model_version, week)
                recent = drift_record.recent_verdicts(session, key, LOOKBACK_WEEKS, ENGINE)
                retrained = self._last_retraining(session, model)
        if seen != predicted:
            self._wait(monitor, week, seen, predicted, until)
        return self._judge_drift(context, week, self.model_version, drifts, recent, retrained)

    def _wait(self, monitor: QualifiedName, week: Week, seen: int, predicted: int, until: str) -> None:
        told = f"monitor {monitor.quoted} has seen {seen} of the {predicted} predictions of week {week}"
        if datetime.now(UTC) >= datetime.fromisoformat(until):
            raise MonitorError(
                f"{told}. Either it has not refreshed since: raise wait_minutes ({self.wait_minutes}) or lower its "
                f"refresh_interval; or rows of {self.source.table.quoted} changed since they were scored: score the "
                f"week again"
            )
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.log.info("%s; waiting for its refresh", told)
        pause = timedelta(minutes=min(5, max(self.wait_minutes / 10, 0.1)))
        self.defer(trigger=TimeDeltaTrigger(pause), method_name="check", kwargs={"until": until})

    def _measure(
        self, session: WarehouseSession, model: QualifiedName, monitor: QualifiedName, week: Week
    ) -> tuple[list[FeatureDrift], int]:
        """Ask for all values; also tell how many rows the monitor has of the week."""
        version = read_state(session, model).version(self.model_version)
        asked = to_ask(own_source(self.source, model, version), self.rules)
        wanted = [(one, _call(one)) for one in asked]
        for column, value in self._segment_values(session, week):
            wanted += [(one, _call(one, (column, value))) for one in asked]
        baseline = sibling_of_version(model, self.model_version, BASELINE)
        # Counts only: whatever is judged, the score's rows are all rows.
        calls = [DriftCall(DRIFT["psi"].name, monitor_source.SCORE), *(call for _, call in wanted)]
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(calls), _CALLS_A_STATEMENT):
            part = calls[start : start + _CALLS_A_STATEMENT]
            rows = session.rows(monitor_metrics.drift_values(monitor, baseline, part, week))
            found |= {start + int(row["PLACE"]): row for row in rows}
        drifts = [
            one.judged(found[place]["VALUE"] if place in found else None, _told_segment(call))
            for place, (one, call) in enumerate(wanted, start=1)
        ]
        seen = int(found[0]["USED"]) + int(found[0]["UNUSED"]) if 0 in found else 0
        return worst_first(drifts), seen

    def _segment_values(self, session: WarehouseSession, week: Week) -> list[tuple[Identifier, str]]:
        values = []
        for column in map(Identifier.parse, self.segments):
            statement = monitor_metrics.segment_values(self.source, column, week, _MOST_SEGMENT_VALUES)
            found = [str(row["VALUE"]) for row in session.rows(statement)]
            askable = [value for value in found if _ASKABLE.fullmatch(value)]
            if len(askable) < len(found):
                left = ", ".join(repr(value) for value in found if value not in askable)
                self.log.warning("Segment %s: monitors cannot be asked for %s: special characters", column.name, left)
            values += [(column, value) for value in askable]
        return values

    def _write(
        self,
        session: WarehouseSession,
        table: QualifiedName,
        model: QualifiedName,
        week: Week,
        drifts: Sequence[FeatureDrift],
        rows: int,
        run: str,
    ) -> None:
        measured = [
            {
                "SEGMENT": drift.segment,
                "FEATURE": drift.feature,
                "METRIC": drift.metric,
                "VALUE": drift.value,
                "WARN": drift.threshold.warn if drift.threshold else None,
                "BREACH": drift.threshold.breach if drift.threshold else None,
                "VERDICT": drift.verdict,
                "ROW_COUNT": rows,
            }
            for drift in drifts
        ]
        where = {
            "WEEK_START": week.start,
            "MODEL_NAME": model.quoted,
            "MODEL_VERSION": self.model_version,
            "ENGINE": ENGINE,
        }
        rewrite_rows(session, table, where, measured, run)


def _call(asked: Asked, part: tuple[Identifier, str] | None = None) -> DriftCall:
    column = monitor_source.SCORE if asked.feature == SCORE else Identifier(asked.feature)
    metric = DRIFT[asked.metric]
    return DriftCall(metric.name, column, scale=metric.in_unit, part=part)


def _told_segment(call: DriftCall) -> str:
    return f"{call.part[0].name}={call.part[1]}" if call.part else ALL_ROWS
