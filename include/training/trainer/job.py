"""What the job is asked to do: `job.json` for the data, the command line for the hyperparameters."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from .failure import TrainingFailure

Kind = Literal["categorical", "numeric"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]

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
_OWN = frozenset({"num_boost_round", "early_stopping_rounds"})
_QUOTED_NAME = re.compile(r'"(?:[^"]|"")+"(?:\."(?:[^"]|"")+"){0,2}')


@dataclass(frozen=True)
class Feature:
    """One raw input column, by its exact name."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Job:
    """The content of `job.json`.

    ``table`` is a quoted, fully qualified name. Rows whose ``week_column`` is ``holdout_from`` or later are the
    holdout. With ``recency_half_life_weeks`` a training row weighs 0.5 ** (age in weeks / half-life), counted
    from the newest training row.
    """

    secret_id: str
    table: str
    week_column: str
    features: tuple[Feature, ...]
    label: str
    task: Task
    holdout_from: dt.date
    seed: int
    recency_half_life_weeks: float | None = None
    code_commit: str | None = None

    @property
    def ordered_features(self) -> tuple[Feature, ...]:
        """The features in the booster's order: categorical ones first."""
        return tuple(sorted(self.features, key=lambda feature: feature.kind != "categorical"))


@dataclass(frozen=True)
class Hyperparameters:
    """What goes to XGBoost, and how long to train."""

    booster: dict[str, Any] = field(default_factory=dict)
    rounds: int = DEFAULT_ROUNDS
    early_stopping_rounds: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of them by name, as the model card keeps them."""
        return {
            **self.booster,
            "num_boost_round": self.rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
        }


def read_job(path: Path) -> Job:
    """Read and check `job.json`.

    :raises TrainingFailure: if it is missing or malformed
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingFailure(f"job.json cannot be read beside the entry point: {error}") from error
    try:
        job = Job(
            **{
                **content,
                "features": tuple(Feature(**feature) for feature in content["features"]),
                "holdout_from": dt.date.fromisoformat(content["holdout_from"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingFailure(f"job.json is malformed: {error!r}") from error
    _check(job)
    return job


def _check(job: Job) -> None:
    if not _QUOTED_NAME.fullmatch(job.table):
        raise TrainingFailure(f'job.json: table {job.table!r} is no quoted name; write "DATABASE"."SCHEMA"."TABLE"')
    if job.task not in get_args(Task):
        raise TrainingFailure(f"job.json: task {job.task!r} is unknown; known are {', '.join(get_args(Task))}")
    if not job.features:
        raise TrainingFailure("job.json: there are no features; name at least one")
    for feature in job.features:
        if feature.kind not in get_args(Kind):
            raise TrainingFailure(f"job.json: feature {feature.name!r} is of unknown kind {feature.kind!r}")
    names = [job.label, job.week_column, *(feature.name for feature in job.features)]
    twice = sorted({name for name in names if names.count(name) > 1 and name != job.week_column})
    if twice:
        raise TrainingFailure(f"job.json: column {', '.join(twice)} is named twice among label and features")


def parse_hyperparameters(arguments: Sequence[str]) -> Hyperparameters:
    """Parse SageMaker's `--name value` arguments.

    :raises TrainingFailure: if a name is unknown to XGBoost or a value is no number where one is needed

    >>> parse_hyperparameters(["--max_depth", "4", "--num_boost_round", "60"]).as_dict()
    {'max_depth': 4, 'num_boost_round': 60, 'early_stopping_rounds': None}
    """
    if len(arguments) % 2:
        raise TrainingFailure(f"hyperparameter {arguments[-1]!r} has no value")
    given: dict[str, Any] = {}
    names = [name.lstrip("-") for name in arguments[::2]]
    for name, text in zip(names, arguments[1::2], strict=True):
        if name not in XGBOOST_PARAMETERS | _OWN:
            near = difflib.get_close_matches(name, XGBOOST_PARAMETERS | _OWN, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(XGBOOST_PARAMETERS | _OWN))}"
            raise TrainingFailure(f"hyperparameter {name!r} is unknown; {hint}")
        given[name] = _number_or_text(text)
    rounds = given.pop("num_boost_round", DEFAULT_ROUNDS)
    early = given.pop("early_stopping_rounds", None)
    for name, value in (("num_boost_round", rounds), ("early_stopping_rounds", early)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise TrainingFailure(f"hyperparameter {name}: found {value!r}, expected a whole number from 1")
    return Hyperparameters(booster=given, rounds=rounds, early_stopping_rounds=early)


def _number_or_text(text: str) -> Any:
    if text == "None":
        return None
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
