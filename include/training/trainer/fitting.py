"""The estimators, behind one interface: fit a dataset, get a model that predicts, saves and describes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from . import boosting
from .checkpoints import Progress
from .dataset import Dataset
from .hyperparameters import Hyperparameters
from .job import Job
from .labels import Floats


class Model(Protocol):
    """A trained model, the same on every host; ``scores`` are those of the host's own holdout rows."""

    @property
    def scores(self) -> Floats:
        """A probability of the second class, a row of probabilities, or a number, for each row."""

    def predict(self, matrix: Floats) -> Floats:
        """Score encoded rows in the same way."""

    def save(self, folder: Path) -> None:
        """Write the model's file."""

    def as_card(self) -> dict[str, Any]:
        """What the model card says of this kind of model."""

    def tell(self) -> str:
        """Say how much was trained."""


def fit(dataset: Dataset, job: Job, hyperparameters: Hyperparameters, progress: Progress) -> Model:
    """Train what the job asks for. The rows of the dataset are released.

    :raises TrainingFailure: if the estimator refuses a hyperparameter
    """
    if job.estimator == "linear":
        from . import linear

        return linear.fit(dataset, job, hyperparameters)
    return boosting.fit(dataset, job, hyperparameters, progress)
