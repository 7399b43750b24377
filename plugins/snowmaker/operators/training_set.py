"""The operator that settles and makes the training set of one retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.exceptions import InputDataError
from snowmaker.hooks.model_registry import read_state
from snowmaker.input_check import LABEL_RULES, check_classes, check_labels, check_training_weeks
from snowmaker.model_inputs import own_source
from snowmaker.operators.base import WarehouseOperator, ensure_columns, run_label
from snowmaker.snowflake import training_set
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week, newest_event_extra, week_of_run

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import Identifier
    from snowmaker.source import Source, TaskType


class CreateTrainingSetOperator(WarehouseOperator):
    """Make the training set of a retraining: the newest labelled weeks, as of a week.

    As of week W the labels of weeks up to W - ``label_delay_weeks`` are in. The newest ``window_weeks`` of these
    are copied to a table of the run's own, so that every training instance, the evaluation and the baseline
    see the same rows, however the source changes. A retry finds the table and keeps it. What the champion was trained
    on and the pipeline file lists no more is copied too, for the challenger is judged against it.

    A run that was triggered because a version is degraded is skipped if another version is champion already.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name; the table is made beside it (templated)
    :param week: train as of this week, or empty: the week the run is for (templated)
    :param window_weeks: how many weeks to use, holdout included (templated)
    :param holdout_weeks: how many of them, the newest, to hold out
    :param label_delay_weeks: weeks after which labels are in
    :param reason: why, for the model event; empty: what the asset event says (templated)
    :param task: what the model is to predict; the labels of a binary classification must be 0 and 1, those of a
        regression finite numbers, those of several classes text, whole numbers or booleans
    :return: ``{"week", "table", "first_week", "holdout_first", "holdout_last", "rows", "reason"}``
    """

    template_fields: Sequence[str] = ("model_name", "week", "window_weeks", "reason")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        week: str | None = None,
        window_weeks: int | str = 8,
        holdout_weeks: int = 1,
        label_delay_weeks: int = 0,
        reason: str | None = None,
        task: TaskType = "binary_classification",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.week = week
        self.window_weeks = window_weeks
        self.holdout_weeks = holdout_weeks
        self.label_delay_weeks = label_delay_weeks
        self.reason = reason
        self.task = task

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Settle the weeks, copy the rows, check that there are labels to learn from and to judge by."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        last = week.shift(-self.label_delay_weeks)
        first = last.shift(1 - int(self.window_weeks))
        holdout = last.shift(1 - self.holdout_weeks)
        event = newest_event_extra(context) or {}
        model = QualifiedName.parse(self.model_name)
        table = training_set.training_set_of_run(model, run_label(context))
        with self.hook.session() as session:
            champion = read_state(session, model).champion
            self._skip_if_replaced(champion, event)
            types = ensure_columns(session, self.source, label_rule=LABEL_RULES[self.task])
            columns = self._champions_columns(model, champion, types) if champion else []
            session.execute(training_set.create_training_set(table, self.source, first, last, also=columns))
            try:
                rows = self._check(session, table, first, holdout)
            except InputDataError:
                # Another try is to look again, for the source may have been mended.
                session.execute(training_set.drop_training_set(table))
                raise
        run_type = context["dag_run"].run_type
        reason = self.reason or event.get("detail") or f"{getattr(run_type, 'value', run_type)} run"
        self.log.info(
            "Training set %s: weeks %s to %s, holdout from %s: %s", table.quoted, first, last, holdout, reason
        )
        return {
            "week": str(week),
            "table": table.quoted,
            "first_week": str(first),
            "holdout_first": str(holdout),
            "holdout_last": str(last),
            "rows": rows,
            "reason": str(reason),
        }

    def _check(self, session: WarehouseSession, table: QualifiedName, first: Week, holdout: Week) -> int:
        counts = session.rows(training_set.count_by_week(table, self.source))
        by_week = {Week.parse(str(row["WEEK_START"])[:10], self.source.starts_on): int(row["N"]) for row in counts}
        check_training_weeks(self.source, table.quoted, first, holdout, by_week)
        rule, source = LABEL_RULES[self.task], self.source.table.quoted
        wrong = int(session.row(training_set.count_wrong_labels(table, rule.is_wrong(self.source.label)))["N"])
        check_labels(rule, self.source, source, wrong, f"weeks {first} to {max(by_week)}")
        if rule.most:
            classes = int(session.row(training_set.count_classes(table, self.source.label))["N"])
            check_classes(rule, self.source, source, classes)
        return sum(by_week.values())

    def _champions_columns(
        self, model: QualifiedName, champion: ModelVersion, types: Container[str]
    ) -> list[Identifier]:
        columns = [feature.column for feature in own_source(self.source, model, champion).features]
        if gone := [column.name for column in columns if column.name not in types]:
            self.log.warning(
                "Champion %s takes %s, which %s has no more: the challenger cannot be compared with it",
                champion.name,
                ", ".join(gone),
                self.source.table.quoted,
            )
        return [column for column in columns if column.name in types]

    def _skip_if_replaced(self, champion: ModelVersion | None, event: Mapping[str, Any]) -> None:
        if "model_version" not in event or self.week:
            return
        if champion and champion.name != event["model_version"]:
            raise AirflowSkipException(
                f"version {event['model_version']} was degraded, but {champion.name} is champion already"
            )
