"""The operator that checks how well past weeks were predicted."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from snowmaker.calibration import CALIBRATION, CalibrationMap
from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.own_tables import ensure_predictions, ensure_table, read_table
from snowmaker.input_check import check_labels
from snowmaker.labelled_weeks import LabelledWeek, changed_weeks
from snowmaker.model_inputs import source_of
from snowmaker.operators import performance_record
from snowmaker.operators.base import ensure_columns, run_label
from snowmaker.operators.baseline_record import segments_of
from snowmaker.operators.label_drift import measure_label_drift
from snowmaker.operators.performance_record import MeasuredWeek
from snowmaker.operators.scored_weeks import read_scored_weeks
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.performance import default_thresholds
from snowmaker.performance_result import degraded_by_performance, performance_result
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import calibration, labelled_rows, tables
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.statement import Statement
from snowmaker.verdicts import Degradation
from snowmaker.week import Week, week_of_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snowmaker.champion import ModelState
    from snowmaker.degradation import Degraded
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.operators.performance_record import RecordedWeek
    from snowmaker.operators.scored_weeks import ScoredWeeks
    from snowmaker.performance import PerformanceThresholds
    from snowmaker.profile import Profile
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.profiles import Segments
    from snowmaker.source import Source


class PerformanceCheckOperator(WeeklyCheckOperator):
    """Measure how well past weeks were predicted, once their labels have come, and judge it.

    Looks at all weeks within ``lookback_weeks``, and measures those again whose labels or predictions are not what
    they were when they were last checked: labels that come late, are mended or taken back are all seen. The sums
    are made in the warehouse, one statement for all those weeks. Results go to SNOWMAKER_PERFORMANCE and
    SNOWMAKER_CALIBRATION, replacing those of the same weeks. A week's metric is held against the same metric of
    the version's own holdout, and against absolute bounds if there are any. A row is found again by what its version
    was given; a week whose version was given a column that the source has no more stays as it was last measured.

    Until its labels are due and come, a week's metrics are estimated from the scores, calibrated on the version's
    holdout (binary classification). An estimate is marked as one and never judged.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that may be marked degraded (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param segments: source columns whose values are measured one by one as well: those that the version's baseline
        tells apart; shown, not judged
    :param label_delay_weeks: weeks after which labels are due
    :param lookback_weeks: how many weeks with due labels to look at
    :param task: what the model predicts
    :param metric: the metric to judge by; default: f1, of several classes f1_macro, of a regression rmse
    :param thresholds: how bad it may be; default: ``performance.default_thresholds``
    :param threshold: score from which the class 1 is predicted
    :param estimate: whether to estimate the weeks without labels
    :param degraded_when: how many breaches in how many weeks with labels mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :return: ``{"week", "model_version", "weeks": {week: value}, "estimated": {week: value}, "metric", "verdict",
        "degraded", "since"}``; the verdict is that of the newest week with labels
    """

    cause = "performance"
    template_fields: Sequence[str] = ("model_name", "model_version", "predictions_table", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        predictions_table: str,
        week: str | None = None,
        segments: Sequence[str] = (),
        label_delay_weeks: int = 0,
        lookback_weeks: int = 26,
        task: ScoredTaskType = "binary_classification",
        metric: str | None = None,
        thresholds: PerformanceThresholds | None = None,
        threshold: float = 0.5,
        estimate: bool = True,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=2, of_weeks=3), **kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.week = week
        self.segments = segments
        self.label_delay_weeks = label_delay_weeks
        self.lookback_weeks = lookback_weeks
        self.scored_task = scored_task(task, threshold)
        self.estimate = estimate and self.scored_task.is_estimated
        self.metric = metric or self.scored_task.default_metric
        if self.metric not in self.scored_task.metrics:
            known = ", ".join(self.scored_task.metrics)
            raise ValueError(f"metric {self.metric!r} is no metric of {task}; choose of {known}")
        self.thresholds = thresholds or default_thresholds(self.metric)
        self.thresholds.check(self.metric)

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Look what changed, measure that, write, judge."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        due = week.shift(-self.label_delay_weeks)
        first = due.shift(1 - self.lookback_weeks)
        model, predictions = QualifiedName.parse(self.model_name), QualifiedName.parse(self.predictions_table)
        with self.hook.session() as session:
            state = read_state(session, model)
            types = ensure_columns(
                session,
                source_of(self.source, state, model, self.model_version),
                label_rule=self.scored_task.label,
                version=self.model_version,
            )
            ensure_predictions(session, predictions)
            for name in performance_record.TABLES:
                ensure_table(session, model.sibling(name))
            scored = read_scored_weeks(session, predictions, self.source, state, model, (first, week), types)
            before = performance_record.last_checked(session, model, first, week)
            now = self._look(session, model, (first, week), due, before, scored)
            changed = [one for one in changed_weeks(now, before) if one not in scored.lost]
            for lost, why in scored.lost.items():
                self.log.warning("Week %s stays as it was last measured: %s", lost, why)
            if changed:
                measured = list(self._measure(session, model, now, changed, state, scored))
                weeks = {one: now.get(one) for one in changed}
                versions = {one.week: one.version for one in measured if not one.is_estimate}
                # First, so that a week is not taken for checked before its label is.
                measure_label_drift(session, self.source, model, versions, run_label(context))
                performance_record.rewrite_weeks(session, model, weeks, measured, run_label(context))
            history = performance_record.recorded(session, model, self.metric, first, week)
            retrained = self._last_retraining(session, model)
        return self._judge(context, week, changed, history, retrained)

    def _look(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        weeks: tuple[Week, Week],
        due: Week,
        before: Mapping[Week, LabelledWeek],
        scored: ScoredWeeks,
    ) -> dict[Week, LabelledWeek]:
        if not scored.sources:
            return {}
        predictions = QualifiedName.parse(self.predictions_table)
        settings = f"{self.scored_task} {self.metric} {self.thresholds} {list(self.segments)} {self.estimate}"
        found = {}
        told = labelled_rows.fingerprints(predictions, self.source, model.quoted, *weeks, sources=scored.sources)
        for row in session.rows(told):
            week = performance_record.week_of(row)
            found[week] = LabelledWeek.of(row, settings, are_due=week <= due, before=before.get(week))
        return found

    def _measure(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        now: Mapping[Week, LabelledWeek],
        changed: Sequence[Week],
        state: ModelState,
        scored: ScoredWeeks,
    ) -> Iterator[MeasuredWeek]:
        labelled = [week for week in changed if week in now and now[week].by_labels]
        unlabelled = [week for week in changed if week in now and not now[week].by_labels]
        references = {version.name: dict(version.metrics) for version in state.versions}
        if labelled:
            for key, found in self._measure_labelled(session, model, labelled, scored).items():
                yield self._judged(key, found, references, is_estimate=False)
        if unlabelled and self.estimate:
            for key, found in self._estimate(session, model, unlabelled).items():
                yield self._judged(key, found, references, is_estimate=True)

    def _measure_labelled(
        self, session: WarehouseSession, model: QualifiedName, weeks: Sequence[Week], scored: ScoredWeeks
    ) -> dict[tuple[str, str, str], Measured]:
        segments = self._segments(session, model)
        relation = labelled_rows.labelled_predictions(
            QualifiedName.parse(self.predictions_table),
            scored.sources,
            model.quoted,
            weeks,
            columns=self.scored_task.columns,
            segments=segments,
        )
        return self._read(session.rows(self.scored_task.measure(relation, len(segments))))

    def _segments(self, session: WarehouseSession, model: QualifiedName) -> list[Segments]:
        if not self.segments:
            return []
        table = model.sibling(tables.BASELINES)
        statement = Statement(
            f"SELECT DISTINCT SEGMENT FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s ORDER BY SEGMENT",
            (model.quoted, self.model_version),
        )
        baseline: dict[str, dict[str, Profile]] = {row["SEGMENT"]: {} for row in read_table(session, table, statement)}
        known, unknown = segments_of(baseline, [Identifier.parse(column) for column in self.segments])
        if unknown:
            self.log.warning(
                "The baseline of version %s does not tell apart the values of %s, so neither does this check; "
                "a version that is trained from now on will",
                self.model_version,
                ", ".join(column.name for column in unknown),
            )
        return known

    def _estimate(
        self, session: WarehouseSession, model: QualifiedName, weeks: Sequence[Week]
    ) -> dict[tuple[str, str, str], Measured]:
        maps = read_calibration(session, model)
        if not maps:
            self.log.info("No version of %s has a calibration map, so nothing is estimated", model.quoted)
            return {}
        relation = labelled_rows.expected_labels(
            QualifiedName.parse(self.predictions_table), model.quoted, weeks, calibration.chance(maps)
        )
        return self._read(session.rows(self.scored_task.estimate(relation)))

    def _read(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], Measured]:
        measured = self.scored_task.read_all(rows)
        for (week, _, _), found in measured.items():
            check_labels(self.scored_task.label, self.source, self.source.table.quoted, found.wrong, f"week {week}")
            if found.bad:
                raise InputDataError(
                    f"{found.bad} predictions of week {week} in {self.predictions_table} have no score or one "
                    f"{self.scored_task.bad_score}; score the week again"
                )
        return measured

    def _judged(
        self,
        key: tuple[str, str, str],
        found: Measured,
        references: Mapping[str, Mapping[str, float]],
        *,
        is_estimate: bool,
    ) -> MeasuredWeek:
        week, version, segment = key
        own = references.get(version, {})
        reference = None if self.metric not in own else float(own[self.metric])
        verdict = None
        if not is_estimate and not segment:
            if self.thresholds.bound(self.metric, reference) is None:
                raise ModelVersionError(
                    f"version {version} of model {self.model_name} has no metric {self.metric!r} in the registry to "
                    f"hold its weeks against; log the model with its metrics, give an absolute bound, or judge by "
                    f"another metric"
                )
            verdict = self.thresholds.verdict(self.metric, found.metrics[self.metric], reference)
        return MeasuredWeek(
            week=Week(date.fromisoformat(week)),
            version=version,
            segment=segment,
            found=found,
            is_estimate=is_estimate,
            references={name: float(own[name]) for name in found.metrics if name in own},
            metric=self.metric,
            verdict=verdict,
        )

    def _judge(
        self,
        context: Mapping[str, Any],
        week: Week,
        changed: Sequence[Week],
        history: Sequence[RecordedWeek],
        retrained: Week | None,
    ) -> dict[str, Any]:
        real = [found for found in history if not found.is_estimate]
        values = {str(found.week): found.value for found in real}
        estimated = {str(found.week): found.value for found in history if found.is_estimate}
        self.log.info("Measured anew: %s", ", ".join(map(str, changed)) or "no week, nothing changed")
        self.log.info("%s by week: %s", self.metric, _told(values) or "no labels yet")
        if estimated:
            self.log.info("%s estimated: %s", self.metric, _told(estimated))
        degraded = self._degraded(week, real)
        if degraded:
            self._report_degraded(context, week, degraded, retrained)
        verdict = real[-1].verdict if real else None
        return performance_result(week, self.model_version, self.metric, values, estimated, verdict, degraded)

    def _degraded(self, week: Week, labelled: Sequence[RecordedWeek]) -> Degraded | None:
        own = [found for found in labelled if found.version == self.model_version]
        if not own:
            return None
        bound = self.thresholds.bound(self.metric, own[-1].reference)
        return degraded_by_performance(
            week,
            self.model_version,
            self.metric,
            {str(found.week): found.verdict for found in own},
            self.degraded_when,
            value=own[-1].value,
            bound=self.thresholds.breach if bound is None else bound,
        )


def read_calibration(session: WarehouseSession, model: QualifiedName) -> dict[str, CalibrationMap]:
    """Read the frozen calibration maps of a model's versions."""
    table = model.sibling(tables.BASELINES)
    statement = Statement(
        f"SELECT MODEL_VERSION, PROFILE FROM {table} WHERE MODEL_NAME = %s AND FEATURE = %s ORDER BY MODEL_VERSION",
        (model.quoted, CALIBRATION),
    )
    rows = read_table(session, table, statement)
    return {row["MODEL_VERSION"]: CalibrationMap.from_json(row["PROFILE"]) for row in rows}


def _told(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{week}: {'undefined' if value is None else f'{value:.3f}'}" for week, value in values.items())
