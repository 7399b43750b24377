"""What a training job says of its times: trained, billed, kept warm."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from include.sandbox.aws import training_job, warm_pool
from include.sandbox.aws.runner import JobRunner
from include.sandbox.aws.training_job import TrainingJob

START = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


class Clock:
    """The present moment, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(training_job, "now", clock)
    return clock


def job_of(**request: Any) -> TrainingJob:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5, **request.pop("resources", {})}
    full = {
        "TrainingJobName": "job",
        "RoleArn": "role",
        "ResourceConfig": resources,
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
        **request,
    }
    return TrainingJob(full, account_id="1", region="r")


def passes(job: TrainingJob, clock: Clock, *steps: tuple[str, int]) -> dict[str, Any]:
    """Let a job be in each state for so many seconds, and then be Completed."""
    for state, seconds in steps:
        job.enter(state)
        clock.now += dt.timedelta(seconds=seconds)
    job.enter("Completed", status="Completed")
    return job.describe()


def test_all_but_the_start_is_training_time_and_billed(clock: Clock) -> None:
    job = job_of()
    clock.now += dt.timedelta(seconds=100)
    described = passes(job, clock, ("Downloading", 10), ("Training", 60), ("Uploading", 5))
    assert (described["TrainingTimeInSeconds"], described["BillableTimeInSeconds"]) == (75, 75)


def test_spot_waits_are_no_training_time_and_the_rest_is_cheap(clock: Clock) -> None:
    described = passes(
        job_of(EnableManagedSpotTraining=True),
        clock,
        ("Downloading", 10),
        ("Training", 40),
        ("Interrupted", 500),
        ("Restarting", 1),
        ("Downloading", 10),
        ("Training", 35),
        ("Uploading", 5),
    )
    assert (described["TrainingTimeInSeconds"], described["BillableTimeInSeconds"]) == (100, 30)
    assert described["TrainingStartTime"] == START


def test_a_job_written_down_and_read_is_the_same(clock: Clock) -> None:
    job = job_of(resources={"KeepAlivePeriodInSeconds": 60})
    described = passes(job, clock, ("Downloading", 1), ("Training", 2))
    assert TrainingJob.from_json(job.to_json()).describe() == described


def test_a_deleted_job_is_not_written_down_again(tmp_path: Path) -> None:
    job, runner = job_of(), JobRunner(tmp_path, endpoint_url="", stop_grace=0)
    runner.save(job)
    assert list(tmp_path.rglob("job.json"))
    runner.forget(job)
    runner.save(job)
    assert list(tmp_path.rglob("job.json")) == []


def test_a_job_starts_again_as_often_as_it_may() -> None:
    job = job_of(RetryStrategy={"MaximumRetryAttempts": 2})
    assert [job.take_retry() for _ in range(3)] == [True, True, False]
    assert not job_of().take_retry()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (59, {"Status": "Available", "ResourceRetainedBillableTimeInSeconds": 59}),
        (60, {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}),
        (900, {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}),
    ],
)
def test_a_warm_pool_ends_in_time(clock: Clock, seconds: int, expected: dict[str, Any]) -> None:
    job = job_of(resources={"KeepAlivePeriodInSeconds": 60})
    assert warm_pool.status_of(job) == {"Status": "InUse"}
    passes(job, clock, ("Downloading", 1))
    assert warm_pool.status_of(job, clock.now + dt.timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("change", "is_reused"),
    [
        ({}, True),
        ({"RoleArn": "another"}, False),
        ({"VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]}}, False),
        ({"resources": {"KeepAlivePeriodInSeconds": 60, "InstanceCount": 2}}, False),
        ({"resources": {}}, False),
    ],
)
def test_a_warm_pool_is_for_like_jobs(change: dict[str, Any], is_reused: bool) -> None:
    kept = {"resources": {"KeepAlivePeriodInSeconds": 600}}
    first = job_of(**kept)
    first.enter("Downloading")
    first.enter("Completed", status="Completed")
    second = job_of(**{**kept, **change})
    assert (warm_pool.reuse(second, [first, second]) is first) == is_reused
