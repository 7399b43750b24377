"""What scoring and judging a model depend on its task for: one class a task, so that nobody else has to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker import resampled
from snowmaker.input_check import BINARY_LABEL, NUMERIC_LABEL
from snowmaker.measured import read_binary, read_regression
from snowmaker.multiclass import MulticlassClassification
from snowmaker.scored_task_base import ScoredTask
from snowmaker.snowflake import performance, row_groups
from snowmaker.snowflake.scoring import ScoreMethod
from snowmaker.snowflake.statement import IS_FINITE, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from snowmaker.bootstrap import Replicates
    from snowmaker.measured import Measured

ScoredTaskType = Literal["binary_classification", "multiclass_classification", "regression"]


@dataclass(frozen=True)
class BinaryClassification(ScoredTask):
    """The score is the probability of class 1, the prediction 1 from ``threshold`` on."""

    threshold: float = 0.5

    metrics = (
        "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier", "calibration_error",
    )  # fmt: skip
    default_metric = "f1"
    label = BINARY_LABEL
    method = ScoreMethod("PREDICT_PROBA", "output_feature_1")
    is_good = "SCORE >= 0 AND SCORE <= 1"
    bad_score = "outside [0, 1]"
    prediction_type = "NUMBER(38,0)"
    is_estimated = True

    @property
    def prediction(self) -> Statement:
        """1 from the threshold on, else 0."""
        return Statement("IFF(SCORE >= %s, 1, 0)", (self.threshold,))

    def measure(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up by tenths of the score."""
        return performance.tenths(
            relation,
            self.threshold,
            is_wrong=self.label.is_wrong("LABEL"),
            is_good=self.is_good,
            segments=segments,
        )

    def estimate(self, relation: Statement) -> Statement:
        """Add up by tenths of the score what is expected."""
        return performance.tenths(relation, self.threshold, is_wrong="FALSE", is_good=self.is_good, positive="LABEL")

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Measured:
        """Read the tenths."""
        return read_binary(rows)

    def add_up_groups(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up by group."""
        return row_groups.binary_groups(relation, self.threshold, segments=segments)

    def resample(self, rows: Sequence[Mapping[str, Any]], groups: Sequence[int], draws: Any) -> Replicates:
        """Read the groups."""
        return resampled.binary(rows, groups, draws)


@dataclass(frozen=True)
class Regression(ScoredTask):
    """The score is the predicted number, and so is the prediction."""

    metrics = ("rmse", "mae", "mape", "r2")
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

    def measure(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up the errors."""
        return performance.residuals(
            relation, is_wrong=self.label.is_wrong("LABEL"), is_good=self.is_good, segments=segments
        )

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Measured:
        """Read the sums."""
        return read_regression(rows)

    def add_up_groups(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up the errors by group."""
        return row_groups.residual_groups(relation, segments=segments)

    def resample(self, rows: Sequence[Mapping[str, Any]], groups: Sequence[int], draws: Any) -> Replicates:
        """Read the groups."""
        return resampled.regression(rows, groups, draws)


TASKS: dict[str, type[ScoredTask]] = {
    "binary_classification": BinaryClassification,
    "multiclass_classification": MulticlassClassification,
    "regression": Regression,
}


def scored_task(task: ScoredTaskType, threshold: float = 0.5) -> ScoredTask:
    """Return the task by its name.

    :param threshold: score from which a binary classification's class 1 is predicted
    :raises ValueError: if there is no such task

    >>> scored_task("regression").default_metric
    'rmse'
    """
    if task not in TASKS:
        raise ValueError(f"task {task!r} is not known; choose one of {', '.join(TASKS)}")
    return BinaryClassification(threshold) if task == "binary_classification" else TASKS[task]()
