"""The inside of one training host under SageMaker's script-mode contract, in a private directory.

The /opt/ml layout lies under that directory and is given by the SM_* variables. The script runs with the
server's own Python: a requirements.txt in the source archive is not installed.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.sandbox.aws import objects

# What a training container would have of its own, or needs to reach the sandbox; nothing else of the
# server's environment is visible inside.
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")


class JobSetupError(Exception):
    """The request cannot be carried out; the text becomes the job's failure reason."""


@dataclass(frozen=True)
class Host:
    """One host of a job: its name, its peers and its private directory."""

    name: str
    peers: tuple[str, ...]
    root: Path

    @property
    def model(self) -> Path:
        """Directory whose content becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output_data(self) -> Path:
        """Directory whose content becomes output.tar.gz."""
        return self.root / "output" / "data"

    @property
    def code(self) -> Path:
        """Directory of the unpacked source archive."""
        return self.root / "code"

    def read_failure(self) -> str:
        """Return what the script wrote into output/failure, or nothing."""
        path = self.root / "output" / "failure"
        return path.read_text(errors="replace").strip() if path.exists() else ""


@dataclass(frozen=True)
class ScriptMode:
    """The script-mode part of the hyperparameters, decoded as the training toolkit decodes it."""

    program: str
    source: str
    user: dict[str, Any]

    @classmethod
    def of(cls, request: dict[str, Any]) -> ScriptMode | None:
        """Read it from a CreateTrainingJob request; None where the job is not a script-mode job."""
        decoded = {key: _decode(value) for key, value in (request.get("HyperParameters") or {}).items()}
        program, source = decoded.get("sagemaker_program"), decoded.get("sagemaker_submit_directory")
        if not program or not source:
            return None
        user = {key: value for key, value in decoded.items() if not key.startswith("sagemaker_")}
        return cls(program=str(program), source=str(source), user=user)

    def arguments(self) -> list[str]:
        """The user's hyperparameters as the script's command line."""
        words: list[str] = []
        for name, value in sorted(self.user.items()):
            words += [f"--{name}" if len(name) > 1 else f"-{name}", _to_argument(value)]
        return words


def prepare(host: Host, request: dict[str, Any], script: ScriptMode) -> None:
    """Lay out the directories, unpack the source and download the input channels."""
    for folder in (host.model, host.output_data, host.code, host.root / "input" / "config"):
        folder.mkdir(parents=True)
    archive = host.root / "sourcedir.tar.gz"
    archive.write_bytes(objects.read(script.source))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(host.code, filter="data")
    except tarfile.TarError as error:
        raise JobSetupError(f"{script.source} is not a tar.gz archive: {error}") from error
    if not (host.code / script.program).is_file():
        raise JobSetupError(f"{script.source} holds no {script.program} (hyperparameter sagemaker_program)")
    for channel in request.get("InputDataConfig") or []:
        _download_channel(host, channel)
    _write_config(host, request)


def command(host: Host, script: ScriptMode) -> list[str]:
    """The command line of the training process."""
    return [sys.executable, str(host.code / script.program), *script.arguments()]


def environment(
    host: Host, request: dict[str, Any], script: ScriptMode, aws: dict[str, str], arn: str
) -> dict[str, str]:
    """The whole environment of the training process."""
    resources = _resource_config(host, request)
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig") or []]
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= {
        "HOME": str(host.root),
        "PYTHONUNBUFFERED": "1",
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        "SM_MODEL_DIR": str(host.model),
        "SM_OUTPUT_DIR": str(host.root / "output"),
        "SM_OUTPUT_DATA_DIR": str(host.output_data),
        "SM_INPUT_DIR": str(host.root / "input"),
        "SM_INPUT_CONFIG_DIR": str(host.root / "input" / "config"),
        "SM_CHANNELS": json.dumps(channels),
        "SM_HOSTS": json.dumps(host.peers),
        "SM_CURRENT_HOST": host.name,
        "SM_CURRENT_INSTANCE_TYPE": resources["current_instance_type"],
        "SM_RESOURCE_CONFIG": json.dumps(resources),
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
        "SM_NUM_GPUS": "0",
        "SM_LOG_LEVEL": "20",
        "SM_MODULE_DIR": script.source,
        "SM_MODULE_NAME": Path(script.program).stem,
        "SM_USER_ENTRY_POINT": script.program,
        "SM_USER_ARGS": json.dumps(script.arguments()),
        "SM_HPS": json.dumps(script.user),
    }
    env |= {f"SM_CHANNEL_{name.upper()}": str(host.root / "input" / "data" / name) for name in channels}
    env |= {f"SM_HP_{name.upper()}": _to_argument(value) for name, value in script.user.items()}
    return env | aws | (request.get("Environment") or {})


def pack(folders: list[Path], target: Path) -> bool:
    """Pack the files of several directories into one tar.gz; False where there is none."""
    files = {
        str(path.relative_to(folder)): path
        for folder in reversed(folders)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    with tarfile.open(target, "w:gz") as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name)
    return bool(files)


def _download_channel(host: Host, channel: dict[str, Any]) -> None:
    source = channel["DataSource"].get("S3DataSource") or {}
    if source.get("S3DataType") != "S3Prefix":
        raise JobSetupError(f"channel {channel['ChannelName']}: the sandbox reads S3Prefix data sources only")
    target = host.root / "input" / "data" / channel["ChannelName"]
    target.mkdir(parents=True)
    keys = objects.list_under(source["S3Uri"])
    if not keys:
        raise JobSetupError(f"channel {channel['ChannelName']}: no S3 objects found under {source['S3Uri']}")
    if source.get("S3DataDistributionType") == "ShardedByS3Key":
        keys = keys[host.peers.index(host.name) :: len(host.peers)]
    for name, uri in keys:
        path = target / name
        if target.resolve() not in path.resolve().parents:
            raise JobSetupError(f"channel {channel['ChannelName']}: the key {name!r} leaves its directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(objects.read(uri))


def _write_config(host: Host, request: dict[str, Any]) -> None:
    channels = {c["ChannelName"]: c for c in request.get("InputDataConfig") or []}
    files = {
        "hyperparameters": request.get("HyperParameters") or {},
        "resourceconfig": _resource_config(host, request),
        "inputdataconfig": channels,
    }
    for name, content in files.items():
        (host.root / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def _resource_config(host: Host, request: dict[str, Any]) -> dict[str, Any]:
    return {
        "current_host": host.name,
        "current_instance_type": request["ResourceConfig"].get("InstanceType", ""),
        "hosts": list(host.peers),
        "network_interface_name": "lo",
    }


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _to_argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)
