"""The report of weeks that were really scored and checked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from snowmaker.operators.report import WeeklyReportOperator
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.verdicts import Degradation

from .lab import Lab, Model, task_context
from .weekly_data import SHIFTED


def report(model: Model, week: object, **checks: Any) -> str:
    """Write a week's report and return it."""
    context = task_context()
    context["ti"] = SimpleNamespace(xcom_push=lambda **_: None)
    WeeklyReportOperator(
        task_id="report",
        source=model.source,
        model_name=model.name,
        model_version="GOOD",
        metric="f1",
        week=str(week),
        **checks,
    ).execute(context)
    table = QualifiedName.parse(model.name).sibling("SNOWMAKER_REPORTS")
    ((html,),) = model.lab.rows(
        f"SELECT HTML FROM {table.quoted.replace('%', '%%')} WHERE MODEL_NAME = %s AND WEEK_START = %s",
        model.name,
        str(week),
    )
    return str(html)


def test_a_report_tells_what_the_checks_found(lab: Lab) -> None:
    model, week = lab.model("good"), SHIFTED[0]
    model.freeze("GOOD")
    model.make_champion("GOOD", week)
    model.score(str(week), model_version="GOOD")
    drift = model.check_drift(str(week), "GOOD", degraded_when=Degradation(breaches=1, of_weeks=1))
    performance = model.check_performance(str(week), "GOOD", label_delay_weeks=0)
    html = report(model, week, drift=drift, performance=performance)
    assert drift["degraded"]
    assert f"Drift has breached its bounds in enough weeks since the week of {week}." in html
    assert "✕ Drift: breach" in html
    assert f"PSI of {drift['worst_feature']} is {drift['worst_value']:.3f}" in html
    assert f"Distribution of {drift['worst_feature']}<" in html
    assert f"INCOME, {week}: PSI" in html
    assert f"F1 of GOOD is {performance['weeks'][str(week)]:.3f} in the week of {week}" in html
    assert f"GOOD became champion as of {week}" in html
    assert "Mean prediction score by week" in html
