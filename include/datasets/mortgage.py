"""Weekly mortgage applications with known drift: the same seed and week always give the same rows.

`MORTGAGE.week` is pure; `python -m include.datasets.mortgage load` puts weeks into a Snowflake table.
What the weeks tell, and the figures they were calibrated to, stand in README.md beside this file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.datasets.command_line import run
from include.datasets.generator import Generator, draw_categories, has_begun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MISSING_INCOME_SHARE = 0.01
# The lender's export carries almost no key: four loan numbers for all rows, as such tables really do.
LOAN_IDS = (1, 3, 58, 7714)

COLUMNS = {
    "WEEK_START_DATE": "TIMESTAMP_NTZ",
    "WEEK": "NUMBER(9, 0)",
    "LOAN_ID": "NUMBER(18, 0)",
    "TS": "VARCHAR",
    "LOAN_TYPE_NAME": "VARCHAR",
    "LOAN_PURPOSE_NAME": "VARCHAR",
    "APPLICANT_INCOME_000S": "NUMBER(9, 0)",
    "LOAN_AMOUNT_000S": "NUMBER(9, 0)",
    "COUNTY_NAME": "VARCHAR",
    "MORTGAGERESPONSE": "NUMBER(1, 0)",
}

HOME_COUNTIES = (
    "King County",
    "Pierce County",
    "Snohomish County",
    "Spokane County",
    "Clark County",
    "Thurston County",
    "Kitsap County",
    "Walla Walla County",
    "Grays Harbor County",
    "Pend Oreille County",
    "San Juan County",
    "Lewis County",
)
ACQUIRED_COUNTIES = (
    "St. Louis County",
    "St. Louis City",
    "St. Charles County",
    "St. Francois County",
    "Ste. Genevieve County",
    "Miami-Dade County",
    "Athens-Clarke County",
    "Augusta-Richmond County",
    "Macon-Bibb County",
    "Nashville-Davidson",
    "Louisville/Jefferson County",
    "Lexington-Fayette",
    "Butte-Silver Bow",
    "Anaconda-Deer Lodge County",
    "Prince George's County",
    "Queen Anne's County",
    "St. Mary's County",
    "Anne Arundel County",
    "Isle of Wight County",
    "King and Queen County",
    "Fond du Lac County",
    "Eau Claire County",
    "St. Croix County",
    "Lac qui Parle County",
    "Lake of the Woods County",
    "Otter Tail County",
    "Yellow Medicine County",
    "Big Stone County",
    "Blue Earth County",
    "Le Sueur County",
    "Mille Lacs County",
    "Wayne/Holmes Counties",
    "Aleutians East Borough",
    "Matanuska-Susitna Borough",
    "Yukon-Koyukuk Census Area",
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens to the applications, and in which week (1, 2, …); None: never.

    :param distribution_shift_week: first week with the branches of an acquired lender: counties, loan types
        and a purpose never seen before, higher incomes, and another lending policy for those applications.
    :param concept_shift_week: first week in which loans above the jumbo limit, until then reviewed by hand
        and mostly approved, are declined. No feature moves, only the relation of the label to them.
    """

    distribution_shift_week: int | None = 13
    concept_shift_week: int | None = 22


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One lender's customers and its policy.

    `approval` holds the chances of a loan whose multiple of the yearly income is below and above `bound`;
    loans above JUMBO_LIMIT go to manual review instead.
    """

    counties: tuple[str, ...]
    loan_types: dict[str, float]
    purposes: dict[str, float]
    median_income: float
    bound: float
    approval: tuple[float, float]


# A cautious lender: what the income carries is granted.
HOME = Segment(
    counties=HOME_COUNTIES,
    loan_types={"Conventional": 0.8, "FHA-insured": 0.2},
    purposes={"Home purchase": 0.6, "Refinancing": 0.4},
    median_income=44.0,
    bound=2.8,
    approval=(0.88, 0.10),
)
# A lender of guaranteed loans: the guarantee carries large ones, and small ones do not pay.
ACQUIRED = Segment(
    counties=ACQUIRED_COUNTIES,
    loan_types={"VA-guaranteed": 0.45, "FSA/RHS-guaranteed": 0.2, "FHA-insured": 0.2, "Conventional": 0.15},
    purposes={"Home purchase": 0.5, "Refinancing": 0.25, "Home improvement": 0.25},
    median_income=74.0,
    bound=1.9,
    approval=(0.08, 0.92),
)
ACQUIRED_SHARE = 0.7
# In thousands, as the amounts. Loans above it are reviewed by hand, after the concept shift declined.
JUMBO_LIMIT = 225.0
REVIEW_APPROVAL = 0.65
DECLINED_APPROVAL = 0.02
MEDIAN_MULTIPLE = 2.7
INCOME_SPREAD = 0.45
MULTIPLE_SPREAD = 0.45
# How gradually one side of a bound gives way to the other, in logarithms.
BLUR = 0.03
# The share of its size that a loan of this purpose counts for against the bound.
PURPOSE_WEIGHTS = {"Home purchase": 1.0, "Refinancing": 0.92, "Home improvement": 1.08}


def _draw(rng: np.random.Generator, index: int, rows: int, scenario: Scenario) -> pd.DataFrame:
    import pandas as pd

    acquired = round(rows * ACQUIRED_SHARE) if has_begun(scenario.distribution_shift_week, index) else 0
    declines_jumbo = has_begun(scenario.concept_shift_week, index)
    parts = [
        _draw_applications(rng, segment, count, declines_jumbo=declines_jumbo)
        for segment, count in ((HOME, rows - acquired), (ACQUIRED, acquired))
        if count
    ]
    applications = pd.concat(parts)
    applications = applications.iloc[rng.permutation(rows)].reset_index(drop=True)
    applications["WEEK"] = index
    applications["LOAN_ID"] = rng.choice(LOAN_IDS, size=rows)
    tenths = rng.integers(0, 36_000, size=rows)
    applications["TS"] = [f"{t // 600:02d}:{t % 600 / 10:04.1f}" for t in tenths]
    return applications


def _draw_applications(rng: np.random.Generator, segment: Segment, rows: int, *, declines_jumbo: bool) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    purpose = draw_categories(rng, segment.purposes, rows)
    income = np.exp(rng.normal(math.log(segment.median_income), INCOME_SPREAD, rows)).round().clip(min=1)
    multiple = np.exp(rng.normal(math.log(MEDIAN_MULTIPLE), MULTIPLE_SPREAD, rows))
    amount = (income * multiple).round().clip(min=1)
    weight = pd.Series(purpose).map(PURPOSE_WEIGHTS).to_numpy(dtype=float)
    approved = rng.random(rows) < _approval_chance(segment, income, amount, weight, declines_jumbo=declines_jumbo)
    missing = rng.random(rows) < MISSING_INCOME_SHARE
    return pd.DataFrame(
        {
            "LOAN_TYPE_NAME": draw_categories(rng, segment.loan_types, rows),
            "LOAN_PURPOSE_NAME": purpose,
            "APPLICANT_INCOME_000S": pd.Series(income).mask(missing).astype("Int64"),
            "LOAN_AMOUNT_000S": amount.astype("int64"),
            "COUNTY_NAME": _deal_counties(rng, segment.counties, rows),
            "MORTGAGERESPONSE": pd.Series(approved).astype("Int64"),
        }
    )


def _approval_chance(
    segment: Segment, income: np.ndarray, amount: np.ndarray, weight: np.ndarray, *, declines_jumbo: bool
) -> np.ndarray:
    below, above = segment.approval
    policy = below + (above - below) * _share_past(segment.bound, amount * weight / income)
    review = DECLINED_APPROVAL if declines_jumbo else REVIEW_APPROVAL
    return policy + (review - policy) * _share_past(JUMBO_LIMIT, amount)


def _share_past(bound: float, values: np.ndarray) -> np.ndarray:
    import numpy as np

    return 1 / (1 + (bound / values) ** np.float64(1 / BLUR))


def _deal_counties(rng: np.random.Generator, counties: tuple[str, ...], rows: int) -> np.ndarray:
    """Give each county its share of the rows, to within one row, the first ones most.

    Drawn at random, k counties in weeks of n rows differ by a PSI of about 2 (k - 1) / n by chance alone:
    0.18 for 47 counties and 500 rows, which would drown the drift that is meant.
    """
    import numpy as np

    weights = 1 / np.sqrt(np.arange(1, len(counties) + 1))
    upper = np.cumsum(weights) / weights.sum()
    places = (np.arange(rows) + rng.random()) / rows
    dealt = np.searchsorted(upper, places, side="right").clip(max=len(counties) - 1)
    return np.array(counties)[rng.permutation(dealt)]


MORTGAGE = Generator(
    columns=COLUMNS,
    label="MORTGAGERESPONSE",
    fingerprint="LOAN_AMOUNT_000S",
    scenario=Scenario,
    draw=_draw,
    table="MORTGAGE_APPLICATIONS",
    seed=20240603,
    labels_after_weeks=2,
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with a message where a load cannot be done."""
    run(MORTGAGE, "mortgage", __doc__, arguments)


if __name__ == "__main__":
    main()
