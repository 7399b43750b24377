"""Checkpoints: what an interrupted job needs to go on as if nothing had happened.

SageMaker copies the folder to S3 while the job runs, and back before it starts again. One file is one
checkpoint: a line of JSON, then the booster; a torn or foreign file is passed over.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .hyperparameters import Hyperparameters
from .job import Job

_KEPT = 2
# What may differ between two starts of one job.
_NOT_COMPARED = ("secret_id", "code_commit", "reader")


@dataclass(frozen=True)
class Checkpoint:
    """The booster after ``len(history)`` rounds, their scores on the holdout, and the snapshot they learned from."""

    snapshot: dict[str, Any]
    history: list[float]
    model: bytes


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one job; without a folder there are none."""

    folder: Path | None = None
    fingerprint: str = ""

    @classmethod
    def of(cls, folder: Path, job: Job, hyperparameters: Hyperparameters, hosts: int) -> Checkpoints:
        """Use the folder if SageMaker made it, which it does for jobs that have a CheckpointConfig."""
        if not folder.is_dir() or job.estimator != "xgboost":
            return cls()
        compared = {name: value for name, value in asdict(job).items() if name not in _NOT_COMPARED}
        version = metadata.version("xgboost")
        text = json.dumps([compared, hyperparameters.as_dict(), hosts, version], sort_keys=True, default=str)
        return cls(folder, hashlib.sha256(text.encode()).hexdigest())

    def load(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole and of this job."""
        paths = sorted(self.folder.glob("round-*"), reverse=True) if self.folder else []
        return next((found for path in paths if (found := self._read(path))), None)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, whole or not at all, and let go of old ones."""
        if not self.folder:
            return
        head = {
            "fingerprint": self.fingerprint,
            "snapshot": checkpoint.snapshot,
            "history": checkpoint.history,
            "sha256": hashlib.sha256(checkpoint.model).hexdigest(),
        }
        written = self.folder / ".unfinished"
        written.write_bytes(json.dumps(head).encode() + b"\n" + checkpoint.model)
        written.replace(self.folder / f"round-{len(checkpoint.history):06d}")
        for path in sorted(self.folder.glob("round-*"))[:-_KEPT]:
            path.unlink()

    def _read(self, path: Path) -> Checkpoint | None:
        line, _, model = path.read_bytes().partition(b"\n")
        try:
            head = json.loads(line)
            is_whole = head["sha256"] == hashlib.sha256(model).hexdigest()
            is_ours = head["fingerprint"] == self.fingerprint
            checkpoint = Checkpoint(head["snapshot"], head["history"], model)
        except (ValueError, KeyError, TypeError):
            is_whole = is_ours = False
        if is_whole and is_ours:
            return checkpoint
        why = "it is of another job" if is_whole else "it is torn"
        print(f"checkpoint {path.name} is passed over: {why}", flush=True)
        return None


@dataclass(frozen=True)
class Progress:
    """Where a job goes on from, if it was interrupted, and where it leaves its checkpoints, if it has any."""

    checkpoints: Checkpoints = Checkpoints()
    resumed: Checkpoint | None = None
    snapshot: dict[str, Any] | None = None
    is_first: bool = True

    @classmethod
    def of(cls, checkpoints: Checkpoints, cluster: Cluster) -> Progress:
        """Let all hosts go on from the first one's checkpoint."""
        own = checkpoints.load() if cluster.is_first else None
        found = cluster.first([own.snapshot, own.history] if own else None)
        if not found:
            return cls(checkpoints, is_first=cluster.is_first)
        resumed = Checkpoint(*found, model=cluster.first_bytes(own.model if own else b""))
        return cls(checkpoints, resumed, is_first=cluster.is_first)

    def at(self, snapshot: dict[str, Any]) -> Progress:
        """Return it with the snapshot that checkpoints are of."""
        return replace(self, snapshot=snapshot)

    @property
    def is_kept(self) -> bool:
        """Whether there are checkpoints at all."""
        return self.checkpoints.folder is not None

    def save(self, history: list[float], model: bytes) -> None:
        """Leave a checkpoint."""
        if self.is_first and self.snapshot is not None:
            self.checkpoints.save(Checkpoint(self.snapshot, history, model))
