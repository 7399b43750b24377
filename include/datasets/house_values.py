"""Weekly valuations of districts like California's: what is a house worth? The same seed and week give the same rows.

`HOUSE_VALUES.week` is pure; `python -m include.datasets.house_values load` puts weeks into a Snowflake table.
What the weeks tell, and the figures they were calibrated to, stand in README.md beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.datasets.command_line import run
from include.datasets.generator import Generator, has_begun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "VALUATION_WEEK": "DATE",
    "MEDIAN_INCOME": "FLOAT",
    "HOUSE_AGE": "NUMBER(3, 0)",
    "AVERAGE_ROOMS": "FLOAT",
    "AVERAGE_BEDROOMS": "FLOAT",
    "POPULATION": "NUMBER(9, 0)",
    "AVERAGE_OCCUPANCY": "FLOAT",
    "LATITUDE": "FLOAT",
    "LONGITUDE": "FLOAT",
    "MEDIAN_VALUE": "NUMBER(12, 0)",
}


@dataclass(frozen=True, kw_only=True)
class Area:
    """Where people live: the share of the districts, the middle, the spread in degrees, income and age there."""

    share: float
    latitude: float
    longitude: float
    spread: float
    income: float
    age: float
    premium: float


AREAS = (
    Area(share=0.30, latitude=34.02, longitude=-118.15, spread=0.20, income=3.6, age=33, premium=0.20),
    Area(share=0.20, latitude=37.68, longitude=-122.10, spread=0.25, income=4.3, age=33, premium=0.40),
    Area(share=0.09, latitude=32.82, longitude=-117.02, spread=0.12, income=3.7, age=26, premium=0.05),
    Area(share=0.07, latitude=33.70, longitude=-117.80, spread=0.12, income=4.6, age=23, premium=0.20),
    Area(share=0.10, latitude=34.03, longitude=-117.20, spread=0.20, income=3.3, age=21, premium=-0.10),
    Area(share=0.09, latitude=38.60, longitude=-121.30, spread=0.28, income=3.2, age=24, premium=-0.10),
    Area(share=0.08, latitude=36.70, longitude=-119.60, spread=0.45, income=2.7, age=26, premium=-0.30),
    Area(share=0.04, latitude=34.65, longitude=-120.15, spread=0.25, income=3.6, age=24, premium=0.15),
    Area(share=0.03, latitude=40.50, longitude=-122.20, spread=0.60, income=2.5, age=25, premium=-0.30),
)
# New towns where land is cheap.
NEW_TOWNS = (
    Area(share=0.6, latitude=34.55, longitude=-117.30, spread=0.10, income=3.0, age=2, premium=-0.25),
    Area(share=0.4, latitude=37.35, longitude=-120.55, spread=0.12, income=2.8, age=2, premium=-0.30),
)
NEW_TOWNS_SHARE = 0.4
# Latitude and longitude along the coast.
COAST = (
    (32.50, -117.12),
    (33.20, -117.38),
    (33.70, -118.10),
    (34.00, -118.50),
    (34.40, -119.70),
    (34.60, -120.62),
    (35.40, -120.90),
    (36.30, -121.90),
    (37.00, -122.20),
    (37.80, -122.52),
    (38.90, -123.70),
    (40.40, -124.35),
    (41.95, -124.20),
)
COASTAL_KM = 40.0
# Of the coastal values, a week.
BOOM_GROWTH = 0.03
RESORT_SHARE = 0.01
MISSING_BEDROOMS_SHARE = 0.01
# Standard deviation of the logarithm of what nobody can know of a value.
NOISE = 0.22


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens to the districts, and in which week (1, 2, …); None: never.

    :param new_towns_week: first week with the valuations of new towns inland: young houses where none were.
    :param boom_week: first week in which values by the sea are higher than the week before, and so on. No feature
        moves, only the values.
    """

    new_towns_week: int | None = 16
    boom_week: int | None = 22

    def coastal_growth(self, index: int) -> float:
        """Return the logarithm of what the boom has made of a coastal value by week `index`."""
        begun = has_begun(self.boom_week, index)
        return BOOM_GROWTH * (index + 1 - self.boom_week) if begun and self.boom_week else 0.0


def expected_value(districts: pd.DataFrame, *, coastal_growth: float = 0.0) -> np.ndarray:
    """Return the expected value of a house in dollars, from the columns of the table.

    No model can have a smaller squared error than this function, but by luck.

    :param districts: rows with no bedrooms missing, as they are where the value is drawn
    :param coastal_growth: logarithm of what a boom has made of a value by the sea
    """
    import numpy as np

    def column(name: str) -> np.ndarray:
        return districts[name].to_numpy(dtype=float)

    inland = kilometres_to_coast(column("LATITUDE"), column("LONGITUDE"))
    coastal = np.exp(-inland / COASTAL_KM)
    value = (
        11.61
        + 0.75 * np.log(column("MEDIAN_INCOME") / 3)
        + (0.55 + coastal_growth) * coastal
        + _premium(column("LATITUDE"), column("LONGITUDE"))
        - 0.45 * np.log(column("AVERAGE_OCCUPANCY") / 2.8)
        + 0.25 * np.log(column("AVERAGE_ROOMS") / column("AVERAGE_BEDROOMS") / 4.8)
        # Old quarters in the middle of a city are dear.
        + 0.004 * (column("HOUSE_AGE") - 28) * coastal
    )
    return np.exp(value + NOISE**2 / 2)


def kilometres_to_coast(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return how far a place is from the sea, along its parallel."""
    import numpy as np

    coast = np.interp(latitude, [place[0] for place in COAST], [place[1] for place in COAST])
    return ((longitude - coast) * 111.3 * np.cos(np.radians(latitude))).clip(min=0)


def _premium(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Blend the areas' premiums by how near they are."""
    import numpy as np

    weights, premiums = 0.02, 0.0
    for area in (*AREAS, *NEW_TOWNS):
        distance = (latitude - area.latitude) ** 2 + (longitude - area.longitude) ** 2
        near = np.exp(-distance / (2 * (1.5 * area.spread) ** 2))
        weights, premiums = weights + near, premiums + near * area.premium
    return np.asarray(premiums / weights)


def _draw(rng: np.random.Generator, index: int, rows: int, scenario: Scenario) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    new = round(rows * NEW_TOWNS_SHARE) if has_begun(scenario.new_towns_week, index) else 0
    parts = [_draw_districts(rng, areas, count) for areas, count in ((AREAS, rows - new), (NEW_TOWNS, new)) if count]
    districts = pd.concat(parts).iloc[rng.permutation(rows)].reset_index(drop=True)
    expected = expected_value(districts, coastal_growth=scenario.coastal_growth(index))
    value = expected * np.exp(rng.normal(-(NOISE**2) / 2, NOISE, rows))
    districts["MEDIAN_VALUE"] = pd.Series(value.round(-2)).astype("Int64")
    missing = rng.random(rows) < MISSING_BEDROOMS_SHARE
    districts["AVERAGE_BEDROOMS"] = districts["AVERAGE_BEDROOMS"].mask(missing)
    return districts


def _draw_districts(rng: np.random.Generator, areas: tuple[Area, ...], rows: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    drawn = rng.choice(len(areas), size=rows, p=[area.share for area in areas])

    def of_area(figure: str) -> np.ndarray:
        return np.array([getattr(area, figure) for area in areas])[drawn]

    latitude = (of_area("latitude") + rng.normal(0, of_area("spread"))).clip(32.54, 41.95)
    shore = np.interp(latitude, [place[0] for place in COAST], [place[1] for place in COAST])
    longitude = of_area("longitude") + rng.normal(0, of_area("spread"))
    # Who would live in the sea lives at the shore.
    longitude = np.where(longitude < shore, shore + rng.uniform(0, 0.1, rows), longitude).clip(-124.35, -114.31)
    income = np.exp(rng.normal(np.log(of_area("income")), 0.42)).clip(0.5, 15.0)
    age = rng.normal(of_area("age"), np.where(of_area("age") > 10, 10.0, 1.0)).round().clip(1, 52)
    # One house for a few guests: resorts have many rooms a household.
    resort = np.where(rng.random(rows) < RESORT_SHARE, rng.lognormal(1.0, 0.5, rows), 1.0)
    rooms = (3.2 + 0.58 * income + rng.normal(0, 0.75, rows) - 0.01 * (age - 28)).clip(min=1.0) * resort
    bedrooms = (1.06 * np.exp(rng.normal(0, 0.06, rows)) * resort**0.95).clip(min=0.4)
    people = np.exp(rng.normal(np.log(1166) - 0.014 * (age - 28), 0.62, rows)).round().clip(3, 35_682)
    return pd.DataFrame(
        {
            "MEDIAN_INCOME": income.round(4),
            "HOUSE_AGE": age.astype("int64"),
            "AVERAGE_ROOMS": rooms.round(4),
            "AVERAGE_BEDROOMS": bedrooms.round(4),
            "POPULATION": people.astype("int64"),
            "AVERAGE_OCCUPANCY": np.exp(rng.normal(np.log(2.82), 0.22, rows)).clip(0.7, 20).round(4),
            "LATITUDE": latitude.round(2),
            "LONGITUDE": longitude.round(2),
        }
    )


HOUSE_VALUES = Generator(
    columns=COLUMNS,
    label="MEDIAN_VALUE",
    fingerprint="POPULATION",
    scenario=Scenario,
    draw=_draw,
    table="DISTRICT_VALUES",
    seed=19900401,
    labels_after_weeks=3,
)


if __name__ == "__main__":
    run(HOUSE_VALUES, "house_values", __doc__)
