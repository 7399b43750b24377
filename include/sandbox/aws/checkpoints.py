"""Keep a job's checkpoint directories and its S3 prefix alike: down at the start, up while it runs.

All hosts share the prefix. What a program deletes stays in S3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.sandbox.aws import objects
from include.sandbox.aws.hosts import Host

LOCAL_PATH = "/opt/ml/checkpoints"
_Version = tuple[int, int]


class Checkpoints:
    """The checkpoints of one start of a job; of none where the request has no CheckpointConfig."""

    def __init__(self, hosts: list[Host], config: dict[str, Any] | None) -> None:
        """Take part in the job's hosts and its CheckpointConfig."""
        self._uri = config["S3Uri"].rstrip("/") if config else None
        local = (config or {}).get("LocalPath") or LOCAL_PATH
        self._folders = [host.local_path(local) for host in hosts] if config else []
        self._stored: dict[Path, _Version] = {}
        self._seen: dict[Path, _Version] = {}
        self.uploads = 0

    def restore(self) -> None:
        """Bring what lies in S3 onto every host."""
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            for _, uri in objects.list_under(f"{self._uri}/"):
                path = folder / uri.removeprefix(f"{self._uri}/")
                if folder.resolve() in path.resolve().parents:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    objects.download(uri, path)
            self._stored |= _versions(folder)

    def sync(self, *, final: bool = False) -> None:
        """Upload what is new or changed.

        A file is taken when it has been the same twice, so that none goes up half-written; at the end all are.
        """
        for folder in self._folders:
            for path, version in _versions(folder).items():
                if self._stored.get(path) != version and (final or self._seen.get(path) == version):
                    self._upload(folder, path)
                    self._stored[path] = version
                self._seen[path] = version

    def _upload(self, folder: Path, path: Path) -> None:
        try:
            objects.upload(f"{self._uri}/{path.relative_to(folder)}", path)
        except FileNotFoundError:
            if path.exists():
                raise  # it is the bucket that is missing
        else:
            self.uploads += 1


def _versions(folder: Path) -> dict[Path, _Version]:
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            found[path] = (status.st_mtime_ns, status.st_size)
    return found
