"""Operators that score a week in the warehouse."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from snowmaker.champion import CHAMPION
from snowmaker.exceptions import ScoringError
from snowmaker.hooks.model_registry import calling, read_state
from snowmaker.hooks.predictions import prepare_predictions
from snowmaker.input_check import check_week, tell_weeks
from snowmaker.model_inputs import own_source
from snowmaker.operators.base import WarehouseOperator, ensure_columns, replace_rows, run_label
from snowmaker.registry_plan import told_lag
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import predictions, scoring, source_rows
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.profiles import side_by_side
from snowmaker.week import week_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source
    from snowmaker.week import Week


class CheckInputOperator(WarehouseOperator):
    """Settle what a scoring run is about: the week and the model version, and that the rows can be scored.

    Downstream tasks take both from its result, so that moving an alias meanwhile changes nothing for the run.
    Fails if the model has no such version, the table or a column that the version takes is missing or of another type,
    the week has no rows, or a feature no value.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: ``champion`` (default), ``champion_as_of_week``, an alias or a version (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :return: ``{"week", "model_version", "rows"}``
    """

    template_fields: Sequence[str] = ("model_name", "model_version", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str = CHAMPION,
        week: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.week = week

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Check, and return what the run is about."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            state = read_state(session, model)
            version = state.resolve(self.model_version, week)
            source = own_source(self.source, model, version)
            ensure_columns(session, source, version=version.name)
            counts = session.row(source_rows.count_values(source, week))
            rows = _check_week(session, source, week, counts)
        if lag := told_lag(state):
            self.log.warning("%s", lag)
        self.log.info("Week %s: %d rows of %s, model version %s", week, rows, self.source.table.quoted, version.name)
        return {"week": str(week), "model_version": version.name, "rows": rows}


class BatchInferenceOperator(WarehouseOperator):
    """Score one week in the warehouse and replace exactly that week's predictions.

    One statement scores all rows of the week with ``MODEL(name, version)!METHOD`` into a temporary table; the version
    gets the features it was trained on, even if the pipeline file lists others by now. If every row has a score, a
    short transaction deletes the week from the predictions and inserts it anew: run once or five times, side by side
    or after a crash, the rows are the same. Each row carries the week, the resolved model version and the run. No row
    passes through Airflow.

    The view ``<predictions_table>_CURRENT``, made with the table, has one row for each row of the source. In the
    shadow a version scores into the same table, marked IS_SHADOW: those rows stand beside the others, replace only
    the version's own shadow rows of the week, and count nowhere but in a comparison.

    :param source: the table of weekly rows
    :param model_name: the model, written database.schema.name (templated)
    :param predictions_table: where predictions go, written database.schema.name; made on first use (templated)
    :param model_version: ``champion`` (default), ``champion_as_of_week``, an alias or a version; resolved once
        (templated)
    :param week: first day of the week, or empty: the week the run is for (templated)
    :param task: what the model predicts: the prediction of a regression is the score itself, that of several classes
        the likeliest one's name
    :param method: which function and output of the model is the score; default: the task's
    :param threshold: score from which the class 1 is predicted
    :param shadow: whether the rows stand beside those that count, instead of becoming them
    :return: ``{"week", "model_version", "rows"}``
    """

    template_fields: Sequence[str] = ("model_name", "predictions_table", "model_version", "week")

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        predictions_table: str,
        model_version: str = CHAMPION,
        week: str | None = None,
        task: ScoredTaskType = "binary_classification",
        method: ScoreMethod | None = None,
        threshold: float = 0.5,
        shadow: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.model_name = model_name
        self.predictions_table = predictions_table
        self.model_version = model_version
        self.week = week
        self.scored_task = scored_task(task, threshold)
        self.method = method or self.scored_task.method
        self.shadow = shadow

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Score the week, check the scores, replace the predictions."""
        week = week_of_run(context, self.source.starts_on, asked=self.week)
        model = QualifiedName.parse(self.model_name)
        with self.hook.session() as session:
            resolved = read_state(session, model).resolve(self.model_version, week)
            version, outputs = resolved.name, self.scored_task.outputs(self.method, resolved)
            source = own_source(self.source, model, resolved)
            features = own_source(self.source, model, resolved, self.method.method).features
            ensure_columns(session, source, version=version)
            staging = self._staging_table(context)
            score_week = scoring.score_week(
                staging,
                source,
                week,
                model=model,
                version=version,
                method=self.method,
                features=features,
                outputs=outputs,
            )
            with calling(session, model, [version], self.method.method):
                session.execute(score_week)
            rows = self._check_scores(session, source, staging, week)
            self._replace(session, staging, week, version, rows, run_label(context))
        self.log.info("Week %s: %d predictions by %s", week, rows, version)
        return {"week": str(week), "model_version": version, "rows": rows}

    def _staging_table(self, context: Mapping[str, Any]) -> QualifiedName:
        told_by = hashlib.sha256(str(context["ti"].id).encode()).hexdigest()[:12].upper()
        return QualifiedName.parse(self.predictions_table).sibling(f"SNOWMAKER_SCORED_{told_by}")

    def _check_scores(self, session: WarehouseSession, source: Source, staging: QualifiedName, week: Week) -> int:
        scores = scoring.count_scores(staging, self.scored_task.is_good)
        found = session.row(side_by_side(source_rows.count_values(source, week), scores))
        expected = _check_week(session, source, week, found)
        if int(found["SCORED"]) != expected:
            raise ScoringError(
                f"{source.table.quoted} has {expected} rows in week {week}, but {found['SCORED']} were scored; "
                f"the table changed meanwhile: nothing was written, try again"
            )
        good, missing = int(found["GOOD"]), int(found["MISSING"])
        if good != expected:
            raise ScoringError(
                f"model {self.model_name} gave {missing} rows of week {week} no score, and "
                f"{expected - good - missing} one {self.scored_task.bad_score}, of {expected}; "
                f"nothing was written. Check method {self.method.method} and field {self.method.field}"
            )
        return expected

    def _replace(
        self, session: WarehouseSession, staging: QualifiedName, week: Week, version: str, rows: int, run: str
    ) -> None:
        table, model = QualifiedName.parse(self.predictions_table), QualifiedName.parse(self.model_name)
        prepare_predictions(session, table, self.source, self.scored_task)
        replace_rows(
            session,
            table,
            lock=table.quoted,
            holder=run,
            statements=[
                predictions.delete_week(table, week, shadow_of=(model, version) if self.shadow else None),
                predictions.insert_week(
                    table,
                    staging,
                    self.source,
                    week,
                    model=model,
                    version=version,
                    prediction=self.scored_task.prediction,
                    own_columns=self.scored_task.own_columns,
                    run_id=run,
                    shadow=self.shadow,
                ),
            ],
            expected=rows,
        )


def _check_week(session: WarehouseSession, source: Source, week: Week, counts: Mapping[str, Any]) -> int:
    there_are = tell_weeks(session.row(source_rows.weeks_there_are(source))) if not int(counts["N"]) else ""
    return check_week(source, week, counts, there_are)
