"""The operator that compares two versions' predictions of a week."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snowmaker.comparison import Comparison, Scored, choose
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.own_tables import ensure_predictions
from snowmaker.input_check import check_labels
from snowmaker.model_inputs import source_of
from snowmaker.operators.base import WarehouseOperator, ensure_columns
from snowmaker.scored_task import scored_task
from snowmaker.snowflake.comparison import PredictedWeek
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.labelled_rows import beside_labels
from snowmaker.snowflake.source_rows import identified_twice
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelState
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.source import Source


class ComparePredictionsOperator(WarehouseOperator):
    """Compare a week's predictions by two versions, one of which scored it in the shadow.

    The warehouse joins them row by row; a few figures come back. A row whose key or features changed between the two
    scorings is another row, so it is counted as scored by one only. The two may have been trained on different
    features, as long as the source has them all. Where labels have come, the metrics of both are
    taken of the same rows: those that both scored.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param version: a version or an alias; its shadow rows, or if there are none its rows that count (templated)
    :param against: another one, or empty: the version whose rows of the week count (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param task: what the model predicts
    :param threshold: score from which the class 1 is predicted
    :return: ``{"week", "version", "against", "rows", "only_version", "only_against", "equal_predictions",
        "mean_absolute_difference", "correlation", "classes", "labelled", "metrics"}``, see ``comparison.Comparison``;
        of several classes the score is the probability of the one predicted
    """

    template_fields: Sequence[str] = ("model_name", "predictions_table", "version", "against", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        predictions_table: str,
        version: str,
        against: str | None = None,
        week: str | None = None,
        task: ScoredTaskType = "binary_classification",
        threshold: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.predictions_table = predictions_table
        self.version = version
        self.against = against
        self.week = week
        self.is_classification = task != "regression"
        self.scored_task = scored_task(task, threshold)

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Find both versions' rows, and compare them."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        table, model = QualifiedName.parse(self.predictions_table), QualifiedName.parse(self.model_name)
        predicted = PredictedWeek(table, model, week)
        with self.hook.session() as session:
            state = read_state(session, model)
            ensure_predictions(session, table)
            version, against = self._sides(session, predicted, state)
            own, other = (source_of(self.source, state, model, side.version) for side in (version, against))
            for side, source in ((version, own), (against, other)):
                ensure_columns(session, source, label_rule=self.scored_task.label, version=side.version)
            if own != other:
                predicted = replace(predicted, identities={version.version: identified_twice(own, other, week)})
            classes = session.rows(predicted.pairs(version, against)) if self.is_classification else []
            measured = self._measure(session, predicted, other, version, against)
            row = session.row(predicted.differences(version, against))
        found = Comparison.of(row, classes, measured)
        self.log.info("Week %s: %s", week, found.told(version.version, against.version))
        return {"week": str(week), "version": version.version, "against": against.version, **found.to_dict()}

    def _sides(self, session: WarehouseSession, predicted: PredictedWeek, state: ModelState) -> tuple[Scored, Scored]:
        rows = session.rows(predicted.scored())
        scored = [Scored(row["MODEL_VERSION"], bool(row["IS_SHADOW"]), int(row["N"])) for row in rows]
        version = _name(state, predicted, scored, self.version)
        against = _name(state, predicted, scored, self.against) if self.against else None
        return choose(scored, version, against, f"week {predicted.week} of {predicted.predictions.quoted}")

    def _measure(
        self, session: WarehouseSession, predicted: PredictedWeek, source: Source, version: Scored, against: Scored
    ) -> dict[str, Measured]:
        """Measure both sides on the labelled rows that both scored; empty if no label has come."""
        both = predicted.both_sides(version, against, self.scored_task.columns)
        relation = beside_labels(both, source, [predicted.week], columns=self.scored_task.columns)
        measured = self.scored_task.read_all(session.rows(self.scored_task.measure(relation)))
        found = {side: measured for (_, side, _), measured in measured.items()}
        for one in found.values():
            week = f"week {predicted.week}"
            check_labels(self.scored_task.label, source, source.table.quoted, one.wrong, week)
        return found


def _name(state: ModelState, predicted: PredictedWeek, scored: Sequence[Scored], asked: str) -> str:
    # A version that is gone from the registry may still have predictions.
    if any(one.version == asked for one in scored):
        return asked
    return state.resolve(asked, predicted.week).name
