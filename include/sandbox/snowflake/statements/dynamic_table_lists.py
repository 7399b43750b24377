"""What there is of dynamic tables, and what has become of their refreshes: SHOW, DESCRIBE, INFORMATION_SCHEMA."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import unsupported
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import split_name, statement
from include.sandbox.snowflake.objects import dynamic_tables, refresh
from include.sandbox.snowflake.objects.dynamic_tables import DOWNSTREAM, KIND, quoted, timestamp
from include.sandbox.snowflake.results import CREATED_ON, Result, rows
from include.sandbox.snowflake.sql import describe
from include.sandbox.snowflake.sql.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.session import Session

_SHOWN = {
    "created_on": CREATED_ON,
    **dict.fromkeys(("name", "reserved", "database_name", "schema_name", "cluster_by"), pa.string()),
    **dict.fromkeys(("rows", "bytes"), pa.int64()),
    **dict.fromkeys(
        ("owner", "target_lag", "refresh_mode", "refresh_mode_reason", "warehouse", "comment", "text"), pa.string()
    ),
    **dict.fromkeys(("automatic_clustering", "scheduling_state"), pa.string()),
    "last_suspended_on": CREATED_ON,
    **dict.fromkeys(("is_clone", "is_replica", "is_iceberg"), pa.string()),
    "data_timestamp": CREATED_ON,
    **dict.fromkeys(("owner_role_type", "initialization_warehouse"), pa.string()),
}


@statement("SHOW DYNAMIC TABLES {options:rest}")
def show_dynamic_tables(session: Session, options: str) -> Result:
    """List dynamic tables: LIKE, IN, STARTS WITH, LIMIT."""
    found = [e for e in shows.listed(session, KIND, options) if not e.definition["creating"]]
    return rows([_shown(session, entry) for entry in found], _SHOWN)


def _shown(session: Session, entry: Entry) -> dict[str, Any]:
    d = entry.definition
    return {
        "created_on": entry.created_on,
        "name": entry.key[2],
        "reserved": "",
        "database_name": entry.key[0],
        "schema_name": entry.key[1],
        "cluster_by": d["cluster_by"],
        "rows": refresh.count(session, entry.key),
        "owner": session.account.role,
        "target_lag": d["target_lag"],
        "refresh_mode": _mode(d),
        "refresh_mode_reason": dynamic_tables.NO_INCREMENTS if d["refresh_mode"] == "AUTO" else None,
        "warehouse": d["warehouse"],
        "comment": d["comment"] or "",
        "text": d["text"],
        "automatic_clustering": "OFF",
        "scheduling_state": _state(d),
        "last_suspended_on": d["suspended_on"] and timestamp(d["suspended_on"]),
        **dict.fromkeys(("is_clone", "is_replica", "is_iceberg"), "false"),
        "data_timestamp": d["data_timestamp"] and timestamp(d["data_timestamp"]),
        "owner_role_type": "ROLE",
        "initialization_warehouse": d["initialization_warehouse"],
    }


def _mode(definition: dict[str, Any]) -> str:
    return "FULL" if definition["refresh_mode"] == "AUTO" else str(definition["refresh_mode"])


def _state(definition: dict[str, Any]) -> str:
    return "SUSPENDED" if definition["suspended"] else "ACTIVE"


@statement("(DESC|DESCRIBE) DYNAMIC TABLE {name:name}")
def describe_dynamic_table(session: Session, name: str) -> Result:
    """The columns of a dynamic table, with their comments."""
    entry = refresh.find(session, name, None)
    result = describe.describe_table(session, quoted(entry.key) if entry else name)
    query = (
        "SELECT column_name, comment FROM duckdb_columns() WHERE (database_name, schema_name, table_name) = (?, ?, ?)"
    )
    known = session.cursor.query(query, list(entry.key) if entry else []).table.to_pylist()
    comments = {c["column_name"]: c["comment"] for c in known}
    at = result.table.column_names.index("comment")
    values = pa.array([comments.get(n) for n in result.table.column("name").to_pylist()], pa.string())
    result.table = result.table.set_column(at, "comment", values)
    return result


# ---- INFORMATION_SCHEMA --------------------------------------------------------------------------

_HISTORY_COLUMNS = {
    **dict.fromkeys(
        ("NAME", "SCHEMA_NAME", "DATABASE_NAME", "STATE", "STATE_CODE", "STATE_MESSAGE", "QUERY_ID"), pa.string()
    ),
    **dict.fromkeys(("DATA_TIMESTAMP", "REFRESH_START_TIME", "REFRESH_END_TIME", "COMPLETION_TARGET"), CREATED_ON),
    **dict.fromkeys(
        ("QUALIFIED_NAME", "LAST_COMPLETED_DEPENDENCY", "STATISTICS", "REFRESH_ACTION", "REFRESH_TRIGGER"), pa.string()
    ),
    "TARGET_LAG_SEC": pa.int64(),
    "GRAPH_HISTORY_VALID_FROM": CREATED_ON,
}
_HISTORY_ARGUMENTS = (
    "data_timestamp_start",
    "data_timestamp_end",
    "result_limit",
    "name",
    "name_prefix",
    "error_only",
)


@table_function("DYNAMIC_TABLE_REFRESH_HISTORY")
def refresh_history(session: Session, arguments: Arguments) -> pa.Table:
    """The refreshes of seven days, newest first."""
    given = _named(arguments, _HISTORY_ARGUMENTS, "DYNAMIC_TABLE_REFRESH_HISTORY")
    first = _time(given["data_timestamp_start"]) or dynamic_tables.now() - refresh.KEPT
    last = _time(given["data_timestamp_end"]) or dynamic_tables.now()
    name, prefix = (".".join(split_name(t)) if t else "" for t in (given["name"], given["name_prefix"]))
    records = []
    for event in reversed(refresh.events(session)):
        full = ".".join(event["key"])
        fits = first <= timestamp(event["started"]) <= last
        named = not name or full == name or full.endswith(f".{name}")
        if fits and named and full.startswith(prefix) and (event["state"] == "FAILED" or not given["error_only"]):
            records.append(_history_row(event, full))
    return rows(records[: int(given["result_limit"] or 100)], _HISTORY_COLUMNS).table


def _history_row(event: dict[str, Any], full: str) -> dict[str, Any]:
    lag = dynamic_tables.lag_seconds(event["target_lag"])
    started = timestamp(event["started"])
    return {
        "NAME": event["key"][2],
        "SCHEMA_NAME": event["key"][1],
        "DATABASE_NAME": event["key"][0],
        "STATE": event["state"],
        "STATE_CODE": event["code"],
        "STATE_MESSAGE": event["message"],
        "DATA_TIMESTAMP": started,
        "REFRESH_START_TIME": started,
        "REFRESH_END_TIME": timestamp(event["finished"]),
        "COMPLETION_TARGET": started + timedelta(seconds=lag) if lag else None,
        "QUALIFIED_NAME": full,
        "STATISTICS": json.dumps(event["counts"]) if event["counts"] else None,
        "REFRESH_ACTION": "FULL",
        "REFRESH_TRIGGER": event["trigger"],
        "TARGET_LAG_SEC": lag,
    }


_TABLES_COLUMNS = {
    **dict.fromkeys(("NAME", "SCHEMA_NAME", "DATABASE_NAME", "QUALIFIED_NAME"), pa.string()),
    "TARGET_LAG_SEC": pa.int64(),
    "TARGET_LAG_TYPE": pa.string(),
    "SCHEDULING_STATE": pa.string(),
    "LATEST_DATA_TIMESTAMP": CREATED_ON,
    **dict.fromkeys((f"LAST_COMPLETED_REFRESH_STATE{part}" for part in ("", "_CODE", "_MESSAGE")), pa.string()),
}


@table_function("DYNAMIC_TABLES")
def dynamic_tables_now(session: Session, arguments: Arguments) -> pa.Table:
    """The dynamic tables of the account, how old each one is, and how its last refresh ended."""
    given = _named(arguments, ("name", "result_limit"), "DYNAMIC_TABLES")
    last = {tuple(event["key"]): event for event in refresh.events(session)}
    name = ".".join(split_name(given["name"])) if given["name"] else ""
    records = []
    for entry in session.account.catalog.entries(KIND):
        full, d, event = ".".join(entry.key), entry.definition, last.get(entry.key, {})
        if name and full != name and not full.endswith(f".{name}"):
            continue
        is_downstream = d["target_lag"] == DOWNSTREAM
        records.append(
            {
                "NAME": entry.key[2],
                "SCHEMA_NAME": entry.key[1],
                "DATABASE_NAME": entry.key[0],
                "QUALIFIED_NAME": full,
                "TARGET_LAG_SEC": dynamic_tables.lag_seconds(d["target_lag"]),
                "TARGET_LAG_TYPE": DOWNSTREAM if is_downstream else "USER_DEFINED",
                "SCHEDULING_STATE": json.dumps({"state": _state(d), "reason_code": _reason(d)}),
                "LATEST_DATA_TIMESTAMP": d["data_timestamp"] and timestamp(d["data_timestamp"]),
                "LAST_COMPLETED_REFRESH_STATE": event.get("state"),
                "LAST_COMPLETED_REFRESH_STATE_CODE": event.get("code"),
                "LAST_COMPLETED_REFRESH_STATE_MESSAGE": event.get("message"),
            }
        )
    return rows(records[: int(given["result_limit"] or 100)], _TABLES_COLUMNS).table


_REASONS = {"USER": "USER_SUSPENDED", "UPSTREAM": "UPSTREAM_USER_SUSPENDED", "ERRORS": "SUSPENDED_DUE_TO_ERRORS"}


def _reason(definition: dict[str, Any]) -> str | None:
    return _REASONS.get(definition["suspended"])


def _named(arguments: Arguments, known: tuple[str, ...], function: str) -> dict[str, Any]:
    unknown = [name for name in arguments.named if name not in known]
    if unknown or len(arguments.positional) > len(known):
        raise unsupported(f"{function}({', '.join(name.upper() for name in unknown) or 'more arguments'})")
    return {name: arguments.get(position, name) for position, name in enumerate(known)}


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    found = datetime.fromisoformat(str(value)) if not isinstance(value, datetime) else value
    return found if found.tzinfo else found.replace(tzinfo=dynamic_tables.now().tzinfo)
