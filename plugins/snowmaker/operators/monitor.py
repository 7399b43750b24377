"""The operator that keeps a model version's monitor in Snowflake."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, get_args

from snowmaker.exceptions import InputDataError, MonitorError
from snowmaker.hooks.model_registry import calling, read_state
from snowmaker.hooks.monitors import BASELINE, MONITOR, SOURCE, drop_monitor, monitors_of
from snowmaker.hooks.predictions import prepare_predictions
from snowmaker.model_inputs import own_source
from snowmaker.monitor_options import MOST_MONITORS, Others, check_monitored
from snowmaker.monitor_state import MonitorState, comment, steps_to
from snowmaker.operators.base import WarehouseOperator, ensure_columns
from snowmaker.scored_task import scored_task
from snowmaker.snowflake import monitor as monitor_sql
from snowmaker.snowflake import monitor_source
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.monitor_options import MonitorOptions
    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.snowflake.statement import Statement
    from snowmaker.source import Source


class ModelMonitorOperator(WarehouseOperator):
    """Create the model monitor of a version, or make it as asked for; Snowsight then shows drift and performance.

    The monitor's source is a view of the version's predictions, their rows, and the labels as they come; its baseline
    a table of the holdout weeks of the version's training set, scored. All are named after model and version and lie
    beside the model. Options are held against the documented rules before anything is sent. A monitor that is as asked
    for stays as it is; warehouse and refresh interval are changed in place, for anything else it is made anew; one
    that is suspended is resumed.

    :param source: the table of weekly rows that the training set was made from
    :param model_name: the model, written database.schema.name (templated)
    :param model_version: the version (templated)
    :param predictions_table: the predictions, written database.schema.name (templated)
    :param training_table: the training set, written database.schema.name (templated)
    :param first_week: first holdout week (templated)
    :param last_week: last holdout week (templated)
    :param options: warehouse, refresh interval, aggregation window and segments
    :param task: what the model predicts
    :param method: which function and output of the model is the score; default: the task's
    :param threshold: score from which the class 1 is predicted
    :param others: what becomes of the monitors that other versions of the model have of this operator
    :return: ``{"monitor", "model_version", "done", "others"}``; ``done`` are the steps taken, none if all was as it is
    """

    template_fields: Sequence[str] = (
        "model_name", "model_version", "predictions_table", "training_table", "first_week", "last_week",
    )  # fmt: skip

    def __init__(
        self,
        *,
        source: Source,
        model_name: str,
        model_version: str,
        predictions_table: str,
        training_table: str,
        first_week: str,
        last_week: str,
        options: MonitorOptions,
        task: ScoredTaskType = "binary_classification",
        method: ScoreMethod | None = None,
        threshold: float = 0.5,
        others: Others = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if others not in get_args(Others):
            raise ValueError(f"others is {others!r}; choose one of {', '.join(get_args(Others))}")
        self.source = source
        self.model_name = model_name
        self.model_version = model_version
        self.predictions_table = predictions_table
        self.training_table = training_table
        self.first_week = first_week
        self.last_week = last_week
        self.options = options
        self.roles = monitor_source.ROLES[task]
        self.scored_task = scored_task(task, threshold)
        self.method = method or self.scored_task.method
        self.others = others

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Compare, and do what is left to do."""
        model = QualifiedName.parse(self.model_name)
        monitor = monitor_name(model, self.model_version)
        with self.hook.session() as session:
            version = read_state(session, model).version(self.model_version)
            source = own_source(self.source, model, version)
            self._check_source(session, source)
            rows, baseline = self._relations(source, model, version)
            digest = _digest(rows, baseline)
            steps = steps_to(read_monitor(session, monitor), self.options, digest)
            for step in steps:
                self.log.info("Monitor %s: %s", monitor.quoted, step)
                if step == "create":
                    self._create(session, model, monitor, rows, baseline, digest)
                elif step == "set_options":
                    warehouse = Identifier.parse(self.options.warehouse)
                    session.execute(monitor_sql.set_options(monitor, warehouse, self.options.refresh_interval))
                else:
                    session.execute(monitor_sql.change_monitor(monitor, "RESUME"))
            others = [] if self.others == "keep" else self._retire_others(session, model)
        return {
            "monitor": monitor.quoted,
            "model_version": self.model_version,
            "done": list(steps),
            "others": others,
        }

    def _check_source(self, session: WarehouseSession, source: Source) -> None:
        types = ensure_columns(session, source, label_rule=self.scored_task.label, version=self.model_version)
        try:
            check_monitored(source, self.options, types, self.scored_task.columns)
        except ValueError as error:
            raise InputDataError(str(error)) from None

    def _relations(self, source: Source, model: QualifiedName, version: ModelVersion) -> tuple[Statement, Statement]:
        first, last = (Week.parse(week, source.starts_on) for week in (self.first_week, self.last_week))
        rows = monitor_source.monitored_rows(
            QualifiedName.parse(self.predictions_table),
            source,
            model,
            self.model_version,
            roles=self.roles,
            segments=self.options.segment_columns,
        )
        baseline = monitor_source.baseline_rows(
            QualifiedName.parse(self.training_table),
            source,
            (first, last),
            model=model,
            version=self.model_version,
            method=self.method,
            features=own_source(source, model, version, self.method.method).features,
            outputs=self.scored_task.outputs(self.method, version),
            prediction=self.scored_task.prediction,
            roles=self.roles,
            segments=self.options.segment_columns,
        )
        return rows, baseline

    def _create(
        self,
        session: WarehouseSession,
        model: QualifiedName,
        monitor: QualifiedName,
        rows: Statement,
        baseline: Statement,
        digest: str,
    ) -> None:
        self._check_room(session, model, monitor)
        view, table = (
            monitor_sql.sibling_of_version(model, self.model_version, suffix) for suffix in (SOURCE, BASELINE)
        )
        self._fill(session, model, table, baseline)
        predictions = QualifiedName.parse(self.predictions_table)
        prepare_predictions(session, predictions, self.source, self.scored_task)
        session.execute(monitor_source.create_view(view, rows))
        segments = tuple(monitor_source.segment(column) for column in self.options.segment_columns)
        columns = {"ID_COLUMNS": (monitor_source.ROW_ID,), **self.roles.columns, "SEGMENT_COLUMNS": segments}
        session.execute(
            monitor_sql.create_monitor(
                monitor,
                model=model,
                version=self.model_version,
                function=self.method.method,
                source=view,
                baseline=table,
                warehouse=Identifier.parse(self.options.warehouse),
                refresh_interval=self.options.refresh_interval,
                aggregation_window=self.options.aggregation_window,
                time=monitor_source.TIME,
                columns={option: names for option, names in columns.items() if names},
                comment=comment(digest),
            )
        )

    def _fill(self, session: WarehouseSession, model: QualifiedName, table: QualifiedName, baseline: Statement) -> None:
        with calling(session, model, [self.model_version], self.method.method):
            session.execute(monitor_source.create_table(table, baseline))
        if not int(session.row(monitor_source.count_rows(table))["N"]):
            raise InputDataError(
                f"training set {self.training_table} has no rows in the holdout weeks {self.first_week} to "
                f"{self.last_week}; no baseline can be made of it"
            )

    def _check_room(self, session: WarehouseSession, model: QualifiedName, monitor: QualifiedName) -> None:
        for other in monitors_of(session, model):
            if other.version == self.model_version and other.name != monitor.object.name:
                raise MonitorError(
                    f"version {self.model_version} of model {model.quoted} has the monitor {other.name} already, and "
                    f"a version can have one only; drop it: DROP MODEL MONITOR {model.sibling('X').in_schema}."
                    f"{Identifier(other.name).quoted}"
                )
        shown = session.rows(monitor_sql.show_all_monitors())
        if len(shown) >= MOST_MONITORS and monitor.object.name not in {str(row["name"]) for row in shown}:
            raise MonitorError(
                f"the account has {len(shown)} model monitors, and {MOST_MONITORS} are the most; drop some of old "
                f"versions (others='drop' drops this model's)"
            )

    def _retire_others(self, session: WarehouseSession, model: QualifiedName) -> list[str]:
        retired = []
        for other in monitors_of(session, model):
            if other.version == self.model_version or not other.digest:
                continue
            if self.others == "drop":
                drop_monitor(session, model, other)
            elif other.state != "SUSPENDED":
                name = type(model)(model.database, model.schema, Identifier(other.name))
                session.execute(monitor_sql.change_monitor(name, "SUSPEND"))
            else:
                continue
            self.log.info("Monitor %s of version %s: %s", other.name, other.version, self.others)
            retired.append(other.version)
        return retired


def monitor_name(model: QualifiedName, version: str) -> QualifiedName:
    """Name the monitor of a model version."""
    return monitor_sql.sibling_of_version(model, version, MONITOR)


def read_monitor(session: WarehouseSession, monitor: QualifiedName) -> MonitorState | None:
    """Read a monitor's state; None if there is none."""
    rows = session.rows_if_any(monitor_sql.describe_monitor(monitor))
    return MonitorState.from_row(rows[0]) if rows else None


def _digest(*relations: Statement) -> str:
    told = "\n".join(f"{relation.text}\n{relation.values!r}" for relation in relations)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
