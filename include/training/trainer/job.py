"""What the job is asked to do: `job.json`, beside the entry point."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from .failure import TrainingFailure

Kind = Literal["categorical", "numeric"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]
Estimator = Literal["xgboost", "linear"]
Reader = Literal["connector", "snowpark"]
ClassWeight = Literal["balanced"]

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
    from the newest training row. Several hosts share the rows by a hash of ``key``, if that is unique. With
    ``class_weight`` "balanced" a row weighs rows / (classes * rows of its class), as scikit-learn has it. A binary
    classification predicts the second class from the score ``threshold`` on, which its metrics depend on.
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
    key: tuple[str, ...] = ()
    estimator: Estimator = "xgboost"
    class_weight: ClassWeight | None = None
    reader: Reader = "connector"
    threshold: float = 0.5

    @property
    def ordered_features(self) -> tuple[Feature, ...]:
        """The features in the booster's order: categorical ones first."""
        return tuple(sorted(self.features, key=lambda feature: feature.kind != "categorical"))


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
                "key": tuple(content.get("key", ())),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingFailure(f"job.json is malformed: {error!r}") from error
    _check(job)
    return job


def _check(job: Job) -> None:
    if not _QUOTED_NAME.fullmatch(job.table):
        raise TrainingFailure(f'job.json: table {job.table!r} is no quoted name; write "DATABASE"."SCHEMA"."TABLE"')
    for name, value, known in (
        ("task", job.task, get_args(Task)),
        ("estimator", job.estimator, get_args(Estimator)),
        ("class_weight", job.class_weight, (None, *get_args(ClassWeight))),
        ("reader", job.reader, get_args(Reader)),
    ):
        if value not in known:
            raise TrainingFailure(f"job.json: {name} {value!r} is unknown; known are {', '.join(map(str, known))}")
    if job.class_weight and job.task == "regression":
        raise TrainingFailure("job.json: class_weight is for classes, and the task is regression; leave it out")
    if not job.features:
        raise TrainingFailure("job.json: there are no features; name at least one")
    for feature in job.features:
        if feature.kind not in get_args(Kind):
            raise TrainingFailure(f"job.json: feature {feature.name!r} is of unknown kind {feature.kind!r}")
    names = [job.label, job.week_column, *(feature.name for feature in job.features)]
    twice = sorted({name for name in names if names.count(name) > 1 and name != job.week_column})
    if twice:
        raise TrainingFailure(f"job.json: column {', '.join(twice)} is named twice among label and features")
