"""The hosts of a training job: their names, groups and addresses, and the private directory of each.

A host's root stands for its container's /opt/ml. Each job has a loopback network of its own, so that two
jobs, or two hosts of one, may listen on the same port.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ONLY_GROUP = "homogeneousCluster"
NAMES_ON_PATH = Path(__file__).with_name("host_names")
_OPT_ML = re.compile(r"(?<![\w./-])/opt/ml(?![\w-])")
# Servers on one machine, whose process numbers may be neighbours, start far from each other.
_numbers = itertools.count(os.getpid() * 997)


@dataclass(frozen=True)
class Group:
    """Hosts of one instance type."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]

    def as_config(self) -> dict[str, Any]:
        """Write it as resourceconfig.json does."""
        return {"instance_group_name": self.name, "instance_type": self.instance_type, "hosts": list(self.hosts)}


@dataclass(frozen=True)
class Cluster:
    """All hosts of a job, and the first three numbers of their addresses."""

    groups: tuple[Group, ...]
    network: str

    @classmethod
    def of(cls, request: dict[str, Any]) -> Cluster:
        """Read the hosts that a CreateTrainingJob request asks for."""
        resources = request["ResourceConfig"]
        single = {
            "InstanceGroupName": ONLY_GROUP,
            "InstanceType": resources.get("InstanceType", ""),
            "InstanceCount": resources.get("InstanceCount", 1),
        }
        names = (f"algo-{number}" for number in itertools.count(1))
        groups = tuple(
            Group(
                group["InstanceGroupName"],
                group["InstanceType"],
                tuple(itertools.islice(names, int(group["InstanceCount"]))),
            )
            for group in resources.get("InstanceGroups") or [single]
        )
        high, low = divmod(next(_numbers) % (190 * 250), 250)
        return cls(groups, f"127.{high + 64}.{low + 1}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all hosts, as resourceconfig.json orders them."""
        return tuple(name for group in self.groups for name in group.hosts)

    def addresses(self) -> dict[str, str]:
        """Return the loopback address of each host."""
        return {name: f"{self.network}.{number}" for number, name in enumerate(self.names, 1)}

    def group_of(self, name: str) -> Group:
        """Return the group of a host."""
        return next(group for group in self.groups if name in group.hosts)


@dataclass(frozen=True)
class Host:
    """One host of a job: its name, its job's cluster and its private directory."""

    name: str
    cluster: Cluster
    root: Path

    @property
    def group(self) -> Group:
        """The instance group it belongs to."""
        return self.cluster.group_of(self.name)

    @property
    def model(self) -> Path:
        """Directory whose content becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Directory of the output data and of the failure's reason."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """Directory whose content becomes output.tar.gz."""
        return self.output / "data"

    @property
    def code(self) -> Path:
        """Directory of the unpacked source archive."""
        return self.root / "code"

    @property
    def input(self) -> Path:
        """Directory of the configuration and the input channels."""
        return self.root / "input"

    @property
    def input_config(self) -> Path:
        """Directory of the files that describe the job to its program."""
        return self.input / "config"

    def channel(self, name: str) -> Path:
        """Directory of an input channel."""
        return self.input / "data" / name

    def read_failure(self) -> str:
        """Return what the script wrote into output/failure, or nothing."""
        path = self.output / "failure"
        return path.read_text(errors="replace").strip() if path.exists() else ""

    def localize(self, text: str) -> str:
        """Put this host's root where ``text`` says /opt/ml."""
        return _OPT_ML.sub(lambda _: str(self.root), text)

    def local_path(self, path: str) -> Path:
        """Return where a path of the container lies on this machine."""
        return Path(self.localize(path))

    def resource_config(self) -> dict[str, Any]:
        """Return the content of resourceconfig.json. The network interface is the one that is really there."""
        return {
            "current_host": self.name,
            "current_instance_type": self.group.instance_type,
            "current_group_name": self.group.name,
            "hosts": list(self.cluster.names),
            "instance_groups": [group.as_config() for group in self.cluster.groups],
            "network_interface_name": "lo",
        }

    def network_environment(self) -> dict[str, str]:
        """Return the variables that make the hosts known to each other's Python programs."""
        return {
            "HOSTNAME": self.name,
            "PYTHONPATH": str(NAMES_ON_PATH),
            "SANDBOX_HOSTS": json.dumps(self.cluster.addresses()),
        }

    def localize_files(self, folder: Path) -> None:
        """Localize every text file under ``folder``."""
        for path in folder.rglob("*"):
            if path.is_file():
                with contextlib.suppress(UnicodeDecodeError):
                    path.write_bytes(self.localize(path.read_bytes().decode()).encode())
