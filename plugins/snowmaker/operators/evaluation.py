"""The operator that holds a challenger against the champion."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snowmaker.bootstrap import gain_intervals, gains, interval, intervals
from snowmaker.gate import SegmentGain, at_least, judge
from snowmaker.hooks.model_life import nominate
from snowmaker.hooks.model_registry import read_state
from snowmaker.links.verdict import VERDICT_KEY, VerdictLink
from snowmaker.metrics import gain
from snowmaker.model_inputs import own_source
from snowmaker.operators.base import WarehouseOperator, run_label
from snowmaker.operators.evaluation_checks import (
    check_schema,
    check_training_cost,
    judge_scoring_time,
    missing_columns,
    scoring_seconds,
)
from snowmaker.operators.evaluation_record import keep_verdict
from snowmaker.operators.evaluation_rows import JudgedRows
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.unseen_weeks import unseen_weeks
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.bootstrap import Replicates
    from snowmaker.champion import ModelState, ModelVersion
    from snowmaker.gate import GateVerdict, Rule
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source
    from snowmaker.unseen_weeks import UnseenWeeks


class EvaluateChallengerOperator(WarehouseOperator):
    """Score challenger and champion on the same rows in the warehouse, and hold the challenger to the gate.

    The challenger is nominated first. The rows are the holdout weeks of its training set, without those that either
    version was trained on, as its comment tells; if none is left, it is refused. Each version scores them once. Metrics
    and gains get intervals from a paired bootstrap of random groups of rows, which the warehouse adds up. Besides, the
    challenger must score the newest rows of the source as it is now. Every rule goes to SNOWMAKER_VERDICTS, and the
    whole verdict is shown at the task's link. Without a champion only the absolute rules count.

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
    operator_extra_links = (VerdictLink(),)

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
        self.has_judged = False
        self._check_arguments()

    def _check_arguments(self) -> None:
        named = (*self.floors, *self.ceilings, *self.min_gain, self.not_worse_metric)
        unknown = sorted(set(named) - set(self.scored_task.metrics))
        if unknown:
            known = ", ".join(self.scored_task.metrics)
            raise ValueError(f"{unknown[0]!r} is no metric of this task; choose of {known}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}; give a share between 0 and 1, e.g. 0.95")
        for column, margin in self.not_worse.items():
            if Identifier.parse(column) not in self.source.columns:
                there_are = ", ".join(one.name for one in self.source.columns)
                raise ValueError(f"not_worse: {column} is no column of the source; choose of {there_are}")
            if margin < 0:
                raise ValueError(f"not_worse: {column} has margin {margin}; give the loss that is borne, from 0 on")

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Nominate, score, count, judge."""
        model, run = QualifiedName.parse(self.model_name), run_label(context)
        with self.hook.session() as session:
            state = read_state(session, model)
            versions = self._versions(state)
            champion = next((name for name in versions if name != self.challenger), None)
            sources = {name: own_source(self.source, model, one, self.method.method) for name, one in versions.items()}
            gone = missing_columns(session, self.source, QualifiedName.parse(self.training_table), sources)
            compared = {name: one for name, one in versions.items() if name not in gone}
            unseen = self._unseen_weeks(compared)
            if state.champion_name != self.challenger:
                week = Week.parse(self.week or self.last_week, self.source.starts_on)
                nominate(session, model, self.challenger, week=week, run=run)
            rows = self._rows(session, model, compared, sources, unseen, context)
            verdict = self._judge(rows, champion, unseen, gone)
            keep_verdict(session, model, verdict, run)
        self.log.info("Gate %s: %s", "passed" if verdict.passed else "not passed", verdict.summary)
        context["ti"].xcom_push(key=VERDICT_KEY, value=self.task_id)
        self.has_judged = True
        return verdict.to_dict()

    def _versions(self, state: ModelState) -> dict[str, ModelVersion]:
        """Return challenger and champion by name, the challenger first."""
        champion = state.champion
        versions = {self.challenger: state.version(self.challenger)}
        return versions | ({champion.name: champion} if champion else {})

    def _unseen_weeks(self, compared: Mapping[str, ModelVersion]) -> UnseenWeeks:
        """Return the weeks that the versions can be compared on."""
        first, last = (Week.parse(week, self.source.starts_on) for week in (self.first_week, self.last_week))
        holdout = [first.shift(i) for i in range((last.start - first.start).days // 7 + 1)]
        roles = {"challenger" if name == self.challenger else "champion": one for name, one in compared.items()}
        # The champion's part is told first: another week for it can be found.
        unseen = unseen_weeks(holdout, dict(reversed(roles.items())))
        for note in unseen.notes:
            self.log.warning("%s", note)
        return unseen

    def _rows(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        compared: Mapping[str, ModelVersion],
        sources: Mapping[str, Source],
        unseen: UnseenWeeks,
        context: Mapping[str, Any],
    ) -> JudgedRows:
        told_by = hashlib.sha256(str(context["ti"].id).encode()).hexdigest()[:12].upper()
        rows = JudgedRows(
            session=session,
            model=model,
            source=self.source,
            training_table=QualifiedName.parse(self.training_table),
            weeks=unseen.weeks,
            versions=compared,
            sources={name: sources[name] for name in compared},
            task=self.scored_task,
            method=self.method,
            staging=f"SNOWMAKER_JUDGED_{told_by}",
        )
        if len(compared) == 1:
            return rows
        return replace(rows, segments=rows.split([Identifier.parse(column) for column in self.not_worse]))

    def _judge(
        self, rows: JudgedRows, champion: str | None, unseen: UnseenWeeks, gone: Mapping[str, Sequence[str]]
    ) -> GateVerdict:
        against = champion if champion in rows.versions else None
        rows.copy()
        rows.score(self.challenger)
        # At once, for it is the session's last statement.
        asked = self.max_scoring_seconds_per_million is not None
        seconds = scoring_seconds(rows.session, rows.model) if asked else None
        if against:
            rows.score(against)
        measured, resampled = rows.measure(), rows.resample()
        around = {version: intervals(resampled[version, ""], self.confidence) for version in rows.versions}
        count = measured[self.challenger, ""].rows
        return judge(
            self.challenger,
            champion,
            {version: measured[version, ""].metrics for version in rows.versions},
            rows=count,
            floors=self.floors,
            ceilings=self.ceilings,
            min_gain=self.min_gain,
            intervals=around,
            gain_intervals=gain_intervals(resampled[self.challenger, ""], resampled[against, ""], self.confidence)
            if against
            else None,
            segments=self._segment_gains(rows, measured, resampled, against) if against else (),
            more=[*self._more_rules(rows, seconds, count), *self._rules_alone(gone)],
            weeks=unseen.weeks,
            confidence=self.confidence,
            notes=unseen.notes,
        )

    def _segment_gains(
        self,
        rows: JudgedRows,
        measured: Mapping[tuple[str, str], Measured],
        resampled: Mapping[tuple[str, str], Replicates],
        champion: str,
    ) -> list[SegmentGain]:
        metric, found = self.not_worse_metric, []
        margins = {Identifier.parse(column): margin for column, margin in self.not_worse.items()}
        for segment, column in sorted(rows.columns_by_segment.items()):
            if (self.challenger, segment) not in measured:
                continue
            version = self.challenger
            own, other = measured[version, segment], measured[champion, segment]
            around = gains(metric, resampled[version, segment][metric], resampled[champion, segment][metric])
            found.append(
                SegmentGain(
                    segment,
                    metric,
                    own.rows,
                    gain(metric, own.metrics[metric], other.metrics[metric]),
                    interval(around, self.confidence),
                    margins[column],
                )
            )
        return found

    def _rules_alone(self, gone: Mapping[str, Sequence[str]]) -> list[Rule]:
        """Ask for absolute rules where there is no comparison with the champion: else nothing would judge."""
        return [
            at_least(
                "absolute rules",
                len(self.floors) + len(self.ceilings),
                1,
                note=f"champion {champion} was not compared with: it takes {', '.join(columns)}, which "
                f"{self.source.table.quoted} has no more",
            )
            for champion, columns in gone.items()
        ]

    def _more_rules(self, rows: JudgedRows, seconds: float | None, count: int) -> list[Rule]:
        session, model, challenger = rows.session, rows.model, rows.versions[self.challenger]
        source = rows.sources[self.challenger]
        rules = [check_schema(session, source, model, challenger, self.scored_task, self.method)]
        if seconds is not None and self.max_scoring_seconds_per_million is not None:
            rules.append(judge_scoring_time(seconds, count, self.max_scoring_seconds_per_million))
        if self.max_training_cost is not None:
            costs = QualifiedName.parse(self.costs_table) if self.costs_table else model.sibling(tables.RUN_COSTS)
            rules.append(check_training_cost(session, challenger, costs, self.max_training_cost))
        return rules
