"""How a week's predictions by two versions differ: which rows are compared, and what is told of them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import InputDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.measured import Measured

VERSION, AGAINST = "version", "against"
"""The two sides of a comparison."""


@dataclass(frozen=True)
class Scored:
    """The predictions that a version made of a week.

    :param is_shadow: whether they stand beside those that count
    """

    version: str
    is_shadow: bool
    rows: int

    def __str__(self) -> str:
        return f"{self.version}{' in the shadow' if self.is_shadow else ''} ({self.rows} rows)"


def choose(scored: Sequence[Scored], version: str, against: str | None, where: str) -> tuple[Scored, Scored]:
    """Return which predictions of a week are compared with which.

    :param scored: those there are
    :param version: its shadow rows, or if there are none the week's rows that count
    :param against: its rows that count, or if there are none its shadow rows; None: the week's rows that count
    :param where: week and table, for messages
    :raises InputDataError: naming what there is, if one is not there or both are the same

    >>> own, shadow = Scored("V1", False, 9), Scored("V2", True, 9)
    >>> choose([own, shadow], "V2", None, "week 2026-03-02 of T") == (shadow, own)
    True
    """
    of_version = sorted((one for one in scored if one.version == version), key=lambda one: not one.is_shadow)
    of_other = sorted(
        (one for one in scored if (not one.is_shadow if against is None else one.version == against)),
        key=lambda one: one.is_shadow,
    )
    there_are = ", ".join(map(str, scored)) or "none"
    for found, wanted in ((of_version, f"by version {version}"), (of_other, f"by {against or 'the weekly run'}")):
        if not found:
            raise InputDataError(
                f"{where} has no predictions {wanted}; there are: {there_are}. Score the week by it first, with "
                f"shadow=True beside the ones that count"
            )
    if of_version[0] == of_other[0]:
        raise InputDataError(
            f"{where}: version {version} would be compared with itself; there are: {there_are}. Name another version, "
            f"or score the week by it in the shadow"
        )
    return of_version[0], of_other[0]


@dataclass(frozen=True)
class Comparison:
    """How two versions' predictions of a week differ.

    :param rows: rows that both scored; the figures are of these
    :param only_version: rows that only the version scored
    :param only_against: rows that only the other one scored
    :param equal_predictions: share of rows with equal predictions, in [0, 1]
    :param mean_absolute_difference: mean of the distance of the two scores, in the score's unit
    :param correlation: Pearson's correlation of the scores, in [-1, 1]; None if either's are all equal
    :param classes: of a classification the commonest pairs of predictions: the other's, the version's, rows
    :param labelled: rows of both whose label has come
    :param metrics: by metric both versions' on these rows
    """

    rows: int
    only_version: int
    only_against: int
    equal_predictions: float | None
    mean_absolute_difference: float | None
    correlation: float | None
    classes: tuple[tuple[str, str, int], ...] = ()
    labelled: int = 0
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        row: Mapping[str, Any],
        classes: Sequence[Mapping[str, Any]] = (),
        measured: Mapping[str, Measured] | None = None,
    ) -> Comparison:
        """Read what ``snowflake.comparison`` gives.

        :param measured: by side how well the labelled rows were predicted; empty if there are none
        """
        sides = measured or {}
        names = next((list(one.metrics) for one in sides.values()), [])
        rows = int(row["N"])
        return cls(
            rows=rows,
            only_version=int(row["ONLY_VERSION"]),
            only_against=int(row["ONLY_AGAINST"]),
            equal_predictions=int(row["EQUAL"]) / rows if rows else None,
            mean_absolute_difference=_finite(row["DIFFERENCE"]),
            correlation=_finite(row["CORRELATION"]),
            classes=tuple((str(one["AGAINST"]), str(one["VERSION"]), int(one["N"])) for one in classes),
            labelled=max((one.rows for one in sides.values()), default=0),
            metrics={name: {side: one.metrics[name] for side, one in sides.items()} for name in names},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what a task hands on."""
        return {
            "rows": self.rows,
            "only_version": self.only_version,
            "only_against": self.only_against,
            "equal_predictions": self.equal_predictions,
            "mean_absolute_difference": self.mean_absolute_difference,
            "correlation": self.correlation,
            "classes": [{AGAINST: other, VERSION: own, "rows": rows} for other, own, rows in self.classes],
            "labelled": self.labelled,
            "metrics": {name: dict(values) for name, values in self.metrics.items()},
        }

    def told(self, version: str, against: str) -> str:
        """Tell it in lines for a log."""
        lines = [
            f"{version} beside {against}: {self.rows} rows by both, {self.only_version} only by {version}, "
            f"{self.only_against} only by {against}",
            f"equal predictions {_number(self.equal_predictions)}, mean absolute difference of the scores "
            f"{_number(self.mean_absolute_difference)}, correlation {_number(self.correlation)}",
            *(f"{other} by {against}, {own} by {version}: {rows} rows" for other, own, rows in self.classes),
        ]
        if self.metrics:
            lines.append(f"of the {self.labelled} rows whose label has come:")
        lines += [
            f"{name}: {_number(values[VERSION])} by {version}, {_number(values[AGAINST])} by {against}"
            for name, values in self.metrics.items()
        ]
        return "\n".join(lines)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
