"""What a monitor is made of, and the rules that it has to keep: decided on plain values, without a database.

The rules are those of Snowflake's reference of CREATE MODEL MONITOR and its guide on ML Observability.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, invalid_identifier
from include.sandbox.snowflake.monitors.options import invalid_value
from include.sandbox.snowflake.monitors.performance import METRICS, MULTI_CLASS, REGRESSION
from include.sandbox.snowflake.monitors.windows import seconds_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry

ACTIVE, SUSPENDED = "ACTIVE", "SUSPENDED"
MOST_MONITORS, MOST_FEATURES, MOST_SEGMENTS = 250, 500, 5
FEATURE_KINDS = ("numerical", "string", "boolean")
ROLES = (
    "id_columns",
    "prediction_class_columns",
    "prediction_score_columns",
    "actual_class_columns",
    "actual_score_columns",
    "segment_columns",
    "custom_metric_columns",
)
_OF_THE_MODEL = ROLES[1:5]
_WHOLE = ("HUGEINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_NUMBERS = {*_WHOLE, *(f"U{name}" for name in _WHOLE), "DOUBLE", "FLOAT"}
_MOMENTS = {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"}


@dataclass(frozen=True)
class Monitor:
    """A monitor as the catalog keeps it: plain JSON values only, names in their resolved form."""

    model: list[str]
    version: str
    package: str  # the version's folder: its identity, whatever it is called later
    function: str
    task: str
    source: list[str]
    warehouse: str
    refresh_interval: str
    aggregation_window: str
    timestamp_column: str
    kinds: dict[str, str]  # of the source's columns, by name
    id_columns: list[str] = field(default_factory=list)
    prediction_class_columns: list[str] = field(default_factory=list)
    prediction_score_columns: list[str] = field(default_factory=list)
    actual_class_columns: list[str] = field(default_factory=list)
    actual_score_columns: list[str] = field(default_factory=list)
    segment_columns: list[str] = field(default_factory=list)
    custom_metric_columns: list[str] = field(default_factory=list)
    comment: str | None = None
    baseline: list[str] | None = None
    baseline_snapshot: str | None = None  # a file
    state: str = ACTIVE
    suspended_on: str | None = None
    source_snapshot: str | None = None  # a file: what the source held when the monitor was suspended

    @classmethod
    def of(cls, entry: Entry) -> Monitor:
        """The monitor of an entry of the catalog."""
        return cls(**entry.definition)

    @property
    def window_days(self) -> int:
        """The length of an aggregation window."""
        return (seconds_of(self.aggregation_window) or 0) // 86_400

    @property
    def used_columns(self) -> list[str]:
        """All columns that were given a part of their own."""
        return [self.timestamp_column, *(name for role in ROLES for name in getattr(self, role))]

    def features(self, kind: str) -> list[str]:
        """The source's columns of a kind that have no other part."""
        used = set(self.used_columns)
        return [name for name, known in self.kinds.items() if known == kind and name not in used]

    @property
    def measured_columns(self) -> list[str]:
        """The columns that drift and counts can be asked for: features, predictions, actual values."""
        of_the_model = [name for role in _OF_THE_MODEL for name in getattr(self, role)]
        return [*of_the_model, *(name for kind in FEATURE_KINDS for name in self.features(kind))]

    @property
    def compared_columns(self) -> list[str]:
        """The columns that a baseline needs to have as well."""
        return [*self.measured_columns, *self.segment_columns]

    @property
    def kept_columns(self) -> list[str]:
        """The columns of the source that any metric may want."""
        return [self.timestamp_column, *(name for name, kind in self.kinds.items() if kind in FEATURE_KINDS)]


def kind_of(engine_type: str) -> str:
    """What a column of a type of the engine's is to a monitor."""
    if engine_type in _NUMBERS or engine_type.startswith("DECIMAL"):
        return "numerical"
    if engine_type in _MOMENTS:
        return "timestamp"
    return {"VARCHAR": "string", "BOOLEAN": "boolean"}.get(engine_type, "other")


def check(monitor: Monitor) -> None:
    """Refuse a monitor that breaks a rule."""
    check_refresh_interval(monitor.refresh_interval)
    seconds = seconds_of(monitor.aggregation_window)
    if not seconds or seconds % 86_400 or "day" not in monitor.aggregation_window.lower():
        raise invalid_value(monitor.aggregation_window, "AGGREGATION_WINDOW", "It is '<num> days'.")
    if monitor.task not in METRICS:
        expected = ", ".join(METRICS)
        raise invalid_value(monitor.task, "MODEL", f"The task of a monitored model is one of {expected}.")
    _check_parts(monitor)
    _check_types(monitor)
    if len(features := [name for kind in FEATURE_KINDS for name in monitor.features(kind)]) > MOST_FEATURES:
        raise invalid_value(str(len(features)), "SOURCE", f"At most {MOST_FEATURES} features can be monitored.")


def check_others(monitor: Monitor, others: dict[str, Monitor]) -> None:
    """A version has one monitor, an account a limited number; `others` are the account's, by full name."""
    for name, other in others.items():
        if other.package == monitor.package:
            watched = f"version '{monitor.version}' of model '{'.'.join(monitor.model)}'"
            raise SqlError(2002, "42710", f"{COMPILATION}A monitor of {watched} already exists: '{name}'.")
    if len(others) >= MOST_MONITORS:
        raise SqlError(2, "0A000", f"{COMPILATION}An account has {MOST_MONITORS} model monitors at most.")


def check_refresh_interval(value: str) -> None:
    """A refresh interval is 60 seconds at least."""
    if (seconds_of(value) or 0) < 60:
        raise invalid_value(
            value, "REFRESH_INTERVAL", "It is '<num> {seconds | minutes | hours | days}', 60 seconds at least."
        )


def check_baseline(monitor: Monitor, kinds: dict[str, str]) -> None:
    """A baseline has the columns that it is to be compared in, of the same kind."""
    for name in monitor.compared_columns:
        if name not in kinds:
            raise invalid_identifier(name)
        if kinds[name] != monitor.kinds[name]:
            raise _wrong_type(name, "BASELINE", f"the type it has in the source ({monitor.kinds[name]})")


def add_column(monitor: Monitor, role: str, name: str, kinds: dict[str, str]) -> Monitor:
    """The monitor with one more segment column or custom metric column."""
    if name in monitor.used_columns:
        raise already_exists(name)
    if name not in kinds:
        raise invalid_identifier(name)
    columns: dict[str, Any] = {role: [*getattr(monitor, role), name]}
    changed = replace(monitor, kinds={**monitor.kinds, name: kinds[name]}, **columns)
    check(changed)
    return changed


def drop_column(monitor: Monitor, role: str, name: str) -> Monitor:
    """The monitor without one of its segment columns or custom metric columns; it becomes a feature."""
    if name not in getattr(monitor, role):
        raise invalid_identifier(name)
    columns: dict[str, Any] = {role: [other for other in getattr(monitor, role) if other != name]}
    return replace(monitor, **columns)


def _check_parts(monitor: Monitor) -> None:
    """Which columns there may be, by the model's task."""
    for name in monitor.used_columns:
        if name not in monitor.kinds:
            raise invalid_identifier(name)
        if monitor.used_columns.count(name) > 1:
            raise invalid_value(name, "SOURCE", "A column can be used once in a monitor.")
    for role in _OF_THE_MODEL:
        if len(getattr(monitor, role)) > 1:
            raise invalid_value(", ".join(getattr(monitor, role)), role.upper(), "It has one element at most.")
    if len(monitor.segment_columns) > MOST_SEGMENTS:
        raise invalid_value(
            ", ".join(monitor.segment_columns), "SEGMENT_COLUMNS", f"There are {MOST_SEGMENTS} at most."
        )
    if not monitor.prediction_class_columns and not monitor.prediction_score_columns:
        raise invalid_value("", "PREDICTION_SCORE_COLUMNS", "A monitor has a prediction column, a score or a class.")
    if monitor.task != REGRESSION and monitor.actual_score_columns:
        raise invalid_value(
            monitor.actual_score_columns[0],
            "ACTUAL_SCORE_COLUMNS",
            "The actual values of a classification are classes.",
        )
    if monitor.task == MULTI_CLASS and monitor.prediction_score_columns:
        raise invalid_value(
            monitor.prediction_score_columns[0],
            "PREDICTION_SCORE_COLUMNS",
            "The predictions of a classification of several classes are classes.",
        )


def _check_types(monitor: Monitor) -> None:
    if monitor.kinds[monitor.timestamp_column] != "timestamp":
        raise _wrong_type(monitor.timestamp_column, "TIMESTAMP_COLUMN", "TIMESTAMP_NTZ")
    class_kind = "string" if monitor.task == MULTI_CLASS else "numerical"
    expected = {
        "prediction_class_columns": class_kind,
        "actual_class_columns": class_kind,
        "prediction_score_columns": "numerical",
        "actual_score_columns": "numerical",
        "segment_columns": "string",
        "custom_metric_columns": "numerical",
    }
    for role, kind in expected.items():
        for name in getattr(monitor, role):
            if monitor.kinds[name] != kind:
                raise _wrong_type(name, role.upper(), {"string": "STRING", "numerical": "NUMBER"}[kind])


def _wrong_type(name: str, option: str, expected: str) -> SqlError:
    return SqlError(
        1008, "22023", f"{COMPILATION}invalid value [{name}] for parameter '{option}'. The column is to be {expected}."
    )
