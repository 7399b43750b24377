"""The order of things in a training job: read, encode, train, write, report; on one host, or on several at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import failure, reading
from .cluster import Cluster, joined, leave
from .hyperparameters import Hyperparameters, parse_hyperparameters
from .job import Job, read_job

if TYPE_CHECKING:
    from .checkpoints import Progress

SOURCE_DIR = Path(__file__).parents[1]


@dataclass(frozen=True)
class Folders:
    """Where the job reads and writes."""

    source: Path
    model: Path
    output: Path
    output_data: Path

    @classmethod
    def of_environment(cls) -> Folders:
        """Read them from SageMaker's variables; its own paths where they are not set."""
        output = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
        return cls(
            source=SOURCE_DIR,
            model=Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")),
            output=output,
            output_data=Path(os.environ.get("SM_OUTPUT_DATA_DIR", output / "data")),
        )

    @property
    def checkpoints(self) -> Path:
        """Where SageMaker looks for checkpoints, unless it is told otherwise."""
        return self.model.parent / "checkpoints"


def main(arguments: Sequence[str]) -> int:
    """Run the job and return the exit code; a failure is explained where SageMaker looks for it."""
    folders = Folders.of_environment()
    cluster = Cluster()
    try:
        cluster = Cluster.of(os.environ)
        run(arguments, folders, cluster)
    except Exception as error:
        failure.report(error, folders.output)
        return leave(cluster, 1)
    return 0


def end_when_stopped() -> None:
    """End at once on SIGTERM, also as a container's first process, which would ignore it: a stop is no failure."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def run(arguments: Sequence[str], folders: Folders, cluster: Cluster) -> None:
    """Do what `job.json` in the source directory asks for; only the first host writes."""
    job = read_job(folders.source / "job.json")
    hyperparameters = parse_hyperparameters(arguments, job.estimator)
    if job.estimator == "linear" and cluster.size > 1:
        raise failure.TrainingFailure(
            f"estimator linear trains on one instance, and there are {cluster.size}; set instance_count to 1"
        )
    with joined(cluster, lambda reason: _end(reason, folders)):
        card = _train(job, hyperparameters, folders, cluster)
    if cluster.is_first:
        _report_metrics(card)


def _end(reason: failure.TrainingFailure, folders: Folders) -> None:
    failure.report(reason, folders.output)
    os._exit(1)


def _train(job: Job, hyperparameters: Hyperparameters, folders: Folders, cluster: Cluster) -> dict[str, Any]:
    login = reading.read_secret(job.secret_id)
    with reading.connection(login) as opened:
        # Imported when there is something to train on: a wrong secret is told seconds earlier.
        from .artefact import build_card, copy_card, write_artefact
        from .checkpoints import Checkpoints, Progress
        from .dataset import build_dataset
        from .fitting import fit

        checkpoints = Checkpoints.of(folders.checkpoints, job, hyperparameters, cluster.size)
        progress = Progress.of(checkpoints, cluster)
        snapshot = _agree_on_snapshot(opened, job, progress, cluster)
        dataset = build_dataset(_read(opened, job, snapshot, cluster), job, cluster)
    started = time.monotonic()
    model = fit(dataset, job, hyperparameters, progress.at(snapshot.as_dict()))
    _say("trained", model.tell(), started)
    holdout = (cluster.rows(dataset.targets("holdout")), cluster.rows(model.scores))
    card = build_card(model, dataset, holdout, job, hyperparameters, snapshot, cluster)
    if cluster.is_first:
        write_artefact(model, dataset.columns, card, folders.model)
        copy_card(folders.model, folders.output_data)
    return card


def _agree_on_snapshot(opened: Any, job: Job, progress: Progress, cluster: Cluster) -> reading.Snapshot:
    if progress.resumed:
        print(f"goes on after round {len(progress.resumed.history)}, from a checkpoint", flush=True)
        return reading.Snapshot.from_dict(progress.resumed.snapshot)
    taken = reading.take_snapshot(opened, job).as_dict() if cluster.is_first else None
    return reading.Snapshot.from_dict(cluster.first(taken))


def _read(opened: Any, job: Job, snapshot: reading.Snapshot, cluster: Cluster) -> Any:
    started = time.monotonic()
    table = reading.read_shard(opened, job, snapshot, cluster.shard)
    _say("read", f"{table.num_rows} of {snapshot.rows} rows of {job.table} as of {snapshot.timestamp}", started)
    reading.check_rows(job, snapshot, int(cluster.sums(np.array([table.num_rows]))[0]))
    return table


def _report_metrics(card: dict[str, Any]) -> None:
    """Print what the job's metric definitions look for."""
    for part, count in card["rows"].items():
        print(f"{part}:rows={count}", flush=True)
    for name, value in card["metrics"].items():
        if value is not None:
            print(f"holdout:{name}={value:.6g}", flush=True)


def _say(done: str, what: str, started: float) -> None:
    print(f"{done} {what} in {time.monotonic() - started:.2f} s", flush=True)
