"""The report of weeks that were really scored and checked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from snowmaker.operators.report import WeeklyReportOperator
from snowmaker.snowflake.identifiers import QualifiedName

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
    model, results = lab.model("good"), {}
    model.freeze("GOOD")
    model.make_champion("GOOD", SHIFTED[0])
    for week in SHIFTED[:2]:
        model.score(str(week), model_version="GOOD")
        results["drift"] = model.check_drift(str(week), "GOOD")
    results["performance"] = model.check_performance(str(SHIFTED[1]), "GOOD", label_delay_weeks=0)
    html, drift = report(model, SHIFTED[1], **results), results["drift"]
    assert drift["degraded"]
    assert f"Drift has breached its bounds in enough weeks since the week of {SHIFTED[0]}." in html
    assert "✕ Drift: breach" in html
    assert f"PSI of {drift['worst_feature']} is {drift['worst_value']:.3f}" in html
    assert f"Distribution of {drift['worst_feature']}<" in html
    assert f"INCOME, {SHIFTED[0]}: PSI" in html
    value = results["performance"]["weeks"][str(SHIFTED[1])]
    assert f"F1 of GOOD is {value:.3f} in the week of {SHIFTED[1]}" in html
    assert f"GOOD became champion as of {SHIFTED[0]}" in html
    assert "Mean prediction score by week" in html
