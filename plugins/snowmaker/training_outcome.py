"""What an existing SageMaker training job means, how its end is to be told, and what a good one gives.

Pure: it reads descriptions as DescribeTrainingJob gives them.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from snowmaker.exceptions import TrainingError, TrainingSetupError
from snowmaker.training_job import LOG_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

OnExisting = Literal["reattach", "fail", "new"]

FIRST_POLL_SECONDS = 0.5
# So many looks in a row may fail on a broken network before the wait is given up. Throttled ones do not count.
FAILED_LOOKS_BORNE = 10
_POLL_GROWTH = 1.3
_THROTTLED_GROWTH = 3
_GOING_ON = frozenset({"InProgress", "Stopping"})
_REFUSED_BY_SCRIPT = ("AlgorithmError", "ClientError")
# How the training code tells of what may be otherwise the next time: a broken connection, a lost host, the unforeseen.
_PASSING = re.compile(r"train again|may help|cannot be reached|nobody answers|Error: unexpected ")


class Action(Enum):
    """What an existing, or missing, job under a name means for the task."""

    CREATE = "there is none: create it"
    WAIT = "it runs: wait for it"
    REUSE = "it has completed: take its result"
    NEXT_ATTEMPT = "it ended badly: try the next name"
    REFUSE = "it is there, and must not be"


def decide(description: Mapping[str, Any] | None, on_existing: OnExisting, *, is_own: bool = False) -> Action:
    """Decide what to do about the job of a name, by its description.

    :param is_own: whether this very try of the task has begun it, and only looks again

    >>> decide({"TrainingJobStatus": "InProgress"}, "reattach")
    <Action.WAIT: 'it runs: wait for it'>
    """
    if description is None:
        return Action.CREATE
    if on_existing == "fail" and not is_own:
        return Action.REFUSE
    by_status = {"InProgress": Action.WAIT, "Completed": Action.REUSE}
    # Also one that is stopping or being deleted: it will not give a model any more.
    return by_status.get(description["TrainingJobStatus"], Action.NEXT_ATTEMPT)


def next_poll_delay(previous: float | None, limit: float, *, throttled: bool = False) -> float:
    """Poll fast at first, so that short jobs end fast, then ever slower up to ``limit`` seconds.

    :param throttled: AWS asks for fewer calls: back off quickly

    >>> next_poll_delay(None, 30), next_poll_delay(10, 30), next_poll_delay(29, 30)
    (0.5, 13.0, 30)
    >>> next_poll_delay(2, 30, throttled=True)
    6
    """
    growth = _THROTTLED_GROWTH if throttled else _POLL_GROWTH
    return min(FIRST_POLL_SECONDS if previous is None else previous * growth, limit)


def is_ended(description: Mapping[str, Any]) -> bool:
    """Whether a job gives nothing more to wait for; a status that is not known is no reason to wait either."""
    return description["TrainingJobStatus"] not in _GOING_ON


def seconds_left(description: Mapping[str, Any], patience: float) -> float:
    """Return for how long to wait for a job that may take ``patience`` seconds; a minute at least, for a last look."""
    created = description.get("CreationTime")
    age = (dt.datetime.now(dt.UTC) - created).total_seconds() if created else 0
    return max(patience - age, 60.0)


def retry_may_help(description: Mapping[str, Any]) -> bool:
    """Whether a job that gave no model may give one the next time, as it is.

    What the script or the request is to blame for stays as it is: bad rows, a wrong secret, a missing column. What
    SageMaker failed at, and instances it could not get, may be otherwise later; so may a job that somebody stopped.

    >>> retry_may_help({"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: one class only"})
    False
    >>> retry_may_help({"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: no ml.p4d.24xlarge"})
    True
    """
    if description.get("SecondaryStatus") == "MaxRuntimeExceeded":
        # With a checkpoint the next attempt has less left to do.
        return "CheckpointConfig" in description
    reason = str(description.get("FailureReason") or "")
    return not reason.startswith(_REFUSED_BY_SCRIPT) or bool(_PASSING.search(reason))


def failure_of(description: Mapping[str, Any]) -> TrainingError:
    """Say why a job gave no model, and where to look; the error's type says whether Airflow is to try again."""
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    reason = description.get("FailureReason") or description.get("SecondaryStatus") or "no reason given"
    limits = description.get("StoppingCondition") or {}
    if description.get("SecondaryStatus") == "MaxRuntimeExceeded":
        limit = limits["MaxRuntimeInSeconds"]
        reason = f"it ran longer than its limit of {limit} s; raise max_runtime_seconds"
    elif description.get("SecondaryStatus") == "MaxWaitTimeExceeded":
        limit = limits["MaxWaitTimeInSeconds"]
        reason = f"spot instances were not there within {limit} s; raise max_wait_seconds, or leave spot out"
    error_class = TrainingError if retry_may_help(description) else TrainingSetupError
    return error_class(
        f"training job {name} is {status}: {reason} (its log: CloudWatch group {LOG_GROUP}, streams {name}/…)"
    )


@dataclass(frozen=True)
class TrainingResult:
    """What a training task returns: small, and without environment, hyperparameters or credentials.

    ``digest`` is the SHA-256 of the archive at ``artefact_uri``; ``snapshot`` the time the rows were read as of;
    ``estimated_cost`` in US dollars, None if the price is not known.
    """

    job_name: str
    job_arn: str
    artefact_uri: str
    digest: str
    metrics: dict[str, float]
    table: str
    snapshot: str | None
    rows: dict[str, int]
    billable_seconds: int
    estimated_cost: float | None

    @classmethod
    def of(
        cls, description: Mapping[str, Any], *, table: str, card: Mapping[str, Any], digest: str, cost: float | None
    ) -> TrainingResult:
        """Read it from a completed job's description and its model card."""
        return cls(
            job_name=description["TrainingJobName"],
            job_arn=description["TrainingJobArn"],
            artefact_uri=description["ModelArtifacts"]["S3ModelArtifacts"],
            digest=digest,
            metrics={name: value for name, value in card["metrics"].items() if value is not None},
            table=table,
            snapshot=(card.get("snapshot") or {}).get("timestamp"),
            rows={part: int(count) for part, count in card["rows"].items()},
            billable_seconds=billable_seconds(description),
            estimated_cost=cost,
        )

    def as_xcom(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        return asdict(self)


def billable_seconds(description: Mapping[str, Any]) -> int:
    """Return for how long each instance is billed; for spot instances SageMaker has taken the saving off."""
    return int(description.get("BillableTimeInSeconds") or 0)


def card_archive_uri(description: Mapping[str, Any]) -> str:
    """Address of the small archive beside the model that holds its model card."""
    artefact: str = description["ModelArtifacts"]["S3ModelArtifacts"]
    return f"{artefact.removesuffix('model.tar.gz')}output.tar.gz"
