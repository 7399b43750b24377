"""The operator that holds a challenger against the champion."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import InputDataError, ScoringError
from snowmaker.gate import judge
from snowmaker.hooks.model_registry import calling, read_state
from snowmaker.input_check import check_labels
from snowmaker.operators.base import WarehouseOperator
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import scoring
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source


class EvaluateChallengerOperator(WarehouseOperator):
    """Score challenger and champion on the same rows in the warehouse, and hold the challenger to the gate.

    The rows are the holdout weeks of the challenger's training set. If the champion was trained on one of
    those weeks, the comparison would flatter it: that is refused.

    :param source: the table of weekly rows that the training set was made from
    :param model_name: the model, written database.schema.name (templated)
    :param challenger: the version to judge (templated)
    :param training_table: the training set, written database.schema.name (templated)
    :param first_week: first holdout week (templated)
    :param last_week: last holdout week (templated)
    :param task: what the model predicts
    :param floors: least value by metric
    :param ceilings: greatest value by metric, for errors
    :param min_gain: least gain over the champion by metric, of an error the share by which it is smaller; not asked
        for when there is no champion
    :param method: which function and output of the model is the score; default: the task's
    :param threshold: score from which the class 1 is predicted
    :param week: the week as of which the challenger was trained; default: the last holdout week (templated)
    :param confidence: of the intervals around metrics and gains
    :param not_worse: by source column the loss that is borne in each of its segments, in the unit of the gain; a
        challenger fails that is significantly worse than the champion by more
    :param not_worse_metric: the metric of ``not_worse``; default: the task's
    :param max_scoring_seconds_per_million: longest time in the warehouse for scoring a million rows
    :param max_training_cost: of the challenger's training job, in US dollars
    :param costs_table: the table SNOWMAKER_RUN_COSTS that knows it, written database.schema.name; default: the one
        beside the model (templated)
    :return: the verdict, as ``GateVerdict.to_dict`` writes it
    """

    template_fields: Sequence[str] = (
        "model_name",
        "challenger",
        "training_table",
        "first_week",
        "last_week",
        "week",
        "costs_table",
    )

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        challenger: str,
        training_table: str,
        first_week: str,
        last_week: str,
        task: ScoredTaskType = "binary_classification",
        floors: Mapping[str, float] | None = None,
        ceilings: Mapping[str, float] | None = None,
        min_gain: Mapping[str, float] | None = None,
        method: ScoreMethod | None = None,
        threshold: float = 0.5,
        week: str | None = None,
        confidence: float = 0.95,
        not_worse: Mapping[str, float] | None = None,
        not_worse_metric: str | None = None,
        max_scoring_seconds_per_million: float | None = None,
        max_training_cost: float | None = None,
        costs_table: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.challenger = challenger
        self.training_table = training_table
        self.first_week = first_week
        self.last_week = last_week
        self.floors = dict(floors or {})
        self.ceilings = dict(ceilings or {})
        self.min_gain = dict(min_gain or {})
        self.scored_task = scored_task(task, threshold)
        self.method = method or self.scored_task.method
        self.week = week
        self.confidence = confidence
        self.not_worse = dict(not_worse or {})
        self.not_worse_metric = not_worse_metric or self.scored_task.default_metric
        self.max_scoring_seconds_per_million = max_scoring_seconds_per_million
        self.max_training_cost = max_training_cost
        self.costs_table = costs_table

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Score, count, judge."""
        first, last = (Week.parse(week, self.source.starts_on) for week in (self.first_week, self.last_week))
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            state = read_state(session, model)
            challenger, champion = state.version(self.challenger), state.champion
            if champion and champion.name != self.challenger:
                self._check_unseen(champion, first)
            else:
                champion = None
            versions = [challenger, *([champion] if champion else [])]
            with calling(session, model, [version.name for version in versions], self.method.method):
                measured = self._measure(session, model, versions, first, last)
        verdict = judge(
            self.challenger,
            champion.name if champion else None,
            {version: found.metrics for version, found in measured.items()},
            rows=measured[self.challenger].rows,
            floors=self.floors,
            ceilings=self.ceilings,
            min_gain=self.min_gain,
        )
        self.log.info("Gate %s: %s", "passed" if verdict.passed else "not passed", verdict.summary)
        return verdict.to_dict()

    def _check_unseen(self, champion: ModelVersion, first: Week) -> None:
        trained_up_to = champion.provenance.get("trained_up_to")
        if trained_up_to and date.fromisoformat(trained_up_to[:10]) >= first.start:
            raise InputDataError(
                f"champion {champion.name} was trained on weeks up to {trained_up_to}, so the holdout from {first} on "
                f"would flatter it; retrain as of a later week"
            )

    def _measure(
        self, session: WarehouseSession, model: QualifiedName, versions: list[ModelVersion], first: Week, last: Week
    ) -> dict[str, Measured]:
        relation = scoring.scored_training_rows(
            QualifiedName.parse(self.training_table),
            self.source,
            {version.name: self.scored_task.outputs(self.method, version) for version in versions},
            model=model,
            method=self.method,
            first=first,
            last=last,
        )
        found = self.scored_task.read_all(session.rows(self.scored_task.measure(relation)))
        measured = {version: sums for (_, version, _), sums in found.items()}
        for sums in measured.values():
            check_labels(
                self.scored_task.label,
                self.source,
                self.training_table,
                sums.wrong,
                f"the holdout {first} to {last}",
            )
            if sums.bad:
                raise ScoringError(
                    f"model {self.model_name} gives {sums.bad} of {sums.rows} rows of the holdout {first} to {last} no "
                    f"score, or one {self.scored_task.bad_score}; check method {self.method.method} and field "
                    f"{self.method.field}"
                )
        names = [version.name for version in versions]
        missing = [name for name in names if name not in measured or not measured[name].rows]
        if missing:
            raise InputDataError(
                f"training set {self.training_table} has no labelled row from {first} to {last} to judge "
                f"{', '.join(missing)} by"
            )
        return measured
