"""Training on several hosts: they know each other by name, and share the input as SageMaker does."""

from __future__ import annotations

import json
from typing import Any

from .support import BUCKET, Server, Train, log_lines

TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}
GROUPS = {
    "VolumeSizeInGB": 5,
    "InstanceGroups": [
        {"InstanceGroupName": "readers", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "trainers", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2},
    ],
}
CONFIG = "json.load(open(os.path.join(os.environ['SM_INPUT_CONFIG_DIR'], 'resourceconfig.json')))"


def channel(name: str, **source: Any) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/shared/", **source}},
    }


def test_hosts_reach_each_other_by_name_on_the_same_port(server: Server, train: Train) -> None:
    script = """
import os, socket, time
from urllib.request import urlopen
me = os.environ["SM_CURRENT_HOST"]
if me == "algo-1":
    listening = socket.socket()
    listening.bind(("algo-1", 7777))
    listening.listen()
    connection, (address, _) = listening.accept()
    print(connection.recv(100).decode(), socket.gethostbyname("algo-2") == address, socket.gethostname(), flush=True)
else:
    own = socket.create_server(("algo-2", 7777))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            peer = socket.create_connection(("algo-1", 7777), source_address=("algo-2", 0))
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    peer.sendall(b"from algo-2")
"""
    job = train(script, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Completed"
    assert log_lines(server, job["TrainingJobName"]) == ["from algo-2 True algo-1"]


def test_programs_that_a_script_starts_know_the_names_too(server: Server, train: Train) -> None:
    script = (
        "import subprocess, sys\n"
        "code = \"import socket; print(socket.getaddrinfo('algo-2', 80)[0][4][0].startswith('127.'))\"\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    job = train(script, ResourceConfig=TWO)
    assert log_lines(server, job["TrainingJobName"]) == ["True", "True"]


def test_every_host_has_its_own_log_stream(server: Server, train: Train) -> None:
    name = train("import os; print(os.environ['SM_CURRENT_HOST'])", ResourceConfig=TWO)["TrainingJobName"]
    streams = server.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    assert [stream["logStreamName"].rpartition("-")[0] for stream in streams] == [f"{name}/algo-1", f"{name}/algo-2"]
    assert log_lines(server, name) == ["algo-1", "algo-2"]


def test_instance_groups_are_told_to_every_host(server: Server, train: Train) -> None:
    script = f"import json, os\nprint(json.dumps({CONFIG}, sort_keys=True))"
    first, *_, last = log_lines(server, train(script, ResourceConfig=GROUPS)["TrainingJobName"])
    assert json.loads(first) == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "readers",
        "hosts": ["algo-1", "algo-2", "algo-3"],
        "instance_groups": [
            {"instance_group_name": "readers", "instance_type": "ml.m5.large", "hosts": ["algo-1"]},
            {"instance_group_name": "trainers", "instance_type": "ml.c5.xlarge", "hosts": ["algo-2", "algo-3"]},
        ],
        "network_interface_name": "lo",
    }
    assert json.loads(last)["current_group_name"] == "trainers"


def test_a_channel_is_for_all_hosts_or_split_or_for_a_group(server: Server, train: Train) -> None:
    for name in ("a", "b", "c"):
        server.client("s3").put_object(Bucket=BUCKET, Key=f"shared/{name}.csv", Body=b"1")
    script = (
        "import json, os\n"
        "channels = json.loads(os.environ['SM_CHANNELS'])\n"
        "print(json.dumps({c: sorted(os.listdir(os.environ[f'SM_CHANNEL_{c.upper()}'])) for c in channels}))\n"
    )
    job = train(
        script,
        ResourceConfig=GROUPS,
        InputDataConfig=[
            channel("all"),
            channel("split", S3DataDistributionType="ShardedByS3Key"),
            channel("some", InstanceGroupNames=["trainers"], S3DataDistributionType="ShardedByS3Key"),
        ],
    )
    every = ["a.csv", "b.csv", "c.csv"]
    assert [json.loads(line) for line in log_lines(server, job["TrainingJobName"])] == [
        {"all": every, "split": ["a.csv"]},
        {"all": every, "split": ["b.csv"], "some": ["a.csv", "c.csv"]},
        {"all": every, "split": ["c.csv"], "some": ["b.csv"]},
    ]


def test_the_host_that_fails_first_ends_the_others_and_gives_the_reason(train: Train) -> None:
    script = (
        "import os, pathlib, sys, time\n"
        "def fail(text):\n"
        "    pathlib.Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text(text)\n"
        "    sys.exit(1)\n"
        "if os.environ['SM_CURRENT_HOST'] == 'algo-2':\n"
        "    fail('algo-2 broke')\n"
        "try:\n"
        "    import signal\n"
        "    signal.signal(signal.SIGTERM, lambda *_: fail('a peer is lost'))\n"
        "finally:\n"
        "    time.sleep(600)\n"
    )
    job = train(script, ResourceConfig=TWO)
    assert job["FailureReason"] == "AlgorithmError: algo-2 broke, exit code: 1"


def test_outputs_of_all_hosts_are_in_one_archive(server: Server, train: Train) -> None:
    script = (
        "import os, pathlib\n"
        "host = os.environ['SM_CURRENT_HOST']\n"
        "for name in (host, 'same'):\n"
        "    pathlib.Path(os.environ['SM_MODEL_DIR'], name).write_text(host)\n"
    )
    job = train(script, ResourceConfig=TWO)
    files = server.archive(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert files == {"algo-1": b"algo-1", "algo-2": b"algo-2", "same": b"algo-1"}
