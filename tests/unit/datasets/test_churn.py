from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from include.datasets.churn import CHURN, NEW_PLAN, PLANS, Scenario

STABLE = Scenario(price_rise_week=None, competitor_week=None)


def week(index: int, **options: object) -> pd.DataFrame:
    return CHURN.week(index, first_week=date(2025, 1, 6), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return pd.concat(week(index, scenario=STABLE) for index in range(1, 51))


def test_fifty_weeks_are_100_000_customers_each_once(year: pd.DataFrame) -> None:
    assert len(year) == year["CUSTOMER_ID"].nunique() == 100_000


def test_about_one_in_eight_leaves(year: pd.DataFrame) -> None:
    assert 0.115 < year["CHURNED"].mean() < 0.125
    assert year.groupby("RENEWAL_WEEK")["CHURNED"].mean().between(0.09, 0.15).all()


def test_there_are_nine_raw_features(year: pd.DataFrame) -> None:
    features = year.columns.drop(["RENEWAL_WEEK", "CUSTOMER_ID", "CHURNED"])

    assert len(features) == 9
    assert year.dtypes[features[:4]].map(pd.api.types.is_numeric_dtype).sum() == 0
    assert year.dtypes[features[4:]].map(pd.api.types.is_numeric_dtype).all()


def test_names_hold_what_breaks_careless_sql(year: pd.DataFrame) -> None:
    names = set(year[["PLAN_NAME", "PAYMENT_METHOD", "REGION", "SALES_CHANNEL"]].stack())

    for character in " /&()-.":
        assert any(character in name for name in names), character


def test_some_values_are_missing_and_the_others_never_are(year: pd.DataFrame) -> None:
    missing = year.isna().mean()

    assert 0.03 < missing["SALES_CHANNEL"] < 0.05
    assert 0.04 < missing["USAGE_CHANGE"] < 0.08
    assert 0.33 < missing["SATISFACTION"] < 0.37
    assert not missing.drop(["SALES_CHANNEL", "USAGE_CHANGE", "SATISFACTION"]).any()


def test_only_first_year_customers_lack_a_usage_change(year: pd.DataFrame) -> None:
    assert set(year.loc[year["USAGE_CHANGE"].isna(), "TENURE_MONTHS"]) == {12}


def test_a_contract_is_a_year(year: pd.DataFrame) -> None:
    assert (year["TENURE_MONTHS"] % 12 == 0).all()


def test_the_price_rise_brings_a_plan_never_seen_and_higher_charges() -> None:
    before, after = week(45), week(46)

    assert set(before["PLAN_NAME"]) == set(PLANS)
    assert set(after["PLAN_NAME"]) == {*PLANS, NEW_PLAN}
    assert after["MONTHLY_CHARGE"].mean() > 1.15 * before["MONTHLY_CHARGE"].mean()


def test_the_competitor_takes_customers_only_where_it_has_fibre() -> None:
    before = week(48, scenario=STABLE)
    after = week(48, scenario=Scenario(price_rise_week=None, competitor_week=48))

    gained = (after["CHURNED"] - before["CHURNED"]).groupby(before["REGION"]).mean()
    assert gained[["Inner City", "North / Coast"]].min() > 0.08
    assert gained[["South-West", "St. Gallen & Lake"]].abs().max() == 0
