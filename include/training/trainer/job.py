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
