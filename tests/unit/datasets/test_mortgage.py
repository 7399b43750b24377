from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from include.datasets.mortgage import ACQUIRED_COUNTIES, HOME_COUNTIES, MORTGAGE, Scenario

FIRST_WEEK = date(2025, 1, 6)
LABEL = "MORTGAGERESPONSE"


def week(index: int, *, rows: int = 400, scenario: Scenario | None = None, seed: int = 7) -> pd.DataFrame:
    return MORTGAGE.week(index, first_week=FIRST_WEEK, rows=rows, seed=seed, scenario=scenario)


def test_the_loan_id_is_no_key() -> None:
    assert week(5)["LOAN_ID"].nunique() <= 4


def test_about_one_income_in_a_hundred_is_missing_and_nothing_else_is() -> None:
    frame = week(14, rows=5000)

    assert 0.005 < frame["APPLICANT_INCOME_000S"].isna().mean() < 0.02
    assert not frame.drop(columns="APPLICANT_INCOME_000S").isna().any(axis=None)


def test_times_are_text_of_minutes_and_tenths() -> None:
    assert week(5)["TS"].str.fullmatch(r"[0-5]\d:[0-5]\d\.\d").all()


def test_county_names_hold_what_breaks_careless_sql() -> None:
    counties = set(week(14, rows=2000)["COUNTY_NAME"])

    assert counties == set(HOME_COUNTIES + ACQUIRED_COUNTIES)
    assert len(counties) == 47
    for character in " ./-'":
        assert any(character in county for county in counties)


def test_before_the_shift_nothing_of_the_acquired_lender_is_seen() -> None:
    before, after = week(12), week(13)

    assert set(before["COUNTY_NAME"]) <= set(HOME_COUNTIES)
    assert set(before["LOAN_TYPE_NAME"]) == {"Conventional", "FHA-insured"}
    assert set(after["LOAN_TYPE_NAME"]) - set(before["LOAN_TYPE_NAME"]) == {"VA-guaranteed", "FSA/RHS-guaranteed"}
    assert set(after["LOAN_PURPOSE_NAME"]) - set(before["LOAN_PURPOSE_NAME"]) == {"Home improvement"}


def test_incomes_jump_with_the_shift() -> None:
    assert 45 < week(12, rows=2000)["APPLICANT_INCOME_000S"].mean() < 51
    assert 68 < week(13, rows=2000)["APPLICANT_INCOME_000S"].mean() < 75


@pytest.mark.parametrize("shifted_from", [None, 13])
def test_the_concept_shift_moves_labels_and_no_feature(shifted_from: int | None) -> None:
    before = week(25, rows=2000, scenario=Scenario(distribution_shift_week=shifted_from, concept_shift_week=None))
    after = week(25, rows=2000, scenario=Scenario(distribution_shift_week=shifted_from, concept_shift_week=22))

    pd.testing.assert_frame_equal(before.drop(columns=LABEL), after.drop(columns=LABEL))
    large = before["LOAN_AMOUNT_000S"] > 260
    assert before.loc[large, LABEL].mean() > 0.5
    assert after.loc[large, LABEL].mean() < 0.05
    small = before["LOAN_AMOUNT_000S"] < 150
    assert before.loc[small, LABEL].equals(after.loc[small, LABEL])
