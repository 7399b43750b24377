"""What training makes of a host's rows: columns as numbers, targets, weights, and the split by time.

Whatever is learned from the rows is learned from those of all hosts. The rows stay in their Arrow table and
are handed out as matrices, batch by batch; an unseen or missing category is NaN, as a missing number is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .cluster import Cluster
from .failure import TrainingFailure
from .job import Job
from .labels import Floats, class_weights, encode_label
from .reading import WEEK

Single = npt.NDArray[np.float32]
PARTS = ("train", "holdout")
# What a model is trained on must not depend on how the rows came: batches are cut by number.
BATCH_ROWS = 65_536
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Column:
    """How one raw column becomes a number: a category's number is its place in ``categories``."""

    name: str
    kind: str
    categories: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The column as `preprocessing.json` has it."""
        described: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.categories is not None:
            described["categories"] = list(self.categories)
        return described


class Batch(NamedTuple):
    """Rows as a matrix in the columns' order, with their targets and, for training, their weights."""

    matrix: Single
    target: Floats
    weights: Single | None


@dataclass
class Dataset:
    """A host's rows, and what all hosts know of them.

    ``classes`` are the label's values in target order, None for regression; ``rows`` and ``window`` (first and
    last week) are those of all hosts, by part; so are ``levels``, a low, a typical and a high value of each
    numeric column.
    """

    columns: tuple[Column, ...]
    classes: tuple[Any, ...] | None
    rows: dict[str, int]
    window: dict[str, list[str]]
    target: Floats
    is_train: npt.NDArray[np.bool_]
    weights: Single | None
    levels: tuple[tuple[float, float, float] | None, ...] = ()
    table: pa.Table | None = field(default=None, repr=False)

    def batches(self, part: str) -> Iterator[Batch]:
        """Hand out the rows of a part, in order; at least one batch, which may be empty."""
        if self.table is None:
            raise ValueError("the rows were released")
        numbers = [_codes_by_entry(self.table[column.name], column) for column in self.columns]
        wanted = self.is_train if part == "train" else ~self.is_train
        given = False
        for start in range(0, max(len(wanted), 1), BATCH_ROWS):
            inside = slice(start, start + BATCH_ROWS)
            mask = wanted[inside]
            if not mask.any() and (given or inside.stop < len(wanted)):
                continue
            given = True
            rows = self.table.slice(start, BATCH_ROWS)
            matrix = np.empty((int(mask.sum()), len(self.columns)), np.float32)
            for place, column in enumerate(self.columns):
                matrix[:, place] = _numbers(rows[column.name], numbers[place])[mask]
            weights = None if part != "train" or self.weights is None else self.weights[inside][mask]
            yield Batch(matrix, self.target[inside][mask], weights)

    def targets(self, part: str) -> Floats:
        """Return the host's own targets of a part, in order."""
        return self.target[self.is_train if part == "train" else ~self.is_train]

    def release(self) -> None:
        """Let go of the rows once they are no more needed."""
        self.table = None
        pa.default_memory_pool().release_unused()


def build_dataset(table: pa.Table, job: Job, cluster: Cluster) -> Dataset:
    """Learn the encoding from the training rows of all hosts and split the rows by time.

    :param table: this host's rows, as ``reading.read_shard`` gives them
    :raises TrainingFailure: if training or holdout rows are missing, or nothing can be learned from them
    """
    table = table.unify_dictionaries()
    weeks = table[WEEK].cast(pa.int32()).to_numpy()
    is_train = weeks < (job.holdout_from - _EPOCH).days
    rows, window = _measure(weeks, is_train, cluster)
    _check_split(rows, window, job)
    target, classes = encode_label(table[job.label], job, is_train, cluster)
    dataset = Dataset(
        columns=_learn_columns(table, job, is_train, cluster),
        classes=classes,
        rows=rows,
        window=window,
        target=target,
        is_train=is_train,
        weights=_weights(weeks, target, is_train, window, classes, job, cluster),
        table=table,
    )
    dataset.levels = _levels(dataset, cluster)
    return dataset


def recency_weights(weeks: npt.NDArray[np.int32], newest: int, half_life: float) -> Floats:
    """Weight rows by 0.5 ** (age in weeks / half-life), the newest week weighing 1; weeks are in days.

    >>> recency_weights(np.array([0, 14]), 14, 2.0)
    array([0.5, 1. ])
    """
    return np.asarray(0.5 ** ((newest - weeks) / 7 / half_life))


def encode(columns: tuple[Column, ...], rows: list[list[Any]]) -> Floats:
    """Encode raw rows, given in column order, as the training rows were.

    >>> encode((Column("C", "categorical", ("a", "b")), Column("N", "numeric")), [["b", 1], ["z", None]])
    array([[ 1.,  1.],
           [nan, nan]])
    """
    encoded = [[_encode_value(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]
    return np.array(encoded, dtype=np.float64)


def _encode_value(column: Column, value: Any) -> float:
    if value is None:
        return np.nan
    if column.categories is None:
        return float(value)
    return float(column.categories.index(value)) if value in column.categories else np.nan


def _measure(
    weeks: npt.NDArray[np.int32], is_train: npt.NDArray[np.bool_], cluster: Cluster
) -> tuple[dict[str, int], dict[str, list[str]]]:
    own = {}
    for part, mask in zip(PARTS, (is_train, ~is_train), strict=True):
        days = weeks[mask]
        own[part] = [len(days), int(days.min()), int(days.max())] if len(days) else None
    found = cluster.gather(own)
    rows, window = {}, {}
    for part in PARTS:
        there = [measured[part] for measured in found if measured[part]]
        rows[part] = sum(count for count, _, _ in there)
        days = [day for _, first, last in there for day in (first, last)]
        window[part] = [str(_EPOCH + dt.timedelta(day)) for day in (min(days), max(days))] if days else []
    return rows, window


def _check_split(rows: dict[str, int], window: dict[str, list[str]], job: Job) -> None:
    weeks = sorted(week for part in window.values() for week in part)
    span = f"rows of {job.table} with a label reach from {weeks[0]} to {weeks[-1]}"
    if not rows["train"]:
        raise TrainingFailure(f"no rows to train on: {span}, holdout begins {job.holdout_from}; lengthen the window")
    if not rows["holdout"]:
        raise TrainingFailure(f"the holdout is empty: {span}, holdout begins {job.holdout_from}; wait for labels")


def _learn_columns(table: pa.Table, job: Job, is_train: npt.NDArray[np.bool_], cluster: Cluster) -> tuple[Column, ...]:
    """Find each column's categories, or that it has any number at all, one column after another."""
    features = job.ordered_features
    own = [
        _categories(table[feature.name], is_train)
        if feature.kind == "categorical"
        else int(np.count_nonzero(~np.isnan(table[feature.name].to_numpy()[is_train])))
        for feature in features
    ]
    found = cluster.gather(own)
    columns = []
    for place, feature in enumerate(features):
        if feature.kind == "categorical":
            names = sorted({name for host in found for name in host[place]})
            columns.append(Column(feature.name, feature.kind, tuple(names)))
        else:
            columns.append(Column(feature.name, feature.kind))
        if not any(host[place] for host in found):
            raise TrainingFailure(
                f"feature {feature.name} has no value in any training row; mend the source or drop the feature"
            )
    return tuple(columns)


def _categories(column: pa.ChunkedArray, is_train: npt.NDArray[np.bool_]) -> list[str]:
    if not column.num_chunks:
        return []
    names = column.chunk(0).dictionary.to_pylist()
    seen = np.zeros(len(names) + 1, bool)
    seen[_entries(column)[is_train]] = True
    return [name for name, is_there in zip(names, seen, strict=False) if is_there]


def _codes_by_entry(column: pa.ChunkedArray, learned: Column) -> Single | None:
    """Number the entries of a column's dictionary, the last number being that of NULL."""
    if learned.categories is None:
        return None
    names = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    codes = {name: code for code, name in enumerate(learned.categories)}
    return np.array([*(codes.get(name, np.nan) for name in names), np.nan], np.float32)


def _numbers(column: pa.ChunkedArray, codes: Single | None) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = column.to_numpy() if codes is None else codes[_entries(column)]
    return values


def _entries(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    """Return each row's place in the dictionary that the chunks share; NULL stands at -1."""
    chunks = [chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.int32), *chunks])


def _weights(
    weeks: npt.NDArray[np.int32],
    target: Floats,
    is_train: npt.NDArray[np.bool_],
    window: dict[str, list[str]],
    classes: tuple[Any, ...] | None,
    job: Job,
    cluster: Cluster,
) -> Single | None:
    if job.recency_half_life_weeks is None and job.class_weight is None:
        return None
    weights = np.ones(len(weeks), np.float32)
    if job.recency_half_life_weeks is not None:
        newest = (dt.date.fromisoformat(window["train"][1]) - _EPOCH).days
        weights *= recency_weights(weeks, newest, job.recency_half_life_weeks).astype(np.float32)
    if job.class_weight and classes:
        weights *= class_weights(target[is_train], len(classes), cluster)[target.astype(np.int64)].astype(np.float32)
    return weights


def _levels(dataset: Dataset, cluster: Cluster) -> tuple[tuple[float, float, float] | None, ...]:
    """Take the hosts' quantiles of their first rows, weighted by the rows; rounded, they are no row's own values."""
    first = next(dataset.batches("train")).matrix
    own: list[tuple[int, list[float]] | None] = []
    for place, column in enumerate(dataset.columns):
        values = first[:, place][~np.isnan(first[:, place])].astype(np.float64)
        is_empty = column.categories is not None or not len(values)
        own.append(None if is_empty else (len(values), np.quantile(values, (0.1, 0.5, 0.9)).tolist()))
    found = cluster.gather(own)
    levels: list[tuple[float, float, float] | None] = []
    for place in range(len(dataset.columns)):
        there = [host[place] for host in found if host[place]]
        rows = sum(count for count, _ in there)
        means = [sum(count * levels[i] for count, levels in there) / rows for i in range(3)] if there else None
        levels.append((_round(means[0]), _round(means[1]), _round(means[2])) if means else None)
    return tuple(levels)


def _round(value: float) -> float:
    return float(f"{value:.3g}")
