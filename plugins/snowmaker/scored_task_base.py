"""What a task's models are scored, checked and measured by; the tasks themselves are subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from snowmaker.snowflake.scoring import field
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from snowmaker.champion import ModelVersion
    from snowmaker.input_check import LabelRule
    from snowmaker.metrics import Metric
    from snowmaker.performance import Measured
    from snowmaker.snowflake.scoring import ScoreMethod


class ScoredTask(ABC):
    """How the models of one task are scored, checked and measured in the warehouse.

    ``metrics`` are those that the warehouse measures, ``default_metric`` is the one to judge by. ``method`` gives
    the score unless another one is asked for. A score must meet ``is_good`` (SQL over SCORE), or is ``bad_score``.
    ``columns`` are what a model gives for each row, SCORE among them; those that every predictions table has not are
    ``own_columns``, with their types. ``predicts_classes`` where PREDICTION is the name of a class.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    default_metric: ClassVar[Metric]
    label: ClassVar[LabelRule]
    method: ClassVar[ScoreMethod]
    is_good: ClassVar[str]
    bad_score: ClassVar[str]
    prediction_type: ClassVar[str]
    columns: ClassVar[tuple[str, ...]] = ("SCORE",)
    own_columns: ClassVar[Mapping[str, str]] = {}
    predicts_classes: ClassVar[bool] = False

    def outputs(self, method: ScoreMethod, version: ModelVersion) -> dict[str, Statement]:  # noqa: ARG002
        """Give each of ``columns`` as an expression over FOUND, what the model's function returns for a row."""
        return {"SCORE": Statement(field(method.field))}

    @property
    @abstractmethod
    def prediction(self) -> Statement:
        """The expression over ``columns`` that is the prediction."""

    @abstractmethod
    def measure(self, relation: Statement) -> Statement:
        """Count what the metrics are made of, in rows of WEEK_START, MODEL_VERSION, LABEL and ``columns``."""

    @abstractmethod
    def read(self, row: Mapping[str, Any]) -> Measured:
        """Read a row of ``measure``."""
