"""The operator that checks how well past weeks were predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snowmaker.drift import Degradation, worst
from snowmaker.exceptions import ModelVersionError
from snowmaker.hooks.model_registry import read_state
from snowmaker.input_check import check_labels
from snowmaker.metrics import ERRORS
from snowmaker.operators.base import ensure_columns, rewrite_rows, run_label
from snowmaker.operators.weekly_check import WeeklyCheckOperator
from snowmaker.performance import PerformanceThresholds
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import performance as performance_sql
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week, week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.drift import Verdict
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.performance import Measured
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.source import Source


class PerformanceCheckOperator(WeeklyCheckOperator):
    """Measure how well past weeks were predicted, once their labels have come, and judge it.

    Looks at the newest weeks whose labels are due, joins their predictions with the source's labels and counts
    in the warehouse. Results go to SNOWMAKER_PERFORMANCE, replacing those of the same weeks. A week's metric
    is held against the same metric of the version's own holdout. Weeks without labels are left out.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that may be marked degraded (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param label_delay_weeks: weeks after which labels are due
    :param lookback_weeks: how many weeks with due labels to look at
    :param task: what the model predicts
    :param metric: the metric to judge by; default: f1, of a regression rmse
    :param thresholds: how much worse than on the holdout it may be: a fall by 0.05 warns and by 0.1 breaches, of an
        error (rmse, mae) a rise by a tenth and by a quarter
    :param threshold: score from which the class 1 is predicted
    :param degraded_when: how many breaches in how many weeks mark the model degraded
    :param degraded_asset: gets an event when the model is degraded
    :return: ``{"weeks": {week: metric}, "verdict", "degraded"}``
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
        label_delay_weeks: int = 0,
        lookback_weeks: int = 4,
        task: ScoredTaskType = "binary_classification",
        metric: str | None = None,
        thresholds: PerformanceThresholds | None = None,
        threshold: float = 0.5,
        degraded_when: Degradation | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(degraded_when=degraded_when or Degradation(breaches=2, of_weeks=3), **kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.week = week
        self.label_delay_weeks = label_delay_weeks
        self.lookback_weeks = lookback_weeks
        self.scored_task = scored_task(task, threshold)
        self.metric = metric or self.scored_task.default_metric
        if self.metric not in self.scored_task.metrics:
            known = ", ".join(self.scored_task.metrics)
            raise ValueError(f"metric {self.metric!r} is no metric of {task}; choose of {known}")
        default = PerformanceThresholds(0.1, 0.25) if self.metric in ERRORS else PerformanceThresholds(0.05, 0.1)
        self.thresholds = thresholds or default

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Join, count, write, judge."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        last = week.shift(-self.label_delay_weeks)
        model = QualifiedName.parse(self.model_name)
        table = model.sibling(tables.PERFORMANCE)
        with self.hook.session() as session:
            ensure_columns(session, self.source, label_rule=self.scored_task.label)
            session.execute(tables.create_table(table))
            measured = self._measure(session, model, last.shift(1 - self.lookback_weeks), last)
            references = self._references(session, model)
            verdicts = {
                key: self.thresholds.verdict(
                    self.metric, found.metrics()[self.metric], self._reference(references, key[1])
                )
                for key, found in measured.items()
            }
            for key, found in measured.items():
                self._write(session, table, model, key, found, verdicts[key], run_label(context))
            recent = self._recent_verdicts(session, table, model, self.model_version, last)
        return self._judge(context, week, measured, verdicts, recent)

    def _measure(
        self, session: WarehouseSession, model: QualifiedName, first: Week, last: Week
    ) -> dict[tuple[Week, str], Measured]:
        predictions = QualifiedName.parse(self.predictions_table)
        relation = performance_sql.labelled_predictions(predictions, self.source, model.quoted, first, last)
        measured = {}
        for row in session.rows(self.scored_task.measure(relation)):
            week = Week.parse(str(row["WEEK_START"])[:10], self.source.starts_on)
            table, wrong = self.source.table.quoted, int(row["WRONG"])
            check_labels(self.scored_task.label, self.source, table, wrong, f"week {week}")
            measured[week, str(row["MODEL_VERSION"])] = self.scored_task.read(row)
        return measured

    def _references(self, session: WarehouseSession, model: QualifiedName) -> dict[str, float]:
        versions = read_state(session, model).versions
        return {v.name: float(dict(v.metrics)[self.metric]) for v in versions if self.metric in dict(v.metrics)}

    def _reference(self, references: Mapping[str, float], version: str) -> float:
        if version not in references:
            raise ModelVersionError(
                f"version {version} of model {self.model_name} has no metric {self.metric!r} in the registry to hold "
                f"its weeks against; log the model with its metrics, or judge by another metric"
            )
        return references[version]

    def _write(
        self,
        session: WarehouseSession,
        table: QualifiedName,
        model: QualifiedName,
        key: tuple[Week, str],
        found: Measured,
        verdict: Verdict,
        run: str,
    ) -> None:
        week, version = key
        rows = [
            {
                "MODEL_VERSION": version,
                "SEGMENT": "",
                "CLASS": "",
                "METRIC": metric,
                "VALUE": value,
                "IS_ESTIMATE": False,
                "VERDICT": verdict if metric == self.metric else None,
                "ROW_COUNT": found.rows,
                "ENGINE": tables.SNOWMAKER_ENGINE,
            }
            for metric, value in found.metrics().items()
        ]
        rewrite_rows(session, table, {"WEEK_START": week.start, "MODEL_NAME": model.quoted}, rows, run)

    def _judge(
        self,
        context: Mapping[str, Any],
        week: Week,
        measured: Mapping[tuple[Week, str], Measured],
        verdicts: Mapping[tuple[Week, str], Verdict],
        recent: Sequence[Verdict],
    ) -> dict[str, Any]:
        values = {str(key[0]): found.metrics()[self.metric] for key, found in measured.items()}
        self.log.info("%s by week: %s", self.metric, _told(values) or "no labels yet")
        degraded = self.degraded_when.met(recent)
        if degraded:
            bound, breaches = self.thresholds.breach, list(recent).count("breach")
            worse = f"rose by {bound:.4g} of its value" if self.metric in ERRORS else f"fell by {bound:g}"
            detail = (
                f"{self.metric} {worse} or more in {breaches} of the last {self.degraded_when.of_weeks} weeks with "
                f"labels ({_told(values)})"
            )
            self._mark_degraded(context, week, self.model_version, detail)
        return {
            "weeks": values,
            "verdict": worst(list(verdicts.values())) if verdicts else None,
            "degraded": degraded,
        }


def _told(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{week}: {'undefined' if value is None else f'{value:.3f}'}" for week, value in values.items())
