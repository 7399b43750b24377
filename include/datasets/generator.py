"""What every weekly dataset is: columns, a scenario of known drift, and rows that a seed and a week determine.

A dataset's own module draws the rows; the weeks' numbering and columns, the same for all, are here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from include.datasets.weekly_table import Dataset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Generator(Generic[S]):
    """A dataset that is made week by week.

    :param columns: Snowflake type by column name, in table order; the first one is the week's Monday.
    :param label: the column that is NULL until the truth is known.
    :param fingerprint: a whole-numbered column without NULLs whose sum tells one made week from another.
    :param scenario: a dataclass of week numbers in which something begins; None: never.
    :param draw: makes the rows of a week (its number, how many) without the first column.
    :param table: default name of the table; likewise `rows` a week, `weeks`, `seed`, `labels_after_weeks`.
    """

    columns: Mapping[str, str]
    label: str
    fingerprint: str
    scenario: type[S]
    draw: Callable[[np.random.Generator, int, int, S], pd.DataFrame]
    table: str
    rows: int = 2000
    weeks: int = 30
    seed: int
    labels_after_weeks: int

    @property
    def week_column(self) -> str:
        """Name of the column that holds the week's Monday."""
        return next(iter(self.columns))

    def week(
        self,
        index: int,
        *,
        first_week: date,
        rows: int | None = None,
        seed: int | None = None,
        scenario: S | None = None,
    ) -> pd.DataFrame:
        """Make the rows of week `index` (1, 2, …), with every label known.

        A week depends on nothing but these arguments, so weeks can be made in any order, and again.

        :param first_week: the Monday that begins week 1.
        :param scenario: the drift; the default one unless given.
        :raises ValueError: `index` or `rows` is below 1, or `first_week` is no Monday.
        """
        import numpy as np

        rows = self.rows if rows is None else rows
        if index < 1 or rows < 1:
            raise ValueError(f"week {index} of {rows} rows: weeks and rows are counted from 1")
        if first_week.weekday() != 0:
            raise ValueError(f"first_week {first_week} is a {first_week:%A}; a week begins on a Monday")
        rng = np.random.default_rng([self.seed if seed is None else seed, index])
        frame = self.draw(rng, index, rows, scenario or self.scenario())
        frame.insert(0, self.week_column, self._mondays(first_week + timedelta(weeks=index - 1), rows))
        return frame[list(self.columns)]

    def dataset(self, seed: int | None = None, scenario: S | None = None) -> Dataset:
        """Describe the dataset to the loader."""
        return Dataset(
            columns=self.columns,
            week_column=self.week_column,
            label_column=self.label,
            fingerprint_column=self.fingerprint,
            generate=lambda index, first_week, rows: self.week(
                index, first_week=first_week, rows=rows, seed=seed, scenario=scenario
            ),
        )

    def _mondays(self, monday: date, rows: int) -> pd.Series:
        import pandas as pd

        if self.columns[self.week_column] == "DATE":
            return pd.Series([monday] * rows, dtype="object")
        return pd.Series([pd.Timestamp(monday)] * rows, dtype="datetime64[us]")


def draw_categories(rng: np.random.Generator, shares: Mapping[str, float], rows: int) -> np.ndarray:
    """Draw names with given chances, which add up to 1."""
    return rng.choice(list(shares), size=rows, p=list(shares.values()))


def has_begun(week: int | None, index: int) -> bool:
    """Whether what begins in `week` (None: never) is there in week `index`."""
    return week is not None and index >= week


def logistic(values: np.ndarray) -> np.ndarray:
    """Turn log odds into chances."""
    import numpy as np

    return 1 / (1 + np.exp(-values))
