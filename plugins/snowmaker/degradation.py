"""Why a model is to be retrained: what the event of a degraded model tells the retraining DAG. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from snowmaker.drift_metrics import METRICS
from snowmaker.metrics import ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = Literal["drift", "performance"]


@dataclass(frozen=True)
class Degraded:
    """A model version that has been bad for too many weeks.

    :param week: the newest week, by its first day
    :param cause: which check found it
    :param what: the feature that moved most, or the performance metric
    :param metric: what was measured
    :param value: its value in the newest week, if it is defined
    :param bound: from where on it is a breach
    :param since: the week of the first breach, by its first day
    :param breaches: how many weeks were breaches
    :param of_weeks: of the last how many
    """

    week: str
    model_version: str
    cause: Cause
    what: str
    metric: str
    value: float | None
    bound: float
    since: str
    breaches: int
    of_weeks: int

    @property
    def sentence(self) -> str:
        """Say it to people.

        >>> Degraded("2024-03-25", "V1", "drift", "INCOME", "psi", 0.412, 0.25, "2024-03-04", 3, 4).sentence
        'PSI of INCOME is 0.412 (breach from 0.25), 3 of the last 4 weeks breached, since 2024-03-04'
        """
        value = "undefined" if self.value is None else f"{self.value:.3g}"
        return (
            f"{self._measured} is {value} (breach from {self.bound:.3g}{self._down}), {self.breaches} of the last "
            f"{self.of_weeks} weeks breached, since {self.since}"
        )

    @property
    def _measured(self) -> str:
        if self.cause == "performance":
            return self.metric
        title = METRICS[self.metric].title if self.metric in METRICS else self.metric
        return f"{title} of {self.what}"

    @property
    def _down(self) -> str:
        return " down" if self.cause == "performance" and self.metric not in ERRORS else ""

    def to_extra(self) -> dict[str, Any]:
        """Give what the asset event carries: the fields, and ``detail``, a sentence."""
        return {**asdict(self), "detail": self.sentence}

    @classmethod
    def from_extra(cls, extra: Mapping[str, Any]) -> Degraded:
        """Read what ``to_extra`` gave.

        :raises KeyError: if the event is not one of a degraded model
        """
        return cls(**{field.name: extra[field.name] for field in fields(cls)})
