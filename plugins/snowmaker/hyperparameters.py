"""The hyperparameters that the training job knows, by estimator, and the combinations of a search. Pure."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.source import TaskType
    from snowmaker.training_job import Estimator

Value = int | float | str

MAX_COMBINATIONS = 20
"""So many training jobs a search may start, and so many rows its result has room for."""
MAX_TEXT = 40
"""Characters of a text value that is searched; the result names it."""

_XGBOOST = frozenset(
    {
        "alpha",
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
        "early_stopping_rounds",
        "eta",
        "eval_metric",
        "gamma",
        "grow_policy",
        "lambda",
        "learning_rate",
        "max_bin",
        "max_cat_threshold",
        "max_cat_to_onehot",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "min_split_loss",
        "nthread",
        "num_boost_round",
        "num_parallel_tree",
        "reg_alpha",
        "reg_lambda",
        "sampling_method",
        "scale_pos_weight",
        "subsample",
    }
)
_OF_CLASSES = frozenset({"C", "l1_ratio", "max_iter"})
_LINEAR: dict[TaskType, frozenset[str]] = {
    "binary_classification": _OF_CLASSES,
    "multiclass_classification": _OF_CLASSES,
    "regression": frozenset({"alpha", "max_iter"}),
}


def known_names(estimator: Estimator, task: TaskType) -> frozenset[str]:
    """Return the names of the hyperparameters that an estimator has for a task."""
    return _LINEAR[task] if estimator == "linear" else _XGBOOST


def combinations(search: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Return every combination of the values, the last name's varying fastest.

    >>> combinations({"max_depth": [3, 5], "eta": [0.1, 0.3]})[:2]
    [{'max_depth': 3, 'eta': 0.1}, {'max_depth': 3, 'eta': 0.3}]
    """
    return [dict(zip(search, values, strict=True)) for values in itertools.product(*search.values())]


def check_search(search: Mapping[str, Sequence[Value]], fixed: Mapping[str, Value]) -> None:
    """Check the lists of values of a search.

    :param fixed: the hyperparameters that every combination has
    :raises ValueError: naming the hyperparameter, or the number of combinations, and what to do
    """
    for name, values in search.items():
        if name in fixed:
            raise ValueError(f"{name} stands in hyperparameters and in search; remove it from one of them")
        if len(values) < 2:
            raise ValueError(
                f"search.{name} lists {len(values)} value(s); list at least two, or put it into hyperparameters"
            )
        if len(set(values)) < len(values):
            raise ValueError(f"search.{name} lists a value twice; each is a training job, name it once")
        long = [value for value in values if isinstance(value, str) and len(value) > MAX_TEXT]
        if long:
            raise ValueError(f"search.{name} has a text of {len(long[0])} characters; at most {MAX_TEXT} are allowed")
    count = math.prod(len(values) for values in search.values())
    if count > MAX_COMBINATIONS:
        raise ValueError(
            f"search has {count} combinations, each a training job; at most {MAX_COMBINATIONS} are allowed, "
            f"shorten its lists"
        )


def check_names(estimator: Estimator, task: TaskType, names: Sequence[str]) -> None:
    """Check that the estimator knows the hyperparameters.

    :raises ValueError: naming the unknown one and the known ones
    """
    known = known_names(estimator, task)
    for name in names:
        if name not in known:
            raise ValueError(
                f"hyperparameter {name!r} is unknown to the estimator {estimator} of a {task}; it knows "
                f"{', '.join(sorted(known))}"
            )
