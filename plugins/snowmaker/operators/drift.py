"""The operator that checks a week's drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.drift import ALL_ROWS, DriftRules, compare_segments
from snowmaker.drift_result import drift_result
from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.own_tables import ensure_predictions
from snowmaker.model_inputs import source_of
from snowmaker.operators import baseline_record, drift_record, profiling
from snowmaker.operators.base import ensure_columns, run_label
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.profile import PREDICTION, ROWS, SCORE
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.verdicts import Degradation
from snowmaker.week import Week, week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.operators.profiling import Profiles
    from snowmaker.snowflake.profiles import Column
    from snowmaker.source import Source

_HISTORY_WEEKS = 52


class DriftCheckOperator(WeeklyCheckOperator):
    """Measure a scored week's drift against the version's frozen baseline, and judge it.

    The warehouse counts all features, the score, and the segments in one statement that reads the week once; what
    comes back is a profile a column. Profiles go to SNOWMAKER_PROFILES, metrics and verdicts to SNOWMAKER_DRIFT,
    replacing those of the same week and version: all metrics of all rows, and of segments those that are judged. The
    features are those that the version was trained on, even if the pipeline file lists others by now.
    Breaches in enough of the last weeks mark the model degraded.

    A version's baseline is made by FreezeBaselineOperator, or here of the first weeks that it scored; until those
    are complete nothing is judged.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that scored the week (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param rules: by which metrics features are judged, and from where on
    :param segments: columns whose commonest values are checked one by one; of the source's features and key. The
        score's drift is known only in those of the key, which predictions have
    :param baseline_weeks: make a missing baseline of so many weeks that the version scored; 0: do not
    :param bins: quantile bins of a numeric feature in such a baseline
    :param categories: categories told apart in it
    :param degraded_when: how many breaches in how many weeks mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :param cool_down_weeks: how many weeks after a retraining there is no event
    :return: ``{"week", "model_version", "verdict", "worst_feature", "worst_metric", "worst_value", "worst_segment",
        "moved", "degraded", "since"}``; ``moved`` has up to five sentences
    """

    cause = "drift"
    template_fields: Sequence[str] = ("model_name", "model_version", "predictions_table", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        predictions_table: str,
        week: str | None = None,
        rules: DriftRules | None = None,
        segments: Sequence[str] = (),
        baseline_weeks: int = 0,
        bins: int = 10,
        categories: int = 60,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=3, of_weeks=4), **kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.week = week
        self.rules = rules or DriftRules()
        self.segments = segments
        self.baseline_weeks = baseline_weeks
        self.bins = bins
        self.categories = categories

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Count, compare, write, judge."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            own = source_of(self.source, read_state(session, model), model, self.model_version)
            columns = profiling.feature_columns(own, ensure_columns(session, own, version=self.model_version))
            ensure_predictions(session, QualifiedName.parse(self.predictions_table))
            baseline = baseline_record.read_baseline(session, model, self.model_version)
            if not baseline:
                baseline = self._first_baseline(session, model, week, columns, run_label(context))
            if not baseline:
                return drift_result(week, self.model_version, [], None)
            baseline[ALL_ROWS] |= profiling.booleans_of(baseline[ALL_ROWS], columns)
            self._check_baseline(columns, baseline[ALL_ROWS])
            profiles = self._measure(session, model, week, columns, baseline)
            drifts = compare_segments(baseline, profiles, self.rules)
            key = drift_record.Key(model, self.model_version, week)
            drift_record.write(session, key, drifts, profiles, run_label(context))
            recent = drift_record.recent_verdicts(session, key, _HISTORY_WEEKS)
            retrained = self._last_retraining(session, model)
        return self._judge_drift(context, week, self.model_version, drifts, recent, retrained)

    def _first_baseline(
        self, session: WarehouseSession, model: QualifiedName, week: Week, columns: Sequence[Column], run: str
    ) -> Profiles:
        if not self.baseline_weeks:
            raise ModelVersionError(
                f"version {self.model_version} of model {model.quoted} has no frozen baseline in "
                f"{model.sibling(tables.BASELINES).quoted}; run FreezeBaselineOperator for it (the retraining "
                f"DAG does)"
            )
        predictions = QualifiedName.parse(self.predictions_table)
        asked = (predictions, model.quoted, self.model_version)
        scored = session.rows(drift_sql.scored_weeks(*asked, week, self.baseline_weeks))
        weeks = [Week(row["WEEK_START"]) for row in scored]
        if len(weeks) < self.baseline_weeks:
            self.log.info(
                "Version %s has scored %d of the %d weeks that its baseline is to be made of; nothing is judged yet",
                self.model_version,
                len(weeks),
                self.baseline_weeks,
            )
            return {}
        segments = profiling.segment_columns(self.source, self.segments)
        of_key = [column for column in segments if column in self.source.key]
        is_class = bool(read_state(session, model).version(self.model_version).classes)
        predicted = [column for column in drift_sql.PREDICTED if is_class or column.name != PREDICTION]
        taken = [*(column.column for column in predicted), *of_key]
        baseline = profiling.profile_scored_weeks(
            session,
            self.source,
            columns,
            segments,
            drift_sql.scores_of_weeks(*asked, taken, weeks),
            predicted,
            weeks,
            bins=self.bins,
            categories=self.categories,
        )
        baseline_record.freeze(session, model, self.model_version, self.source.table.quoted, baseline, run)
        return baseline

    def _check_baseline(self, columns: Sequence[Column], baseline: Mapping[str, Any]) -> None:
        missing = [column.name for column in columns if column.name not in baseline]
        if missing:
            raise ModelVersionError(
                f"the baseline of version {self.model_version} has no {', '.join(missing)}, which the version takes; "
                f"delete the version's rows from SNOWMAKER_BASELINES and freeze it anew, or retrain"
            )
        for column in columns:
            kind = baseline[column.name].bins.kind
            if kind != column.kind:
                raise InputDataError(
                    f"column {column.name} of {self.source.table.quoted} is {column.kind} now, but {kind} in the "
                    f"baseline of version {self.model_version}; cast it in a view, or retrain"
                )

    def _measure(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        week: Week,
        columns: Sequence[Column],
        baseline: Profiles,
    ) -> Profiles:
        segments, unknown = baseline_record.segments_of(baseline, profiling.segment_columns(self.source, self.segments))
        if unknown:
            self.log.warning(
                "The baseline of %s was frozen without the segments of %s, so these are not checked; retrain",
                self.model_version,
                ", ".join(column.name for column in unknown),
            )
        of_key = [one.column for one in segments if one.column in self.source.key]
        wanted = list(dict.fromkeys([column.column for column in columns] + [one.column for one in segments]))
        profiles = profiling.measure_week(
            session,
            columns,
            drift_sql.week_rows(self.source, wanted, week),
            drift_sql.scores_of_weeks(
                QualifiedName.parse(self.predictions_table),
                model.quoted,
                self.model_version,
                [*(column.column for column in drift_sql.PREDICTED), *of_key],
                [week],
            ),
            baseline,
            segments,
            segments_of_scores=len(of_key),
            # Nothing else needs them, and they are what takes a scan longest.
            spread=any("mean_difference" in found for found in (self.rules.metrics, *self.rules.features.values())),
        )
        rows, scored = (profiles[ALL_ROWS][name].rows if name in profiles[ALL_ROWS] else 0 for name in (ROWS, SCORE))
        if not rows or not scored:
            raise InputDataError(
                f"week {week} has {rows} rows in {self.source.table.quoted} and {scored} predictions by "
                f"{self.model_version} in {self.predictions_table}; score it before its drift is checked"
            )
        return profiles
