"""Customers whose yearly contract is due, week by week: who leaves? The same seed and week give the same rows.

`CHURN.week` is pure; `python -m include.datasets.churn load` puts weeks into a Snowflake table. Fifty weeks of
2,000 are 100,000 customers, each once. What the weeks tell stands in README.md beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.datasets.command_line import run
from include.datasets.generator import Generator, draw_categories, has_begun, logistic

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "RENEWAL_WEEK": "DATE",
    "CUSTOMER_ID": "NUMBER(18, 0)",
    "PLAN_NAME": "VARCHAR",
    "PAYMENT_METHOD": "VARCHAR",
    "REGION": "VARCHAR",
    "SALES_CHANNEL": "VARCHAR",
    "TENURE_MONTHS": "NUMBER(9, 0)",
    "MONTHLY_CHARGE": "NUMBER(9, 2)",
    "SUPPORT_CALLS": "NUMBER(9, 0)",
    "USAGE_CHANGE": "FLOAT",
    "SATISFACTION": "NUMBER(2, 0)",
    "CHURNED": "NUMBER(1, 0)",
}
# Enough for a million customers a week.
IDS_A_WEEK = 1_000_000

PLANS = {"Basic": 0.42, "Family & Friends": 0.33, "Business / Pro": 0.15, "Student (under 27)": 0.10}
NEW_PLAN, NEW_PLAN_SHARE = "5G / Unlimited", 0.35
LIST_PRICES = {
    "Basic": 19.0,
    "Family & Friends": 45.0,
    "Business / Pro": 69.0,
    "Student (under 27)": 12.0,
    NEW_PLAN: 55.0,
}
PAYMENT_METHODS = {"Direct debit": 0.55, "Credit card": 0.28, "Invoice / bank transfer": 0.17}
REGIONS = {"North / Coast": 0.22, "Inner City": 0.33, "South-West": 0.25, "St. Gallen & Lake": 0.20}
SALES_CHANNELS = {"Web shop": 0.45, "Own store": 0.30, "Partner / reseller": 0.25}

PRICE_RISE = 1.12
# Where the competitor lays its fibre.
COMPETITOR_REGIONS = ("Inner City", "North / Coast")
MISSING_CHANNEL_SHARE = 0.04
UNANSWERED_SHARE = 0.35
# The log odds of a customer to whom nothing of what follows applies; makes 12 % leave.
BASE_LOG_ODDS = -3.05
_PLAN_EFFECTS = {"Student (under 27)": 0.5, "Business / Pro": -0.5, NEW_PLAN: -0.2}
_PAYMENT_EFFECTS = {"Invoice / bank transfer": 0.6, "Direct debit": -0.2}
_REGION_EFFECTS = {"South-West": 0.25, "St. Gallen & Lake": -0.25}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens to the customers, and in which week (1, 2, …); None: never.

    :param price_rise_week: first week of a new price list: charges rise, and a third of the customers is on a
        plan never seen before.
    :param competitor_week: first week in which a competitor offers fibre in two regions: there it is the oldest
        customers who leave, and no longer the newest. No feature moves.
    """

    price_rise_week: int | None = 46
    competitor_week: int | None = 48


def churn_chance(customers: pd.DataFrame, *, competitor: bool = False) -> np.ndarray:
    """Return the chance that each customer leaves, from the columns of the table.

    No model can tell the customers apart better than this function.

    :param customers: rows with no sales channel or usage missing, as they are where the label is drawn
    :param competitor: whether the competitor offers its fibre
    """
    import numpy as np

    tenure = customers["TENURE_MONTHS"].to_numpy(dtype=float)
    dearness = customers["MONTHLY_CHARGE"].to_numpy(dtype=float) / _effect(customers["PLAN_NAME"], LIST_PRICES) - 1
    calls = customers["SUPPORT_CALLS"].to_numpy(dtype=float).clip(max=5)
    satisfaction = customers["SATISFACTION"].to_numpy(dtype=float, na_value=np.nan)
    loyalty = np.log(tenure / 24)
    if competitor:
        reached = customers["REGION"].isin(COMPETITOR_REGIONS).to_numpy()
        # The longer a customer, the older the copper line.
        loyalty = np.where(reached, -loyalty, loyalty)
        dearness = np.where(reached, dearness + 0.15, dearness)
    log_odds = (
        BASE_LOG_ODDS
        + _effect(customers["PLAN_NAME"], _PLAN_EFFECTS)
        + _effect(customers["PAYMENT_METHOD"], _PAYMENT_EFFECTS)
        + _effect(customers["REGION"], _REGION_EFFECTS)
        + np.where(customers["SALES_CHANNEL"] == "Partner / reseller", 0.5, 0.0)
        - 0.7 * loyalty
        + 3.0 * dearness
        + 0.5 * calls
        - 3.5 * customers["USAGE_CHANGE"].to_numpy(dtype=float)
        # Who does not answer is a little less content than who does.
        + np.where(np.isnan(satisfaction), 0.3, 0.45 * (7 - satisfaction))
    )
    return logistic(log_odds)


def _effect(names: pd.Series, effects: dict[str, float]) -> np.ndarray:
    return names.map(effects).fillna(0.0).to_numpy(dtype=float)


def _draw(rng: np.random.Generator, index: int, rows: int, scenario: Scenario) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    risen = has_begun(scenario.price_rise_week, index)
    plan = draw_categories(rng, PLANS, rows)
    changed = rng.random(rows) < NEW_PLAN_SHARE
    plan = np.where(changed & risen, NEW_PLAN, plan)
    rise = PRICE_RISE if risen else 1.0
    charge = pd.Series(plan).map(LIST_PRICES) * np.exp(rng.normal(0, 0.13, rows)) * rise
    answered = rng.random(rows) >= UNANSWERED_SHARE
    satisfaction = rng.normal(7.3, 1.9, rows).round().clip(1, 10)
    customers = pd.DataFrame(
        {
            "CUSTOMER_ID": index * IDS_A_WEEK + rng.permutation(rows),
            "PLAN_NAME": plan,
            "PAYMENT_METHOD": draw_categories(rng, PAYMENT_METHODS, rows),
            "REGION": draw_categories(rng, REGIONS, rows),
            "SALES_CHANNEL": draw_categories(rng, SALES_CHANNELS, rows),
            # A contract is renewed once a year.
            "TENURE_MONTHS": 12 * rng.geometric(0.28, rows).clip(max=20),
            "MONTHLY_CHARGE": charge.round(2),
            "SUPPORT_CALLS": rng.negative_binomial(1.2, 0.55, rows),
            "USAGE_CHANGE": rng.normal(0.02, 0.22, rows).clip(-0.95, 2.0).round(3),
            "SATISFACTION": pd.Series(satisfaction).where(answered).astype("Int64"),
        }
    )
    chance = churn_chance(customers, competitor=has_begun(scenario.competitor_week, index))
    customers["CHURNED"] = pd.Series(rng.random(rows) < chance).astype("Int64")
    customers["SALES_CHANNEL"] = customers["SALES_CHANNEL"].mask(rng.random(rows) < MISSING_CHANNEL_SHARE, None)
    # The first year has no year before it to compare its usage with.
    first_year = customers["TENURE_MONTHS"] == customers["TENURE_MONTHS"].min()
    customers["USAGE_CHANGE"] = customers["USAGE_CHANGE"].mask(first_year & (rng.random(rows) < 0.2))
    return customers


CHURN = Generator(
    columns=COLUMNS,
    label="CHURNED",
    fingerprint="TENURE_MONTHS",
    scenario=Scenario,
    draw=_draw,
    table="CUSTOMER_RENEWALS",
    weeks=50,
    seed=20250113,
    labels_after_weeks=4,
)


if __name__ == "__main__":
    run(CHURN, "churn", __doc__)
