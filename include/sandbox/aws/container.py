"""The inside of one training host: its files, its command and its environment.

The /opt/ml layout lies under the host's root. Programs run with the server's own Python: a requirements.txt in
the source archive is not installed, and images are not pulled.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from include.sandbox.aws import channels
from include.sandbox.aws.channels import JobSetupError
from include.sandbox.aws.hosts import Host
from include.sandbox.aws.script_mode import ScriptMode

# What a training container would have of its own, or needs to reach the sandbox; nothing else of the
# server's environment is visible inside.
INHERITED = ("LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")


class Program(Protocol):
    """What a job runs on each host."""

    def unpack(self, host: Host) -> None:
        """Bring its files onto a host."""

    def folder(self, host: Host) -> Path:
        """The directory in which it starts."""

    def command(self, host: Host) -> list[str]:
        """Its command line."""

    def environment(self, host: Host, request: dict[str, Any]) -> dict[str, str]:
        """The variables that it gets besides those of every container."""

    def failure(self, host: Host, code: int) -> tuple[str, int]:
        """The reason and exit code to report of one that ended with ``code`` and wrote no reason."""


@dataclass(frozen=True)
class ContainerMode:
    """A command given by ContainerEntrypoint and ContainerArguments."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, request: dict[str, Any]) -> ContainerMode | None:
        """Read it from a CreateTrainingJob request; None where that has no entry point."""
        image = request["AlgorithmSpecification"]
        if not image.get("ContainerEntrypoint"):
            return None
        return cls((*image["ContainerEntrypoint"], *(image.get("ContainerArguments") or [])))

    def unpack(self, host: Host) -> None:
        """Do nothing: all files come by channels.

        :raises JobSetupError: if a shell could not take the host's root for a single word
        """
        if not re.fullmatch(r"[\w./-]+", str(host.root)):
            raise JobSetupError(f"ContainerEntrypoint needs a state directory without spaces, not {str(host.root)!r}")

    def folder(self, host: Host) -> Path:
        """The host's root, where a container would start in its image's working directory."""
        return host.root

    def command(self, host: Host) -> list[str]:
        """Return the command with this host's paths."""
        return [host.localize(word) for word in self.words]

    def environment(self, host: Host, request: dict[str, Any]) -> dict[str, str]:  # noqa: ARG002 (see Program)
        """Return nothing: SM_* is the training toolkit's."""
        return {}

    def failure(self, host: Host, code: int) -> tuple[str, int]:  # noqa: ARG002 (see Program)
        """Return what SageMaker says of a silent container."""
        return "", code


def program_of(request: dict[str, Any]) -> Program | None:
    """Return what a job is to run; None where the request says it in neither way."""
    return ContainerMode.of(request) or ScriptMode.of(request)


def prepare(host: Host, request: dict[str, Any], program: Program) -> None:
    """Lay out the directories, bring in code and input channels, and describe the job."""
    for folder in (host.model, host.output_data, host.code, host.input_config):
        folder.mkdir(parents=True)
    program.unpack(host)
    channels.download(host, request)
    files = {
        "hyperparameters": request.get("HyperParameters") or {},
        "resourceconfig": host.resource_config(),
        "inputdataconfig": channels.input_data_config(host, request),
    }
    for name, content in files.items():
        (host.input_config / f"{name}.json").write_text(host.localize(json.dumps(content)))


def environment(host: Host, request: dict[str, Any], program: Program, aws: dict[str, str], arn: str) -> dict[str, str]:
    """The whole environment of the training process."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env |= host.network_environment() | {
        # The server's own Python goes by the names python and python3, as a training image's does.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(host.root),
        "PYTHONUNBUFFERED": "1",
        # Threads that spin at barriers are of use to a host of its own only; these share the machine's cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        "CURRENT_HOST": host.name,
    }
    given = dict(request.get("Environment") or {})
    if "PYTHONPATH" in given:
        given["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], given["PYTHONPATH"]])
    env |= program.environment(host, request) | aws | given
    return {name: host.localize(value) for name, value in env.items()}


def failure_reason(host: Host, program: Program, code: int) -> str:
    """Say why a job failed on a host, as DescribeTrainingJob does."""
    reason, reported = program.failure(host, code)
    return f"AlgorithmError: {host.read_failure() or reason}, exit code: {reported}"


def pack(folders: list[Path], target: Path) -> bool:
    """Pack the files of several directories into one tar.gz; False where there is none."""
    files = files_of(folders)
    with tarfile.open(target, "w:gz") as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=name)
    return bool(files)


def files_of(folders: list[Path]) -> dict[str, Path]:
    """Return the files of several directories by their names; of two with one name that of the first directory."""
    return {
        str(path.relative_to(folder)): path
        for folder in reversed(folders)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
