"""Checkpoints, and managed spot training that is really interrupted."""

from __future__ import annotations

import uuid
from typing import Any

from .support import BUCKET, SLEEP, Server, Train, log_lines, wait_until

# Counts to five, a number a moment, from where the last checkpoint stands.
COUNT = """
import pathlib, os, signal, sys, time
folder = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("asked to stop", flush=True)))
state = folder / "state"
number = int(state.read_text()) if state.exists() else 0
print(f"from {number}", flush=True)
while number < 5:
    number += 1
    draft = folder.with_name("draft")
    draft.write_text(str(number))
    draft.rename(state)
    time.sleep(WAIT if number == 3 else 0.01)
print(f"done at {number}", flush=True)
"""


def spot(tag: str, wait: int = 3600, **changes: Any) -> dict[str, Any]:
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": wait},
        "Tags": [{"Key": "sandbox:spot", "Value": tag}],
        **changes,
    }


def checkpoints() -> dict[str, Any]:
    return {"CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/checkpoints/{uuid.uuid4().hex}"}}


def states(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def test_an_interrupted_job_goes_on_from_its_checkpoint(server: Server, train: Train) -> None:
    job = train(COUNT.replace("WAIT", "600"), **spot("interruptions=1 after=checkpoint pause=1.5"), **checkpoints())
    assert job["TrainingJobStatus"] == "Completed"
    lines = log_lines(server, job["TrainingJobName"])
    assert lines == ["from 0", "asked to stop", "from 3", "done at 5"]
    assert states(job) == [
        "Starting",
        "Downloading",
        "Training",
        "Interrupted",
        "Restarting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]
    elapsed = (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds()
    assert job["TrainingTimeInSeconds"] < elapsed + 1 - 1.4


def test_checkpoints_reach_s3_while_the_job_runs_and_are_there_for_the_next(server: Server, train: Train) -> None:
    places = checkpoints()
    bucket, _, prefix = places["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
    s3 = server.client("s3")
    name = train.start("first", COUNT.replace("WAIT", "600"), **places)
    wait_until(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["KeyCount"])
    assert s3.get_object(Bucket=bucket, Key=f"{prefix}/state")["Body"].read() == b"3"
    server.client("sagemaker").stop_training_job(TrainingJobName=name)
    train.wait(name)
    second = train(COUNT.replace("WAIT", "0"), **places)
    assert log_lines(server, second["TrainingJobName"]) == ["from 3", "done at 5"]
    assert s3.get_object(Bucket=bucket, Key=f"{prefix}/state")["Body"].read() == b"5"


def test_checkpoints_lie_where_the_request_says(server: Server, train: Train) -> None:
    places = checkpoints()
    places["CheckpointConfig"]["LocalPath"] = "/opt/ml/kept/here"
    script = (
        "import os, pathlib\n"
        "base = pathlib.Path(os.environ['SM_MODEL_DIR']).parent\n"
        "(base / 'kept/here/deep').mkdir()\n"
        "(base / 'kept/here/deep/file').write_text('x')\n"
    )
    train(script, **places)
    key = f"{places['CheckpointConfig']['S3Uri'].removeprefix(f's3://{BUCKET}/')}/deep/file"
    assert server.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"


def test_every_interruption_gets_a_fresh_host(server: Server, train: Train) -> None:
    script = (
        "import os, pathlib, time\n"
        "base = pathlib.Path(os.environ['SM_MODEL_DIR']).parent\n"
        "print('marked' if (base / 'mark').exists() else 'fresh', flush=True)\n(base / 'mark').touch()\n"
        "starts = len(list((base / 'checkpoints').iterdir()))\n"
        "(base / f'checkpoints/{starts}').touch()\n"
        "time.sleep(600 if starts < 2 else 0)\n"
    )
    job = train(script, **spot("interruptions=2 after=checkpoint"), **checkpoints())
    assert log_lines(server, job["TrainingJobName"]) == ["fresh"] * 3
    assert states(job).count("Interrupted") == 2


def test_without_managed_spot_nothing_is_interrupted(train: Train) -> None:
    job = train("pass", Tags=[{"Key": "sandbox:spot", "Value": "interruptions=1"}])
    assert "Interrupted" not in states(job)


def test_waiting_too_long_for_capacity_stops_the_job(train: Train) -> None:
    job = train(SLEEP, **spot("interruptions=1 pause=600", wait=1) | {"StoppingCondition": limits(1, 1)})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_a_job_that_waits_for_capacity_can_be_stopped(server: Server, train: Train) -> None:
    name = train.start("waits", SLEEP, **spot("interruptions=1 pause=600"))
    sagemaker = server.client("sagemaker")
    wait_until(lambda: sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Interrupted")
    sagemaker.stop_training_job(TrainingJobName=name)
    assert train.wait(name)["TrainingJobStatus"] == "Stopped"


def test_the_runtime_limit_counts_all_attempts(train: Train) -> None:
    job = train(SLEEP, **spot("interruptions=5 after=1.9") | {"StoppingCondition": limits(2, 60)})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert states(job).count("Interrupted") == 1


def limits(runtime: int, wait: int) -> dict[str, int]:
    return {"MaxRuntimeInSeconds": runtime, "MaxWaitTimeInSeconds": wait}
