"""The districts against the published figures of California's 20,640 block groups (1990 census)."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from include.datasets.house_values import HOUSE_VALUES, Scenario, kilometres_to_coast

STABLE = Scenario(new_towns_week=None, boom_week=None)


def week(index: int, scenario: Scenario = STABLE) -> pd.DataFrame:
    return HOUSE_VALUES.week(index, first_week=date(2025, 1, 6), scenario=scenario)


@pytest.fixture(scope="module")
def districts() -> pd.DataFrame:
    frame = pd.concat(week(index) for index in range(1, 11))
    return frame.drop(columns="VALUATION_WEEK").astype(float)


@pytest.mark.parametrize(
    ("column", "median", "least", "most"),
    [
        ("MEDIAN_INCOME", 3.53, 0.5, 15.0),
        ("HOUSE_AGE", 29.0, 1.0, 52.0),
        ("AVERAGE_ROOMS", 5.23, 0.85, 142.0),
        ("AVERAGE_BEDROOMS", 1.05, 0.33, 34.1),
        ("POPULATION", 1166.0, 3.0, 35_682.0),
        ("AVERAGE_OCCUPANCY", 2.82, 0.69, 1243.0),
        ("LATITUDE", 34.26, 32.54, 41.95),
        ("LONGITUDE", -118.49, -124.35, -114.31),
        ("MEDIAN_VALUE", 179_700.0, 14_999.0, 2_000_000.0),
    ],
)
def test_ranges_are_californias(districts: pd.DataFrame, column: str, median: float, least: float, most: float) -> None:
    values = districts[column]

    assert values.median() == pytest.approx(median, rel=0.05)
    assert least <= values.min()
    assert values.max() <= most


@pytest.mark.parametrize(
    ("first", "second", "correlation"),
    [
        ("LATITUDE", "LONGITUDE", -0.92),
        ("MEDIAN_INCOME", "MEDIAN_VALUE", 0.69),
        ("AVERAGE_ROOMS", "AVERAGE_BEDROOMS", 0.85),
        ("MEDIAN_INCOME", "AVERAGE_ROOMS", 0.33),
        ("HOUSE_AGE", "POPULATION", -0.30),
        ("LATITUDE", "MEDIAN_VALUE", -0.14),
    ],
)
def test_correlations_are_like_californias(
    districts: pd.DataFrame, first: str, second: str, correlation: float
) -> None:
    assert districts[first].corr(districts[second]) == pytest.approx(correlation, abs=0.25)


def test_no_district_lies_in_the_sea(districts: pd.DataFrame) -> None:
    inland = kilometres_to_coast(districts["LATITUDE"].to_numpy(), (districts["LONGITUDE"] + 0.03).to_numpy())

    assert (inland > 0).all()


def test_one_number_of_bedrooms_in_a_hundred_is_missing(districts: pd.DataFrame) -> None:
    missing = districts.isna().mean()

    assert 0.005 < missing["AVERAGE_BEDROOMS"] < 0.015
    assert not missing.drop("AVERAGE_BEDROOMS").any()


def test_new_towns_are_young_and_inland() -> None:
    before, after = week(16), week(16, Scenario(new_towns_week=16, boom_week=None))

    assert (before["HOUSE_AGE"] <= 4).mean() < 0.02
    young = after[after["HOUSE_AGE"] <= 4]
    assert len(young) > 0.3 * len(after)
    inland = kilometres_to_coast(young["LATITUDE"].to_numpy(), young["LONGITUDE"].to_numpy())
    assert pd.Series(inland).median() > 80


def test_a_boom_raises_the_values_by_the_sea_week_by_week() -> None:
    boom = Scenario(new_towns_week=None, boom_week=20)
    rises = {}
    for index in (19, 20, 25):
        before, after = week(index), week(index, boom)
        inland = kilometres_to_coast(before["LATITUDE"].to_numpy(), before["LONGITUDE"].to_numpy())
        ratio = after["MEDIAN_VALUE"].astype(float) / before["MEDIAN_VALUE"].astype(float)
        rises[index] = ratio[inland < 5].mean()
        assert ratio[inland > 200].max() < 1.01
    assert rises[19] == 1
    assert 1.02 < rises[20] < 1.04
    assert 1.15 < rises[25] < 1.20
