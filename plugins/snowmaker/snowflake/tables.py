"""Snowmaker's own tables: what they hold and how one week of them is replaced.

They live in the pipeline's schema and are made on first use. Nothing else keeps state: versions and aliases
are the registry's, rows are the source's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Value

# In UTC, whatever the account's time zone.
NOW = "SYSDATE()"

BASELINES = "SNOWMAKER_BASELINES"
DRIFT = "SNOWMAKER_DRIFT"
PERFORMANCE = "SNOWMAKER_PERFORMANCE"
MODEL_EVENTS = "SNOWMAKER_MODEL_EVENTS"
RUN_COSTS = "SNOWMAKER_RUN_COSTS"
LOCKS = "SNOWMAKER_LOCKS"

_RUN = "RUN_ID VARCHAR NOT NULL, WRITTEN_AT TIMESTAMP_NTZ NOT NULL"
_VERSION = "MODEL_NAME VARCHAR NOT NULL, MODEL_VERSION VARCHAR NOT NULL"
COLUMNS = {
    # One row a feature of a model version: its bins and how many baseline rows fell into each (JSON).
    BASELINES: f"{_VERSION}, FEATURE VARCHAR NOT NULL, BINS VARCHAR NOT NULL, COUNTS VARCHAR NOT NULL, "
    f"SOURCE_TABLE VARCHAR NOT NULL, {_RUN}",
    # One row a week, version and feature ('score': the prediction score).
    DRIFT: f"WEEK_START DATE NOT NULL, {_VERSION}, FEATURE VARCHAR NOT NULL, METRIC VARCHAR NOT NULL, "
    f"VALUE FLOAT NOT NULL, VERDICT VARCHAR NOT NULL, ROW_COUNT NUMBER NOT NULL, {_RUN}",
    # One row a week, version and metric.
    PERFORMANCE: f"WEEK_START DATE NOT NULL, {_VERSION}, METRIC VARCHAR NOT NULL, VALUE FLOAT, "
    f"VERDICT VARCHAR NOT NULL, ROW_COUNT NUMBER NOT NULL, {_RUN}",
    # Who was champion from which week on, and why; rejected challengers too.
    MODEL_EVENTS: f"EVENT_ID VARCHAR NOT NULL, EVENT VARCHAR NOT NULL, {_VERSION}, PREVIOUS_VERSION VARCHAR, "
    f"WEEK_START DATE NOT NULL, REASON VARCHAR, GATE VARCHAR, {_RUN}",
    # One row a training job: what it ran on, for how long it is billed, and about what for (US dollars).
    RUN_COSTS: "JOB_NAME VARCHAR NOT NULL, MODEL_NAME VARCHAR, WEEK_START DATE, TASK_ID VARCHAR NOT NULL, "
    "MAP_INDEX NUMBER NOT NULL, STATUS VARCHAR NOT NULL, INSTANCE_TYPE VARCHAR NOT NULL, "
    "INSTANCE_COUNT NUMBER NOT NULL, TRAINING_SECONDS NUMBER, BILLABLE_SECONDS NUMBER NOT NULL, HOURLY_PRICE FLOAT, "
    f"ESTIMATED_COST FLOAT, {_RUN}",
    # One row a thing that only one run at a time may change.
    LOCKS: "NAME VARCHAR NOT NULL, HOLDER VARCHAR, EXPIRES_AT TIMESTAMP_NTZ",
}


def create_table(table: QualifiedName) -> Statement:
    """Create one of Snowmaker's tables if it is not there."""
    return Statement(f"CREATE TABLE IF NOT EXISTS {table} ({COLUMNS[table.object.name]})")


def add_lock(table: QualifiedName, name: str) -> Statement:
    """Add a lock's row if it is not there. Two rows of one name, after a race, do no harm: all are updated."""
    return Statement(
        f"INSERT INTO {table} (NAME) SELECT %s WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE NAME = %s)",
        (name, name),
    )


def take_lock(table: QualifiedName, name: str, holder: str) -> Statement:
    """Hold a lock until the transaction ends: an UPDATE makes others that update the row wait."""
    return Statement(f"UPDATE {table} SET HOLDER = %s WHERE NAME = %s", (holder, name))


def take_lease(table: QualifiedName, name: str, holder: str, seconds: int) -> Statement:
    """Take a lock for some seconds, across transactions; it updates no row if somebody else has any row of it."""
    return Statement(
        f"UPDATE {table} SET HOLDER = %s, EXPIRES_AT = DATEADD(second, %s, {NOW}) WHERE NAME = %s AND NOT EXISTS "
        f"(SELECT 1 FROM {table} WHERE NAME = %s AND HOLDER <> %s AND EXPIRES_AT >= {NOW})",
        (holder, seconds, name, name, holder),
    )


def release_lease(table: QualifiedName, name: str, holder: str) -> Statement:
    """Give a lease back."""
    return Statement(
        f"UPDATE {table} SET HOLDER = NULL, EXPIRES_AT = NULL WHERE NAME = %s AND HOLDER = %s", (name, holder)
    )


def insert_rows(table: QualifiedName, columns: tuple[str, ...], rows: list[tuple[Value, ...]]) -> Statement:
    """Insert a few rows of values; WRITTEN_AT is filled in."""
    row = f"({listed('%s' for _ in columns)}, {NOW})"
    return Statement(
        f"INSERT INTO {table} ({listed(columns)}, WRITTEN_AT) VALUES {listed(row for _ in rows)}",
        tuple(value for row_values in rows for value in row_values),
    )


def delete_rows(table: QualifiedName, **where: Value) -> Statement:
    """Delete the rows that match every column given."""
    conditions = " AND ".join(f"{column} = %s" for column in where)
    return Statement(f"DELETE FROM {table} WHERE {conditions}", tuple(where.values()))
