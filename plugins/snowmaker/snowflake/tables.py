"""Snowmaker's own tables: what they hold and how one week of them is replaced.

They live in the pipeline's schema and are made on first use. Nothing else keeps state: versions and aliases
are the registry's, rows are the source's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import literal
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
ATTRIBUTIONS = "SNOWMAKER_ATTRIBUTIONS"
VERDICTS = "SNOWMAKER_VERDICTS"
MODEL_EVENTS = "SNOWMAKER_MODEL_EVENTS"
RUN_COSTS = "SNOWMAKER_RUN_COSTS"
LOCKS = "SNOWMAKER_LOCKS"
# A pipeline's predictions table, whatever its name.
PREDICTIONS = "predictions"

# How often a table's columns changed, the first ones included; snowflake/migrations.py tells how.
_SCHEMA_VERSIONS = {BASELINES: 2, DRIFT: 2, PERFORMANCE: 2, MODEL_EVENTS: 2, PREDICTIONS: 2}
_SCHEMA_MARK = re.compile(r"\bsnowmaker schema (\d+)")

# A profile is a kilobyte or two, and a statement should be no longer than 1 MB.
_ROWS_AT_ONCE = 400

# Who measured a row of DRIFT or PERFORMANCE.
SNOWMAKER_ENGINE = "snowmaker"

_TEXT, _NUMBER, _FLAG = "VARCHAR NOT NULL", "NUMBER NOT NULL", "BOOLEAN NOT NULL"
_RUN = {"RUN_ID": _TEXT, "WRITTEN_AT": "TIMESTAMP_NTZ NOT NULL"}
_VERSION = {"MODEL_NAME": _TEXT, "MODEL_VERSION": _TEXT}
_WEEK = {"WEEK_START": "DATE NOT NULL", **_VERSION}
COLUMNS: dict[str, dict[str, str]] = {
    # One row a feature of a model version ('score', 'label' and 'rows' beside the source's columns), of all rows
    # (segment '') and of each segment (COLUMN=value): its profile (JSON).
    BASELINES: {**_VERSION, "SEGMENT": _TEXT, "FEATURE": _TEXT, "PROFILE": _TEXT, "SOURCE_TABLE": _TEXT, **_RUN},
    # One row a week, version, segment and feature: its profile over the baseline's bins (JSON).
    PROFILES: {**_WEEK, "SEGMENT": _TEXT, "FEATURE": _TEXT, "PROFILE": _TEXT, "ROW_COUNT": _NUMBER, **_RUN},
    # One row a week, version, segment, feature and metric. Without a verdict it is shown only.
    DRIFT: {
        **_WEEK,
        "SEGMENT": _TEXT,
        "FEATURE": _TEXT,
        "METRIC": _TEXT,
        "VALUE": "FLOAT",
        "P_VALUE": "FLOAT",
        "WARN": "FLOAT",
        "BREACH": "FLOAT",
        "VERDICT": "VARCHAR",
        "ROW_COUNT": _NUMBER,
        "ENGINE": _TEXT,
        **_RUN,
    },
    # One row a week, version, segment, class ('': all) and metric, with the version's own holdout beside it.
    PERFORMANCE: {
        **_WEEK,
        "SEGMENT": _TEXT,
        "CLASS": _TEXT,
        "METRIC": _TEXT,
        "VALUE": "FLOAT",
        "REFERENCE": "FLOAT",
        "IS_ESTIMATE": _FLAG,
        "VERDICT": "VARCHAR",
        "ROW_COUNT": _NUMBER,
        "ENGINE": _TEXT,
        **_RUN,
    },
    # One row a week, version and bin of the score: what was predicted there, and what came true.
    CALIBRATION: {**_WEEK, "BIN": _NUMBER, "MEAN_SCORE": "FLOAT", "RATE": "FLOAT", "ROW_COUNT": _NUMBER, **_RUN},
    # One row a week: what its labels were when it was last checked.
    LABELS: {"WEEK_START": "DATE NOT NULL", "MODEL_NAME": _TEXT, "LABELLED": _NUMBER, "FINGERPRINT": _TEXT, **_RUN},
    # One row a week: its report.
    REPORTS: {"WEEK_START": "DATE NOT NULL", "MODEL_NAME": _TEXT, "HTML": _TEXT, **_RUN},
    # One row a feature of a model version and class ('': all): how much of the score it makes on a sample, and how
    # much of the champion's score on the same rows.
    ATTRIBUTIONS: {
        **_VERSION,
        "CLASS": _TEXT,
        "FEATURE": _TEXT,
        "PLACE": _NUMBER,
        "MEAN_ABSOLUTE": "FLOAT",
        "SHARE": "FLOAT",
        "CHAMPION": "VARCHAR",
        "CHAMPION_SHARE": "FLOAT",
        "ROW_COUNT": _NUMBER,
        **_RUN,
    },
    # One row a rule of an evaluation: what was found of the challenger, its interval, and the bound. One that
    # could not be judged has no PASSED.
    VERDICTS: {
        **_VERSION,
        "CHAMPION": "VARCHAR",
        "RULE": _TEXT,
        "METRIC": _TEXT,
        "SEGMENT": _TEXT,
        "VALUE": "FLOAT",
        "LOW": "FLOAT",
        "HIGH": "FLOAT",
        "BOUND": "FLOAT",
        "PASSED": "BOOLEAN",
        "NOTE": "VARCHAR",
        "FIRST_WEEK": "DATE NOT NULL",
        "LAST_WEEK": "DATE NOT NULL",
        "ROW_COUNT": _NUMBER,
        **_RUN,
    },
    # Who was champion from which week on, and why; everything else that was decided about a version, too. SEQUENCE
    # counts a model's events: the newest one that names a champion is the truth, and the registry follows it.
    MODEL_EVENTS: {
        "EVENT_ID": _TEXT,
        "SEQUENCE": _NUMBER,
        "EVENT": _TEXT,
        **_VERSION,
        "PREVIOUS_VERSION": "VARCHAR",
        "WEEK_START": "DATE NOT NULL",
        "REASON": "VARCHAR",
        "GATE": "VARCHAR",
        "DECIDED_BY": "VARCHAR",
        "DECISION": "VARCHAR",
        **_RUN,
    },
    # One row a training job: what it ran on, for how long it is billed, and about what for (US dollars).
    RUN_COSTS: {
        "JOB_NAME": _TEXT,
        "MODEL_NAME": "VARCHAR",
        "WEEK_START": "DATE",
        "TASK_ID": _TEXT,
        "MAP_INDEX": _NUMBER,
        "STATUS": _TEXT,
        "INSTANCE_TYPE": _TEXT,
        "INSTANCE_COUNT": _NUMBER,
        "TRAINING_SECONDS": "NUMBER",
        "BILLABLE_SECONDS": _NUMBER,
        "HOURLY_PRICE": "FLOAT",
        "ESTIMATED_COST": "FLOAT",
        **_RUN,
    },
    # One row a thing that only one run at a time may change.
    LOCKS: {"NAME": _TEXT, "HOLDER": "VARCHAR", "EXPIRES_AT": "TIMESTAMP_NTZ"},
}


def create_table(table: QualifiedName) -> Statement:
    """Create one of Snowmaker's tables if it is not there."""
    columns = listed(f"{name} {kind}" for name, kind in COLUMNS[table.object.name].items())
    comment = literal(schema_comment(table.object.name))
    return Statement(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) COMMENT = {comment}")


def current_schema(kind: str) -> int:
    """Return the schema version that this release makes of a table.

    :param kind: the table's name, or PREDICTIONS
    """
    return _SCHEMA_VERSIONS.get(kind, 1)


def schema_comment(kind: str, before: str = "") -> str:
    """Return a table's comment: it is set in the statement that makes the table, so no table is without.

    :param kind: the table's name, or PREDICTIONS
    :param before: the comment it has; what a person wrote stays

    >>> schema_comment(DRIFT), schema_comment(DRIFT, "Ours; snowmaker schema 1")
    ('snowmaker schema 2', 'Ours; snowmaker schema 2')
    """
    mark = f"snowmaker schema {current_schema(kind)}"
    if _SCHEMA_MARK.search(before):
        return _SCHEMA_MARK.sub(mark, before)
    return f"{before}; {mark}" if before else mark


def schema_of(comment: str) -> int:
    """Read a table's schema version from its comment; the first releases wrote none."""
    found = _SCHEMA_MARK.search(comment)
    return int(found[1]) if found else 1


def show_tables(table: QualifiedName, prefix: str) -> Statement:
    """List the tables beside ``table`` whose names begin in some way; LIKE would take _ for any character."""
    return Statement(f"SHOW TABLES IN SCHEMA {table.in_schema} STARTS WITH {literal(prefix)}")


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
    """Insert rows of values into one of Snowmaker's tables; WRITTEN_AT is filled in.

    The rows go as one JSON text: thousands of single values in a statement take a warehouse long to read.
    """
    types = [COLUMNS[table.object.name][column].split()[0] for column in columns]
    values = listed(f"R.VALUE[{i}]::{kind}" for i, kind in enumerate(types))
    return Statement(
        f"INSERT INTO {table} ({listed(columns)}, WRITTEN_AT) SELECT {values}, {NOW} "
        f"FROM TABLE(FLATTEN(INPUT => PARSE_JSON(%s))) R",
        (json.dumps(rows, default=str, ensure_ascii=False, allow_nan=False),),
    )


def delete_rows(table: QualifiedName, keep: Mapping[str, Value] | None = None, /, **where: Value) -> Statement:
    """Delete the rows that match every column given, but not those that match one of ``keep``."""
    conditions = [*(f"{column} = %s" for column in where), *(f"{column} <> %s" for column in keep or {})]
    return Statement(f"DELETE FROM {table} WHERE {' AND '.join(conditions)}", (*where.values(), *(keep or {}).values()))


def rewrite(
    table: QualifiedName,
    where: Mapping[str, Value],
    rows: Sequence[Mapping[str, Value]],
    run: str,
    keep: Mapping[str, Value] | None = None,
) -> list[Statement]:
    """Replace all rows that have some values by others that have them.

    :param where: the values by column
    :param rows: what each new row has besides these, by column
    :param run: who writes
    :param keep: values by column of rows that stay nevertheless
    """
    columns = (*where, *rows[0], "RUN_ID") if rows else ()
    values = [(*where.values(), *row.values(), run) for row in rows]
    parts = [values[i : i + _ROWS_AT_ONCE] for i in range(0, len(values), _ROWS_AT_ONCE)]
    return [delete_rows(table, keep, **where), *(insert_rows(table, columns, part) for part in parts)]
