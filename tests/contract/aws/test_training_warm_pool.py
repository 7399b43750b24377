"""Warm pools: what is kept of a job's hosts, and for whom."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .support import SLEEP, Server, Train, wait_until


def hosts(volume: int, keep: int = 600) -> dict[str, Any]:
    """Ask for hosts that are like those of no other test, by the size of their volume."""
    return {
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": volume,
            "KeepAlivePeriodInSeconds": keep,
        }
    }


def pool(server: Server, name: str) -> dict[str, Any]:
    return server.client("sagemaker").describe_training_job(TrainingJobName=name)["WarmPoolStatus"]


def test_a_like_job_takes_the_hosts_over(server: Server, train: Train) -> None:
    first = train.start("first", "pass", **hosts(11))
    assert pool(server, first)["Status"] == "InUse"
    train.wait(first)
    assert pool(server, first)["Status"] == "Available"
    second = train.start("second", "pass", **hosts(11))
    status = pool(server, first)
    assert (status["Status"], status["ReusedByJob"]) == ("Reused", second)
    train.wait(second)
    assert pool(server, second)["Status"] == "Available"
    listed = server.client("sagemaker").list_training_jobs(WarmPoolStatusEquals="Reused")["TrainingJobSummaries"]
    assert first in [job["TrainingJobName"] for job in listed]


def test_an_unlike_job_does_not(server: Server, train: Train) -> None:
    first = train.start("first", "pass", **hosts(12))
    train.wait(first)
    train.wait(train.start("second", "pass", **hosts(13)))
    assert pool(server, first)["Status"] == "Available"


def test_the_hosts_are_given_up_in_time(server: Server, train: Train) -> None:
    name = train("pass", **hosts(14, keep=1))["TrainingJobName"]
    wait_until(lambda: pool(server, name)["Status"] == "Terminated")
    assert pool(server, name)["ResourceRetainedBillableTimeInSeconds"] == 1


def test_the_time_can_be_changed(server: Server, train: Train) -> None:
    name = train("pass", **hosts(15))["TrainingJobName"]
    sagemaker = server.client("sagemaker")
    sagemaker.update_training_job(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert pool(server, name)["Status"] == "Terminated"
    with pytest.raises(ClientError, match="has no warm pool"):
        sagemaker.update_training_job(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 60})


def test_a_job_that_asks_for_none_has_none(server: Server, train: Train) -> None:
    name = train.start("none", SLEEP)
    sagemaker = server.client("sagemaker")
    assert "WarmPoolStatus" not in sagemaker.describe_training_job(TrainingJobName=name)
    sagemaker.stop_training_job(TrainingJobName=name)
    assert "WarmPoolStatus" not in train.wait(name)
