"""Labels that come late, are mended or taken back: exactly those weeks are measured again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest

from snowmaker.exceptions import InputDataError, WarehouseError
from snowmaker.hooks.warehouse import WarehouseSession
from snowmaker.operators import performance_record
from snowmaker.performance import PerformanceThresholds
from snowmaker.snowflake.statement import Statement
from snowmaker.verdicts import Degradation
from snowmaker.week import Week

from .lab import Lab, Model, degraded_events, fresh, task_context
from .oracle import binary_metrics
from .weekly_data import LABELLED, SHIFTED, TWIN, WEEKS, source_of

SCORED = [TWIN, *SHIFTED[:3]]
"""The last of them has no labels."""
LAST = SHIFTED[2].shift(2)


@pytest.fixture(scope="module")
def scored(lab: Lab) -> Model:
    """Four scored weeks, of which three have labels."""
    model = lab.model("good")
    for week in SCORED:
        model.score(week, model_version="GOOD")
    return model


@pytest.fixture
def model(lab: Lab, scored: Model) -> Model:
    """A model with weekly rows and predictions of its own."""
    model, rows = lab.model("good"), lab.name(fresh("ROWS"))
    lab.rows(f"CREATE TABLE {rows} AS SELECT * FROM {scored.source.table.quoted}")
    lab.rows(
        f"CREATE TABLE {model.predictions} AS SELECT * EXCLUDE MODEL_NAME, %s AS MODEL_NAME FROM {scored.predictions}",
        model.name,
    )
    model.source = source_of(rows)
    return model


def kept(model: Model, table: str = "SNOWMAKER_PERFORMANCE") -> pd.DataFrame:
    name = model.lab.name(table)
    return model.lab.frame_of(f"SELECT * FROM {name} WHERE MODEL_NAME = '{model.name}' ORDER BY WEEK_START")


def runs(model: Model) -> dict[str, str]:
    """Who wrote each week last."""
    frame = kept(model)
    return {str(week): run.removeprefix("score_loans/") for week, run in zip(frame["WEEK_START"], frame["RUN_ID"])}  # noqa: B905


def value_of(model: Model, week: Week, metric: str = "f1") -> float:
    frame = kept(model)
    (value,) = frame[(frame["WEEK_START"].astype(str) == str(week)) & (frame["METRIC"] == metric)]["VALUE"]
    return float(value)


def truth(model: Model, week: Week, change: str) -> None:
    """Change the labels of a week."""
    table, column = model.source.table.quoted, '"Applied on"'
    model.lab.rows(f"UPDATE {table} SET APPROVED = {change} WHERE {column} >= '{week}' AND {column} < '{week.end}'")


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note every statement."""
    sent: list[str] = []
    with monkeypatch.context() as patch:
        run = WarehouseSession._run

        def noted(session: WarehouseSession, statement: Statement) -> Any:
            sent.append(statement.text)
            return run(session, statement)

        patch.setattr(WarehouseSession, "_run", noted)
        yield sent


def test_what_did_not_change_is_not_measured_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    first = model.check_performance(LAST, "GOOD", task_context("first"))
    before = kept(model)
    with statements(monkeypatch) as sent:
        second = model.check_performance(LAST, "GOOD", task_context("second"))
    assert second == first
    assert set(first["weeks"]) == {str(week) for week in SCORED[:3]}
    pd.testing.assert_frame_equal(kept(model), before)
    assert not [text for text in sent if text.startswith(("INSERT", "DELETE", "UPDATE", "BEGIN", "WITH"))]


def test_late_mended_and_withdrawn_labels_and_new_predictions_are_measured_again(lab: Lab, model: Model) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    assert set(runs(model).values()) == {"first"}

    # Labels come, of some rows.
    truth(model, SCORED[3], "IFF(INCOME > 70, 1, 0)")
    truth(model, SCORED[3], 'IFF("debt ratio" > 0.5, NULL, APPROVED)')
    result = model.check_performance(LAST, "GOOD", task_context("late"))
    assert runs(model) == {str(TWIN): "first", str(SCORED[1]): "first", str(SCORED[2]): "first", str(SCORED[3]): "late"}
    rows = lab.frame[(lab.frame["week"] == str(SCORED[3])) & (lab.frame["debt ratio"] <= 0.5)]
    expected = binary_metrics((rows["INCOME"] > 70).astype(int), lab.artefacts["good"].scores(rows))
    assert result["weeks"][str(SCORED[3])] == pytest.approx(expected["f1"], rel=1e-9)

    # One label is mended, and two that change places leave their number as it is.
    before = value_of(model, SCORED[1], "brier")
    truth(model, SCORED[1], f"IFF(LOAN_ID = '{number_of(SCORED[1])}-9', 1 - APPROVED, APPROVED)")
    model.check_performance(LAST, "GOOD", task_context("mended"))
    assert runs(model)[str(SCORED[1])] == "mended"
    assert value_of(model, SCORED[1], "brier") != before
    assert [week for week, run in runs(model).items() if run == "first"] == [str(TWIN), str(SCORED[2])]

    # All labels of a week are taken back: nothing is left to tell of it.
    truth(model, SCORED[2], "NULL")
    result = model.check_performance(LAST, "GOOD", task_context("withdrawn"))
    assert str(SCORED[2]) not in result["weeks"]
    assert str(SCORED[2]) not in runs(model)

    # The predictions of a week are rewritten, by another version.
    model.add("weak", "WEAK")
    model.score(TWIN, model_version="WEAK")
    model.check_performance(LAST, "GOOD", task_context("rewritten"))
    assert [week for week, run in runs(model).items() if run == "rewritten"] == [str(TWIN)]
    versions = kept(model).set_index("WEEK_START")["MODEL_VERSION"].to_dict()
    assert {str(week): version for week, version in versions.items()}[str(TWIN)] == "WEAK"


def number_of(week: Week) -> int:
    return WEEKS.index(week)


def test_two_labels_that_change_places_are_seen(lab: Lab, model: Model) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    frame = lab.frame[lab.frame["week"] == str(SCORED[1])]
    once = frame[frame.groupby("LOAN_ID")["LOAN_ID"].transform("size") == 2]
    ids = {label: once[once["APPROVED"] == label]["LOAN_ID"].iloc[0] for label in (0, 1)}
    swap = f"IFF(LOAN_ID IN ('{ids[0]}', '{ids[1]}'), 1 - APPROVED, APPROVED)"
    truth(model, SCORED[1], swap)
    model.check_performance(LAST, "GOOD", task_context("swapped"))
    assert [week for week, run in runs(model).items() if run == "swapped"] == [str(SCORED[1])]


def test_an_older_run_that_is_repeated_takes_no_measured_week_back(model: Model) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    result = model.check_performance(SCORED[2], "GOOD", task_context("older"))
    assert list(result["weeks"]) == [str(week) for week in SCORED[:3]]
    assert set(runs(model).values()) == {"first"}
    truth(model, SCORED[2], "1 - APPROVED")
    model.check_performance(SCORED[2], "GOOD", task_context("older"))
    assert [week for week, run in runs(model).items() if run == "older"] == [str(SCORED[2])]


def test_weeks_outside_the_lookback_are_left_alone(model: Model) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    truth(model, TWIN, "1 - APPROVED")
    result = model.check_performance(LAST, "GOOD", task_context("second"), lookback_weeks=2)
    assert runs(model)[str(TWIN)] == "first"
    assert list(result["weeks"]) == [str(SCORED[2])]


def test_another_rule_judges_all_weeks_anew(model: Model) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    strict = PerformanceThresholds(0.05, 0.1, breach_below=0.999)
    result = model.check_performance(LAST, "GOOD", task_context("second"), thresholds=strict)
    assert result["verdict"] == "breach"
    assert set(runs(model).values()) == {"second"}


def test_a_crash_while_writing_leaves_the_week_to_be_checked(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    real = performance_record.replace_rows

    def dies(session: WarehouseSession, *args: Any, **kwargs: Any) -> None:
        *first, _ = kwargs.pop("statements")
        real(session, *args, **kwargs, statements=[*first, Statement("SELECT * FROM NO_SUCH_TABLE")])

    monkeypatch.setattr(performance_record, "replace_rows", dies)
    with pytest.raises(WarehouseError, match="NO_SUCH_TABLE"):
        model.check_performance(LAST, "GOOD")
    assert kept(model).empty
    monkeypatch.undo()
    assert len(model.check_performance(LAST, "GOOD")["weeks"]) == 3
    assert len(kept(model, "SNOWMAKER_LABELS")) == 4


def test_degradation_is_judged_over_the_newest_weeks_that_have_labels(model: Model) -> None:
    rule = {
        "metric": "roc_auc",
        "thresholds": PerformanceThresholds(0.5, 0.6, breach_below=0.9999),
        "degraded_when": Degradation(breaches=2, of_weeks=2),
    }
    context = task_context()
    result = model.check_performance(LAST.shift(9), "GOOD", context, **rule)
    assert (result["verdict"], result["degraded"]) == ("breach", True)
    (event,) = degraded_events(context, "performance")
    assert event["week"] == str(LAST.shift(9))


def test_a_score_that_cannot_be_is_told(lab: Lab, model: Model) -> None:
    lab.rows(f"UPDATE {model.predictions} SET SCORE = 1.5 WHERE WEEK_START = '{SCORED[1]}' AND LOAN_ID = '6-7'")
    with pytest.raises(
        InputDataError, match=rf"predictions of week {SCORED[1]} in .* outside \[0, 1\]; score the week"
    ):
        model.check_performance(LAST, "GOOD")


def test_calibration_is_kept_for_the_report(lab: Lab, model: Model) -> None:
    model.check_performance(LAST, "GOOD")
    frame = kept(model, "SNOWMAKER_CALIBRATION")
    for week in SCORED[:3]:
        assert week in LABELLED
        rows = lab.frame[lab.frame["week"] == str(week)]
        scores = lab.artefacts["good"].scores(rows)
        bins = pd.Series((scores * 10).astype(int).clip(max=9), index=rows.index)
        found = frame[frame["WEEK_START"].astype(str) == str(week)].sort_values("BIN")
        assert found["BIN"].astype(int).tolist() == sorted(bins.unique())
        rates = rows["APPROVED"].astype(float).groupby(bins).mean()
        assert found["RATE"].tolist() == pytest.approx(rates.tolist(), rel=1e-9)
        assert found["ROW_COUNT"].sum() == len(rows)


def test_weeks_far_apart_are_measured_together(lab: Lab, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.check_performance(LAST, "GOOD", task_context("first"))
    for week in (TWIN, SCORED[2]):
        truth(model, week, "IFF(INCOME > 45, 1, 0)")
    with statements(monkeypatch) as sent:
        result = model.check_performance(LAST, "GOOD", task_context("second"))
    assert len([text for text in sent if text.startswith("WITH MEASURED_ROWS")]) == 1
    assert runs(model) == {str(TWIN): "second", str(SCORED[1]): "first", str(SCORED[2]): "second"}
    for week in (TWIN, SCORED[2]):
        rows = lab.frame[lab.frame["week"] == str(week)]
        expected = binary_metrics((rows["INCOME"] > 45).astype(int), lab.artefacts["good"].scores(rows))
        assert result["weeks"][str(week)] == pytest.approx(expected["f1"], rel=1e-9)


def test_a_model_that_was_just_retrained_is_left_alone(model: Model) -> None:
    strict = PerformanceThresholds(0.5, 0.6, breach_below=0.9999)
    rule = {"metric": "roc_auc", "thresholds": strict, "degraded_when": Degradation(breaches=1, of_weeks=1)}
    verdict = {"challenger": "GOOD", "champion": None, "rows": 1, "rules": [], "metrics": {}}
    model.promote(verdict, SCORED[1])
    sent = []
    for weeks in (3, 4):
        context = task_context()
        week = SCORED[1].shift(weeks)
        result = model.check_performance(week, "GOOD", context, cool_down_weeks=4, label_delay_weeks=0, **rule)
        assert (result["verdict"], result["degraded"]) == ("breach", True)
        sent.append(len(degraded_events(context, "performance")))
    assert sent == [0, 1]


def test_segments_and_the_labels_drift_are_measured_against_the_baseline_and_not_judged(lab: Lab, model: Model) -> None:
    model.freeze("GOOD", segments=['"loan % type"'])
    for segments in (['"loan % type"'], ['"loan % type"', "MEMBER"]):
        model.check_performance(LAST, "GOOD", segments=segments)
    frame = kept(model)
    frame = frame[(frame["WEEK_START"].astype(str) == str(SCORED[1])) & (frame["METRIC"] == "brier")]
    found = frame.set_index("SEGMENT")
    rows = lab.frame[lab.frame["week"] == str(SCORED[1])]
    rows = rows.assign(error=(lab.artefacts["good"].scores(rows) - rows["APPROVED"].astype(int)) ** 2)
    by_type = rows.groupby(rows["loan % type"].fillna("(other)"))["error"].mean()
    expected = {"": rows["error"].mean(), **{f"loan % type={name}": value for name, value in by_type.items()}}
    assert found["VALUE"].to_dict() == pytest.approx(expected, rel=1e-9)
    assert found["VERDICT"].isna().all()
    assert found["REFERENCE"].notna().to_dict() == dict.fromkeys(expected, False)

    drift = lab.frame_of(
        f"SELECT WEEK_START, VALUE, VERDICT FROM {lab.name('SNOWMAKER_DRIFT')} WHERE MODEL_NAME = '{model.name}' "
        f"AND FEATURE = 'label' AND METRIC = 'total_variation' ORDER BY WEEK_START"
    )
    held_out = lab.frame[lab.frame["week"] == str(WEEKS[4])]["APPROVED"].astype(int).mean()
    rates = [lab.frame[lab.frame["week"] == str(week)]["APPROVED"].astype(int).mean() for week in SCORED[:3]]
    assert drift["WEEK_START"].astype(str).tolist() == [str(week) for week in SCORED[:3]]
    assert drift["VALUE"].tolist() == pytest.approx([abs(rate - held_out) for rate in rates], abs=1e-12)
    assert drift["VERDICT"].isna().all()
