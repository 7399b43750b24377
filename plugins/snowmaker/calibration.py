"""A version's calibration map: how likely class 1 is at a score, as its holdout shows. Pure.

It is what metrics are estimated from before labels come (confidence-based performance estimation).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CALIBRATION = "calibration"
"""The name under which a baseline keeps the map, beside the features (theirs are upper case)."""


@dataclass(frozen=True)
class CalibrationMap:
    """Steps that never fall: up to ``edges[i]`` the chance of class 1 is ``rates[i]``, above the last it is the last.

    >>> CalibrationMap((0.2, 0.6), (0.1, 0.5, 0.75)).chance(0.6)
    0.5
    """

    edges: tuple[float, ...]
    rates: tuple[float, ...]

    @classmethod
    def fit(cls, bins: Sequence[tuple[float, float, float]]) -> CalibrationMap:
        """Fit the steps to bins of scores by isotonic regression (pool adjacent violators; Ayer et al. 1955).

        :param bins: greatest score, rows and rows of class 1 of each bin, in the order of the scores; at least one
        """
        pools: list[tuple[float, float, float]] = []
        for upper, rows, positives in bins:
            pool = (upper, rows, positives)
            # By products, so that equal rates are pooled exactly.
            while pools and pools[-1][2] * pool[1] >= pool[2] * pools[-1][1]:
                _, more_rows, more_positives = pools.pop()
                pool = (upper, pool[1] + more_rows, pool[2] + more_positives)
            pools.append(pool)
        edges = tuple(upper for upper, _, _ in pools[:-1])
        return cls(edges, tuple(positives / rows for _, rows, positives in pools))

    def chance(self, score: float) -> float:
        """Return the chance of class 1 at a score."""
        return self.rates[bisect_left(self.edges, score)]

    def to_json(self) -> str:
        """Write the map as the baselines table keeps it."""
        return json.dumps({"edges": self.edges, "rates": self.rates})

    @classmethod
    def from_json(cls, text: str) -> CalibrationMap:
        """Read what ``to_json`` wrote."""
        content = json.loads(text)
        return cls(tuple(content["edges"]), tuple(content["rates"]))
