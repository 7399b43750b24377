"""What scoring and judging a model depend on its task for: one class a task, so that nobody else has to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker.input_check import BINARY_LABEL, NUMERIC_LABEL
from snowmaker.performance import Confusion, Residuals
from snowmaker.scored_task_base import ScoredTask
from snowmaker.snowflake import performance
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.snowflake.statement import IS_FINITE, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ScoredTaskType = Literal["binary_classification", "regression"]


@dataclass(frozen=True)
class BinaryClassification(ScoredTask):
    """The score is the probability of class 1, the prediction 1 from ``threshold`` on."""

    threshold: float = 0.5

    metrics = ("accuracy", "precision", "recall", "f1", "roc_auc")
    default_metric = "f1"
    label = BINARY_LABEL
    method = ScoreMethod("PREDICT_PROBA", "output_feature_1")
    is_good = "SCORE >= 0 AND SCORE <= 1"
    bad_score = "outside [0, 1]"
    prediction_type = "NUMBER(38,0)"

    @property
    def prediction(self) -> Statement:
        """1 from the threshold on, else 0."""
        return Statement("IFF(SCORE >= %s, 1, 0)", (self.threshold,))

    def measure(self, relation: Statement) -> Statement:
        """Count right and wrong predictions."""
        return performance.confusion(relation, self.threshold, self.label.is_wrong("LABEL"))

    def read(self, row: Mapping[str, Any]) -> Confusion:
        """Read the counts."""
        return Confusion.from_row(row)


@dataclass(frozen=True)
class Regression(ScoredTask):
    """The score is the predicted number, and so is the prediction."""

    metrics = ("rmse", "mae", "r2")
    default_metric = "rmse"
    label = NUMERIC_LABEL
    method = ScoreMethod("PREDICT", "output_feature_0")
    is_good = IS_FINITE.format("SCORE")
    bad_score = "that is not finite"
    prediction_type = "FLOAT"

    @property
    def prediction(self) -> Statement:
        """The score itself."""
        return Statement("SCORE")

    def measure(self, relation: Statement) -> Statement:
        """Add up the errors."""
        return performance.residuals(relation, self.label.is_wrong("LABEL"))

    def read(self, row: Mapping[str, Any]) -> Residuals:
        """Read the sums."""
        return Residuals.from_row(row)


TASKS: dict[str, type[ScoredTask]] = {"binary_classification": BinaryClassification, "regression": Regression}


def scored_task(task: ScoredTaskType, threshold: float = 0.5) -> ScoredTask:
    """Return the task by its name.

    :param threshold: score from which a binary classification's class 1 is predicted
    :raises ValueError: if its models cannot be scored here

    >>> scored_task("regression").default_metric
    'rmse'
    """
    if task not in TASKS:
        raise ValueError(f"task {task!r} can be trained but not yet scored; choose one of {', '.join(TASKS)}")
    return BinaryClassification(threshold) if task == "binary_classification" else TASKS[task]()
