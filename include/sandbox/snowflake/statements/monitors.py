"""The SQL of model monitors: CREATE, ALTER, DROP, SHOW, DESCRIBE."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, not_found, syntax_error
from include.sandbox.snowflake.language.grammar import statement
from include.sandbox.snowflake.language.shows import listed
from include.sandbox.snowflake.monitors import describing, options, reading
from include.sandbox.snowflake.monitors.definition import (
    ACTIVE,
    ROLES,
    SUSPENDED,
    Monitor,
    add_column,
    check,
    check_baseline,
    check_others,
    check_refresh_interval,
    drop_column,
)
from include.sandbox.snowflake.monitors.reading import KIND
from include.sandbox.snowflake.results import DONE, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry, Key
    from include.sandbox.snowflake.objects.models import Version
    from include.sandbox.snowflake.session import Account, Session

_CREATE: dict[str, options.Kind] = {
    "MODEL": options.a_name,
    "VERSION": options.an_identifier,
    "FUNCTION": options.an_identifier,
    "SOURCE": options.a_name,
    "WAREHOUSE": options.an_identifier,
    "REFRESH_INTERVAL": options.text,
    "AGGREGATION_WINDOW": options.text,
    "TIMESTAMP_COLUMN": options.an_identifier,
    "BASELINE": options.a_name,
    **{role.upper(): options.identifiers for role in ROLES},
    "COMMENT": options.text,
}
_REQUIRED = tuple(_CREATE)[:8]
_SET: dict[str, options.Kind] = {
    name: _CREATE[name] for name in ("BASELINE", "REFRESH_INTERVAL", "WAREHOUSE", "COMMENT")
}
# One at a time: what is decided on what is there, and the files of what was replaced. Nobody waits who holds a lock.
_changing = threading.Lock()
# Monitors of gateways, and what only the Python client knows of.
_REFUSED = {"GATEWAY", "GROUND_TRUTH", "TIMESTAMP_CUSTOM_METRIC_TABLE"}


@statement(
    "CREATE [replace:OR REPLACE] MODEL MONITOR [absent:IF NOT EXISTS] {name:name} WITH {properties:rest}",
)
def create_monitor(session: Session, name: str, properties: str, replace: str | None, absent: str | None) -> Result:
    """Create a monitor of a model version; its baseline is kept as it is now."""
    if replace and absent:
        raise syntax_error("OR REPLACE and IF NOT EXISTS cannot be used together.")
    session.transaction.commit()
    values = options.parse(properties, _CREATE, _REFUSED)
    key, catalog = session.qualify(name), session.account.catalog
    if not session.account.engine.has_schema(key[0], key[1]):
        raise not_found("Schema", f"{key[0]}.{key[1]}")
    with _changing:
        old = catalog.find(KIND, key)
        if old and absent:
            return status(f"{key[2]} already exists, statement succeeded.")
        if old and not replace:
            raise already_exists(".".join(key))
        with reading.reader(session.account, key) as reader:
            monitor = _new_monitor(session, reader, key, values)
        catalog.create(KIND, key, asdict(monitor), replace=bool(replace))
        _forget_files(session.account, old)
    return status(f"Model monitor {key[2]} successfully created.")


def _forget_files(account: Account, entry: Entry | None) -> None:
    if entry:
        monitor = Monitor.of(entry)
        reading.drop_snapshots(account, monitor.baseline_snapshot, monitor.source_snapshot)


def _new_monitor(session: Session, reader: Session, key: Key, values: dict[str, Any]) -> Monitor:
    """The monitor that the options tell of, checked, with the baseline in a file."""
    if missing := [option for option in _REQUIRED if option not in values]:
        raise SqlError(2029, "42601", f"{COMPILATION}Missing option(s): {missing}")
    model = session.qualify(values["MODEL"])
    version = _version(session, model, values["VERSION"])
    if model[:2] != key[:2]:
        raise options.invalid_value(".".join(model), "MODEL", "The monitor is to be in the schema of its model.")
    _check_warehouse(session, values["WAREHOUSE"])
    source = list(session.qualify(values["SOURCE"]))
    monitor = Monitor(
        model=list(model),
        version=version.name,
        package=version.folder.name,
        function=_function(version, values["FUNCTION"]),
        task=version.contents.task.upper(),
        source=source,
        warehouse=values["WAREHOUSE"],
        refresh_interval=values["REFRESH_INTERVAL"],
        aggregation_window=values["AGGREGATION_WINDOW"],
        timestamp_column=values["TIMESTAMP_COLUMN"],
        kinds=reading.kinds(reader, source),
        comment=values.get("COMMENT"),
        **{role: values.get(role.upper(), []) for role in ROLES},
    )
    check(monitor)
    others = [entry for entry in session.account.catalog.entries(KIND) if entry.key != key]
    check_others(monitor, {".".join(entry.key): Monitor.of(entry) for entry in others})
    return _with_baseline(session, reader, monitor, values["BASELINE"]) if "BASELINE" in values else monitor


def _with_baseline(session: Session, reader: Session, monitor: Monitor, name: tuple[str, ...]) -> Monitor:
    table = list(session.qualify(name))
    check_baseline(monitor, reading.kinds(reader, table))
    snapshot = reading.take_snapshot(reader, table, monitor.compared_columns)
    return replace(monitor, baseline=table, baseline_snapshot=snapshot)


def _version(session: Session, model: Key, name: str) -> Version:
    for version in session.account.models.model(model).versions:
        if version.name == name:
            return version
    raise not_found("Version", f"{name}' of model '{'.'.join(model)}")


def _function(version: Version, name: str) -> str:
    for method in version.methods:
        if name in (method.name, method.target.upper()):
            return method.name
    return version.method(name).name


def _check_warehouse(session: Session, name: str) -> None:
    if name not in execution.run(session, "SHOW WAREHOUSES").table["name"].to_pylist():
        raise not_found("Warehouse", name)


# ---- ALTER, DROP ---------------------------------------------------------------------------------


def _alter(session: Session, name: str, exists: str | None, change: Callable[[Session, Monitor], Monitor]) -> Result:
    """Change a monitor; the files that it refers to no more are removed after that."""
    session.transaction.commit()
    key, catalog = session.qualify(name), session.account.catalog
    with _changing:
        if exists and not catalog.find(KIND, key):
            return status(DONE)
        old = Monitor.of(catalog.get(KIND, key))
        with reading.reader(session.account, key) as reader:
            new = change(reader, old)
        catalog.update(KIND, key, **asdict(new))
        kept = {new.baseline_snapshot, new.source_snapshot}
        reading.drop_snapshots(session.account, *({old.baseline_snapshot, old.source_snapshot} - kept))
    return status(DONE)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} SUSPEND")
def suspend_monitor(session: Session, name: str, exists: str | None) -> Result:
    """Stop a monitor: until it is resumed, its metrics are those of the source as it is now."""

    def suspend(reader: Session, monitor: Monitor) -> Monitor:
        if monitor.state == SUSPENDED:
            return monitor
        there = describing.has_table(reader, monitor.source)
        snapshot = reading.take_snapshot(reader, monitor.source, monitor.kept_columns) if there else None
        return replace(monitor, state=SUSPENDED, suspended_on=datetime.now(UTC).isoformat(), source_snapshot=snapshot)

    return _alter(session, name, exists, suspend)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} RESUME")
def resume_monitor(session: Session, name: str, exists: str | None) -> Result:
    """Let a monitor look at its source again."""
    return _alter(session, name, exists, lambda _, m: replace(m, state=ACTIVE, suspended_on=None, source_snapshot=None))


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} SET {properties:rest}")
def set_monitor(session: Session, name: str, exists: str | None, properties: str) -> Result:
    """Replace a monitor's baseline (kept as it is now), refresh interval, warehouse or comment."""
    values = options.parse(properties, _SET, _REFUSED)
    if not values:
        raise syntax_error("SET is to be followed by a property.")

    def change(reader: Session, monitor: Monitor) -> Monitor:
        if "REFRESH_INTERVAL" in values:
            check_refresh_interval(values["REFRESH_INTERVAL"])
            monitor = replace(monitor, refresh_interval=values["REFRESH_INTERVAL"])
        if "WAREHOUSE" in values:
            _check_warehouse(session, values["WAREHOUSE"])
            monitor = replace(monitor, warehouse=values["WAREHOUSE"])
        if "COMMENT" in values:
            monitor = replace(monitor, comment=values["COMMENT"])
        return _with_baseline(session, reader, monitor, values["BASELINE"]) if "BASELINE" in values else monitor

    return _alter(session, name, exists, change)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} UNSET BASELINE")
def unset_monitor_baseline(session: Session, name: str, exists: str | None) -> Result:
    """Take a monitor's baseline away; after that it has no drift."""
    return _alter(session, name, exists, lambda _, m: replace(m, baseline=None, baseline_snapshot=None))


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} UNSET COMMENT")
def unset_monitor_comment(session: Session, name: str, exists: str | None) -> Result:
    """Take a monitor's comment away."""
    return _alter(session, name, exists, lambda _, m: replace(m, comment=None))


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} ADD SEGMENT_COLUMN = {column:word}")
def add_segment_column(session: Session, name: str, exists: str | None, column: str) -> Result:
    """Let a monitor's metrics be asked for by the values of one more column of text."""
    return _add(session, name, exists, "segment_columns", column)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} DROP SEGMENT_COLUMN = {column:word}")
def drop_segment_column(session: Session, name: str, exists: str | None, column: str) -> Result:
    """Make a segment column a feature again."""
    return _drop(session, name, exists, "segment_columns", column)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} ADD CUSTOM_METRIC_COLUMN = {column:word}")
def add_custom_metric_column(session: Session, name: str, exists: str | None, column: str) -> Result:
    """Let one more column of numbers be for custom metrics, and not be a feature."""
    return _add(session, name, exists, "custom_metric_columns", column)


@statement("ALTER MODEL MONITOR [exists:IF EXISTS] {name:name} DROP CUSTOM_METRIC_COLUMN = {column:word}")
def drop_custom_metric_column(session: Session, name: str, exists: str | None, column: str) -> Result:
    """Make a column for custom metrics a feature again."""
    return _drop(session, name, exists, "custom_metric_columns", column)


def _add(session: Session, name: str, exists: str | None, role: str, column: str) -> Result:
    wanted = options.identifier(column, role.upper())
    return _alter(session, name, exists, lambda reader, m: add_column(m, role, wanted, reading.kinds(reader, m.source)))


def _drop(session: Session, name: str, exists: str | None, role: str, column: str) -> Result:
    wanted = options.identifier(column, role.upper())
    return _alter(session, name, exists, lambda _, m: drop_column(m, role, wanted))


@statement("DROP MODEL MONITOR [exists:IF EXISTS] {name:name}")
def drop_monitor(session: Session, name: str, exists: str | None) -> Result:
    """Remove a monitor."""
    session.transaction.commit()
    key, catalog = session.qualify(name), session.account.catalog
    with _changing:
        old = catalog.find(KIND, key)
        done = catalog.drop(KIND, key, if_exists=bool(exists))
        _forget_files(session.account, old)
    return status(dropped(key[2], done=done))


# ---- SHOW, DESCRIBE ------------------------------------------------------------------------------


@statement("SHOW MODEL MONITORS {properties:rest}")
def show_monitors(session: Session, properties: str) -> Result:
    """List the monitors of a schema, a database, or the account, with the state of what they look at."""
    found = listed(session, KIND, properties)
    return rows([describing.listed(session, entry) for entry in found], describing.COLUMNS)


@statement("(DESC|DESCRIBE) MODEL MONITOR {name:name}")
def describe_monitor(session: Session, name: str) -> Result:
    """A monitor with its columns and the state of its aggregates."""
    entry = session.account.catalog.get(KIND, session.qualify(name))
    return rows([describing.described(session, entry)], {**describing.COLUMNS, **describing.MORE_COLUMNS})
