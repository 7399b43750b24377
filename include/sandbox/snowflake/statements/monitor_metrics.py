"""The table functions of model monitors: drift, performance and counts, by window and by segment."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from include.sandbox.snowflake.errors import (
    COMPILATION,
    SqlError,
    invalid_argument_types,
    invalid_identifier,
    unsupported,
)
from include.sandbox.snowflake.monitors import options, reading
from include.sandbox.snowflake.monitors.definition import Monitor
from include.sandbox.snowflake.monitors.drift import DRIFT_METRICS, drift_sql
from include.sandbox.snowflake.monitors.performance import (
    BINARY,
    COUNTS,
    METRICS,
    STATISTICS,
    columns_of,
    performance_sql,
    statistic_sql,
)
from include.sandbox.snowflake.monitors.windows import TimeRange, invalid_argument, time_range
from include.sandbox.snowflake.sql.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_TIME, _FLOAT, _COUNT, _TEXT = pa.timestamp("us"), pa.float64(), pa.int64(), pa.string()
_SEGMENT = {"SEGMENT_COLUMN": _TEXT, "SEGMENT_VALUE": _TEXT}
_DRIFT_COLUMNS = {
    "EVENT_TIMESTAMP": _TIME,
    "METRIC_VALUE": _FLOAT,
    "COL_COUNT_USED": _COUNT,
    "COL_COUNT_UNUSED": _COUNT,
    "BASELINE_COL_COUNT_USED": _COUNT,
    "BASELINE_COL_COUNT_UNUSED": _COUNT,
    "METRIC_NAME": _TEXT,
    "COLUMN_NAME": _TEXT,
    **_SEGMENT,
}
_PERFORMANCE_COLUMNS = {
    "EVENT_TIMESTAMP": _TIME,
    "METRIC_VALUE": _FLOAT,
    "COUNT_USED": _COUNT,
    "COUNT_UNUSED": _COUNT,
    "METRIC_NAME": _TEXT,
    **_SEGMENT,
}
_STATISTIC_COLUMNS = {
    "EVENT_TIMESTAMP": _TIME,
    "METRIC_VALUE": _FLOAT,
    "METRIC_NAME": _TEXT,
    "COLUMN_NAME": _TEXT,
    **_SEGMENT,
}


def _metric(name: str, types: dict[str, pa.DataType]) -> Callable[..., Any]:
    """Register a metric's function `f(session, arguments)`; where only its columns are wanted, nothing is computed."""

    def register(function: Callable[[Session, Arguments], pa.Table]) -> Callable[..., pa.Table]:
        def run(session: Session, arguments: Arguments) -> pa.Table:
            if arguments.columns_only:
                return pa.schema(list(types.items())).empty_table()
            try:
                return function(session, arguments)
            except FileNotFoundError:  # the monitor has been altered meanwhile
                return function(session, arguments)

        return table_function(name)(run)

    return register


class _Call:
    """A call of one of the functions: the monitor, the metric, the column, the time and the segment it asks for."""

    def __init__(self, session: Session, function: str, arguments: Arguments, *, has_column: bool) -> None:
        for name in arguments.named:
            raise unsupported(f"{function}(... {name.upper()} => ...)")
        given = arguments.positional
        required = 3 if has_column else 2
        if not required <= len(given) <= required + 4 or not all(isinstance(a, str) for a in given[:required]):
            types = ", ".join("NULL" if a is None else "VARCHAR" if isinstance(a, str) else "ANY" for a in given)
            raise invalid_argument_types(function, types)
        granularity, start, end, extra = [*given[required:], None, None, None, None][:4]
        self.account = session.account
        self.key = session.qualify(options.name(given[0], "MODEL_MONITOR_NAME"))
        self.monitor = Monitor.of(session.account.catalog.get(reading.KIND, self.key))
        self.name = ".".join(self.key)
        self.metric: str = given[1]
        self.column = options.identifier(given[2], "COLUMN_NAME") if has_column else ""
        if has_column and self.column not in self.monitor.measured_columns:
            raise invalid_identifier(self.column)
        now = datetime.now(UTC).replace(tzinfo=None)
        self.range: TimeRange = time_range(self.monitor.window_days, granularity, start, end, now)
        self.segment = _segment(self.monitor, extra)

    @property
    def is_number(self) -> bool:
        """True if the column holds numbers."""
        return self.monitor.kinds[self.column] == "numerical"

    def check_metric(self, known: tuple[str, ...]) -> None:
        """Refuse a metric that is not among the known ones."""
        if self.metric not in known:
            raise invalid_argument(self.metric, "METRIC_NAME", f"it is one of {', '.join(known)}.")

    def answer(
        self, sql: str, source: dict[str, str], baseline: dict[str, str], types: dict[str, pa.DataType]
    ) -> pa.Table:
        """Compute a metric over columns of the source and of the baseline, by the names that they have in its query."""
        segment = {"segment": self.segment[0]} if self.segment else {}
        with reading.reader(self.account, self.key) as reader:
            columns = {"ts": self.monitor.timestamp_column, **source, **segment}
            tables = {"source": (reading.source_rows(reader, self.monitor, columns, self.range), source)}
            if baseline:
                columns = {**baseline, **segment}
                tables["baseline"] = (reading.baseline_rows(self.account, self.monitor, columns), baseline)
            for name, (rows, checked) in tables.items():
                chosen = rows.filter(pc.equal(rows["segment"], self.segment[1])) if self.segment else rows
                self._check_rows(chosen, checked)
                reader.cursor.register(name, chosen)
            return self._labelled(reader.cursor.query(sql).table, types)

    def _check_rows(self, rows: pa.Table, columns: dict[str, str]) -> None:
        is_score = self.monitor.task == BINARY and self.metric == "ROC_AUC"
        reading.check_finite(rows, columns, score=is_score)
        if self.monitor.task == BINARY and "actual" in columns:
            classes = {alias: name for alias, name in columns.items() if not is_score or alias == "actual"}
            reading.check_binary(rows, classes)

    def _labelled(self, measured: pa.Table, types: dict[str, pa.DataType]) -> pa.Table:
        """The rows of a metric, with its name, column and segment in each."""
        column, value = self.segment or (None, None)
        labels = {"METRIC_NAME": self.metric, "COLUMN_NAME": self.column}
        labels |= {"SEGMENT_COLUMN": column, "SEGMENT_VALUE": value}  # type: ignore[dict-item]
        known = [name for name in types if name not in labels]
        arrays: dict[str, Any] = dict(zip(known, measured.columns, strict=True))
        for name in types:
            if name in labels:
                arrays[name] = pa.array([labels[name]] * measured.num_rows, _TEXT)
        return pa.table({name: arrays[name].cast(type_) for name, type_ in types.items()})


@_metric("MODEL_MONITOR_DRIFT_METRIC", _DRIFT_COLUMNS)
def drift_metric(session: Session, arguments: Arguments) -> pa.Table:
    """How far a column's values in each granule are from those of the baseline."""
    call = _Call(session, "MODEL_MONITOR_DRIFT_METRIC", arguments, has_column=True)
    call.check_metric(DRIFT_METRICS)
    if not call.monitor.baseline_snapshot:
        raise SqlError(
            1008,
            "22023",
            f"{COMPILATION}Model monitor '{call.name}' has no baseline, which drift needs: set one by "
            "ALTER MODEL MONITOR ... SET BASELINE.",
        )
    sql = drift_sql(call.metric, call.monitor.kinds[call.column], call.range)
    if sql is None:
        raise invalid_argument(call.metric, "METRIC_NAME", f"column '{call.column}' does not hold numbers.")
    columns = {"value": call.column}
    return call.answer(sql, columns, columns, _DRIFT_COLUMNS)


@_metric("MODEL_MONITOR_PERFORMANCE_METRIC", _PERFORMANCE_COLUMNS)
def performance_metric(session: Session, arguments: Arguments) -> pa.Table:
    """How good the predictions of each granule were, as far as it is known what came to pass."""
    call = _Call(session, "MODEL_MONITOR_PERFORMANCE_METRIC", arguments, has_column=False)
    monitor = call.monitor
    call.check_metric(METRICS[monitor.task])
    columns = {}
    for alias, role in zip(("prediction", "actual"), columns_of(monitor.task, call.metric), strict=True):
        found = getattr(monitor, f"{role}_columns")
        if not found:
            raise invalid_argument(call.metric, "METRIC_NAME", f"monitor '{call.name}' has no {role} column.")
        columns[alias] = found[0]
    return call.answer(performance_sql(monitor.task, call.metric, call.range), columns, {}, _PERFORMANCE_COLUMNS)


@_metric("MODEL_MONITOR_STAT_METRIC", _STATISTIC_COLUMNS)
def statistic_metric(session: Session, arguments: Arguments) -> pa.Table:
    """How many values a column has in each granule, or, of a column of numbers, the least, greatest, mean or sum."""
    call = _Call(session, "MODEL_MONITOR_STAT_METRIC", arguments, has_column=True)
    call.check_metric(tuple(STATISTICS))
    if call.metric not in COUNTS and not call.is_number:
        raise invalid_argument(call.metric, "METRIC_NAME", f"column '{call.column}' does not hold numbers.")
    sql = statistic_sql(call.metric, call.range, is_number=call.is_number)
    return call.answer(sql, {"value": call.column}, {}, _STATISTIC_COLUMNS)


def _segment(monitor: Monitor, extra: Any) -> tuple[str, str] | None:
    """The segment that the last argument asks for: its column and value."""
    if extra is None:
        return None
    expected = 'it is \'{"SEGMENTS": [{"column": "<name>", "value": "<value>"}]}\', with one segment.'
    try:
        given = json.loads(extra)
        (pair,) = given["SEGMENTS"]
        column, value = pair["column"], pair["value"]
        well_formed = len(given) == 1 and len(pair) == 2 and isinstance(column, str) and isinstance(value, str)
    except (ValueError, TypeError, KeyError, AttributeError):
        well_formed = False
    if not well_formed:
        raise invalid_argument(extra, "EXTRA_ARGS", expected)
    name = options.identifier(column, "EXTRA_ARGS")
    if name not in monitor.segment_columns:
        raise invalid_argument(column, "EXTRA_ARGS", "it is no segment column of the monitor.")
    return name, value
