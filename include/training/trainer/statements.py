"""The statements that a training job sends to Snowflake, and which column types it takes.

Pure: names quote themselves, values are bound by the connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .failure import TrainingFailure
from .job import Job

_NUMBERS = frozenset({"FIXED", "REAL", "DECFLOAT", "BOOLEAN"})
_TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_LTZ", "TIMESTAMP_NTZ", "TIMESTAMP_TZ"})
_SIMPLE = _NUMBERS | _TIMES | {"TEXT", "TIME"}


@dataclass(frozen=True)
class Shard:
    """Which part of the rows a host reads: the ``rank``-th of ``count``."""

    rank: int = 0
    count: int = 1


@dataclass(frozen=True)
class Snapshot:
    """The state of the table that all hosts read.

    :param timestamp: the warehouse's time, in ISO 8601 with its zone
    :param rows: how many rows have a label and a week
    :param by_key: whether the job's key is unique, so that shards are cut by it
    :param refusal: why the table cannot be read as of ``timestamp``; empty if it can
    """

    timestamp: str
    rows: int
    by_key: bool
    refusal: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Snapshot:
        """Read it back."""
        return cls(**content)


@dataclass(frozen=True)
class ColumnType:
    """A column's type as Snowflake describes it; ``scale`` is the number of decimals of a FIXED one."""

    name: str
    scale: int = 0


@dataclass(frozen=True)
class Statement:
    """A statement's text, in which a percent sign stands twice, and the values to bind to its ``%s``."""

    text: str
    values: tuple[Any, ...] = ()


def quote(name: str) -> str:
    """Quote a column name for a statement's text.

    >>> print(quote('a "b" 5%'))
    "a ""b"" 5%%"
    """
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def check_columns(job: Job, types: Mapping[str, ColumnType]) -> None:
    """Check that the table has the job's columns, in types that can be trained on.

    :raises TrainingFailure: naming the missing columns, or the first of a wrong type
    """
    wanted = [*(feature.name for feature in job.features), job.label, job.week_column, *job.key]
    missing = [name for name in dict.fromkeys(wanted) if name not in types]
    if missing:
        raise TrainingFailure(f"table {job.table} has no column {', '.join(missing)}; it has {', '.join(types)}")
    for feature in job.features:
        expected = _NUMBERS if feature.kind == "numeric" else _SIMPLE
        _check_type(job, feature.name, f"a {feature.kind} feature", types[feature.name], expected)
    labels = _NUMBERS if job.task == "regression" else _NUMBERS | {"TEXT"}
    _check_type(job, job.label, f"the label of a {job.task.replace('_', ' ')}", types[job.label], labels)
    _check_type(job, job.week_column, "the week", types[job.week_column], _TIMES | {"TEXT"})


def _check_type(job: Job, name: str, role: str, found: ColumnType, expected: frozenset[str]) -> None:
    if found.name not in expected:
        raise TrainingFailure(
            f"column {name} of {job.table} is {found.name}, but {role} must be {' or '.join(sorted(expected))}; "
            f"mend its kind, or cast it in the source"
        )


def now() -> Statement:
    """Ask for the warehouse's time."""
    return Statement("SELECT CURRENT_TIMESTAMP()")


def count_rows(job: Job, timestamp: str | None) -> Statement:
    """Count all rows, those with a label and a week, and of these the distinct keys: NULL where the job has no key."""
    source, values = _source(job, timestamp)
    keys = ", ".join(_only(job, quote(name)) for name in job.key)
    distinct = f"COUNT(DISTINCT {keys})" if keys else "NULL"
    return Statement(f"SELECT COUNT(*), COUNT({_only(job, '1')}), {distinct} FROM {source}", values)


def select_shard(job: Job, types: Mapping[str, ColumnType], snapshot: Snapshot, shard: Shard) -> Statement:
    """Select a shard's rows as C0, C1, ...: the features in order, the label, the week."""
    source, values = _source(job, None if snapshot.refusal else snapshot.timestamp)
    label, week = quote(job.label), quote(job.week_column)
    columns = [_feature(feature.name, feature.kind, types) for feature in job.ordered_features]
    columns += [_number(job.label, types) if _is_fraction(types[job.label]) else label, f"CAST({week} AS DATE)"]
    selected = ", ".join(f"{column} AS C{number}" for number, column in enumerate(columns))
    row = [*(quote(feature.name) for feature in job.ordered_features), label, week]
    key = [quote(name) for name in job.key] if snapshot.by_key else []
    condition = _labelled(job)
    if shard.count > 1:
        # Equal values have equal hashes: whatever is in the table, every row is in one shard and no other.
        condition += f" AND MOD(ABS(HASH({', '.join(key or row)})), %s) = %s"
        values = (*values, shard.count, shard.rank)
    # A warehouse gives rows in any order, and training depends on it. Rows of one hash are equal rows, but for a
    # collision: of 64 bits, so that 10 million rows have one once in 370,000 times.
    order = ", ".join(key) or f"HASH({', '.join(row)})"
    return Statement(f"SELECT {selected} FROM {source} WHERE {condition} ORDER BY {order}", values)


def _source(job: Job, timestamp: str | None) -> tuple[str, tuple[Any, ...]]:
    table = job.table.replace("%", "%%")
    if timestamp is None:
        return table, ()
    return f"{table} AT(TIMESTAMP => %s::TIMESTAMP_TZ)", (timestamp,)


def _labelled(job: Job) -> str:
    return f"{quote(job.label)} IS NOT NULL AND {quote(job.week_column)} IS NOT NULL"


def _only(job: Job, expression: str) -> str:
    return f"IFF({_labelled(job)}, {expression}, NULL)"


def _feature(name: str, kind: str, types: Mapping[str, ColumnType]) -> str:
    # Snowflake itself makes text of the categories, as it does where the model scores.
    return f"CAST({quote(name)} AS VARCHAR)" if kind == "categorical" else _number(name, types)


def _number(name: str, types: Mapping[str, ColumnType]) -> str:
    """Let the warehouse make floats: else one column comes in integers of several widths, batch by batch."""
    # There is no cast from BOOLEAN to FLOAT.
    expression = f"CAST({quote(name)} AS NUMBER(1, 0))" if types[name].name == "BOOLEAN" else quote(name)
    return f"CAST({expression} AS FLOAT)"


def _is_fraction(found: ColumnType) -> bool:
    return found.name in {"REAL", "DECFLOAT"} or (found.name == "FIXED" and found.scale > 0)
