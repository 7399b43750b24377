"""Train an XGBoost booster on the rows of all hosts: early stopping on the holdout, deterministic under the seed.

The rows are binned batch by batch, one byte a value, and let go of before training begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from .checkpoints import Progress
from .dataset import Dataset
from .failure import TrainingFailure
from .hyperparameters import Hyperparameters
from .job import Job
from .labels import Floats

OBJECTIVES = {
    "binary_classification": ("binary:logistic", "logloss"),
    "multiclass_classification": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}
_MAXIMIZED = ("auc", "aucpr", "map", "ndcg", "pre")
_SAMPLING = ("colsample_bylevel", "colsample_bynode", "colsample_bytree", "subsample")
_LOGGED_ROUNDS = 25


@dataclass(frozen=True)
class BoostedTrees:
    """A booster, cut to its best round so that a plain predict uses no more, and its scores of the own holdout rows."""

    booster: xgb.Booster
    feature_types: list[str]
    scores: Floats

    def predict(self, matrix: Floats) -> Floats:
        """Score encoded rows: a probability or a row of them, or a number."""
        data = xgb.DMatrix(matrix, feature_types=self.feature_types, enable_categorical=True)
        return np.asarray(self.booster.predict(data))

    def save(self, folder: Path) -> None:
        """Write `model.ubj`."""
        self.booster.save_model(folder / "model.ubj")

    def as_card(self) -> dict[str, Any]:
        """What the model card says of this kind of model."""
        return {"trees": self.booster.num_boosted_rounds()}

    def tell(self) -> str:
        """Say how much was trained."""
        return f"{self.booster.num_boosted_rounds()} rounds kept"


def fit(
    dataset: Dataset,
    job: Job,
    hyperparameters: Hyperparameters,
    progress: Progress,
) -> BoostedTrees:
    """Train; the rows of the dataset are released.

    :raises TrainingFailure: if XGBoost refuses a hyperparameter
    """
    try:
        return _fit(dataset, job, hyperparameters, progress)
    except xgb.core.XGBoostError as error:
        if "/collective/" in str(error):
            raise
        if "bad_alloc" in str(error) or "bad allocation" in str(error):
            raise MemoryError from None
        first_line = next((line for line in str(error).splitlines() if line.strip()), "")
        raise TrainingFailure(f"XGBoost refused to train: {first_line}; check the hyperparameters") from error


def _fit(
    dataset: Dataset,
    job: Job,
    hyperparameters: Hyperparameters,
    progress: Progress,
) -> BoostedTrees:
    parameters = make_parameters(dataset, job, hyperparameters)
    kinds = ["c" if column.categories is not None else "q" for column in dataset.columns]
    train = _matrix(dataset, "train", kinds, int(parameters.get("max_bin", 256)))
    holdout = _matrix(dataset, "holdout", kinds, int(parameters.get("max_bin", 256)), train)
    dataset.release()
    stopping = Stopping.of(parameters, hyperparameters)
    booster, history = Boosting(parameters, train, holdout, progress).run(stopping)
    if stopping.patience:
        booster = booster[: stopping.best(history) + 1]
    # Binned rows score as the rows themselves do: a split lies on a bin's edge.
    scores = np.asarray(booster.predict(holdout))
    if job.task == "multiclass_classification" and dataset.classes:
        scores = scores.reshape(-1, len(dataset.classes))
    return BoostedTrees(booster, kinds, scores)


def make_parameters(dataset: Dataset, job: Job, hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Put together what XGBoost is told.

    Sums may round differently with another number of threads: the same model needs the same instance type.
    """
    objective, metric = OBJECTIVES[job.task]
    parameters = {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        **hyperparameters.booster,
        "seed": job.seed,
        # So that a round samples the same rows, whether the job was interrupted before it or not.
        "seed_per_iteration": True,
    }
    if job.task == "multiclass_classification" and dataset.classes:
        parameters["num_class"] = len(dataset.classes)
    return parameters


@dataclass(frozen=True)
class Stopping:
    """When to stop: after ``rounds``, or ``patience`` rounds after the best one."""

    rounds: int
    patience: int | None
    maximize: bool
    checkpoint_every: int

    @classmethod
    def of(cls, parameters: dict[str, Any], hyperparameters: Hyperparameters) -> Stopping:
        """Read it from the parameters."""
        rounds = hyperparameters.rounds
        metric = str(parameters["eval_metric"]).partition("@")[0]
        # A checkpoint costs a prediction of all rows where something is sampled.
        every = max(10, math.ceil(rounds / (5 if is_sampling(parameters) else 20)))
        return cls(rounds, hyperparameters.early_stopping_rounds, metric in _MAXIMIZED, every)

    def best(self, history: list[float]) -> int:
        """Return the number of the first best round."""
        sign = -1 if self.maximize else 1
        return min(range(len(history)), key=lambda i: math.inf if math.isnan(history[i]) else sign * history[i])

    def is_over(self, history: list[float]) -> bool:
        """Whether no round is to follow."""
        if len(history) >= self.rounds:
            return True
        return bool(self.patience and history and len(history) - 1 - self.best(history) >= self.patience)


def is_sampling(parameters: dict[str, Any]) -> bool:
    """Whether a round draws rows or columns at random."""
    return any(parameters.get(name, 1) != 1 for name in _SAMPLING)


@dataclass(frozen=True)
class Boosting:
    """The rounds of one training."""

    parameters: dict[str, Any]
    train: xgb.QuantileDMatrix
    holdout: xgb.QuantileDMatrix
    progress: Progress

    def run(self, stopping: Stopping) -> tuple[xgb.Booster, list[float]]:
        """Train round by round; return the booster and each round's score on the holdout."""
        resumed = self.progress.resumed
        booster = self._booster(resumed.model if resumed else None)
        history = list(resumed.history) if resumed else []
        while not stopping.is_over(history):
            booster.update(self.train, len(history))
            text = booster.eval_set([(self.holdout, "holdout")], len(history))
            history.append(float(text.rpartition(":")[2]))
            over = stopping.is_over(history)
            if self.progress.is_first and (over or (len(history) - 1) % _LOGGED_ROUNDS == 0):
                print(text, flush=True)
            if self.progress.is_kept and not over and len(history) % stopping.checkpoint_every == 0:
                booster = self._pause(booster, history)
        return booster, history

    def _pause(self, booster: xgb.Booster, history: list[float]) -> xgb.Booster:
        model = bytes(booster.save_raw("ubj"))
        self.progress.save(history, model)
        # A booster's random state is in no checkpoint: an uninterrupted job has to begin anew here too.
        return self._booster(model) if is_sampling(self.parameters) else booster

    def _booster(self, model: bytes | None) -> xgb.Booster:
        return xgb.Booster(self.parameters, [self.train, self.holdout], model_file=bytearray(model) if model else None)


def _matrix(
    dataset: Dataset, part: str, kinds: list[str], max_bin: int, binned_as: xgb.QuantileDMatrix | None = None
) -> xgb.QuantileDMatrix:
    matrix = xgb.QuantileDMatrix(
        _Batches(dataset, part, kinds), max_bin=max_bin, ref=binned_as, enable_categorical=True
    )
    # A host without rows does not learn the types by itself.
    matrix.feature_types = kinds
    return matrix


class _Batches(xgb.DataIter):
    """Hands a part's batches to XGBoost, as often as it wants to see them."""

    def __init__(self, dataset: Dataset, part: str, kinds: list[str]) -> None:
        super().__init__()
        self._dataset, self._part, self._kinds = dataset, part, kinds
        self._batches = dataset.batches(part)

    def reset(self) -> None:
        self._batches = self._dataset.batches(self._part)

    def next(self, input_data: Callable[..., None]) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        input_data(data=batch.matrix, label=batch.target, weight=batch.weights, feature_types=self._kinds)
        return True
