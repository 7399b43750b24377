"""Tickets that an internet provider's customers open, week by week: which team solves them? The same seed and week
give the same rows.

`TICKETS.week` is pure; `python -m include.datasets.tickets load` puts weeks into a Snowflake table.
What the weeks tell stands in README.md beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.datasets.command_line import run
from include.datasets.generator import Generator, draw_categories, has_begun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "OPENED_WEEK": "DATE",
    "TICKET_ID": "NUMBER(18, 0)",
    "PRODUCT": "VARCHAR",
    "CHANNEL": "VARCHAR",
    "TOPIC": "VARCHAR",
    "CUSTOMER_TYPE": "VARCHAR",
    "MESSAGE_WORDS": "NUMBER(9, 0)",
    "FAILED_LOGINS": "NUMBER(9, 0)",
    "LINE_RESETS": "NUMBER(9, 0)",
    "DAYS_SINCE_INVOICE": "NUMBER(9, 0)",
    "CONTRACT_MONTHS": "NUMBER(9, 0)",
    "SOLVED_BY": "VARCHAR",
}
# Enough for a million tickets a week.
IDS_A_WEEK = 1_000_000

TEAMS = ("Account access", "Billing", "Devices / returns", "Network & Wi-Fi", "Sales")
PRODUCTS = {"DSL 100": 0.4, "Fibre 1000": 0.3, "TV + streaming": 0.2, "Mobile": 0.1}
NEW_PRODUCT, NEW_PRODUCT_SHARE = "Hub 2 (mesh)", 0.35
CHANNELS = {"App": 0.4, "E-mail": 0.25, "Phone": 0.25, "Shop": 0.1}
WRITTEN = ("App", "E-mail")
TOPICS = {"No connection": 0.3, "Bill / payment": 0.25, "Can't log in": 0.2, "Device": 0.15, "Something else": 0.1}
CUSTOMER_TYPES = {"Private": 0.78, "Business": 0.14, "Not yet a customer": 0.08}

# How much more a team than the others is the one to ask, by what the customer chose; log odds.
_TOPIC_EFFECTS = {
    "No connection": (-0.7, -1.2, 0.4, 2.5, -1.0),
    "Bill / payment": (-0.2, 2.6, -0.8, -1.0, 0.1),
    "Can't log in": (2.5, -0.4, -0.6, 0.4, -1.0),
    "Device": (-0.8, -0.8, 2.3, 0.9, 0.3),
    "Something else": (0.2, 0.5, 0.1, 0.0, 1.1),
}
_PRODUCT_EFFECTS = {
    "DSL 100": (0.0, 0.0, 0.0, 0.6, 0.0),
    "Fibre 1000": (0.0, 0.0, 0.4, 0.0, 0.0),
    "TV + streaming": (0.7, 0.3, 0.2, -0.6, 0.0),
    "Mobile": (0.2, 0.5, 0.6, -1.2, 0.3),
    NEW_PRODUCT: (0.2, 0.0, 1.2, 0.8, 0.0),
}
_CUSTOMER_EFFECTS = {
    "Private": (0.0, 0.0, 0.0, 0.0, 0.0),
    "Business": (0.0, 0.6, -0.2, 0.4, 0.2),
    "Not yet a customer": (-0.5, -1.5, -1.0, -1.0, 3.0),
}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens to the tickets, and in which week (1, 2, …); None: never.

    :param new_product_week: first week with a product never seen before, which a third of the tickets is about; its
        lines are reset more often.
    :param reorganisation_week: first week in which Billing also solves what Account access used to solve for those
        who write. No feature moves, only the label.
    """

    new_product_week: int | None = 15
    reorganisation_week: int | None = 22


def team_chances(tickets: pd.DataFrame, *, reorganised: bool = False) -> np.ndarray:
    """Return the chance that each team is the one that solves a ticket, in the order of `TEAMS`.

    No model can tell the teams apart better than this function.

    :param tickets: rows with the columns of the table
    :param reorganised: whether Billing has taken over a part of Account access
    """
    import numpy as np

    def column(name: str) -> np.ndarray:
        return tickets[name].to_numpy(dtype=float, na_value=np.nan)

    log_odds = sum(
        _effects(tickets[name], effects)
        for name, effects in (
            ("TOPIC", _TOPIC_EFFECTS),
            ("PRODUCT", _PRODUCT_EFFECTS),
            ("CUSTOMER_TYPE", _CUSTOMER_EFFECTS),
        )
    )
    log_odds[:, 0] += 0.9 * np.minimum(column("FAILED_LOGINS"), 4)
    # Soon after the invoice people ask about it; who has none asks about nothing of it.
    log_odds[:, 1] += np.nan_to_num(1.8 * np.exp(-column("DAYS_SINCE_INVOICE") / 4))
    log_odds[:, 2] += np.where(column("CONTRACT_MONTHS") < 2, 1.0, 0.0)
    log_odds[:, 3] += 0.8 * np.minimum(column("LINE_RESETS"), 5)
    log_odds[:, 4] += np.where(column("CONTRACT_MONTHS") > 22, 1.2, 0.0) - 0.004 * column("MESSAGE_WORDS")
    chances = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    if reorganised:
        taken_over = tickets["CHANNEL"].isin(WRITTEN).to_numpy()
        chances[taken_over, 1] += chances[taken_over, 0]
        chances[taken_over, 0] = 0
    return chances


def _effects(names: pd.Series, effects: dict[str, tuple[float, ...]]) -> np.ndarray:
    import numpy as np

    # Who phones chooses no topic.
    return np.array([effects.get(name, (0.0,) * len(TEAMS)) for name in names], dtype=float)


def _draw(rng: np.random.Generator, index: int, rows: int, scenario: Scenario) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    product = draw_categories(rng, PRODUCTS, rows)
    is_new = (rng.random(rows) < NEW_PRODUCT_SHARE) & has_begun(scenario.new_product_week, index)
    product = np.where(is_new, NEW_PRODUCT, product)
    channel = draw_categories(rng, CHANNELS, rows)
    topic = pd.Series(draw_categories(rng, TOPICS, rows), dtype="object").mask(channel == "Phone", None)
    customer = draw_categories(rng, CUSTOMER_TYPES, rows)
    is_customer = pd.Series(customer != "Not yet a customer")
    resets = rng.poisson(np.where(topic == "No connection", 2.2, 0.7)) + np.where(is_new, rng.poisson(1.5, rows), 0)
    tickets = pd.DataFrame(
        {
            "TICKET_ID": index * IDS_A_WEEK + rng.permutation(rows),
            "PRODUCT": product,
            "CHANNEL": channel,
            "TOPIC": topic,
            "CUSTOMER_TYPE": customer,
            "MESSAGE_WORDS": np.exp(rng.normal(3.9, 0.8, rows)).round().astype("int64") + 1,
            "FAILED_LOGINS": rng.poisson(np.where(topic == "Can't log in", 2.0, 0.3)),
            "LINE_RESETS": resets,
            "DAYS_SINCE_INVOICE": pd.Series(rng.integers(0, 31, rows), dtype="Int64").where(is_customer),
            "CONTRACT_MONTHS": np.where(is_customer, rng.integers(0, 25, rows), 0),
        }
    )
    chances = team_chances(tickets, reorganised=has_begun(scenario.reorganisation_week, index))
    # A draw on one ladder of all chances: where they stay, so does the team.
    places = (rng.random(rows)[:, None] >= chances.cumsum(axis=1)).sum(axis=1).clip(max=len(TEAMS) - 1)
    tickets["SOLVED_BY"] = pd.Series(np.array(TEAMS, dtype="object")[places])
    return tickets


TICKETS = Generator(
    columns=COLUMNS,
    label="SOLVED_BY",
    fingerprint="MESSAGE_WORDS",
    scenario=Scenario,
    draw=_draw,
    table="SUPPORT_TICKETS",
    seed=20250310,
    labels_after_weeks=2,
)


if __name__ == "__main__":
    run(TICKETS, "tickets", __doc__)
