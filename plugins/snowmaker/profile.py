"""Profiles: what is kept of a column's values, a few hundred bytes whatever the rows.

The warehouse counts them; ``drift_metrics`` compares two of them. Pure.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["numeric", "categorical", "boolean", "date", "rows"]
"""What is profiled: a column of some kind, or (``rows``) the table as a whole."""

SCORE = "score"
"""The name under which the prediction score is checked, beside the features (theirs are upper case)."""
PREDICTION = "prediction"
"""The name under which the class that is predicted is checked, where there are several."""
LABEL = "label"
"""The name under which the label is checked."""
ROWS = "rows"
"""The name under which the number of rows is checked."""


@dataclass(frozen=True)
class Bins:
    """How a column's values are sorted into bins.

    Numeric: ``edges`` e₁ < … < eₘ make m+1 bins, (-∞, e₁], (e₁, e₂], …, (eₘ, ∞). A date is the number of its
    days since 1970-01-01. Categorical: a bin for each of ``categories`` and one for all others; a boolean has
    the categories ``false`` and ``true``. All have a last bin for NULL.

    >>> Bins.numeric([1.0, 2.5]).size, Bins.categorical(["a", "b"]).size
    (4, 4)
    """

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] | None = None
    kind: Kind = "numeric"

    @classmethod
    def numeric(cls, quantiles: Sequence[float | None], kind: Literal["numeric", "date"] = "numeric") -> Bins:
        """Make bins from quantiles in ascending order.

        Equal quantiles are a value of many rows, as in a skewed or constant column: it gets a bin of its own, so
        that rows that leave it downwards are seen, too.

        >>> Bins.numeric([0.0, 0.0, 3.0]).edges
        (-1e-300, 0.0, 3.0)
        """
        values = [float(value) for value in quantiles if value is not None]
        often = {value for value, following in pairwise(sorted(values)) if value == following}
        return cls(edges=tuple(sorted({*values, *map(_just_below, often)})), kind=kind)

    @classmethod
    def categorical(cls, categories: Sequence[str]) -> Bins:
        """Make bins from the commonest categories."""
        return cls(categories=tuple(categories), kind="categorical")

    @classmethod
    def boolean(cls) -> Bins:
        """Make the bins of every boolean column."""
        return cls(categories=("false", "true"), kind="boolean")

    @property
    def size(self) -> int:
        """How many bins there are: those of values, and that of NULL."""
        return (len(self.edges) if self.categories is None else len(self.categories)) + 2

    def to_dict(self) -> dict[str, Any]:
        """Give the bins as JSON can hold them."""
        if self.categories is None:
            return {"kind": self.kind, "edges": self.edges}
        return {"kind": self.kind, "categories": self.categories}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Bins:
        """Read what ``to_dict`` gave."""
        categories = content.get("categories")
        return cls(
            edges=tuple(content.get("edges", ())),
            categories=None if categories is None else tuple(categories),
            kind=content["kind"],
        )

    def to_json(self) -> str:
        """Write the bins as text."""
        return _json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Bins:
        """Read what ``to_json`` wrote."""
        return cls.from_dict(json.loads(text))


@dataclass(frozen=True)
class Profile:
    """What is kept of a column's values in some rows.

    :param bins: how the values were sorted
    :param counts: rows in each bin, those of NULL last
    :param mean: mean of the finite values; of dates in days since 1970-01-01
    :param stddev: their population standard deviation
    :param not_finite: rows with NaN or an infinity; they are in no bin
    :param bin_means: mean of the values in each bin, without that of NULL; a numeric baseline's only
    :param weeks: of how many weeks the rows are
    """

    bins: Bins
    counts: tuple[int, ...]
    mean: float | None = None
    stddev: float | None = None
    not_finite: int = 0
    bin_means: tuple[float | None, ...] = ()
    weeks: int = 1

    def __post_init__(self) -> None:
        if len(self.counts) != self.bins.size:
            raise ValueError(f"{len(self.counts)} counts do not fit {self.bins.size} bins")

    @classmethod
    def of_rows(cls, rows: int, weeks: int = 1) -> Profile:
        """Profile a table as a whole: how many rows it has in so many weeks."""
        return cls(Bins(kind="rows"), (rows, 0), weeks=weeks)

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return sum(self.counts) + self.not_finite

    @property
    def nulls(self) -> int:
        """How many rows were NULL."""
        return self.counts[-1]

    @property
    def missing(self) -> int:
        """How many rows have no value that can be used: NULL, NaN, an infinity."""
        return self.nulls + self.not_finite

    @property
    def values(self) -> tuple[int, ...]:
        """Rows in each bin of values: without those that are missing."""
        return self.counts[:-1]

    @property
    def every_row(self) -> tuple[int, ...]:
        """Rows in each bin, of NULL and not finite: each row is in exactly one."""
        return (*self.counts, self.not_finite)

    def as_boolean(self) -> Profile:
        """Tell false from true where they were taken for 0 and 1, as the first release did.

        A profile that is none of a boolean, or has both in one bin, stays as it is.
        """
        if self.bins.kind != "numeric" or not self.bins.edges or not 0 <= self.bins.edges[0] < 1:
            return self
        false, *true = self.values
        return Profile(Bins.boolean(), (false, sum(true), 0, self.nulls), weeks=self.weeks)

    def to_json(self) -> str:
        """Write the profile as the tables keep it."""
        content = {
            "bins": self.bins.to_dict(),
            "counts": self.counts,
            "mean": _finite(self.mean),
            "stddev": _finite(self.stddev),
            "not_finite": self.not_finite,
            "bin_means": [_finite(mean) for mean in self.bin_means],
            "weeks": self.weeks,
        }
        return _json(content)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what ``to_json`` wrote."""
        content = json.loads(text)
        return cls(
            bins=Bins.from_dict(content["bins"]),
            counts=tuple(content["counts"]),
            mean=content["mean"],
            stddev=content["stddev"],
            not_finite=content["not_finite"],
            bin_means=tuple(content["bin_means"]),
            weeks=content["weeks"],
        )


def _just_below(value: float) -> float:
    # Next to 0 lie numbers that are too small to be written in a statement everywhere.
    return max(math.nextafter(value, -math.inf), -sys.float_info.max) if value else -1e-300


def _finite(value: float | None) -> float | None:
    # JSON knows no infinity; a sum that overflowed tells nothing.
    return value if value is not None and math.isfinite(value) else None


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
