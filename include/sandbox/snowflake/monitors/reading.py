"""The rows that a monitor looks at: its source and its baseline.

A monitor here keeps no aggregates: a metric is computed from the source's committed rows at the time of the call. What
the service would not read again is kept in files: the baseline, and the source of a monitor that is suspended.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.sandbox.snowflake import durable, execution
from include.sandbox.snowflake.errors import SqlError, invalid_identifier
from include.sandbox.snowflake.monitors.definition import Monitor, kind_of
from include.sandbox.snowflake.session import Session

if TYPE_CHECKING:
    from include.sandbox.snowflake.monitors.windows import TimeRange
    from include.sandbox.snowflake.objects.catalog import Key
    from include.sandbox.snowflake.session import Account

KIND = "MODEL MONITOR"
_swept: set[Path] = set()
_sweeping = threading.Lock()


@contextmanager
def reader(account: Account, place: Key) -> Iterator[Session]:
    """A session in a monitor's schema that sees what is committed, and nobody's temporary tables."""
    session = Session(account)
    try:
        session.use(*place[:2])
        yield session
    finally:
        session.close()


def kinds(session: Session, table: list[str]) -> dict[str, str]:
    """What the columns of a table or view are to a monitor, by name."""
    result = execution.run(session, f"SELECT * FROM {_quoted(table)}", describe_only=True)
    return {name: kind_of(type_) for name, type_ in zip(result.table.column_names, result.types, strict=True)}


def source_rows(session: Session, monitor: Monitor, columns: dict[str, str], time_range: TimeRange) -> pa.Table:
    """The columns of the source, by the names that they are to have, of the rows in a range, and more."""
    if monitor.source_snapshot:
        return _snapshot_rows(session.account, monitor.source_snapshot, columns)
    where = time_range.rows_sql(_quoted([monitor.timestamp_column]))
    return execution.run(session, f"{_select(monitor.source, columns)} WHERE {where}").table


def baseline_rows(account: Account, monitor: Monitor, columns: dict[str, str]) -> pa.Table:
    """The columns of the baseline as it was when it was set."""
    return _snapshot_rows(account, str(monitor.baseline_snapshot), columns)


def check_finite(table: pa.Table, columns: dict[str, str], *, score: bool = False) -> None:
    """Refuse rows that would stop a monitor: NaN, infinities, and scores that are no probabilities."""
    for alias, name in columns.items():
        values = table[alias]
        if pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False:
            raise _invalid_rows(name, "a value that is NaN or infinite")
        if score and alias == "prediction":
            bounds = pc.min_max(values).as_py()
            if bounds["min"] is not None and (bounds["min"] < 0 or bounds["max"] > 1):
                raise _invalid_rows(name, "a score outside of [0, 1]")


def check_binary(table: pa.Table, columns: dict[str, str]) -> None:
    """Refuse classes of a binary classification that are neither 0 nor 1: which is the positive one is not known."""
    for alias, name in columns.items():
        values = table[alias].cast(pa.float64(), safe=False)
        if pc.all(pc.or_(pc.equal(values, 0), pc.equal(values, 1))).as_py() is False:
            raise _invalid_rows(name, "a class that is neither 0 nor 1")


# ---- snapshots -----------------------------------------------------------------------------------


def take_snapshot(session: Session, table: list[str], columns: list[str]) -> str:
    """Write columns of a table to a file that is complete on disk before anybody can refer to it."""
    rows = execution.run(session, _select(table, dict(zip(columns, columns, strict=True)))).table
    folder = _folder(session.account)
    file = folder / f"{uuid.uuid4().hex}.parquet"
    pq.write_table(rows, file)
    for path in (file, folder):
        durable.sync(path)
    return file.name


def drop_snapshots(account: Account, *names: str | None) -> None:
    """Remove the files that nothing refers to any more."""
    for name in names:
        if name:
            (_folder(account) / name).unlink(missing_ok=True)


def _folder(account: Account) -> Path:
    """The folder of the snapshots; at first use without those that a crash or a dropped schema has left behind."""
    folder = account.folder / "monitors"
    with _sweeping:
        if folder not in _swept:
            folder.mkdir(exist_ok=True)
            monitors = [Monitor.of(entry) for entry in account.catalog.entries(KIND)]
            known = {name for m in monitors for name in (m.baseline_snapshot, m.source_snapshot)}
            for file in folder.iterdir():
                if file.name not in known:
                    file.unlink()
            _swept.add(folder)
    return folder


def _snapshot_rows(account: Account, name: str, columns: dict[str, str]) -> pa.Table:
    file = _folder(account) / name
    known = pq.read_schema(file).names
    for column in columns.values():
        if column not in known:
            raise invalid_identifier(column)
    rows = pq.read_table(file, columns=list(dict.fromkeys(columns.values())))
    return pa.table([rows[column] for column in columns.values()], names=list(columns))


# ---- SQL -----------------------------------------------------------------------------------------


def _select(table: list[str], columns: dict[str, str]) -> str:
    wanted = ", ".join(f"{_quoted([name])} AS {_quoted([alias])}" for alias, name in columns.items())
    return f"SELECT {wanted} FROM {_quoted(table)}"


def _quoted(parts: list[str]) -> str:
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in parts)


def _invalid_rows(column: str, found: str) -> SqlError:
    return SqlError(
        100038,
        "22018",
        f"Column '{column}' has {found}, which suspends a model monitor. Correct the source or the baseline.",
    )
