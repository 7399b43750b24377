"""The operator that writes a week's report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from snowmaker.hooks.own_tables import bring_up_to_date, ensure_table, read_table
from snowmaker.links.report import REPORT_KEY, WeeklyReportLink, report_address
from snowmaker.metrics import ERRORS
from snowmaker.operators.base import WarehouseOperator, rewrite_rows, run_label
from snowmaker.profile import SCORE
from snowmaker.report import reading
from snowmaker.report.data import PerformanceTrend, ReportData
from snowmaker.report.page import render
from snowmaker.report.summary import degradations
from snowmaker.snowflake import registry, tables
from snowmaker.snowflake import report as report_sql
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.report import ReportedWeek
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.report.data import PromotionMark
    from snowmaker.source import Source

# How much of each a report shows at most: it stays small, and is read in seconds, whatever the model.
FEATURES, DISTRIBUTIONS, SEGMENTS, OTHER_METRICS, TOP_FEATURES = 40, 6, 10, 60, 10


class WeeklyReportOperator(WarehouseOperator):
    """Write a week's report: one HTML page that needs neither network nor script.

    It tells the verdicts, what moved, and shows performance, drift, distributions, scores, calibration and the worst
    segments of the last weeks, and what the version looks at, read from Snowmaker's own tables; no row of the source
    is read. The page goes to SNOWMAKER_REPORTS, replacing that of the same week; the API server shows it (see the
    task's link).

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version that scored the week (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param metric: the metric the model is judged by
    :param drift: result of the week's drift check, which knows since when the model is degraded (templated)
    :param performance: result of the week's performance check, likewise (templated)
    :param weeks: how many weeks to look back
    :return: ``{"week", "model", "link"}``
    """

    template_fields: Sequence[str] = ("model_name", "model_version", "week", "drift", "performance")
    operator_extra_links = (WeeklyReportLink(),)

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        metric: str,
        week: str | None = None,
        drift: Mapping[str, Any] | None = None,
        performance: Mapping[str, Any] | None = None,
        weeks: int = 26,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.week = week
        self.metric = metric
        self.drift = drift
        self.performance = performance
        self.weeks = weeks
        self.is_written = False

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Read, draw, write."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        of = ReportedWeek(model, self.model_version, week, self.weeks)
        run = context["dag_run"]
        with self.hook.session() as session:
            own = (tables.DRIFT, tables.BASELINES, tables.PERFORMANCE, tables.MODEL_EVENTS)
            bring_up_to_date(session, *map(of.table, own))
            html = render(self._collect(session, of, run_label(context)))
            table = model.sibling(tables.REPORTS)
            ensure_table(session, table)
            where = {"WEEK_START": week.start, "MODEL_NAME": model.quoted}
            rewrite_rows(session, table, where, [{"HTML": html}], run_label(context))
        self.log.info("Report of week %s: %d characters in %s", week, len(html), table.quoted)
        found_by = {"model": model.quoted, "week": str(week), "snowflake_conn_id": self.snowflake_conn_id}
        context["ti"].xcom_push(key=REPORT_KEY, value=found_by)
        self.is_written = True
        return {"week": str(week), "model": model.quoted, "link": report_address(run.dag_id, run.run_id)}

    def _collect(self, session: WarehouseSession, of: ReportedWeek, run: str) -> ReportData:
        rows = session.rows_if_any
        drift = reading.read_drift(rows(report_sql.drift_by_week(of, FEATURES)))
        worst = [pair for pair in drift.of_week(of.week.start) if pair[0] != SCORE][:DISTRIBUTIONS]
        profiles = rows(report_sql.baseline_and_week(of, [SCORE, *(feature for feature, _ in worst)]))
        newest = report_sql.newest_performance(
            of, self.metric, is_error=self.metric in ERRORS, segments=SEGMENTS, others=OTHER_METRICS
        )
        others, segments = reading.read_newest(rows(newest))
        return ReportData(
            name=of.model.object.name,
            model=of.model.quoted,
            version=of.version,
            week=of.week.start,
            run=run,
            written_at=datetime.now(UTC),
            drift=drift,
            has_baseline=bool(profiles or drift.cells),
            score=reading.read_score(rows(report_sql.score_profiles(of)), profiles),
            distributions=reading.read_distributions(profiles, worst),
            performance=PerformanceTrend(
                self.metric,
                reading.read_performance(rows(report_sql.performance_by_week(of, self.metric))),
                self._promotions(session, of),
                others,
            ),
            calibration=reading.read_calibration(rows(report_sql.newest_calibration(of))),
            top_features=reading.read_top_features(
                read_table(session, of.table(tables.ATTRIBUTIONS), report_sql.top_features(of, TOP_FEATURES))
            ),
            drift_segments=reading.read_drift_segments(rows(report_sql.drift_by_segment(of, SEGMENTS))),
            performance_segments=segments,
            degraded=degradations({"Drift": self.drift, "Performance": self.performance}),
        )

    def _promotions(self, session: WarehouseSession, of: ReportedWeek) -> tuple[PromotionMark, ...]:
        events = registry.promotions(of.table(tables.MODEL_EVENTS), of.model.quoted)
        first, last = of.week.shift(1 - of.weeks).start, of.week.start
        return reading.read_promotions(session.rows_if_any(events), first, last)
