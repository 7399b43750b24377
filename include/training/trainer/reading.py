"""Read the training set straight from Snowflake: at one moment for all hosts, each its own shard, in Arrow batches.

A host's shard is one table of Arrow columns; the memory it takes is the data's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import arrow, statements
from .arrow import WEEK
from .failure import TrainingFailure
from .job import Job
from .login import connection, read_secret
from .statements import ColumnType, Shard, Snapshot, Statement

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

__all__ = [
    "WEEK",
    "Shard",
    "Snapshot",
    "check_rows",
    "connection",
    "read_secret",
    "read_shard",
    "take_snapshot",
]
_OBJECT_MISSING = 2003
_NO_PAST = 707


def take_snapshot(opened: SnowflakeConnection, job: Job) -> Snapshot:
    """Choose the moment that all hosts read the table at, and count its rows then.

    A table that cannot be read as of a moment, such as a view or one without retention, is counted as it is;
    the snapshot says why.

    :raises TrainingFailure: if table or columns are missing or of a wrong type, or no row has label and week
    """
    from snowflake.connector.errors import ProgrammingError

    with _told(opened, job), opened.cursor() as cursor:
        statements.check_columns(job, _describe(cursor, job))
        moment: dt.datetime = _fetch_row(cursor, statements.now())[0]
        timestamp = moment.astimezone(dt.timezone.utc).isoformat(timespec="microseconds")  # noqa: UP017
        refusal = ""
        try:
            counts = _fetch_row(cursor, statements.count_rows(job, timestamp))
        except ProgrammingError as error:
            counts = _fetch_row(cursor, statements.count_rows(job, None))
            refusal = _one_line(error)
    rows, labelled, keys = counts
    if not labelled:
        raise TrainingFailure(_tell_emptiness(job, rows))
    if refusal:
        print(f"{job.table} is read as it is, not as of {timestamp}: {refusal}", flush=True)
    return Snapshot(timestamp, labelled, by_key=keys == labelled, refusal=refusal)


def read_shard(opened: SnowflakeConnection, job: Job, snapshot: Snapshot, shard: Shard) -> pa.Table:
    """Read a shard's rows, in an order that depends on nothing but their content.

    :return: columns of the ordered features (float64, or dictionary of int32 and string), the label (int64,
        float64, bool or string) and ``WEEK`` (date32), in the batches that came; empty if no row falls to the shard
    :raises TrainingFailure: if the snapshot is out of reach, or the rows are no data to train on
    """
    if snapshot.refusal and shard.count > 1:
        raise TrainingFailure(
            f"{shard.count} hosts must read {job.table} at one moment, and it has no Time Travel: {snapshot.refusal}; "
            f"train on one instance, or from a table with DATA_RETENTION_TIME_IN_DAYS of at least 1"
        )
    with _told(opened, job), opened.cursor() as cursor:
        types = _describe(cursor, job)
        statements.check_columns(job, types)
        statement = statements.select_shard(job, types, snapshot, shard)
        batches = _READERS[job.reader](opened, statement)
        return arrow.gather(batches, arrow.schema(job, types[job.label]), job)


def check_rows(job: Job, snapshot: Snapshot, rows: int) -> None:
    """Check that all hosts together read each row of the snapshot.

    :param rows: how many rows the hosts read, summed over all of them
    :raises TrainingFailure: if it is another number than the snapshot has
    """
    if rows == snapshot.rows:
        return
    cause = (
        "it was written to meanwhile and has no Time Travel; train again, or from a table"
        if snapshot.refusal
        else "rows were lost or read twice; train again, and report it if it stays"
    )
    raise TrainingFailure(
        f"the hosts read {rows} rows of {job.table}, which had {snapshot.rows} with a label at {snapshot.timestamp}: "
        f"{cause}"
    )


def _describe(cursor: SnowflakeCursor, job: Job) -> dict[str, ColumnType]:
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    described = cursor.describe(f"SELECT * FROM {job.table}")
    kinds = [FIELD_ID_TO_NAME.get(column.type_code, f"type {column.type_code}") for column in described]
    return {column.name: ColumnType(kind, column.scale or 0) for column, kind in zip(described, kinds, strict=True)}


def _execute(cursor: SnowflakeCursor, statement: Statement) -> None:
    # Without values the connector leaves doubled percent signs alone.
    cursor.execute(statement.text, statement.values) if statement.values else cursor.execute(statement.text % ())


def _fetch_row(cursor: SnowflakeCursor, statement: Statement) -> tuple[Any, ...]:
    _execute(cursor, statement)
    row = cursor.fetchone()
    return tuple(row) if row else ()


@contextmanager
def _told(opened: SnowflakeConnection, job: Job) -> Iterator[None]:
    """Turn the connector's errors into failures that name the table and the way out, and not the login's host."""
    from snowflake.connector.errors import Error, ProgrammingError

    try:
        yield
    except ProgrammingError as error:
        if error.errno == _OBJECT_MISSING:
            raise TrainingFailure(
                f"table {job.table} does not exist, or the secret's role may not see it; "
                f"mend the name, or grant SELECT on it"
            ) from None
        if error.errno == _NO_PAST:
            raise TrainingFailure(
                f"{job.table} cannot be read any more as it was when the job began: {_one_line(error)}; "
                f"train again, and let nobody replace the table meanwhile"
            ) from None
        raise TrainingFailure(f"Snowflake could not read {job.table}: {_one_line(error)}") from None
    except Error as error:
        text = _one_line(error).replace(opened.host, "<host>")
        raise TrainingFailure(f"reading {job.table} broke off: {text}; train again") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _tell_emptiness(job: Job, rows: int) -> str:
    if not rows:
        return f"table {job.table} has no rows; check the training window"
    return f"table {job.table}: none of its {rows} rows has both {job.label} and {job.week_column}; wait for labels"


def _by_connector(opened: SnowflakeConnection, statement: Statement) -> Iterator[pa.Table]:
    with opened.cursor() as cursor:
        _execute(cursor, statement)
        yield from cursor.fetch_arrow_batches()


def _by_snowpark(opened: SnowflakeConnection, statement: Statement) -> Iterator[pa.Table]:
    try:
        from snowflake.snowpark import Session
        from snowflake.snowpark.exceptions import SnowparkSQLException
    except ImportError:
        raise TrainingFailure(
            "reader snowpark needs snowflake-snowpark-python, which the image lacks; "
            "train in an image of Dockerfile.python, or leave the reader out"
        ) from None

    session = Session.builder.configs({"connection": opened}).create()
    text = statement.text if statement.values else statement.text % ()
    try:
        yield session.sql(text, params=list(statement.values) or None).to_arrow()
    except SnowparkSQLException as error:
        raise error.conn_error or error from None


_READERS: dict[str, Callable[[SnowflakeConnection, Statement], Iterator[pa.Table]]] = {
    "connector": _by_connector,
    "snowpark": _by_snowpark,
}
