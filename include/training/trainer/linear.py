"""A classic baseline behind the same interface: logistic regression for classes, ridge regression for numbers.

Numbers are standardized, a missing one counts as the mean; a category is one of several indicators, of which an
unseen or missing one has none. It trains on one host and holds all rows in memory, as a sparse matrix.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from .dataset import Column, Dataset
from .failure import TrainingFailure
from .hyperparameters import Hyperparameters
from .job import Job
from .labels import Floats

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression, Ridge

FORMAT = 1
_MAX_ITERATIONS = 1000
_OF_CLASSES = frozenset({"C", "l1_ratio", "max_iter"})
_OF_NUMBERS = frozenset({"alpha", "max_iter"})


@dataclass(frozen=True)
class Design:
    """How encoded rows become what coefficients are multiplied with; means and scales are the numeric columns'."""

    columns: tuple[Column, ...]
    means: Floats
    scales: Floats

    @classmethod
    def of(cls, dataset: Dataset) -> Design:
        """Learn means and scales from the training rows."""
        places = [place for place, column in enumerate(dataset.columns) if column.categories is None]
        count, total, squares = (np.zeros(len(places)) for _ in range(3))
        for batch in dataset.batches("train"):
            values = batch.matrix[:, places].astype(np.float64)
            count += (~np.isnan(values)).sum(axis=0)
            total += np.nansum(values, axis=0)
        means = total / count
        for batch in dataset.batches("train"):
            squares += np.nansum((batch.matrix[:, places].astype(np.float64) - means) ** 2, axis=0)
        scales = np.sqrt(squares / count)
        return cls(dataset.columns, means, np.where(scales > 0, scales, 1.0))

    def matrix(self, rows: npt.NDArray[Any]) -> sparse.csr_matrix:
        """Lay out rows: each column's indicators, or its standardized number, in the columns' order."""
        blocks, numeric = [], 0
        for place, column in enumerate(self.columns):
            values = rows[:, place].astype(np.float64)
            if column.categories is None:
                values = np.nan_to_num((values - self.means[numeric]) / self.scales[numeric], nan=0.0)
                blocks.append(sparse.csr_matrix(values[:, None]))
                numeric += 1
            else:
                there = np.flatnonzero(~np.isnan(values))
                entries = (np.ones(len(there)), (there, values[there].astype(np.int64)))
                blocks.append(sparse.csr_matrix(entries, shape=(len(values), len(column.categories))))
        return sparse.hstack(blocks, format="csr")


@dataclass(frozen=True)
class LinearModel:
    """A fitted estimator of scikit-learn, and its scores of the holdout rows."""

    estimator: LogisticRegression | Ridge
    design: Design
    task: str
    scores: Floats

    def predict(self, matrix: Floats) -> Floats:
        """Score encoded rows: a probability or a row of them, or a number."""
        return _predict(self.estimator, self.task, self.design.matrix(matrix))

    def save(self, folder: Path) -> None:
        """Write `model.json`: a row of coefficients and an intercept for each output."""
        content = {
            "format": FORMAT,
            "means": self.design.means.tolist(),
            "scales": self.design.scales.tolist(),
            "coefficients": np.atleast_2d(self.estimator.coef_).tolist(),
            "intercepts": np.atleast_1d(self.estimator.intercept_).tolist(),
        }
        (folder / "model.json").write_text(json.dumps(content, allow_nan=False))

    def as_card(self) -> dict[str, Any]:
        """What the model card says of this kind of model."""
        return {"coefficients": int(np.size(self.estimator.coef_))}

    def tell(self) -> str:
        """Say how much was trained."""
        return f"{np.size(self.estimator.coef_)} coefficients"


def fit(dataset: Dataset, job: Job, hyperparameters: Hyperparameters) -> LinearModel:
    """Train on one host's rows, which must be all; the rows of the dataset are released.

    :raises TrainingFailure: if a hyperparameter does not fit the task or scikit-learn refuses it
    """
    estimator = make_estimator(job, hyperparameters)
    design = Design.of(dataset)
    batches = [design.matrix(batch.matrix) for batch in dataset.batches("train")]
    holdout = sparse.vstack([design.matrix(batch.matrix) for batch in dataset.batches("holdout")], format="csr")
    weights = None if dataset.weights is None else dataset.weights[dataset.is_train].astype(np.float64)
    dataset.release()
    train = sparse.vstack(batches, format="csr")
    del batches
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(train, dataset.targets("train"), sample_weight=weights)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise TrainingFailure(f"scikit-learn refused to train: {reason}; check the hyperparameters") from error
    for warning in caught:
        print(f"{warning.category.__name__}: {' '.join(str(warning.message).split())}", flush=True)
    return LinearModel(estimator, design, job.task, _predict(estimator, job.task, holdout))


def make_estimator(job: Job, hyperparameters: Hyperparameters) -> LogisticRegression | Ridge:
    """Make what the task wants.

    :raises TrainingFailure: if a hyperparameter is one of the other task's
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    given = hyperparameters.as_dict()
    is_regression = job.task == "regression"
    known = _OF_NUMBERS if is_regression else _OF_CLASSES
    wrong = sorted(given.keys() - known)
    if wrong:
        raise TrainingFailure(
            f"hyperparameter {wrong[0]!r} is none of the linear estimator's for a {job.task.replace('_', ' ')}; "
            f"known are {', '.join(sorted(known))}"
        )
    given = {"max_iter": _MAX_ITERATIONS, **given}
    if is_regression:
        return Ridge(**given, random_state=job.seed)
    # Only this solver knows a penalty that is part absolute, part square.
    solver = "saga" if given.get("l1_ratio") else "lbfgs"
    return LogisticRegression(**given, solver=solver, random_state=job.seed)


def _predict(estimator: Any, task: str, rows: sparse.csr_matrix) -> Floats:
    if task == "regression":
        return np.asarray(estimator.predict(rows))
    scores = np.asarray(estimator.predict_proba(rows))
    return scores[:, 1] if task == "binary_classification" else scores
