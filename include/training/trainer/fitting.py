"""Train the booster: early stopping on the holdout, deterministic under the job's seed."""

from __future__ import annotations

import numpy as np
import xgboost as xgb

from .dataset import Dataset, Floats, Part, recency_weights
from .failure import TrainingFailure
from .hyperparameters import Hyperparameters
from .job import Job

OBJECTIVES = {
    "binary_classification": ("binary:logistic", "logloss"),
    "multiclass_classification": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
}


def fit(dataset: Dataset, job: Job, hyperparameters: Hyperparameters) -> xgb.Booster:
    """Train, and cut the booster to its best iteration, so that a plain predict uses no more.

    :raises TrainingFailure: if XGBoost refuses a hyperparameter
    """
    objective, metric = OBJECTIVES[job.task]
    parameters = {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        **hyperparameters.booster,
        "seed": job.seed,
    }
    if job.task == "multiclass_classification" and dataset.classes:
        parameters["num_class"] = len(dataset.classes)
    kinds = feature_types(dataset)
    weights = recency_weights(dataset.train.weeks, job.recency_half_life_weeks)
    train = xgb.QuantileDMatrix(
        dataset.train.matrix,
        dataset.train.target,
        weight=weights,
        feature_types=kinds,
        enable_categorical=True,
        max_bin=int(parameters.get("max_bin", 256)),
    )
    holdout = matrix_of(dataset, dataset.holdout)
    try:
        booster = xgb.train(
            parameters,
            train,
            num_boost_round=hyperparameters.rounds,
            evals=[(holdout, "holdout")],
            early_stopping_rounds=hyperparameters.early_stopping_rounds,
            verbose_eval=25,
        )
    except xgb.core.XGBoostError as error:
        first_line = next((line for line in str(error).splitlines() if line.strip()), "")
        raise TrainingFailure(f"XGBoost refused to train: {first_line}; check the hyperparameters") from error
    if hyperparameters.early_stopping_rounds:
        booster = booster[: booster.best_iteration + 1]
    return booster


def feature_types(dataset: Dataset) -> list[str]:
    """XGBoost's types of the columns: c for categories, q for quantities."""
    return ["c" if column.categories is not None else "q" for column in dataset.columns]


def matrix_of(dataset: Dataset, part: Part | Floats) -> xgb.DMatrix:
    """Wrap rows for prediction."""
    if isinstance(part, np.ndarray):
        return xgb.DMatrix(part, feature_types=feature_types(dataset), enable_categorical=True)
    return xgb.DMatrix(part.matrix, part.target, feature_types=feature_types(dataset), enable_categorical=True)
