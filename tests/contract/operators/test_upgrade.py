"""This release goes on where an earlier one left off: champion, baselines, history and predictions are found."""

from __future__ import annotations

import pytest

from snowmaker.snowflake import tables

from .lab import Lab, Model, task_context
from .old_tables import FIRST, MONITORING, OldSchema
from .test_report_of_checks import report
from .weekly_data import ROWS, TWIN, WEEKS

BREACHED, WEEK = WEEKS[6], WEEKS[7]
"""The last two weeks that the earlier release scored."""


@pytest.fixture(params=[FIRST, MONITORING])
def old(lab: Lab, request: pytest.FixtureRequest) -> OldSchema:
    """What a release left behind."""
    return OldSchema.of(lab, request.param)


def drift_of(old: OldSchema, week: object) -> dict[str, float]:
    """PSI by feature, as the table has it."""
    rows = old.rows(
        f"SELECT FEATURE, VALUE FROM {old.own_table(tables.DRIFT)} "
        f"WHERE WEEK_START = %s AND METRIC = 'psi' AND MODEL_VERSION = 'GOOD' AND FEATURE <> 'label'",
        str(week),
    )
    return dict(rows)


def test_the_weekly_run_goes_on(old: OldSchema, lab: Lab) -> None:
    model = old.loans(lab)
    drift_before = drift_of(old, WEEK)

    assert model.check_input(week=str(WEEK))["model_version"] == "GOOD"
    assert model.check_input(week=str(TWIN), model_version="champion_as_of_week")["model_version"] == "WEAK"

    model.score(WEEK)
    predicted = model.predicted()
    assert predicted["WEEK_START"].astype(str).value_counts().to_dict() == {
        str(TWIN): 3,
        str(BREACHED): 3,
        str(WEEK): ROWS,
    }
    assert not predicted["IS_SHADOW"].any()

    # Measured again over the bins that the earlier release froze: to the same values.
    drift = model.check_drift(WEEK, "GOOD")
    assert drift_of(old, WEEK) == pytest.approx(drift_before)
    assert len(drift_before) == 6
    # The week before was judged by the earlier release.
    assert (drift["verdict"], drift["degraded"], drift["since"]) == ("breach", True, str(BREACHED))

    performance = model.check_performance(WEEK, "GOOD", label_delay_weeks=0)
    assert performance["weeks"].keys() == {str(TWIN), str(BREACHED), str(WEEK)}

    html = report(model, WEEK, drift=drift, performance=performance)
    assert f"GOOD became champion as of {TWIN}" in html
    assert f"Drift has breached its bounds in enough weeks since the week of {BREACHED}." in html
    assert "Distribution of INCOME<" in html


def test_the_next_champion_follows_the_ones_before(lab: Lab) -> None:
    old = OldSchema.of(lab, FIRST, tables.MODEL_EVENTS)
    model = old.loans(lab)
    promote(model, "WEAK", "GOOD")
    assert model.champion == "WEAK"
    events = old.rows(f"SELECT SEQUENCE, EVENT, MODEL_VERSION FROM {old.name(tables.MODEL_EVENTS)} ORDER BY SEQUENCE")
    assert [event[1:] for event in events[:3]] == [("PROMOTED", "WEAK"), ("PROMOTED", "GOOD"), ("REJECTED", "WEAK")]
    assert events[-1][1:] == ("PROMOTED", "WEAK")
    assert [event[0] for event in events] == list(range(1, len(events) + 1))


def promote(model: Model, challenger: str, champion: str) -> None:
    verdict = {"challenger": challenger, "champion": champion, "rows": 1, "rules": [], "metrics": {}}
    model.promote(verdict, WEEK, task_context(dag_id="retrain_loans"))
