"""The choice among the models of a hyperparameter search. Pure; the jobs' results are the train tasks'."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.metrics import ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hyperparameters import Value


@dataclass(frozen=True)
class Tried:
    """One combination of a search and what came of it.

    :param job_name: the training job, None if its task failed
    :param value: the metric on the holdout, None if it is not defined or the task failed
    :param estimated_cost: in US dollars, None if it is not known
    """

    hyperparameters: Mapping[str, Value]
    job_name: str | None
    value: float | None
    estimated_cost: float | None

    @classmethod
    def of(cls, hyperparameters: Mapping[str, Value], result: Mapping[str, Any] | None, metric: str) -> Tried:
        """Read it from a train task's result, None if the task has none."""
        if result is None:
            return cls(dict(hyperparameters), None, None, None)
        value, cost = result["metrics"].get(metric), result.get("estimated_cost")
        return cls(dict(hyperparameters), result["job_name"], value, cost)

    def as_dict(self) -> dict[str, Any]:
        """Give it as an XCom holds it."""
        return asdict(self)


def choose_best(tried: Sequence[Tried], metric: str) -> int | None:
    """Return the place of the best by the metric; of equal ones the cheapest, then the first. None if none has it.

    >>> choose_best([Tried({}, "a", 0.8, 2.0), Tried({}, "b", 0.9, 2.0), Tried({}, "c", 0.9, 1.0)], "f1")
    2
    >>> choose_best([Tried({}, "a", 80.0, None), Tried({}, "b", 90.0, None)], "rmse")
    0
    """
    sign = 1 if metric in ERRORS else -1
    ranked = [
        (sign * one.value, float("inf") if one.estimated_cost is None else one.estimated_cost, place)
        for place, one in enumerate(tried)
        if one.value is not None
    ]
    return min(ranked)[-1] if ranked else None


def tabulate(tried: Sequence[Tried], metric: str, best: int | None) -> str:
    """Write the combinations as a table for people, the best one marked, with what all cost together.

    >>> print(tabulate([Tried({"eta": 0.1}, "job-a", 0.8, 0.02), Tried({"eta": 0.3}, None, None, None)], "f1", 0))
       eta  f1      cost      job
    *  0.1  0.8     0.0200 $  job-a
       0.3  failed  unknown   none
    together 0.0200 $, of 1 of 2 jobs
    """
    names = list(tried[0].hyperparameters)
    rows = [["", *names, metric, "cost", "job"]]
    for place, one in enumerate(tried):
        undefined = "failed" if one.job_name is None else "undefined"
        value = undefined if one.value is None else f"{one.value:.6g}"
        cost = "unknown" if one.estimated_cost is None else f"{one.estimated_cost:.4f} $"
        values = [str(one.hyperparameters[name]) for name in names]
        rows.append(["*" if place == best else "", *values, value, cost, one.job_name or "none"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    costs = [one.estimated_cost for one in tried if one.estimated_cost is not None]
    return "\n".join([*lines, f"together {sum(costs):.4f} $, of {len(costs)} of {len(tried)} jobs"])
