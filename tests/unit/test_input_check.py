from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from snowmaker.exceptions import InputDataError
from snowmaker.input_check import (
    BINARY_LABEL,
    CLASS_LABEL,
    NUMERIC_LABEL,
    check_classes,
    check_columns,
    check_labels,
    check_predictions,
    check_training_weeks,
    check_week,
    tell_weeks,
)
from snowmaker.source import Source
from snowmaker.week import Week

SOURCE = Source.of(
    "ml.loans.t", week_column="wk", label="y", categorical=["county"], numeric=["income"], key=["loan_id"]
)
COLUMNS = {"WK": "TIMESTAMP_NTZ(9)", "LOAN_ID": "NUMBER(38,0)", "COUNTY": "VARCHAR(16)", "INCOME": "FLOAT", "Y": "INT"}
WEEK = Week(date(2026, 3, 2))


def described(**change: str | None) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name, kind in (COLUMNS | change).items() if kind]


def test_a_good_table_passes() -> None:
    check_columns(SOURCE, described())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Y": None}, r'table "ML"."LOANS"."T" has no column Y; there are: WK, LOAN_ID, COUNTY, INCOME'),
        ({"COUNTY": None, "INCOME": None}, "has no column COUNTY, INCOME"),
        ({"INCOME": "VARCHAR(20)"}, r"column INCOME .* is VARCHAR\(20\), but as numeric it must be one of NUMBER"),
        ({"COUNTY": "NUMBER(38,0)"}, "as categorical it must be one of VARCHAR"),
        ({"WK": "VARCHAR(10)"}, "as week column it must be one of DATE, TIMESTAMP"),
    ],
)
def test_missing_and_changed_columns_are_named(change: dict[str, str | None], message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        check_columns(SOURCE, described(**change))


def test_a_label_must_be_a_number_only_where_it_is_read_as_one() -> None:
    text = described(Y="VARCHAR(3)")
    check_columns(SOURCE, text)
    with pytest.raises(InputDataError, match=r"column Y .* as binary label it must be one of .* in a view$"):
        check_columns(SOURCE, text, label_rule=BINARY_LABEL)


@pytest.mark.parametrize("kind", ["VARCHAR(3)", "TEXT", "NUMBER(9,0)", "BOOLEAN"])
def test_classes_are_text_whole_numbers_or_booleans(kind: str) -> None:
    check_columns(SOURCE, described(Y=kind), label_rule=CLASS_LABEL)


@pytest.mark.parametrize("kind", ["NUMBER(9,2)", "FLOAT", "DATE"])
def test_what_is_written_in_more_than_one_way_is_no_class(kind: str) -> None:
    with pytest.raises(InputDataError, match=r"as class label it must be one of VARCHAR, .*, INTEGER, BOOLEAN; "):
        check_columns(SOURCE, described(Y=kind), label_rule=CLASS_LABEL)


def test_a_label_of_very_many_values_is_no_class() -> None:
    check_classes(CLASS_LABEL, SOURCE, "t", 200)
    check_classes(NUMERIC_LABEL, SOURCE, "t", 100_000)
    with pytest.raises(InputDataError, match=r"label Y of t has 100000 different values, .* may have 200; is it the"):
        check_classes(CLASS_LABEL, SOURCE, "t", 100_000)


@pytest.mark.parametrize("name", ["score", "prediction", "label", "rows", "calibration"])
def test_a_feature_may_not_have_the_name_of_what_is_kept_beside_the_features(name: str) -> None:
    source = Source.of("ml.loans.t", week_column="wk", label="y", numeric=[f'"{name}"'])
    with pytest.raises(InputDataError, match=f'feature {name} of "ML"."LOANS"."T" has the name under which the'):
        check_columns(source, described(**{name: "FLOAT"}))


@pytest.mark.parametrize(
    ("found", "expected"), [("NUMBER(38,0)", "NUMBER(38,0)"), ("VARCHAR(134217728)", "VARCHAR"), ("FLOAT", "FLOAT")]
)
def test_predictions_go_into_a_table_that_was_made_for_their_type(found: str, expected: str) -> None:
    check_predictions("t", [{"name": "PREDICTION", "type": found}], expected)
    with pytest.raises(InputDataError, match="column PREDICTION of t is DATE, but this task's predictions are"):
        check_predictions("t", [{"name": "PREDICTION", "type": "DATE"}], expected)


def test_labels_other_than_0_and_1_are_told_with_table_and_weeks() -> None:
    check_labels(BINARY_LABEL, SOURCE, "t", 0, "week 1")
    with pytest.raises(InputDataError, match="label Y of t is neither 0 nor 1 in 3 rows of week 1; map it"):
        check_labels(BINARY_LABEL, SOURCE, "t", 3, "week 1")


def test_a_regression_wants_finite_numbers() -> None:
    for kind in ("BOOLEAN", "VARCHAR(3)"):
        with pytest.raises(InputDataError, match="as label of a regression it must be one of NUMBER, FLOAT, DECFLOAT"):
            check_columns(SOURCE, described(Y=kind), label_rule=NUMERIC_LABEL)
    check_columns(SOURCE, described(Y="NUMBER(12,2)"), label_rule=NUMERIC_LABEL)
    with pytest.raises(InputDataError, match="label Y of t is no finite number in 2 rows of week 1; set it to NULL"):
        check_labels(NUMERIC_LABEL, SOURCE, "t", 2, "week 1")


def test_a_feature_may_not_have_the_scores_name() -> None:
    source = Source.of("ml.loans.t", week_column="wk", label="y", numeric=['"score"'])
    columns = [{"name": name, "type": "FLOAT"} for name in ("score", "Y")] + [{"name": "WK", "type": "DATE"}]
    with pytest.raises(InputDataError, match=r"feature score of .* has the name under which"):
        check_columns(source, columns)


def test_an_empty_week_tells_which_weeks_there_are() -> None:
    there_are = tell_weeks({"WEEKS": 3, "FIRST_WEEK": "2026-01-05", "LAST_WEEK": "2026-01-19"})
    with pytest.raises(InputDataError, match="no rows in week 2026-03-02; it has 3 weeks from 2026-01-05 to 2026-01"):
        check_week(SOURCE, WEEK, {"N": 0, "V0": 0, "V1": 0}, there_are)
    assert tell_weeks({"WEEKS": 0}) == "no week at all"


def test_an_all_null_feature_is_named() -> None:
    with pytest.raises(InputDataError, match=r"column INCOME of .* is NULL in all 12 rows of week 2026-03-02"):
        check_week(SOURCE, WEEK, {"N": 12, "V0": 12, "V1": 0}, "")
    assert check_week(SOURCE, WEEK, {"N": 12, "V0": 1, "V1": 1}, "") == 12


@pytest.mark.parametrize(
    ("by_week", "part"),
    [({}, "training"), ({WEEK: 5}, "training"), ({WEEK.shift(-1): 5}, "holdout")],
)
def test_training_needs_labels_to_learn_from_and_to_judge_by(by_week: dict[Week, int], part: str) -> None:
    with pytest.raises(InputDataError, match=f"no row with a label \\(Y\\) in the {part} weeks"):
        check_training_weeks(SOURCE, "T", WEEK.shift(-3), WEEK, by_week)


def test_training_with_both_passes() -> None:
    check_training_weeks(SOURCE, "T", WEEK.shift(-3), WEEK, {WEEK: 5, WEEK.shift(-3): 1})
