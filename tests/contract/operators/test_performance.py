from __future__ import annotations

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from snowmaker.exceptions import InputDataError, ModelVersionError
from snowmaker.performance import PerformanceThresholds
from snowmaker.verdicts import Degradation

from .lab import Lab, Model, degraded_events, fresh, task_context
from .oracle import binary_metrics
from .weekly_data import LABELLED, ROWS, SHIFTED, TWIN, WEEKS, source_of

TOUCHY = PerformanceThresholds(warn=0.0001, breach=0.0002)


def measured(model: Model) -> pd.DataFrame:
    table = model.lab.name("SNOWMAKER_PERFORMANCE")
    return model.lab.frame_of(f"SELECT * FROM {table} WHERE MODEL_NAME = '{model.name}' ORDER BY WEEK_START, METRIC")


def expected(lab: Lab, kind: str, week: object) -> dict[str, float]:
    rows = lab.frame[lab.frame["week"] == str(week)]
    return binary_metrics(rows["APPROVED"].astype(int), lab.artefacts[kind].scores(rows))


def test_a_week_is_measured_as_scikit_learn_measures_it_twins_included(lab: Lab) -> None:
    # The weak model has few different scores, so ties count; and twins differ in their label only.
    for kind, week in (("good", SHIFTED[1]), ("weak", SHIFTED[0])):
        model = lab.model(kind)
        version = kind.upper()
        model.score(week, model_version=version)
        result = model.check_performance(week.shift(2), version)
        rows = measured(model).set_index("METRIC")
        assert rows["VALUE"].to_dict() == pytest.approx(expected(lab, kind, week), rel=1e-9)
        assert set(rows["ROW_COUNT"]) == {ROWS}
        assert result["weeks"] == {str(week): pytest.approx(expected(lab, kind, week)["f1"])}


def test_weeks_whose_labels_have_not_come_are_left_out(lab: Lab) -> None:
    model = lab.model("good")
    late = [week for week in WEEKS if week not in LABELLED]
    for week in late:
        model.score(week, model_version="GOOD")
    context = task_context()
    result = model.check_performance(late[-1].shift(2), "GOOD", context)
    assert result == {
        "week": str(late[-1].shift(2)),
        "model_version": "GOOD",
        "weeks": {},
        "estimated": {},
        "metric": "f1",
        "verdict": None,
        "degraded": False,
        "since": None,
    }
    assert measured(model).empty
    assert degraded_events(context, "performance") == []


def test_labels_that_come_later_find_their_predictions(lab: Lab) -> None:
    model = lab.model("good")
    model.source = model.own_source()
    late = WEEKS[8]
    model.score(late, model_version="GOOD")
    assert model.check_performance(late.shift(2), "GOOD")["weeks"] == {}
    lab.rows(
        f"""UPDATE {model.source.table.quoted} SET APPROVED = IFF(INCOME > 70, 1, 0) """
        f"""WHERE "Applied on" >= '{late}' AND "Applied on" < '{late.end}' AND INCOME IS NOT NULL"""
    )
    rows = lab.frame[(lab.frame["week"] == str(late)) & lab.frame["INCOME"].notna()]
    value = f1_score(rows["INCOME"] > 70, lab.artefacts["good"].scores(rows) >= 0.5)
    assert model.check_performance(late.shift(2), "GOOD")["weeks"] == {str(late): pytest.approx(value)}
    assert set(measured(model)["ROW_COUNT"]) == {len(rows)}


def test_a_week_whose_labels_are_not_due_is_not_looked_at(lab: Lab) -> None:
    model = lab.model("good")
    for week in (TWIN, SHIFTED[0]):
        model.score(week, model_version="GOOD")
    assert list(model.check_performance(SHIFTED[1], "GOOD")["weeks"]) == [str(TWIN)]
    assert list(model.check_performance(SHIFTED[1], "GOOD", label_delay_weeks=1)["weeks"]) == [
        str(TWIN),
        str(SHIFTED[0]),
    ]


def test_a_version_is_held_against_its_own_holdout(lab: Lab) -> None:
    # The twin week has the holdout's rows: each version is exactly as good on it as it was on its holdout.
    model = lab.model("good", "weak")
    assert lab.artefacts["good"].metrics["f1"] - lab.artefacts["weak"].metrics["f1"] > 0.1
    model.score(TWIN, model_version="WEAK")
    for checked_in_a_run_of in ("WEAK", "GOOD"):
        assert model.check_performance(TWIN.shift(2), checked_in_a_run_of, thresholds=TOUCHY)["verdict"] == "ok"
    model.score(TWIN, model_version="GOOD")
    assert model.check_performance(TWIN.shift(2), "GOOD", thresholds=TOUCHY)["verdict"] == "ok"
    assert set(measured(model)["MODEL_VERSION"]) == {"GOOD"}


def test_enough_bad_weeks_degrade_a_version_and_one_does_not(lab: Lab) -> None:
    model = lab.model("good")
    own = lab.artefacts["good"].metrics["roc_auc"]
    bad = [week for week in SHIFTED[:2] if expected(lab, "good", week)["roc_auc"] < own - 0.0002]
    assert len(bad) == 2
    rule = {"metric": "roc_auc", "thresholds": TOUCHY, "degraded_when": Degradation(breaches=2, of_weeks=2)}
    first, second = task_context(), task_context()
    for week, context in zip(bad, (first, second), strict=True):
        model.score(week, model_version="GOOD")
        result = model.check_performance(week.shift(2), "GOOD", context, **rule)
        assert result["verdict"] == "breach"
    assert result["degraded"]
    assert degraded_events(first, "performance") == []
    (event,) = degraded_events(second, "performance")
    assert event["week"] == str(bad[1].shift(2))
    assert event["model_version"] == "GOOD"
    assert (event["cause"], event["metric"], event["breaches"], event["of_weeks"]) == ("performance", "roc_auc", 2, 2)
    assert event["value"] == pytest.approx(expected(lab, "good", bad[1])["roc_auc"], rel=1e-9)
    assert event["bound"] == pytest.approx(own - 0.0002)
    assert event["since"] == result["since"] == str(bad[0])
    assert event["detail"] == (
        f"roc_auc is {event['value']:.3g} (breach from {event['bound']:.3g} down), 2 of the last 2 weeks breached, "
        f"since {bad[0]}"
    )


def test_weeks_that_the_old_version_scored_badly_do_not_degrade_the_new_one(lab: Lab) -> None:
    model = lab.model("good", "weak")
    for week in SHIFTED[:2]:
        model.score(week, model_version="GOOD")
    rule = {"metric": "roc_auc", "thresholds": TOUCHY, "degraded_when": Degradation(breaches=1, of_weeks=4)}
    assert model.check_performance(SHIFTED[3], "GOOD", **rule)["degraded"]
    context = task_context()
    result = model.check_performance(SHIFTED[3], "WEAK", context, **rule)
    assert (result["verdict"], result["degraded"]) == ("breach", False)
    assert degraded_events(context, "performance") == []


def test_a_version_without_the_metric_is_told(lab: Lab) -> None:
    model = lab.model("good")
    model.score(TWIN, model_version="GOOD")
    with pytest.raises(ModelVersionError, match=r"version GOOD .* has no metric 'recall' in the registry"):
        model.check_performance(TWIN.shift(2), "GOOD", metric="recall")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE {table} SET APPROVED = 2 WHERE LOAN_ID = '5-3'", "neither 0 nor 1 in"),
        ("UPDATE {table} SET APPROVED = -1 WHERE LOAN_ID = '5-3'", "neither 0 nor 1 in"),
    ],
)
def test_labels_other_than_0_and_1_are_refused(lab: Lab, change: str, told: str) -> None:
    frame = lab.frame.copy()
    frame.loc[frame["week"] == str(TWIN), "LOAN_ID"] = frame["LOAN_ID"].str.replace("4-", "5-")
    model = lab.model("good")
    model.source = model.own_source(frame)
    model.score(TWIN, model_version="GOOD")
    lab.rows(change.format(table=model.source.table.quoted))
    with pytest.raises(InputDataError, match=rf"label APPROVED of .* is {told} \d rows of week {TWIN}; map it"):
        model.check_performance(TWIN.shift(2), "GOOD")
    assert measured(model).empty


def test_a_boolean_label_counts_as_0_and_1(lab: Lab) -> None:
    model = lab.model("good")
    view = lab.name(fresh("View"))
    lab.rows(
        f"CREATE VIEW {view} AS SELECT * EXCLUDE APPROVED, APPROVED::BOOLEAN AS APPROVED "
        f"FROM {model.source.table.quoted}"
    )
    model.source = source_of(view)
    model.score(TWIN, model_version="GOOD")
    value = expected(lab, "good", TWIN)["f1"]
    assert model.check_performance(TWIN.shift(2), "GOOD")["weeks"] == {str(TWIN): pytest.approx(value)}
