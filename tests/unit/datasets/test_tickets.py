from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from include.datasets.tickets import NEW_PRODUCT, PRODUCTS, TEAMS, TICKETS, TOPICS, WRITTEN, Scenario, team_chances

STABLE = Scenario(new_product_week=None, reorganisation_week=None)


def week(index: int, scenario: Scenario = STABLE) -> pd.DataFrame:
    return TICKETS.week(index, first_week=date(2025, 1, 6), scenario=scenario)


@pytest.fixture(scope="module")
def tickets() -> pd.DataFrame:
    return pd.concat([week(index) for index in range(1, 11)], ignore_index=True)


def test_five_teams_solve_unequal_shares_of_the_tickets(tickets: pd.DataFrame) -> None:
    shares = tickets["SOLVED_BY"].value_counts(normalize=True)

    assert set(shares.index) == set(TEAMS)
    assert shares["Network & Wi-Fi"] > 0.3
    assert 0.08 < shares["Sales"] < 0.13


def test_tickets_are_unique(tickets: pd.DataFrame) -> None:
    assert tickets["TICKET_ID"].is_unique


def test_names_hold_what_breaks_careless_sql(tickets: pd.DataFrame) -> None:
    names = {*tickets["TOPIC"].dropna(), *tickets["SOLVED_BY"]}

    for character in " /&'-":
        assert any(character in name for name in names), character


def test_who_phones_chooses_no_topic_and_who_is_no_customer_has_no_invoice(tickets: pd.DataFrame) -> None:
    assert tickets["TOPIC"].isna().equals(tickets["CHANNEL"] == "Phone")
    assert tickets["DAYS_SINCE_INVOICE"].isna().equals(tickets["CUSTOMER_TYPE"] == "Not yet a customer")
    assert not tickets.drop(columns=["TOPIC", "DAYS_SINCE_INVOICE"]).isna().any(axis=None)
    assert set(tickets["TOPIC"].dropna()) == set(TOPICS)


def test_the_chances_are_the_rates_at_which_the_teams_solve(tickets: pd.DataFrame) -> None:
    chances = team_chances(tickets)

    assert chances.sum(axis=1) == pytest.approx(1)
    for place, team in enumerate(TEAMS):
        tenths = pd.qcut(chances[:, place], 10, labels=False)
        solved = (tickets["SOLVED_BY"] == team).groupby(tenths).mean()
        expected = pd.Series(chances[:, place]).groupby(tenths).mean()
        assert solved.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.04)


def test_the_new_product_is_one_never_seen_and_its_lines_are_reset_more_often() -> None:
    before, after = week(15), week(15, Scenario(new_product_week=15, reorganisation_week=None))
    is_new = after["PRODUCT"] == NEW_PRODUCT

    assert set(before["PRODUCT"]) == set(PRODUCTS)
    assert 0.3 < is_new.mean() < 0.4
    assert after.loc[is_new, "LINE_RESETS"].mean() > 1.8 * after.loc[~is_new, "LINE_RESETS"].mean()


def test_the_reorganisation_moves_tickets_from_one_team_to_another_only() -> None:
    before, after = week(22), week(22, Scenario(new_product_week=None, reorganisation_week=22))
    moved = before["SOLVED_BY"] != after["SOLVED_BY"]

    assert set(before.loc[moved, "CHANNEL"]) <= set(WRITTEN)
    writes = after["CHANNEL"].isin(WRITTEN)
    assert "Account access" not in set(after.loc[writes, "SOLVED_BY"])
    gained = after["SOLVED_BY"].value_counts() - before["SOLVED_BY"].value_counts()
    assert gained["Billing"] == -gained["Account access"] > 100
    assert np.all(gained[["Devices / returns", "Network & Wi-Fi", "Sales"]] == 0)
