"""Warm pools: the hosts of an ended job, kept for a like one. Nothing really runs; it is a matter of times."""

from __future__ import annotations

import datetime as dt
from typing import Any

from include.sandbox.aws.training_job import TrainingJob, now

_MATCHED = ("RoleArn", "VpcConfig", "EnableInterContainerTrafficEncryption", "EnableNetworkIsolation")
_MATCHED_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")


def status_of(job: TrainingJob, moment: dt.datetime | None = None) -> dict[str, Any] | None:
    """Return a job's WarmPoolStatus; None where it keeps no pool."""
    keep = job.request["ResourceConfig"].get("KeepAlivePeriodInSeconds")
    if keep is None:
        return None
    if not job.training_end_time:
        return {"Status": "InUse"}
    ended = (job.reused_at or moment or now()) - job.training_end_time
    retained = {"ResourceRetainedBillableTimeInSeconds": min(int(ended.total_seconds()), keep)}
    if job.reused_by:
        return {"Status": "Reused", "ReusedByJob": job.reused_by, **retained}
    return {"Status": "Available" if ended.total_seconds() < keep else "Terminated", **retained}


def reuse(job: TrainingJob, others: list[TrainingJob]) -> TrainingJob | None:
    """Give ``job`` the pool of a like one that has ended, and return that one."""
    if not job.request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        return None
    for other in others:
        status = status_of(other)
        if status and status["Status"] == "Available" and _needs(other.request) == _needs(job.request):
            other.reused_by, other.reused_at = job.training_job_name, now()
            return other
    return None


def _needs(request: dict[str, Any]) -> list[Any]:
    resources = request["ResourceConfig"]
    return [request.get(name) for name in _MATCHED] + [resources.get(name) for name in _MATCHED_RESOURCES]
