"""A monitor as SHOW and DESCRIBE tell of it: what it is made of, and the state of what it looks at."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.monitors.definition import FEATURE_KINDS, ROLES, SUSPENDED, Monitor
from include.sandbox.snowflake.results import CREATED_ON

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.session import Session

COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(
        [
            "name",
            "database_name",
            "schema_name",
            "warehouse_name",
            "refresh_interval",
            "aggregation_window",
            "model_task",
            "type",
            "gateway",
            "ground_truth",
            "monitor_state",
            "source",
            "baseline",
            "model",
            "comment",
        ],
        pa.string(),
    ),
}
MORE_COLUMNS = dict.fromkeys(
    [
        "aggregation_status",
        "aggregation_last_error",
        "aggregation_last_data_timestamp",
        "columns",
        "monitor_start_time",
    ],
    pa.string(),
)


def listed(session: Session, entry: Entry) -> dict[str, Any]:
    """The row of a SHOW."""
    monitor = Monitor.of(entry)
    has_source = has_table(session, monitor.source)
    return {
        "created_on": entry.created_on,
        "name": entry.key[2],
        "database_name": entry.key[0],
        "schema_name": entry.key[1],
        "warehouse_name": monitor.warehouse,
        "refresh_interval": monitor.refresh_interval,
        "aggregation_window": monitor.aggregation_window,
        "model_task": monitor.task,
        "type": "MODEL_VERSION_MONITOR",
        "monitor_state": monitor.state if has_source else SUSPENDED,
        "source": json.dumps(_table_json(monitor.source, "ACTIVE" if has_source else "DELETED")),
        "baseline": json.dumps(_baseline_json(session, monitor)),
        "model": json.dumps(_model_json(session, monitor)),
        "comment": monitor.comment,
    }


def described(session: Session, entry: Entry) -> dict[str, Any]:
    """The row of a DESCRIBE."""
    monitor = Monitor.of(entry)
    parts = ["SOURCE_AGGREGATED"]
    if monitor.actual_class_columns or monitor.actual_score_columns:
        parts.append("ACCURACY_AGGREGATED")
    keys = [*parts, *(f"{part}_{segment}" for segment in monitor.segment_columns for part in parts)]
    has_source = has_table(session, monitor.source)
    state = monitor.state if has_source else SUSPENDED
    error = "" if has_source else not_found("Object", ".".join(monitor.source)).message
    columns = {
        "timestamp_column": monitor.timestamp_column,
        **{role: getattr(monitor, role) for role in ROLES},
        **{f"{kind}_columns": monitor.features(kind) for kind in FEATURE_KINDS},
    }
    return listed(session, entry) | {
        "aggregation_status": json.dumps(dict.fromkeys(keys, state)),
        "aggregation_last_error": json.dumps(dict.fromkeys(keys, error)),
        "aggregation_last_data_timestamp": json.dumps(
            dict.fromkeys(keys, monitor.suspended_on or datetime.now(UTC).isoformat())
        ),
        "columns": json.dumps(columns),
    }


def _table_json(table: list[str], state: str) -> dict[str, str]:
    database, schema, name = table
    return {"name": name, "database_name": database, "schema_name": schema, "status": state}


def _baseline_json(session: Session, monitor: Monitor) -> dict[str, str]:
    if not monitor.baseline:
        return _table_json(["", "", ""], "NOT_SET")
    return _table_json(monitor.baseline, "ACTIVE" if has_table(session, monitor.baseline) else "DELETED")


def _model_json(session: Session, monitor: Monitor) -> dict[str, str]:
    """The version by the names that it has now, or had when it was last there."""
    models = session.account.models.models()
    now = next(
        ((m.key, v.name) for m in models for v in m.versions if v.folder.name == monitor.package),
        None,
    )
    key, version = now or (tuple(monitor.model), monitor.version)
    there = any(m.key == key for m in models)
    return {
        "model_name": key[2],
        "version_name": version,
        "function_name": monitor.function,
        "database_name": key[0],
        "schema_name": key[1],
        "model_status": "ACTIVE" if there else "DELETED",
        "version_status": "ACTIVE" if now else "DELETED",
    }


def has_table(session: Session, table: list[str]) -> bool:
    """True if there is a table or view of this name."""
    found = session.cursor.query(
        "SELECT 1 FROM duckdb_columns() WHERE (database_name, schema_name, table_name) = (?, ?, ?) LIMIT 1", table
    )
    return bool(found.table.num_rows)
