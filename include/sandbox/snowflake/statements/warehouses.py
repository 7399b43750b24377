"""The SQL of warehouses, which are nominal: their properties are checked, kept and shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import SqlError, already_exists
from include.sandbox.snowflake.language import properties
from include.sandbox.snowflake.language.grammar import matches, resolve_identifier, statement
from include.sandbox.snowflake.objects import warehouses
from include.sandbox.snowflake.queries import OUT_OF_TURN
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.session import Session

_KINDS = {
    "WAREHOUSE_TYPE": "word",
    "WAREHOUSE_SIZE": "word",
    "RESOURCE_CONSTRAINT": "word",
    "MIN_CLUSTER_COUNT": "number",
    "MAX_CLUSTER_COUNT": "number",
    "SCALING_POLICY": "word",
    "AUTO_SUSPEND": "scalar",
    "AUTO_RESUME": "flag",
    "INITIALLY_SUSPENDED": "flag",
    "RESOURCE_MONITOR": properties.REFUSED,
    "COMMENT": "text",
    "ENABLE_QUERY_ACCELERATION": "flag",
    "QUERY_ACCELERATION_MAX_SCALE_FACTOR": "number",
    "MAX_CONCURRENCY_LEVEL": "number",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": properties.REFUSED,
    "STATEMENT_TIMEOUT_IN_SECONDS": properties.REFUSED,
}
_SIZES = {
    "XSMALL": "X-Small",
    "SMALL": "Small",
    "MEDIUM": "Medium",
    "LARGE": "Large",
    "XLARGE": "X-Large",
    "XXLARGE": "2X-Large",
    "X2LARGE": "2X-Large",
    "2XLARGE": "2X-Large",
    "XXXLARGE": "3X-Large",
    "X3LARGE": "3X-Large",
    "3XLARGE": "3X-Large",
    "X4LARGE": "4X-Large",
    "4XLARGE": "4X-Large",
    "X5LARGE": "5X-Large",
    "5XLARGE": "5X-Large",
    "X6LARGE": "6X-Large",
    "6XLARGE": "6X-Large",
}
_WORDS = {"WAREHOUSE_TYPE": {"STANDARD", "SNOWPARK-OPTIMIZED"}, "SCALING_POLICY": {"STANDARD", "ECONOMY"}}
_RANGES = {
    "MIN_CLUSTER_COUNT": (1, 10),
    "MAX_CLUSTER_COUNT": (1, 10),
    "QUERY_ACCELERATION_MAX_SCALE_FACTOR": (0, 100),
    "MAX_CONCURRENCY_LEVEL": (1, 32),
}


def _checked(text: str) -> dict[str, Any]:
    """The properties of a CREATE or SET, with the values that Snowflake takes."""
    given = properties.parse(text, _KINDS, "WAREHOUSE").values
    for name, value in given.items():
        if name == "WAREHOUSE_SIZE":
            size = _SIZES.get(str(value).replace("-", ""))
            if size is None:
                raise properties.invalid_value(value, name)
            given[name] = size
        elif (name in _WORDS and value not in _WORDS[name]) or (
            name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]
        ):
            raise properties.invalid_value(value, name)
        elif name == "AUTO_SUSPEND":
            given[name] = _seconds(value)
    return given


def _seconds(value: str) -> int | None:
    if value.upper() == "NULL":
        return None
    if not value.isdigit():
        raise properties.invalid_value(value, "AUTO_SUSPEND")
    return int(value) or None


@statement("CREATE [replace:OR REPLACE] WAREHOUSE [absent:IF NOT EXISTS] {name:ident} [WITH] {options:rest}")
def create_warehouse(session: Session, name: str, options: str, replace: str | None, absent: str | None) -> Result:
    """Create a warehouse and use it; its properties are kept and shown, and change nothing else."""
    wanted, given = resolve_identifier(name), _checked(options)
    if given.get("MIN_CLUSTER_COUNT", 1) > given.get("MAX_CLUSTER_COUNT", given.get("MIN_CLUSTER_COUNT", 1)):
        raise properties.invalid_value(given["MIN_CLUSTER_COUNT"], "MIN_CLUSTER_COUNT")
    made = session.account.warehouses.create(wanted, given, replace=bool(replace), if_not_exists=bool(absent))
    if not made:
        return status(f"{wanted} already exists, statement succeeded.")
    session.warehouse = wanted
    return status(f"Warehouse {wanted} successfully created.")


@statement("ALTER WAREHOUSE [exists:IF EXISTS] {name:ident} (SUSPEND|[resume:RESUME] [only:IF SUSPENDED])")
def suspend_or_resume(session: Session, name: str, exists: str | None, resume: str | None, only: str | None) -> Result:
    """Suspend or resume a warehouse; statements run all the same."""
    entry = _find(session, name, exists)
    if entry:
        if entry.definition["SUSPENDED"] != bool(resume) and not only:
            state = "resumed" if resume else "suspended"
            raise SqlError(90063, "22000", f"Invalid state. Warehouse '{entry.key[2]}' cannot be {state}.")
        now = datetime.now(UTC).isoformat()
        changed = {"RESUMED_ON": now} if resume and entry.definition["SUSPENDED"] else {}
        session.account.warehouses.update(entry.key[2], SUSPENDED=not resume, **changed)
    return status(DONE)


@statement("ALTER WAREHOUSE [exists:IF EXISTS] {name:ident} RENAME TO {new:ident}")
def rename_warehouse(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a warehouse another name."""
    if entry := _find(session, name, exists):
        if session.account.warehouses.find(resolve_identifier(new)):
            raise already_exists(resolve_identifier(new))
        session.account.warehouses.rename(entry.key[2], resolve_identifier(new))
    return status(DONE)


@statement("ALTER WAREHOUSE [exists:IF EXISTS] {name:ident} ABORT ALL QUERIES")
def abort_all_queries(session: Session, name: str, exists: str | None) -> Result:
    """Stop the other statements of the sessions that use a warehouse."""
    if entry := _find(session, name, exists):
        queries = session.account.queries
        for query in queries.all():
            if query.session.warehouse == entry.key[2]:
                queries.stop(query)
    return status(DONE)


OUT_OF_TURN.add(abort_all_queries)


@statement("ALTER WAREHOUSE [exists:IF EXISTS] {name:ident} SET {options:rest}")
def alter_warehouse(session: Session, name: str, exists: str | None, options: str) -> Result:
    """Change properties of a warehouse."""
    given = _checked(options)
    if entry := _find(session, name, exists):
        session.account.warehouses.update(entry.key[2], **given)
    return status(DONE)


@statement("ALTER WAREHOUSE [exists:IF EXISTS] {name:ident} UNSET {options:rest}")
def unset_warehouse(session: Session, name: str, exists: str | None, options: str) -> Result:
    """Give properties of a warehouse their defaults."""
    given = properties.names(options, _KINDS, "WAREHOUSE")
    if entry := _find(session, name, exists):
        session.account.warehouses.update(entry.key[2], **{key: warehouses.DEFAULTS[key] for key in given})
    return status(DONE)


@statement("DROP WAREHOUSE [exists:IF EXISTS] {name:ident}")
def drop_warehouse(session: Session, name: str, exists: str | None) -> Result:
    """Remove a warehouse."""
    wanted = resolve_identifier(name)
    done = session.account.warehouses.drop(wanted, if_exists=bool(exists))
    if session.warehouse == wanted:
        session.warehouse = None
    return status(dropped(wanted, done=done))


def _find(session: Session, name: str, exists: str | None) -> Entry | None:
    wanted = resolve_identifier(name)
    return session.account.warehouses.find(wanted) if exists else session.account.warehouses.get(wanted)


_TEXTS = ["available", "provisioning", "quiescing", "other"]
_NUMBERS = ["min_cluster_count", "max_cluster_count", "started_clusters", "running", "queued"]
_COLUMNS: dict[str, pa.DataType] = {
    "name": pa.string(),
    "state": pa.string(),
    "type": pa.string(),
    "size": pa.string(),
    **dict.fromkeys(_NUMBERS, pa.int64()),
    "is_default": pa.string(),
    "is_current": pa.string(),
    "auto_suspend": pa.int64(),
    "auto_resume": pa.string(),
    **dict.fromkeys(_TEXTS, pa.string()),
    "created_on": CREATED_ON,
    "resumed_on": CREATED_ON,
    "updated_on": CREATED_ON,
    "owner": pa.string(),
    "comment": pa.string(),
    "enable_query_acceleration": pa.string(),
    "query_acceleration_max_scale_factor": pa.int64(),
    "resource_monitor": pa.string(),
    "scaling_policy": pa.string(),
    "owner_role_type": pa.string(),
    "resource_constraint": pa.string(),
}


@statement("SHOW WAREHOUSES [LIKE {like:text}]")
def show_warehouses(session: Session, like: str | None) -> Result:
    """List the warehouses."""
    found = [_row(session, entry) for entry in session.account.warehouses.all() if matches(entry.key[2], like)]
    return rows(found, _COLUMNS)


@statement("(DESC|DESCRIBE) WAREHOUSE {name:ident}")
def describe_warehouse(session: Session, name: str) -> Result:
    """A warehouse's name and kind."""
    entry = session.account.warehouses.get(resolve_identifier(name))
    record = {"created_on": entry.created_on, "name": entry.key[2], "kind": "WAREHOUSE"}
    return rows([record], {"created_on": CREATED_ON, "name": pa.string(), "kind": pa.string()})


def _row(session: Session, entry: Entry) -> dict[str, Any]:
    held, name = entry.definition, entry.key[2]
    using = [q for q in session.account.queries.all() if q.session.warehouse == name]
    return {
        "name": name,
        "state": "SUSPENDED" if held["SUSPENDED"] else "STARTED",
        "type": held["WAREHOUSE_TYPE"],
        "size": held["WAREHOUSE_SIZE"],
        "min_cluster_count": held["MIN_CLUSTER_COUNT"],
        "max_cluster_count": held["MAX_CLUSTER_COUNT"],
        "started_clusters": 0 if held["SUSPENDED"] else held["MIN_CLUSTER_COUNT"],
        "running": sum(q.context is not None for q in using),
        "queued": sum(q.context is None for q in using),
        "is_default": "Y" if name == session.account.warehouse else "N",
        "is_current": "Y" if name == session.warehouse else "N",
        "auto_suspend": held["AUTO_SUSPEND"],
        "auto_resume": str(held["AUTO_RESUME"]).lower(),
        **dict.fromkeys(_TEXTS, ""),
        "created_on": entry.created_on,
        "resumed_on": datetime.fromisoformat(held["RESUMED_ON"]),
        "updated_on": datetime.fromisoformat(held["UPDATED_ON"]),
        "owner": session.account.role,
        "comment": held["COMMENT"],
        "enable_query_acceleration": str(held["ENABLE_QUERY_ACCELERATION"]).lower(),
        "query_acceleration_max_scale_factor": held["QUERY_ACCELERATION_MAX_SCALE_FACTOR"],
        "resource_monitor": "null",
        "scaling_policy": held["SCALING_POLICY"],
        "owner_role_type": "ROLE",
        "resource_constraint": held["RESOURCE_CONSTRAINT"],
    }
