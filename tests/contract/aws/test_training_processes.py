"""Nothing that a job has started outlives it, or the server, however that ends."""

from __future__ import annotations

import os
import signal

import pytest

from .support import (
    SLEEP,
    Server,
    Train,
    log_lines,
    process_exists,
    training_request,
    upload_script,
    wait_for_end,
    wait_until,
)

# Starts a child, and a daemon: a grandchild in a session of its own whose parent has gone.
DAEMON = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"])
told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(tell, str(os.getpid()).encode())
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os.execvp("sleep", ["sleep", "600"])
    os._exit(0)
os.wait()
os.write(1, f"{child.pid} {os.getpid()} {os.read(told, 100).decode()}\\n".encode())
"""


def pids(server: Server, name: str, count: int = 3) -> list[int]:
    def written() -> list[int]:
        found = [int(word) for line in log_lines(server, name) for word in line.split()]
        return found if len(found) == count else []

    return wait_until(written)


def test_a_daemon_ends_with_its_job(server: Server, train: Train) -> None:
    name = train(DAEMON)["TrainingJobName"]
    assert [pid for pid in pids(server, name) if process_exists(pid)] == []


def test_a_daemon_ends_when_its_job_is_stopped(server: Server, train: Train) -> None:
    name = train.start("stopped", DAEMON + "time.sleep(600)")
    started = pids(server, name)
    server.client("sagemaker").stop_training_job(TrainingJobName=name)
    train.wait(name)
    assert [pid for pid in started if process_exists(pid)] == []


def test_a_program_whose_host_is_lost_ends_and_fails_the_job(server: Server, train: Train) -> None:
    script = "import os, time\nos.write(1, f'{os.getppid()} {os.getpid()}\\n'.encode())\ntime.sleep(600)"
    name = train.start("lost", script)
    supervisor, program = pids(server, name, count=2)
    os.kill(supervisor, signal.SIGKILL)
    assert 'ExtraInfo "OutOfMemory: Process killed by SIGKILL' in train.wait(name)["FailureReason"]
    wait_until(lambda: not process_exists(program))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_of_many_jobs_outlives_the_server(own_server: Server, number: signal.Signals) -> None:
    source = upload_script(own_server, "daemon", DAEMON + "time.sleep(600)")
    hosts = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
    started = []
    for name in ("one", "two"):
        request = training_request(own_server, name, source, ResourceConfig=hosts)
        own_server.client("sagemaker").create_training_job(**request)
    for name in ("one", "two"):
        started += pids(own_server, name, count=6)
    assert all(process_exists(pid) for pid in started)
    os.kill(own_server.process.pid, number)
    own_server.process.wait(10)
    wait_until(lambda: not any(process_exists(pid) for pid in started))


def test_a_job_with_retries_starts_again_when_the_server_does(own_server: Server) -> None:
    script = (
        "import os, pathlib, time\n"
        "folder = pathlib.Path(os.environ['SM_MODEL_DIR']).parent / 'checkpoints'\n"
        "started = folder / 'started'\n"
        "if not started.exists():\n"
        "    started.touch()\n"
        "    print('first', flush=True)\n"
        "    time.sleep(600)\n"
    )
    request = training_request(
        own_server,
        "retried",
        upload_script(own_server, "retried", script),
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": "s3://ml-sandbox/retried"},
    )
    own_server.client("sagemaker").create_training_job(**request)
    s3 = own_server.client("s3")
    wait_until(lambda: s3.list_objects_v2(Bucket="ml-sandbox", Prefix="retried/")["KeyCount"])
    own_server.kill()
    own_server.start()
    job = wait_for_end(own_server, "retried")
    assert job["TrainingJobStatus"] == "Completed"
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]].count("Starting") == 2


def test_a_job_that_is_stopped_before_it_trains_never_does(server: Server, train: Train) -> None:
    names = [train.start(f"{number}", SLEEP) for number in range(3)]
    for name in names:
        server.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert {train.wait(name)["TrainingJobStatus"] for name in names} == {"Stopped"}


def test_a_command_that_is_not_there_fails_the_job(server: Server, train: Train) -> None:
    job = train(
        "",
        AlgorithmSpecification={
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["no-such-command"],
        },
    )
    assert job["FailureReason"] == "AlgorithmError: , exit code: 127"
    assert log_lines(server, job["TrainingJobName"]) == ["no-such-command: No such file or directory"]
