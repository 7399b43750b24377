"""Model monitors: the statements that make, change and read one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import Identifier, literal
from snowmaker.snowflake.literals import name_literal
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snowmaker.snowflake.identifiers import QualifiedName


def sibling_of_version(model: QualifiedName, version: str, suffix: str) -> QualifiedName:
    """Name an object of a model version, beside the model."""
    return type(model)(model.database, model.schema, Identifier(f"{model.object.name}_{version}_{suffix}"))


def create_monitor(
    monitor: QualifiedName,
    *,
    model: QualifiedName,
    version: str,
    function: str,
    source: QualifiedName,
    baseline: QualifiedName,
    warehouse: Identifier,
    refresh_interval: str,
    aggregation_window: str,
    time: Identifier,
    columns: Mapping[str, Iterable[Identifier]],
    comment: str,
) -> Statement:
    """Create a monitor, or replace it in one step.

    :param columns: by option (``ID_COLUMNS``, ``SEGMENT_COLUMNS`` …) the columns that have this part
    """
    parts = " ".join(f"{option} = ({listed(map(name_literal, names))})" for option, names in columns.items())
    return Statement(
        f"CREATE OR REPLACE MODEL MONITOR {monitor} WITH MODEL = {model} VERSION = {name_literal(Identifier(version))} "
        f"FUNCTION = {literal(function)} SOURCE = {source} BASELINE = {baseline} WAREHOUSE = {warehouse} "
        f"REFRESH_INTERVAL = {literal(refresh_interval)} AGGREGATION_WINDOW = {literal(aggregation_window)} "
        f"TIMESTAMP_COLUMN = {name_literal(time)} {parts} COMMENT = {literal(comment)}"
    )


def set_options(monitor: QualifiedName, warehouse: Identifier, refresh_interval: str) -> Statement:
    """Change what can be changed in place."""
    return Statement(
        f"ALTER MODEL MONITOR {monitor} SET WAREHOUSE = {warehouse} REFRESH_INTERVAL = {literal(refresh_interval)}"
    )


def change_monitor(monitor: QualifiedName, change: str) -> Statement:
    """RESUME or SUSPEND a monitor."""
    return Statement(f"ALTER MODEL MONITOR {monitor} {change}")


def drop_monitor(monitor: QualifiedName) -> Statement:
    """Drop a monitor if it is there."""
    return Statement(f"DROP MODEL MONITOR IF EXISTS {monitor}")


def drop_source(view: QualifiedName) -> Statement:
    """Drop a monitor's view if it is there."""
    return Statement(f"DROP VIEW IF EXISTS {view}")


def drop_baseline(table: QualifiedName) -> Statement:
    """Drop a monitor's baseline if it is there."""
    return Statement(f"DROP TABLE IF EXISTS {table}")


def describe_monitor(monitor: QualifiedName) -> Statement:
    """Tell what a monitor is made of, and the state of its aggregates."""
    return Statement(f"DESCRIBE MODEL MONITOR {monitor}")


def show_monitors(model: QualifiedName) -> Statement:
    """List the monitors beside a model."""
    return Statement(f"SHOW MODEL MONITORS IN SCHEMA {model.in_schema}")


def show_all_monitors() -> Statement:
    """List the account's monitors, as far as the role sees them."""
    return Statement("SHOW MODEL MONITORS IN ACCOUNT")
