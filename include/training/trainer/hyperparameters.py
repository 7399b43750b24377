"""The hyperparameters, as SageMaker gives them on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .failure import TrainingFailure

DEFAULT_ROUNDS = 100
# XGBoost ignores a parameter it does not know; a misspelt one must not train another model silently.
# Left out on purpose: booster and tree_method, for the encoding wants histogram trees.
XGBOOST_PARAMETERS = frozenset(
    {
        "alpha",
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
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
        "num_parallel_tree",
        "reg_alpha",
        "reg_lambda",
        "sampling_method",
        "scale_pos_weight",
        "subsample",
    }
)
_ROUNDS = frozenset({"num_boost_round", "early_stopping_rounds"})
# Those of the linear models, as scikit-learn names them: C for classes, alpha for a regression.
LINEAR_PARAMETERS = frozenset({"C", "alpha", "l1_ratio", "max_iter"})
_KNOWN = {"xgboost": XGBOOST_PARAMETERS | _ROUNDS, "linear": LINEAR_PARAMETERS}


@dataclass(frozen=True)
class Hyperparameters:
    """What goes to the estimator; for XGBoost, also how long to train (None for another)."""

    booster: dict[str, Any] = field(default_factory=dict)
    rounds: int = DEFAULT_ROUNDS
    early_stopping_rounds: int | None = None
    estimator: str = "xgboost"

    def as_dict(self) -> dict[str, Any]:
        """All of them by name, as the model card keeps them."""
        if self.estimator != "xgboost":
            return dict(self.booster)
        return {
            **self.booster,
            "num_boost_round": self.rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
        }


def parse_hyperparameters(arguments: Sequence[str], estimator: str = "xgboost") -> Hyperparameters:
    """Parse SageMaker's `--name value` arguments.

    :raises TrainingFailure: if a name is unknown to the estimator or a value is no number where one is needed

    >>> parse_hyperparameters(["--max_depth", "4", "--num_boost_round", "60"]).as_dict()
    {'max_depth': 4, 'num_boost_round': 60, 'early_stopping_rounds': None}
    """
    if len(arguments) % 2:
        raise TrainingFailure(f"hyperparameter {arguments[-1]!r} has no value")
    known = _KNOWN[estimator]
    given: dict[str, Any] = {}
    names = [name.lstrip("-") for name in arguments[::2]]
    for name, text in zip(names, arguments[1::2], strict=True):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise TrainingFailure(f"hyperparameter {name!r} is unknown to estimator {estimator}; {hint}")
        given[name] = _number_or_text(text)
    rounds = given.pop("num_boost_round", DEFAULT_ROUNDS)
    early = given.pop("early_stopping_rounds", None)
    for name, value in (("num_boost_round", rounds), ("early_stopping_rounds", early)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise TrainingFailure(f"hyperparameter {name}: found {value!r}, expected a whole number from 1")
    return Hyperparameters(given, rounds, early, estimator)


def _number_or_text(text: str) -> Any:
    if text == "None":
        return None
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
