"""From Arrow tables to the matrix XGBoost trains on: columns to floats, labels to classes, weeks to ages.

Categories are learned from the training rows; an unseen or missing one is NaN, as a missing number is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .failure import TrainingFailure
from .job import Feature, Job
from .reading import WEEK

Floats = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class Part:
    """Training or holdout rows: the matrix in the booster's column order, the targets and the weeks."""

    matrix: Floats
    target: Floats
    weeks: npt.NDArray[np.datetime64]

    @property
    def window(self) -> list[str]:
        """First and last value of the week column, as ISO dates."""
        return [str(self.weeks.min()), str(self.weeks.max())]

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Dataset:
    """All that training needs. ``classes`` are the label's values in target order; None for regression."""

    columns: tuple[Column, ...]
    classes: tuple[Any, ...] | None
    train: Part
    holdout: Part


def build_dataset(batches: list[pa.Table], job: Job) -> Dataset:
    """Encode the rows and split them by time.

    :raises TrainingFailure: if training or holdout rows are missing, or nothing can be learned from them
    """
    weeks = _concat(batches, WEEK, pa.date32()).to_numpy().astype("datetime64[D]")
    is_train = weeks < np.datetime64(job.holdout_from)
    _check_split(weeks, is_train, job)
    target, classes = _encode_label(batches, job, is_train)
    columns, matrix = _encode_features(batches, job, is_train)
    parts = [_part(matrix, target, weeks, mask) for mask in (is_train, ~is_train)]
    return Dataset(columns=columns, classes=classes, train=parts[0], holdout=parts[1])


def recency_weights(weeks: npt.NDArray[np.datetime64], half_life: float | None) -> Floats | None:
    """Weight rows by 0.5 ** (age in weeks / half-life), the newest week weighing 1.

    >>> recency_weights(np.array(["2024-01-01", "2024-01-15"], "datetime64[D]"), 2.0)
    array([0.5, 1. ])
    """
    if half_life is None:
        return None
    age = (weeks.max() - weeks) / np.timedelta64(7, "D")
    return np.asarray(0.5 ** (age / half_life))


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


def _check_split(weeks: npt.NDArray[np.datetime64], is_train: npt.NDArray[np.bool_], job: Job) -> None:
    span = f"rows of {job.table} with a label reach from {weeks.min()} to {weeks.max()}"
    if not is_train.any():
        raise TrainingFailure(f"no rows to train on: {span}, holdout begins {job.holdout_from}; lengthen the window")
    if is_train.all():
        raise TrainingFailure(f"the holdout is empty: {span}, holdout begins {job.holdout_from}; wait for labels")


def _concat(batches: list[pa.Table], name: str, to: pa.DataType | None = None) -> pa.ChunkedArray:
    # The same column comes in integers of different widths, batch by batch.
    chunks = [chunk.cast(to) if to else chunk for batch in batches for chunk in batch[name].chunks]
    return pa.chunked_array(chunks, type=to)


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(test(kind) for test in tests)


def _to_floats(batches: list[pa.Table], name: str, role: str) -> Floats:
    kinds = {batch.schema.field(name).type for batch in batches}
    wrong = [kind for kind in kinds if not _is_number(kind)]
    if wrong:
        raise TrainingFailure(f"column {name} is {wrong[0]} where the {role} must be a number; mend its kind or type")
    # A boolean casts to float only by way of an integer.
    return np.concatenate([_chunk_to_floats(chunk) for batch in batches for chunk in batch[name].chunks])


def _chunk_to_floats(chunk: pa.Array) -> Floats:
    if pa.types.is_boolean(chunk.type):
        chunk = chunk.cast(pa.int8())
    return chunk.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _encode_features(
    batches: list[pa.Table], job: Job, is_train: npt.NDArray[np.bool_]
) -> tuple[tuple[Column, ...], Floats]:
    features = job.ordered_features
    matrix = np.empty((len(is_train), len(features)), dtype=np.float64)
    columns = []
    for place, feature in enumerate(features):
        column, matrix[:, place] = _encode_feature(batches, feature, is_train)
        columns.append(column)
        if np.isnan(matrix[is_train, place]).all():
            raise TrainingFailure(
                f"feature {feature.name} has no value in any training row; mend the source or drop the feature"
            )
    return tuple(columns), matrix


def _encode_feature(
    batches: list[pa.Table], feature: Feature, is_train: npt.NDArray[np.bool_]
) -> tuple[Column, Floats]:
    if feature.kind == "numeric":
        values = _to_floats(batches, feature.name, f"numeric feature {feature.name}")
        return Column(feature.name, feature.kind), values
    texts = _concat(batches, feature.name, pa.string())
    categories = sorted(pc.unique(texts.filter(pa.array(is_train))).drop_null().to_pylist())
    codes = pc.index_in(texts, value_set=pa.array(categories, pa.string()), skip_nulls=True)
    encoded = codes.cast(pa.float64()).to_numpy()
    return Column(feature.name, feature.kind, tuple(categories)), encoded


def _encode_label(
    batches: list[pa.Table], job: Job, is_train: npt.NDArray[np.bool_]
) -> tuple[Floats, tuple[Any, ...] | None]:
    if job.task == "regression":
        return _to_floats(batches, job.label, f"label {job.label} of a regression"), None
    labels = _label_values(batches, job.label)
    classes = np.unique(labels[is_train])
    if len(classes) < 2:
        raise TrainingFailure(
            f"label {job.label} is {classes[0]} in every training row; two classes are needed, lengthen the window"
        )
    if job.task == "binary_classification" and len(classes) > 2:
        raise TrainingFailure(
            f"label {job.label} has {len(classes)} classes, a binary label two: {classes[:5].tolist()}"
        )
    unseen = np.setdiff1d(labels[~is_train], classes)
    if len(unseen):
        raise TrainingFailure(f"label {job.label} is {unseen[0]} in the holdout and in no training row")
    return np.searchsorted(classes, labels).astype(np.float64), tuple(classes.tolist())


def _label_values(batches: list[pa.Table], name: str) -> npt.NDArray[Any]:
    kind = batches[0].schema.field(name).type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array(_concat(batches, name, pa.string()).to_pylist(), dtype=str)
    if pa.types.is_boolean(kind):
        return _concat(batches, name).to_numpy()
    values = _to_floats(batches, name, f"label {name}")
    if np.any(values != np.rint(values)):
        raise TrainingFailure(f"label {name} holds fractions; classes are whole numbers, booleans or text")
    return values.astype(np.int64)


def _part(matrix: Floats, target: Floats, weeks: npt.NDArray[np.datetime64], mask: npt.NDArray[np.bool_]) -> Part:
    order = _stable_order(matrix[mask], target[mask], weeks[mask])
    return Part(matrix[mask][order], target[mask][order], weeks[mask][order])


def _stable_order(matrix: Floats, target: Floats, weeks: npt.NDArray[np.datetime64]) -> npt.NDArray[np.intp]:
    """Order rows by a hash of their values: Snowflake gives them in any order, sampling must not care."""
    mixed = np.zeros(len(target), dtype=np.uint64)
    days = weeks.astype(np.int64).astype(np.float64)
    for column in (*matrix.T, target, days):
        value = np.where(np.isnan(column), np.nan, column + 0.0)  # one NaN, one zero
        mixed ^= np.ascontiguousarray(value).view(np.uint64)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.argsort(mixed, kind="stable")
