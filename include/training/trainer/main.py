"""The order of things in a training job: read, encode, train, write, report."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import failure, reading
from .hyperparameters import parse_hyperparameters
from .job import read_job

SOURCE_DIR = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Run the job and return the exit code; a failure is explained where SageMaker looks for it."""
    output_dir = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    try:
        run(
            arguments,
            model_dir=Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")),
            output_data_dir=Path(os.environ.get("SM_OUTPUT_DATA_DIR", output_dir / "data")),
            source_dir=SOURCE_DIR,
        )
    except Exception as error:
        failure.report(error, output_dir)
        return 1
    return 0


def run(arguments: Sequence[str], *, model_dir: Path, output_data_dir: Path, source_dir: Path) -> None:
    """Do what `job.json` in the source directory asks for."""
    job = read_job(source_dir / "job.json")
    hyperparameters = parse_hyperparameters(arguments)
    login = reading.read_secret(job.secret_id)
    started = time.monotonic()
    with reading.connection(login) as opened:
        batches = reading.read_training_set(opened, job)
    _say("read", sum(batch.num_rows for batch in batches), started, f"rows of {job.table}")

    # Imported when there is something to train on: a wrong secret is told seconds earlier.
    from .artefact import write_artefact
    from .dataset import build_dataset
    from .fitting import fit

    dataset = build_dataset(batches, job)
    del batches
    started = time.monotonic()
    booster = fit(dataset, job, hyperparameters)
    _say("trained", booster.num_boosted_rounds(), started, "rounds kept")
    card = write_artefact(booster, dataset, job, hyperparameters, model_dir, output_data_dir)
    _report_metrics(card)


def _report_metrics(card: dict[str, Any]) -> None:
    """Print what the job's metric definitions look for."""
    for part, count in card["rows"].items():
        print(f"{part}:rows={count}", flush=True)
    for name, value in card["metrics"].items():
        if value is not None:
            print(f"holdout:{name}={value:.6g}", flush=True)


def _say(done: str, count: int, started: float, what: str) -> None:
    print(f"{done} {count} {what} in {time.monotonic() - started:.2f} s", flush=True)
