"""What a task's models are scored, checked and measured by; the tasks themselves are subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from snowmaker.snowflake.scoring import field
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from snowmaker.bootstrap import Replicates
    from snowmaker.champion import ModelVersion
    from snowmaker.input_check import LabelRule
    from snowmaker.measured import Measured
    from snowmaker.metrics import Metric
    from snowmaker.snowflake.scoring import ScoreMethod


class ScoredTask(ABC):
    """How the models of one task are scored, checked and measured in the warehouse.

    ``metrics`` are those that the warehouse measures, ``default_metric`` is the one to judge by. ``method`` gives
    the score unless another one is asked for. A score must meet ``is_good`` (SQL over SCORE), or is ``bad_score``.
    ``columns`` are what a model gives for each row, SCORE among them; those that every predictions table has not are
    ``own_columns``, with their types. ``predicts_classes`` where PREDICTION is the name of a class.
    ``is_estimated`` where ``estimate`` works: the metrics can be estimated before labels come.
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
    is_estimated: ClassVar[bool] = False

    def outputs(self, method: ScoreMethod, version: ModelVersion) -> dict[str, Statement]:  # noqa: ARG002
        """Give each of ``columns`` as an expression over what the model's function returns for a row."""
        return {"SCORE": Statement(field(method.field))}

    @property
    @abstractmethod
    def prediction(self) -> Statement:
        """The expression over ``columns`` that is the prediction."""

    @abstractmethod
    def measure(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up what the metrics are made of, by WEEK_START, MODEL_VERSION and SEGMENT ('': all rows).

        :param relation: rows of WEEK_START, MODEL_VERSION, LABEL, ``columns``, and SEGMENT_0, … if there are segments
        :param segments: how many columns to split by
        """

    def estimate(self, relation: Statement) -> Statement:
        """Add up the same in rows whose LABEL is the chance of class 1."""
        raise NotImplementedError(f"{type(self).__name__} estimates nothing from {relation.summary}")

    @abstractmethod
    def read(self, rows: Sequence[Mapping[str, Any]]) -> Measured:
        """Make the metrics of the rows that ``measure`` gives of one week, version and segment."""

    @abstractmethod
    def add_up_groups(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up what the metrics of a resample are made of, by MODEL_VERSION, SEGMENT ('': all rows) and ROW_GROUP.

        :param relation: rows as ``measure`` takes them, with their ROW_GROUP
        """

    @abstractmethod
    def resample(self, rows: Sequence[Mapping[str, Any]], groups: Sequence[int], draws: Any) -> Replicates:
        """Make the metrics of each resample of the rows that ``add_up_groups`` gives of one version and segment.

        :param groups: the groups in the order of the draws
        :param draws: how often each group is in each resample, as ``bootstrap.draw`` gives it
        """

    def read_all(self, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Measured]:
        """Make the metrics of all rows of ``measure``, by first day of the week, version and segment."""
        groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for row in rows:
            key = (str(row["WEEK_START"])[:10], str(row["MODEL_VERSION"]), str(row["SEGMENT"]))
            groups.setdefault(key, []).append(row)
        return {key: self.read(group) for key, group in groups.items()}
