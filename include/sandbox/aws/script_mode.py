"""What the SageMaker training toolkit makes of a job's hyperparameters: a program, its arguments and SM_*."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.sandbox.aws import objects
from include.sandbox.aws.channels import JobSetupError, input_data_config
from include.sandbox.aws.hosts import Host

_LOG_LEVEL = 20
_KILLED = 137
# Those that the toolkit keeps to itself; other names with its prefix go to the frameworks.
_KNOWN = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "default_user_module_name",
        "_tuning_objective_metric",
        "sagemaker_s3_output",
    }
)


@dataclass(frozen=True)
class ScriptMode:
    """The script-mode part of the hyperparameters, decoded as the training toolkit decodes it."""

    program: str
    source: str
    user: dict[str, Any]
    framework: dict[str, Any]
    log_level: Any = _LOG_LEVEL

    @classmethod
    def of(cls, request: dict[str, Any]) -> ScriptMode | None:
        """Read it from a CreateTrainingJob request; None where the job is not a script-mode job."""
        decoded = {key: _decode(value) for key, value in (request.get("HyperParameters") or {}).items()}
        program, source = decoded.get("sagemaker_program"), decoded.get("sagemaker_submit_directory")
        if not program or not source:
            return None
        own = {key for key in decoded if key in _KNOWN or key.startswith("sagemaker_")}
        return cls(
            program=str(program),
            source=str(source),
            user={key: value for key, value in decoded.items() if key not in own},
            framework={key: decoded[key] for key in own - _KNOWN},
            log_level=decoded.get("sagemaker_container_log_level", _LOG_LEVEL),
        )

    def arguments(self) -> list[str]:
        """The user's hyperparameters as the script's command line."""
        words: list[str] = []
        for name, value in sorted(self.user.items()):
            words += [f"--{name}" if len(name) > 1 else f"-{name}", _to_argument(value)]
        return words

    def command(self, host: Host) -> list[str]:
        """The command line of the training process; its directory is the one of the code."""
        arguments = [host.localize(word) for word in self.arguments()]
        if self.program.endswith(".py"):
            return [sys.executable, "--", self.program, *arguments]
        return ["/bin/sh", "-c", f"./{shlex.join([self.program, *arguments])}"]

    def unpack(self, host: Host) -> None:
        """Fetch the source archive and unpack it on a host.

        :raises JobSetupError: if it is no archive, or lacks the program
        """
        archive = host.root / "sourcedir.tar.gz"
        objects.download(self.source, archive)
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(host.code, filter="data")
        except tarfile.TarError as error:
            raise JobSetupError(f"{self.source} is not a tar.gz archive: {error}") from error
        program = host.code / self.program
        if not program.is_file() or host.code.resolve() not in program.resolve().parents:
            raise JobSetupError(f"{self.source} holds no {self.program} (hyperparameter sagemaker_program)")
        if not self.program.endswith(".py"):
            program.chmod(0o700)

    def folder(self, host: Host) -> Path:
        """The directory of the code."""
        return host.code

    def failure(self, host: Host, code: int) -> tuple[str, int]:
        """Return what the toolkit says of a failed script; it always ends with 1 itself."""
        command = " ".join(self.command(host))
        lines = ["ExecuteUserScriptError:", f"ExitCode {code}", 'ErrorMessage ""']
        if code == _KILLED:
            lines.append('ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"')
        return "\n".join([*lines, f'Command "{command}"']), 1

    def environment(self, host: Host, request: dict[str, Any]) -> dict[str, str]:
        """The variables that the toolkit gives to a script."""
        channels = input_data_config(host, request)
        paths = {name: str(host.channel(name)) for name in channels}
        known = self._facts(host, channels)
        env = known | {
            "hps": self.user,
            "framework_params": self.framework,
            "channels": sorted(channels),
            "user_args": self.arguments(),
            "training_env": known
            | {
                "additional_framework_parameters": self.framework,
                "channel_input_dirs": paths,
                "hyperparameters": self.user,
                "job_name": request["TrainingJobName"],
                "is_master": host.name == host.cluster.names[0],
                "master_hostname": host.cluster.names[0],
            },
        }
        env |= {f"channel_{name}": path for name, path in paths.items()}
        env |= {f"hp_{name}": value for name, value in self.user.items()}
        return {f"SM_{name.upper()}": _to_variable(value) for name, value in env.items()}

    def _facts(self, host: Host, channels: dict[str, Any]) -> dict[str, Any]:
        groups = host.cluster.groups
        return {
            "hosts": list(host.cluster.names),
            "current_host": host.name,
            "current_instance_type": host.group.instance_type,
            "current_instance_group": host.group.name,
            "current_instance_group_hosts": list(host.group.hosts),
            "instance_groups": [group.name for group in groups],
            "instance_groups_dict": {group.name: group.as_config() for group in groups},
            "distribution_instance_groups": [],
            "is_hetero": len(groups) > 1,
            "network_interface_name": host.resource_config()["network_interface_name"],
            "resource_config": host.resource_config(),
            "input_data_config": channels,
            "input_dir": str(host.input),
            "input_config_dir": str(host.input_config),
            "model_dir": str(host.model),
            "output_dir": str(host.output),
            "output_data_dir": str(host.output_data),
            "output_intermediate_dir": str(host.output / "intermediate"),
            "module_dir": self.source,
            "module_name": self.program.removesuffix(".py"),
            "user_entry_point": self.program,
            "framework_module": None,
            "log_level": self.log_level,
            "num_cpus": os.cpu_count() or 1,
            "num_gpus": 0,
            "num_neurons": 0,
        }


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _to_argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return "" if value is None else str(value)


def _to_variable(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
