"""One host of a training job, as a process of its own: it runs the entry point over rows in a file."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import feather

from include.training.trainer import boosting, labels, main, reading
from include.training.trainer.failure import TrainingFailure

from .conftest import stand_in


@dataclass(frozen=True)
class Host:
    """What a host is told: where its rows are and which are its own, its variables, and what goes wrong there."""

    source: Path
    rows: Path
    log: Path
    environment: dict[str, str]
    arguments: list[str]
    assignment: str = "in turn"
    fault: str | None = None


def run(host: Host) -> None:
    """Run the entry point and end with its exit code."""
    log = os.open(host.log, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(host.environment)
    main.SOURCE_DIR = host.source
    assignments: dict[str, Callable[[int], int] | None] = {
        "in turn": None,
        "none for the first": lambda _: 1,
        "holdout for the second": lambda row: int(row >= 500 or row % 2 == 0),
        "by class": lambda row: row % 2,
    }
    stand_in(setattr, feather.read_table(host.rows), shard_of=assignments[host.assignment])
    _break(host.fault)
    sys.exit(main.main(host.arguments))


def _break(fault: str | None) -> None:
    """Let something go wrong at the given place."""

    def refuse(*_: Any) -> None:
        raise TrainingFailure("Snowflake refused the login")

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def wait(*_: Any) -> None:
        time.sleep(600)

    def exhaust(*_: Any) -> None:
        raise MemoryError

    def lose_rows(*arguments: Any) -> Any:
        return read_shard(*arguments).slice(1)

    read_shard = reading.read_shard
    faults: dict[str, tuple[Any, str, Any]] = {
        "login": (reading, "read_secret", refuse),
        "killed in training": (boosting.Stopping, "is_over", die),
        "killed before": (labels, "_values", die),
        "hangs in training": (boosting.Stopping, "is_over", wait),
        "memory": (boosting.Stopping, "is_over", exhaust),
        "rows": (reading, "read_shard", lose_rows),
    }
    if fault:
        setattr(*faults[fault])
