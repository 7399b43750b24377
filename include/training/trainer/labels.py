"""From the label column to targets: the classes of all hosts, each a number, or the number that it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .cluster import Cluster
from .failure import TrainingFailure
from .job import Job

Floats = npt.NDArray[np.float64]
_SHOWN = 5


def encode_label(
    column: pa.ChunkedArray, job: Job, is_train: npt.NDArray[np.bool_], cluster: Cluster
) -> tuple[Floats, tuple[Any, ...] | None]:
    """Return each row's target, and the classes in target order; none for a regression.

    :raises TrainingFailure: if the classes of all hosts' rows are none to learn
    """
    if job.task == "regression":
        return column.cast(pa.float64()).to_numpy(), None
    column = _whole(column, job.label, cluster)
    mask = pa.array(is_train)
    classes = _values(column.filter(mask), cluster)
    unseen = [value for value in _values(column.filter(pc.invert(mask)), cluster) if value not in classes]
    _check(classes, unseen, job)
    codes = pc.index_in(column, value_set=pa.array(classes, column.type))
    return codes.cast(pa.float64()).to_numpy(), tuple(classes)


def class_weights(target: Floats, classes: int, cluster: Cluster) -> Floats:
    """Weigh each class by rows / (classes * rows of the class), over all hosts' rows: scikit-learn's "balanced"."""
    counts = cluster.sums(np.bincount(target.astype(np.int64), minlength=classes))
    return np.asarray(counts.sum() / (classes * counts), dtype=np.float64)


def _whole(column: pa.ChunkedArray, name: str, cluster: Cluster) -> pa.ChunkedArray:
    if column.type != pa.float64():
        return column
    fractions = pc.sum(pc.not_equal(column, pc.round(column))).as_py() or 0
    if cluster.sums(np.array([fractions]))[0]:
        raise TrainingFailure(f"label {name} holds fractions; classes are whole numbers, booleans or text")
    return column.cast(pa.int64())


def _values(column: pa.ChunkedArray, cluster: Cluster) -> list[Any]:
    found = cluster.gather(pc.unique(column).to_pylist())
    return sorted({value for values in found for value in values})


def _check(classes: list[Any], unseen: list[Any], job: Job) -> None:
    if len(classes) < 2:
        raise TrainingFailure(
            f"label {job.label} is {classes[0]} in every training row; two classes are needed, lengthen the window"
        )
    if job.task == "binary_classification" and len(classes) > 2:
        raise TrainingFailure(f"label {job.label} has {len(classes)} classes, a binary label two: {classes[:_SHOWN]}")
    if unseen:
        raise TrainingFailure(
            f"label {job.label} is {unseen[0]} in the holdout and in no training row; lengthen the window"
        )
