from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.exceptions import InputDataError

from .lab import Lab, Model, fresh, task_context
from .weekly_data import LABELLED, ROWS, WEEKS, source_of


@pytest.fixture
def model(lab: Lab) -> Model:
    model = lab.model("good", "weak")
    model.source = model.own_source()
    return model


def weeks_of(model: Model, table: str) -> dict[str, int]:
    rows = model.lab.rows(
        f"""SELECT DATE_TRUNC('week', "Applied on")::DATE::VARCHAR, COUNT(*), COUNT(APPROVED) """
        f"""FROM {table} GROUP BY 1 ORDER BY 1"""
    )
    assert all(count == labelled for _, count, labelled in rows)
    return {week: count for week, count, _ in rows}


def test_the_weeks_are_the_newest_whose_labels_are_in_as_of_the_week(model: Model) -> None:
    result = model.training_set(WEEKS[7], reason="by hand")
    table = result.pop("table")
    assert result == {
        "week": str(WEEKS[7]),
        "first_week": str(WEEKS[3]),
        "holdout_first": str(WEEKS[5]),
        "holdout_last": str(WEEKS[5]),
        "rows": 3 * ROWS,
        "reason": "by hand",
    }
    assert weeks_of(model, table) == {str(week): ROWS for week in WEEKS[3:6]}


def test_rows_without_a_label_are_left_out(model: Model) -> None:
    source = model.source.table.quoted
    in_week = f""""Applied on" >= '{WEEKS[4]}' AND "Applied on" < '{WEEKS[4].end}' AND MEMBER"""
    (unlabelled,) = model.lab.rows(f"SELECT COUNT(*) FROM {source} WHERE {in_week}")[0]
    model.lab.rows(f"UPDATE {source} SET APPROVED = NULL WHERE {in_week}")
    result = model.training_set(WEEKS[7])
    assert unlabelled > 10
    assert result["rows"] == 3 * ROWS - unlabelled
    assert weeks_of(model, result["table"])[str(WEEKS[4])] == ROWS - unlabelled


def test_another_try_of_the_run_keeps_the_rows_though_the_source_changed(model: Model) -> None:
    first = model.training_set(WEEKS[7], task_context("run-1"))
    before = model.lab.rows(f"SELECT * FROM {first['table']} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")
    model.lab.rows(f"UPDATE {model.source.table.quoted} SET APPROVED = 0, INCOME = 1")
    assert model.training_set(WEEKS[7], task_context("run-1")) == first
    assert model.lab.rows(f"SELECT * FROM {first['table']} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8") == before
    assert model.training_set(WEEKS[7], task_context("run-2"))["table"] != first["table"]


def test_a_degraded_champion_is_retrained_as_of_the_week_it_was_found_degraded(model: Model) -> None:
    model.make_champion("GOOD")
    event = {"week": str(WEEKS[7]), "model_version": "GOOD", "cause": "drift", "detail": "PSI of INCOME is 2.1"}
    result = model.training_set(context=task_context(event=event))
    assert (result["week"], result["reason"]) == (str(WEEKS[7]), "PSI of INCOME is 2.1")


def test_an_event_of_a_version_that_was_replaced_meanwhile_is_skipped(model: Model) -> None:
    model.make_champion("WEAK")
    event = {"week": str(WEEKS[7]), "model_version": "GOOD", "cause": "drift", "detail": "PSI of INCOME is 2.1"}
    context = task_context(event=event)
    with pytest.raises(AirflowSkipException, match="version GOOD was degraded, but WEAK is champion already"):
        model.training_set(context=context)
    # Asked for by hand it runs all the same.
    assert model.training_set(WEEKS[7], context)["rows"] == 3 * ROWS


def test_without_labels_in_the_window_it_says_so_and_a_later_try_finds_them(model: Model) -> None:
    source, context = model.source.table.quoted, task_context("run-1")
    last = WEEKS[9]
    assert last not in LABELLED
    with pytest.raises(InputDataError, match=r"no row with a label \(APPROVED\) in the training weeks.* none\. Wait"):
        model.training_set(last.shift(2), context, window_weeks=2)
    model.lab.rows(f"UPDATE {source} SET APPROVED = IFF(MEMBER, 1, 0) WHERE \"Applied on\" >= '{WEEKS[8]}'")
    assert model.training_set(last.shift(2), context, window_weeks=2)["rows"] == 2 * ROWS


def test_a_holdout_without_labels_is_told_with_the_weeks_that_have_some(model: Model) -> None:
    wanted = rf"in the holdout weeks.*{WEEKS[6]} \({ROWS}\), {WEEKS[7]} \({ROWS}\)\. Wait"
    with pytest.raises(InputDataError, match=wanted):
        model.training_set(WEEKS[8].shift(2))


def test_a_label_of_text_is_refused_where_it_is_to_be_0_or_1(model: Model) -> None:
    view = model.lab.name(fresh("View"))
    model.lab.rows(
        f"CREATE VIEW {view} AS SELECT * EXCLUDE APPROVED, IFF(APPROVED = 1, 'yes', 'no') AS APPROVED "
        f"FROM {model.source.table.quoted}"
    )
    model.source = source_of(view)
    with pytest.raises(InputDataError, match=r"column APPROVED of .* is VARCHAR.* as binary label it must be one of"):
        model.training_set(WEEKS[7])
    assert model.training_set(WEEKS[7], task="multiclass_classification")["rows"] > 0


def test_labels_other_than_0_and_1_stop_it_before_anything_is_trained(model: Model) -> None:
    model.lab.rows(f"UPDATE {model.source.table.quoted} SET APPROVED = 3 WHERE LOAN_ID = '3-7'")
    with pytest.raises(InputDataError, match=r"label APPROVED .* neither 0 nor 1"):
        model.training_set(WEEKS[7])
