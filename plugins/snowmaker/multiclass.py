"""The task of telling several classes apart: how its models are scored, and what its labels are compared as."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from snowmaker import resampled
from snowmaker.exceptions import ModelVersionError
from snowmaker.input_check import CLASS_LABEL
from snowmaker.measured import read_multiclass
from snowmaker.scored_task_base import ScoredTask
from snowmaker.snowflake.performance import by_class
from snowmaker.snowflake.row_groups import class_groups
from snowmaker.snowflake.scoring import ScoreMethod, field
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from snowmaker.bootstrap import Replicates
    from snowmaker.champion import ModelVersion
    from snowmaker.measured import Measured


def likeliest(classes: Sequence[str], fields: Sequence[str]) -> dict[str, Statement]:
    """Give the likeliest class, of equally likely ones the first, its probability, and those of all.

    :param classes: the classes' names, in the order of the model's outputs
    :param fields: the expressions of their probabilities
    """
    top = f"GREATEST({listed(fields)})"
    cases = " ".join(f"WHEN {probability} THEN %s" for probability in fields)
    pairs = listed(f"%s, {probability}" for probability in fields)
    return {
        "SCORE": Statement(top),
        "PREDICTION": Statement(f"CASE {top} {cases} END", tuple(classes)),
        "PROBABILITIES": Statement(f"OBJECT_CONSTRUCT({pairs})", tuple(classes)),
    }


@dataclass(frozen=True)
class MulticlassClassification(ScoredTask):
    """The prediction is the likeliest class's name, the score its probability.

    A version's classes are read from its comment, where LogModelOperator wrote them, so each version scores with its
    own. Labels may be text, whole numbers or booleans; they are compared as text.
    """

    metrics = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "roc_auc_macro", "log_loss")
    default_metric = "f1_macro"
    label = CLASS_LABEL
    method = ScoreMethod("PREDICT_PROBA", "output_feature_{}")
    is_good = "SCORE >= 0 AND SCORE <= 1"
    bad_score = "outside [0, 1]"
    prediction_type = "VARCHAR"
    columns = ("SCORE", "PREDICTION", "PROBABILITIES")
    own_columns: ClassVar[Mapping[str, str]] = {"PROBABILITIES": "OBJECT"}
    predicts_classes = True

    def outputs(self, method: ScoreMethod, version: ModelVersion) -> dict[str, Statement]:
        """Give the three columns as expressions over the probabilities that the model's function returns.

        :raises ModelVersionError: if the version does not tell its classes
        """
        if not version.classes:
            raise ModelVersionError(
                f"the comment of version {version.name} tells no classes; log it with LogModelOperator, or set its "
                f"comment to JSON with the names under 'classes', in the order of the outputs of {method.method}"
            )
        fields = [field(method.field.replace("{}", str(place))) for place in range(len(version.classes))]
        return likeliest(version.classes, fields)

    @property
    def prediction(self) -> Statement:
        """The class, as it was scored."""
        return Statement("PREDICTION")

    def measure(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up by class."""
        return by_class(relation, is_good=self.is_good, segments=segments)

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Measured:
        """Read the classes' sums. A label that the version does not know is one that it got wrong, and no fault."""
        return replace(read_multiclass(rows), wrong=0)

    def add_up_groups(self, relation: Statement, segments: int = 0) -> Statement:
        """Add up by class and group."""
        return class_groups(relation, segments=segments)

    def resample(self, rows: Sequence[Mapping[str, Any]], groups: Sequence[int], draws: Any) -> Replicates:
        """Read the classes' groups."""
        return resampled.multiclass(rows, groups, draws)
