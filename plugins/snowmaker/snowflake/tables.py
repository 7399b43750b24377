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
PROFILES = "SNOWMAKER_PROFILES"
DRIFT = "SNOWMAKER_DRIFT"
PERFORMANCE = "SNOWMAKER_PERFORMANCE"
CALIBRATION = "SNOWMAKER_CALIBRATION"
LABELS = "SNOWMAKER_LABELS"
REPORTS = "SNOWMAKER_REPORTS"
MODEL_EVENTS = "SNOWMAKER_MODEL_EVENTS"
RUN_COSTS = "SNOWMAKER_RUN_COSTS"
LOCKS = "SNOWMAKER_LOCKS"

# Who measured a row of DRIFT or PERFORMANCE.
SNOWMAKER_ENGINE = "snowmaker"

_RUN = "RUN_ID VARCHAR NOT NULL, WRITTEN_AT TIMESTAMP_NTZ NOT NULL"
_VERSION = "MODEL_NAME VARCHAR NOT NULL, MODEL_VERSION VARCHAR NOT NULL"
_WEEK = f"WEEK_START DATE NOT NULL, {_VERSION}"
COLUMNS = {
    # One row a feature of a model version ('score', 'label' and 'rows' beside the source's columns): its profile, JSON.
    BASELINES: f"{_VERSION}, FEATURE VARCHAR NOT NULL, PROFILE VARCHAR NOT NULL, SOURCE_TABLE VARCHAR NOT NULL, {_RUN}",
    # One row a week, version, segment and feature: its profile over the baseline's bins (JSON).
    PROFILES: f"{_WEEK}, SEGMENT VARCHAR NOT NULL, FEATURE VARCHAR NOT NULL, PROFILE VARCHAR NOT NULL, "
    f"ROW_COUNT NUMBER NOT NULL, {_RUN}",
    # One row a week, version, segment ('': all rows, else COLUMN=value), feature and metric. No verdict: not judged.
    DRIFT: f"{_WEEK}, SEGMENT VARCHAR NOT NULL, FEATURE VARCHAR NOT NULL, METRIC VARCHAR NOT NULL, VALUE FLOAT, "
    f"P_VALUE FLOAT, WARN FLOAT, BREACH FLOAT, VERDICT VARCHAR, ROW_COUNT NUMBER NOT NULL, "
    f"ENGINE VARCHAR NOT NULL, {_RUN}",
    # One row a week, version, segment, class ('': all) and metric, with the version's own holdout beside it.
    PERFORMANCE: f"{_WEEK}, SEGMENT VARCHAR NOT NULL, CLASS VARCHAR NOT NULL, METRIC VARCHAR NOT NULL, VALUE FLOAT, "
    f"REFERENCE FLOAT, IS_ESTIMATE BOOLEAN NOT NULL, VERDICT VARCHAR, ROW_COUNT NUMBER NOT NULL, "
    f"ENGINE VARCHAR NOT NULL, {_RUN}",
    # One row a week, version and bin of the score: what was predicted there, and what came true.
    CALIBRATION: f"{_WEEK}, BIN NUMBER NOT NULL, MEAN_SCORE FLOAT, RATE FLOAT, ROW_COUNT NUMBER NOT NULL, {_RUN}",
    # One row a week: what its labels were when it was last checked.
    LABELS: f"WEEK_START DATE NOT NULL, MODEL_NAME VARCHAR NOT NULL, LABELLED NUMBER NOT NULL, "
    f"FINGERPRINT VARCHAR NOT NULL, {_RUN}",
    # One row a week: its report.
    REPORTS: f"WEEK_START DATE NOT NULL, MODEL_NAME VARCHAR NOT NULL, HTML VARCHAR NOT NULL, {_RUN}",
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
