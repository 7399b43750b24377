"""How long a training job's own part takes beside the same XGBoost call on a frame, and how much memory.

Each side trains in a process of its own, from rows that lie in its memory; the sides take turns, the medians of
the times are compared.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import feather

from bench.figure import Figure

ROWS = 1_000_000
WEEKS = 10
ROUNDS = 100
REPEATS = 3
TEXTS = [f"T{i}" for i in range(4)]
NUMBERS = [f"F{i}" for i in range(16)]
FIRST_DAY = 19_723
HOLDOUT_FROM = dt.date(1970, 1, 1) + dt.timedelta(FIRST_DAY + 7 * (WEEKS - 1))
DEPTH = 6


@dataclass(frozen=True)
class Taken:
    """What a training took: seconds, and its peak of memory against the rows' size."""

    seconds: float
    memory: float


def measure() -> Iterator[Figure]:
    """Train on one host, on a frame, and on two hosts."""
    with tempfile.TemporaryDirectory() as folder:
        made = _rows(ROWS)
        paths = [Path(folder) / name for name in ("all", "first", "second")]
        for path, rows in zip(paths, (made, *(made.take(np.arange(rank, ROWS, 2)) for rank in (0, 1))), strict=True):
            feather.write_feather(rows, path, compression="uncompressed")
        del made, rows
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours += _run(_train, [(paths[0], 0, 1)])
            theirs += _run(_train_on_frame, [(paths[0],)])
        two = _run(_train, [(path, rank, 2) for rank, path in enumerate(paths[1:])])
    one, frame = (statistics.median(taken.seconds for taken in side) for side in (ours, theirs))
    yield Figure("training 1M x 20, 1 host", one, "s")
    yield Figure("the same XGBoost call on a frame", frame, "s")
    yield Figure("training against it", one / frame, "x", bound=1.15)
    yield Figure("2 hosts on this machine, against 1", max(taken.seconds for taken in two) / one, "x")
    yield Figure("peak memory against the rows", max(taken.memory for taken in ours), "x", bound=2.5)
    yield Figure("peak memory of XGBoost on a frame", max(taken.memory for taken in theirs), "x")
    yield Figure("peak memory of a host of two", max(taken.memory for taken in two), "x", bound=3)


def _run(side: Callable[..., Taken], calls: list[tuple[Any, ...]]) -> list[Taken]:
    """Call a side in processes of its own, side by side."""
    with ProcessPoolExecutor(len(calls), get_context("spawn"), max_tasks_per_child=1) as pool:
        return [future.result() for future in [pool.submit(side, *call) for call in calls]]


def _rows(count: int) -> pa.Table:
    """Make rows as `reading.read_shard` gives them."""
    from include.training.trainer.reading import WEEK

    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=count) for name in NUMBERS}
    codes = {name: rng.integers(0, 12, count, dtype=np.int32) for name in TEXTS}
    label = values["F0"] + values["F1"] * values["F2"] + (codes["T0"] > 6) + rng.normal(size=count) > 1
    for number in values.values():
        number[rng.random(count) < 0.02] = np.nan
    names = pa.array([f"category {i}" for i in range(12)])
    columns = {name: pa.DictionaryArray.from_arrays(pa.array(code), names) for name, code in codes.items()}
    columns |= {name: pa.array(number, from_pandas=True) for name, number in values.items()}
    weeks = FIRST_DAY + 7 * rng.integers(0, WEEKS, count, dtype=np.int32)
    return pa.table({**columns, "LABEL": label.astype(np.int64), WEEK: pa.array(weeks).cast(pa.date32())})


def _train(path: Path, rank: int, hosts: int) -> Taken:
    """Do what a job does from the rows it read to the artefact."""
    from include.training.trainer import artefact, fitting
    from include.training.trainer.checkpoints import Progress
    from include.training.trainer.cluster import Cluster, joined
    from include.training.trainer.dataset import build_dataset
    from include.training.trainer.hyperparameters import parse_hyperparameters
    from include.training.trainer.job import Feature, Job
    from include.training.trainer.statements import Snapshot

    features = [Feature(name, "categorical") for name in TEXTS] + [Feature(name, "numeric") for name in NUMBERS]
    job = Job(
        secret_id="", table='"ROWS"', week_column="WEEK", features=tuple(features), label="LABEL",
        task="binary_classification", holdout_from=HOLDOUT_FROM, seed=1,
    )  # fmt: skip
    # Two hosts have the processors of two machines; here they share one's.
    threads = max(1, (os.cpu_count() or 1) // hosts)
    hyperparameters = parse_hyperparameters(
        ["--num_boost_round", str(ROUNDS), "--max_depth", str(DEPTH), "--nthread", str(threads)]
    )
    cluster = Cluster(tuple(f"127.{os.getppid() % 200 + 20}.77.{number + 1}" for number in range(hosts)), rank)
    before = psutil.Process().memory_info().rss
    rows = [feather.read_table(path, memory_map=False)]
    with joined(cluster, lambda _: os._exit(1)):
        clock = _Clock.start(before, rows[0].nbytes)
        dataset = build_dataset(rows.pop(), job, cluster)
        model = fitting.fit(dataset, job, hyperparameters, Progress(is_first=cluster.is_first))
        holdout = (cluster.rows(dataset.targets("holdout")), cluster.rows(model.scores))
        snapshot = Snapshot("", ROWS, by_key=False)
        card = artefact.build_card(model, dataset, holdout, job, hyperparameters, snapshot, cluster)
        with tempfile.TemporaryDirectory() as folder:
            artefact.write_artefact(model, dataset.columns, card, Path(folder))
        return clock.stop()


def _train_on_frame(path: Path) -> Taken:
    """Train on a frame that is split already; nothing is evaluated or written."""
    import xgboost as xgb

    from include.training.trainer.reading import WEEK

    before = psutil.Process().memory_info().rss
    frame = feather.read_table(path, memory_map=False).to_pandas(self_destruct=True, split_blocks=True)
    size = int(frame.memory_usage().sum())
    is_train = frame[WEEK] < HOLDOUT_FROM
    parts = {name: frame[mask] for name, mask in (("train", is_train), ("holdout", ~is_train))}
    del frame
    clock = _Clock.start(before, size)
    matrices: dict[str, xgb.QuantileDMatrix] = {}
    for name, part in parts.items():
        matrices[name] = xgb.QuantileDMatrix(
            part[[*TEXTS, *NUMBERS]], part["LABEL"], ref=matrices.get("train"), enable_categorical=True
        )
    parameters = {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist", "seed": 1}
    xgb.train(
        {**parameters, "max_depth": DEPTH, "nthread": os.cpu_count()},
        matrices["train"],
        num_boost_round=ROUNDS,
        evals=[(matrices["holdout"], "holdout")],
        verbose_eval=False,
    )
    return clock.stop()


@dataclass(frozen=True)
class _Clock:
    """Measures from the moment that the rows are in memory."""

    before: int
    size: int
    started: float

    @classmethod
    def start(cls, before: int, size: int) -> _Clock:
        # Linux forgets the peak that the process has had so far.
        Path("/proc/self/clear_refs").write_text("5")
        return cls(before, size, time.perf_counter())

    def stop(self) -> Taken:
        seconds = time.perf_counter() - self.started
        status = Path("/proc/self/status").read_text()
        peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024
        return Taken(seconds, (peak - self.before) / self.size)
