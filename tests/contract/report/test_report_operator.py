"""The operator that writes a week's report, on tables that a year of checks has filled."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from snowmaker.hooks.warehouse import StatementError
from snowmaker.links.report import REPORT_KEY
from snowmaker.operators.report import WeeklyReportOperator
from snowmaker.snowflake.report import read_report
from snowmaker.week import Week

from .a_year import EVIL, NEW, OLD, PROMOTED, SEGMENTS, SHIFTED, UNLABELLED, WEEKS, Year, drift, performance, version_of

LAST = WEEKS[-1]


class Run:
    """What the operator sees of Airflow, and what it gives to other tasks."""

    def __init__(self, run_id: str = "scheduled__1") -> None:
        self.pushed: dict[str, Any] = {}
        self.context: Any = {
            "dag_run": SimpleNamespace(
                dag_id="score_loans",
                run_id=run_id,
                data_interval_end=None,
                run_after=datetime(2026, 6, 29, 6, tzinfo=UTC),
            ),
            "ti": SimpleNamespace(xcom_push=self.push),
        }

    def push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


def report(year: Year, week: Week | str = LAST, run: Run | None = None, **changes: Any) -> str:
    """Write a week's report and return what is in the table."""
    operator, run = operator_of(year, week, **changes), run or Run()
    operator.execute(run.context)
    (row,) = year.session.rows(read_report(year.model, Week.parse(str(week), "monday"), "score_loans"))
    return str(row["HTML"])


def operator_of(year: Year, week: Week | str = LAST, **changes: Any) -> WeeklyReportOperator:
    arguments = {
        "source": year.source,
        "model_name": year.model.quoted,
        "model_version": version_of(week) if isinstance(week, Week) else NEW,
        "metric": "f1",
        "week": str(week),
        **changes,
    }
    return WeeklyReportOperator(task_id="report", **arguments)


@pytest.fixture(scope="module")
def written(year: Year) -> str:
    checks = {"drift": {"degraded": True, "since": "2026-06-01"}, "performance": {"degraded": False, "since": None}}
    return report(year, **checks)


def test_the_report_tells_the_week(written: str) -> None:
    assert "✕ Drift: breach" in written
    assert "PSI of COUNTY is 0.500, and 4 more moved" in written
    assert f"F1 of {NEW} is 0.840 in the week of {WEEKS[-5]}, 0.850 on its holdout" in written
    assert "Drift has breached its bounds in enough weeks since the week of 2026-06-01." in written
    assert "Performance has breached" not in written


def test_it_shows_half_a_year_of_drift(written: str) -> None:
    assert f"COUNTY, {LAST}: PSI 0.500, breach" in written
    assert f"AGE, {WEEKS[-26]}: PSI" in written
    assert f"AGE, {WEEKS[-27]}: PSI" not in written
    # Not judged, so not in the map.
    assert "Jensen" not in written


def test_it_shows_every_version_its_estimates_and_the_promotion(written: str) -> None:
    assert f"{OLD}, {SHIFTED[0]}: 0.650 (breach), holdout 0.850, 900 rows" in written
    for week in UNLABELLED:
        assert f"{NEW}, {week}: 0.840 (estimate)" in written
    assert f"{NEW} became champion as of {PROMOTED}" in written
    assert "V1B" not in written
    assert "became champion as of 2025" not in written


def test_it_holds_the_week_against_the_baseline(written: str) -> None:
    for name in ("COUNTY", "INCOME", "AGE", "APPLIED_ON", "MEMBER"):
        assert f"Distribution of {name}<" in written
    assert "20,000 to 40,000: baseline 24.8 %, week 21.6 %" in written
    assert "2025-01-01 to 2025-07-31" in written
    assert "Distribution of score<" not in written


def test_it_shows_the_newest_calibration_and_leaves_empty_bins_out(written: str) -> None:
    assert f"Week of {WEEKS[-5]}, version {NEW}" in written
    assert written.count(" came true, 90 rows") == 9


def test_it_shows_the_ten_features_that_make_most_of_the_score_against_the_champion_before(written: str) -> None:
    section = written.split('id="h-top-features"')[1].split("</section>")[0]
    assert f"on 450 holdout rows. Grey: the same of the champion before it, {OLD}" in section
    assert "F2: 15.0 % (+5.0 points)" in section
    # A row in the numbers, and a text and two bars in the chart.
    assert section.count("<tr><td>") == 10
    assert section.index("&lt;script&gt;") < section.index("F2:") < section.index("F10:")
    assert "F11" not in section
    assert "The 10 most important features; 2 more make less." in section


def test_a_first_version_is_held_against_none_and_one_that_was_not_explained_has_no_such_section(year: Year) -> None:
    section = report(year, WEEKS[30]).split('id="h-top-features"')[1].split("</section>")[0]
    assert "F2: 10.0 %<" in section
    assert "points" not in section
    assert "What the model looks at" not in report(year, WEEKS[29], model_version="V1B")


def test_it_names_the_worst_segments_only(written: str) -> None:
    drifted = written.split('id="h-segments"')[1]
    first, second = drifted.split("<table>")[1:]
    assert [name for name in SEGMENTS if f"{name}<" in first] == SEGMENTS[:10]
    assert [name for name in SEGMENTS if f"{name}<" in second] == SEGMENTS[:10]
    assert first.index("REGION=R0<") < first.index("REGION=R1<")


def test_nothing_of_the_data_becomes_part_of_the_page(written: str) -> None:
    assert EVIL not in written
    assert "&lt;script&gt;alert(" in written


def test_a_week_has_one_report_whoever_wrote_last(year: Year) -> None:
    first = report(year, WEEKS[-2], Run("first"))
    second = report(year, WEEKS[-2], Run("second"))
    assert "score_loans/first" in first
    assert "score_loans/second" in second
    assert "score_loans/first" not in second


def test_result_and_link_say_where_the_report_is_once_there_is_one(year: Year) -> None:
    run = Run("scheduled__2026-06-29T06:00:00+00:00")
    (link,) = WeeklyReportOperator.operator_extra_links
    operator, key = operator_of(year), run.context["dag_run"]
    assert link.get_link(operator, ti_key=key) == ""
    result = operator.execute(run.context)
    path = "/snowmaker/reports/score_loans/scheduled__2026-06-29T06%3A00%3A00%2B00%3A00"
    assert link.get_link(operator, ti_key=key) == path
    assert {**result, "link": ""} == {"week": str(LAST), "model": year.model.quoted, "link": ""}
    assert result["link"].endswith(path)
    assert run.pushed == {
        REPORT_KEY: {"model": year.model.quoted, "week": str(LAST), "snowflake_conn_id": "snowflake_default"}
    }


def test_an_earlier_week_is_reported_as_of_then(year: Year) -> None:
    html = report(year, SHIFTED[0])
    assert f"scored by version {OLD}" in html
    assert "PSI of COUNTY is 0.500" in html
    assert str(LAST) not in html
    assert "became champion as of" not in html.replace(f"{OLD} became champion as of {WEEKS[0]}", "")


def test_a_week_scored_anew_is_told_by_the_version_reported(schema: SnowflakeConnection) -> None:
    year = Year.of(schema, "Scored twice")
    year.add("SNOWMAKER_DRIFT", [drift(LAST, "AGE", "psi", 0.3)])
    year.add("SNOWMAKER_DRIFT", [{**drift(LAST, "AGE", "psi", 0.02), "MODEL_VERSION": "V3"}])
    assert "PSI of AGE is 0.300" in report(year)
    assert "PSI of AGE is 0.020" in report(year, model_version="V3")
    # Of a week that is not the one reported, the last check speaks.
    assert f"AGE, {LAST}: PSI 0.020" in report(year, LAST.shift(1), model_version="V3")


def test_the_first_week_of_a_new_model_has_a_report(schema: SnowflakeConnection) -> None:
    html = report(Year.of(schema, "Brand new"))
    assert "Version V2 has no frozen baseline yet" in html
    assert "No labels have come yet" in html


def test_of_many_features_the_worst_are_shown_and_the_others_counted(schema: SnowflakeConnection) -> None:
    year = Year.of(schema, "Wide")
    names = [f"F{i:03}" for i in range(300)]
    year.add("SNOWMAKER_DRIFT", [drift(LAST, name, "psi", i / 1000) for i, name in enumerate(names)])
    html = report(year)
    assert "PSI of F299 is 0.299, and 199 more moved" in html
    assert "and 195 more<" in html
    assert "260 more moved less" in html
    assert f"F260, {LAST}" in html
    assert f"F259, {LAST}" not in html


def test_an_error_metric_has_its_largest_values_as_worst_segments(schema: SnowflakeConnection) -> None:
    year = Year.of(schema, "Regression")
    rows = [performance(LAST, "rmse", 10.0 + i, segment=segment) for i, segment in enumerate(SEGMENTS)]
    year.add("SNOWMAKER_PERFORMANCE", [performance(LAST, "rmse", 12.0), *rows])
    html = report(year, metric="rmse")
    assert "REGION=R14<" in html
    assert "REGION=R4<" not in html


def test_a_report_of_a_schema_that_may_not_be_written_fails_with_the_statement(year: Year) -> None:
    with pytest.raises(StatementError, match="snowflake_default"):
        operator_of(year, model_name='"NOWHERE"."NO"."MODEL"').execute(Run().context)
