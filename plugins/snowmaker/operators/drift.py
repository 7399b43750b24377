"""The operator that checks a week's drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.drift import SCORE, Degradation, DriftThresholds, compare, worst
from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.operators.base import ensure_columns, rewrite_rows, run_label
from snowmaker.operators.baseline import SCORE_COLUMN, read_baseline
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.source_rows import in_weeks
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.drift import FeatureDrift, Histogram, Verdict
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.source import Source
    from snowmaker.week import Week


class DriftCheckOperator(WeeklyCheckOperator):
    """Measure a scored week's drift against the version's frozen baseline, and judge it.

    The population stability index of every feature and of the score; the warehouse counts all bins in one
    statement that reads the week once. Results go to SNOWMAKER_DRIFT, replacing those of the same week and
    version. Breaches in enough of the last weeks mark the model degraded.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that scored the week (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param thresholds: from which PSI on a column warns or breaches
    :param degraded_when: how many breaches in how many weeks mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :return: ``{"week", "model_version", "verdict", "worst_feature", "worst_value", "degraded"}``
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
        thresholds: DriftThresholds | None = None,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=3, of_weeks=4), **kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.week = week
        self.thresholds = thresholds or DriftThresholds()

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Count, compare, write, judge."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        table = model.sibling(tables.DRIFT)
        with self.hook.session() as session:
            ensure_columns(session, self.source)
            baseline = read_baseline(session, model, self.model_version)
            if not baseline:
                raise ModelVersionError(
                    f"version {self.model_version} of model {model.quoted} has no frozen baseline in "
                    f"{model.sibling(tables.BASELINES).quoted}; run FreezeBaselineOperator for it (the retraining "
                    f"DAG does)"
                )
            drifts, rows = self._measure(session, model, week, baseline)
            session.execute(tables.create_table(table))
            self._write(session, table, model, week, drifts, rows, run_label(context))
            recent = self._recent_verdicts(session, table, model, self.model_version, week)
        return self._judge(context, week, drifts, recent)

    def _measure(
        self, session: WarehouseSession, model: QualifiedName, week: Week, baseline: Mapping[str, Histogram]
    ) -> tuple[list[FeatureDrift], int]:
        features = {f.column: baseline[f.column.name].bins for f in self.source.features if f.column.name in baseline}
        missing = [f.column.name for f in self.source.features if f.column.name not in baseline]
        if missing:
            raise ModelVersionError(
                f"the baseline of version {self.model_version} has no {', '.join(missing)}: the pipeline's features "
                f"changed since it was trained; retrain"
            )
        week_rows = in_weeks(self.source.week_column, week, week)
        feature_counts = drift_sql.histograms(
            Statement(f"SELECT {listed(features)} FROM {self.source.table} WHERE {week_rows.text}", week_rows.values),
            features,
            "F",
        )
        score = {SCORE_COLUMN: baseline[SCORE].bins}
        score_counts = drift_sql.histograms(
            Statement(
                f"SELECT SCORE AS {SCORE_COLUMN} FROM {QualifiedName.parse(self.predictions_table)} "
                f"WHERE WEEK_START = %s AND MODEL_NAME = %s AND MODEL_VERSION = %s",
                (week.start, model.quoted, self.model_version),
            ),
            score,
            "S",
        )
        row = session.row(drift_sql.side_by_side(feature_counts, score_counts))
        if not int(row["FN"]) or not int(row["SN"]):
            raise InputDataError(
                f"week {week} has {row['FN']} rows in {self.source.table.quoted} and {row['SN']} predictions by "
                f"{self.model_version} in {self.predictions_table}; score it before its drift is checked"
            )
        counts = {
            **{name: h.counts for name, h in drift_sql.read_histograms(row, features, "F").items()},
            SCORE: drift_sql.read_histograms(row, score, "S")[SCORE_COLUMN.name].counts,
        }
        judged = {name: baseline[name] for name in counts}
        return compare(judged, counts, self.thresholds), int(row["FN"])

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
        judged = [
            {
                "SEGMENT": "",
                "FEATURE": d.feature,
                "METRIC": "psi",
                "VALUE": d.value,
                "WARN": self.thresholds.warn,
                "BREACH": self.thresholds.breach,
                "VERDICT": d.verdict,
                "ROW_COUNT": rows,
                "ENGINE": tables.SNOWMAKER_ENGINE,
            }
            for d in drifts
        ]
        where = {"WEEK_START": week.start, "MODEL_NAME": model.quoted, "MODEL_VERSION": self.model_version}
        rewrite_rows(session, table, where, judged, run)

    def _judge(
        self, context: Mapping[str, Any], week: Week, drifts: Sequence[FeatureDrift], recent: Sequence[Verdict]
    ) -> dict[str, Any]:
        most, verdict = drifts[0], worst([drift.verdict for drift in drifts])
        moved = [f"{d.feature} {d.value:.3f}" for d in drifts if d.verdict != "ok"]
        self.log.info("Week %s: %s (PSI: %s)", week, verdict, ", ".join(moved) or "all below warn")
        degraded = self.degraded_when.met(recent)
        if degraded:
            detail = (
                f"PSI of {most.feature} is {most.value:.3f}; breach in {list(recent).count('breach')} of the last "
                f"{self.degraded_when.of_weeks} weeks"
            )
            self._mark_degraded(context, week, self.model_version, detail)
        return {
            "week": str(week),
            "model_version": self.model_version,
            "verdict": verdict,
            "worst_feature": most.feature,
            "worst_value": most.value,
            "degraded": degraded,
        }
