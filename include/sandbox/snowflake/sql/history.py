"""Time Travel: AT and BEFORE, exact at every commit, or refused.

The engine keeps the rows of a table in the order they came. So as long as a table only grows, what it had at a time
are its first rows, as many as were counted: each commit writes how many rows it added, in its own transaction. Before
a statement that changes or removes rows, the table is copied as it is (a version): earlier times are read from there.
Of a table of more than `LARGEST` rows no version is kept, and of each table `VERSIONS` at least; times before those
are refused, as are times before the table was made or its columns changed, and times past the retention.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError, unsupported
from include.sandbox.snowflake.locks import Mode
from include.sandbox.snowflake.sql import facts
from include.sandbox.snowflake.sql.facts import Facts, TableKey

if TYPE_CHECKING:
    from include.sandbox.snowflake.engine import Cursor
    from include.sandbox.snowflake.results import Result
    from include.sandbox.snowflake.session import Session

LARGEST = 250_000
VERSIONS = 20
_MORE_VERSIONS = 10  # so many are forgotten at once
_SCHEMA = "_fs_information_schema"
_VERSION = "__version of the sandbox"
_NOT_KEPT = -1
_commits = threading.Lock()
_last_commit = 0


@dataclass(frozen=True)
class Work:
    """A statement that changes one table."""

    run: Callable[[], Result]
    touched: frozenset[Hashable] | None = None  # the tables it depends on; None if it may not do the same again
    counts: bool = False  # its answer says how many rows it has added
    idle: Callable[[], Result | None] = lambda: None  # its answer if there is nothing to do, so that it need not run


@dataclass
class Change:
    """What one statement did to one table: how many rows it added, and which version was kept before it."""

    key: TableKey
    id: str
    added: int
    version: int | None
    query_id: str


class Recorder:
    """The changes of one transaction, written as it commits."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.changes: list[Change] = []
        self.query_id = ""

    def recorded(self, key: Any, mode: Mode, work: Work) -> Callable[[], Result]:
        """A change that is written down when it has been made; a temporary table has no history."""
        if not isinstance(key, tuple) or len(key) != 3:
            return work.run
        query_id = self.query_id

        def changed() -> Result:
            known = facts.read(self._cursor, key)
            if known is None:
                return work.run()
            if key[0] == "temp":
                return _of_temporary(self._cursor, key, known, work.run)
            if answer := work.idle():
                self.changes.append(Change(key, known.id, 0, None, query_id))
                return answer
            if mode is Mode.INSERT:
                (result, added), version = _insert(self._cursor, key, work), None
            else:
                result, added, version = _change(self._cursor, key, known, work.run)
            check_lengths(self._cursor, key, known)
            if added or version is not None:
                self.changes.append(Change(key, known.id, added, version, query_id))
            return result

        return changed

    def add(self, key: TableKey, known: Facts, cursor: Cursor) -> None:
        """Begin the history of a table that a statement has made."""
        self.changes.append(Change(key, known.id, _count(cursor, key), None, self.query_id))

    def forget(self) -> None:
        """The changes have been undone, or are written."""
        self.changes.clear()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Write the changes at the end of their transaction; one transaction at a time, in the order of their times."""
        if not self.changes:
            yield
            return
        with _commits:
            _write(self._cursor, self.changes)
            yield


def _write(cursor: Cursor, changes: list[Change]) -> None:
    global _last_commit  # noqa: PLW0603 - the order of commits is the process's
    at = max(time.time_ns() // 1000, _last_commit // 1000 + 1) * 1000
    _last_commit = at + len(changes)
    log = _log(changes[0].key[0])
    values = [[c.id, at + i, c.query_id, c.added, c.version] for i, c in enumerate(changes)]
    marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(values))
    cursor.duck.execute(f"INSERT INTO {log} VALUES {marks}", [v for row in values for v in row])


def _log(database: str) -> str:
    return facts.quoted((database, _SCHEMA, "_changes"))


def _versions(database: str, table_id: str) -> str:
    return facts.quoted((database, _SCHEMA, f"_versions_{table_id}"))


def _count(cursor: Cursor, key: TableKey) -> int:
    return int(cursor.duck.execute(f"SELECT COUNT(*) FROM {facts.quoted(key)}").fetchall()[0][0])


def _insert(cursor: Cursor, key: TableKey, work: Work) -> tuple[Result, int]:
    """Add rows: the answer, and how many."""
    if work.counts:
        result = work.run()
        return result, result.rowcount or 0
    before = _count(cursor, key)
    return work.run(), _count(cursor, key) - before


def _change(cursor: Cursor, key: TableKey, known: Facts, run: Callable[[], Result]) -> tuple[Result, int, int]:
    """Change or remove rows: the answer, how many rows there are more, and the version that was kept before."""
    before = _count(cursor, key)
    version = _keep_version(cursor, key, known, before)
    return run(), _count(cursor, key) - before, version


def _keep_version(cursor: Cursor, key: TableKey, known: Facts, rows: int) -> int:
    """Copy a table as it is, unless it is too large or nothing of it is to be kept."""
    if rows > LARGEST or not known.retention_days:
        return _NOT_KEPT
    version, kept = time.time_ns(), _versions(key[0], known.id)
    table = facts.quoted(key)
    execute = cursor.duck.execute
    if not _are_kept(cursor, key[0], known):
        execute(f'CREATE TABLE {kept} AS SELECT 0::BIGINT AS "{_VERSION}", * FROM {table} LIMIT 0')
    execute(f"INSERT INTO {kept} SELECT {version}, * FROM {table}")
    versions = [v for (v,) in execute(f'SELECT DISTINCT "{_VERSION}" FROM {kept} ORDER BY 1 DESC').fetchall()]
    too_old = version - known.retention_days * 86_400_000_000_000
    if len(versions) > VERSIONS + _MORE_VERSIONS or (versions and versions[-1] < too_old):
        oldest = max(too_old, versions[:VERSIONS][-1])
        execute(f'DELETE FROM {kept} WHERE "{_VERSION}" < {oldest}')
    return version


def _are_kept(cursor: Cursor, database: str, known: Facts) -> bool:
    return bool(
        cursor.duck.catalog(
            "SELECT 1 FROM duckdb_tables() WHERE (database_name, schema_name, table_name) = (?, ?, ?)",
            [database, _SCHEMA, f"_versions_{known.id}"],
        )
    )


def _of_temporary(cursor: Cursor, key: TableKey, known: Facts, run: Callable[[], Result]) -> Result:
    result = run()
    check_lengths(cursor, key, known)
    return result


def check_lengths(cursor: Cursor, key: TableKey, known: Facts) -> None:
    """Refuse texts that are longer than their column."""
    for column, limit in known.text_limits().items():
        name = facts.quoted((column,))
        found = cursor.duck.execute(
            f"SELECT {name} FROM {facts.quoted(key)} WHERE length({name}) > {limit} LIMIT 1"
        ).fetchall()
        if found:
            text = f"String '{found[0][0]}' is too long and would be truncated"
            raise SqlError(100078, "22000", text)


# ---- definitions ----


def prepare(cursor: Any, database: str) -> None:
    """Make room for a database's history, and clear out what is past every retention."""
    log = _log(database)
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {log} (id VARCHAR, moment BIGINT, query_id VARCHAR, added BIGINT, version BIGINT)"
    )
    comments = cursor.execute("SELECT comment FROM duckdb_tables() WHERE database_name = ?", [database]).fetchall()
    known = {f.id: f for (comment,) in comments if (f := Facts.parse(comment))}
    kept = cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND starts_with(table_name, '_versions_')",
        [database],
    ).fetchall()
    for (name,) in kept:
        if name.removeprefix("_versions_") not in known:
            cursor.execute(f"DROP TABLE {_versions(database, name.removeprefix('_versions_'))}")
    _compact(cursor, log, known)


def _compact(cursor: Any, log: str, known: dict[str, Facts]) -> None:
    """Put what is older than a table's retention into one line."""
    cursor.execute("BEGIN")
    cursor.execute(f"DELETE FROM {log} WHERE NOT list_contains(?, id)", [list(known) or [""]])
    for table_id, known_facts in known.items():
        oldest = time.time_ns() - known_facts.retention_days * 86_400_000_000_000
        old = cursor.execute(
            f"SELECT COUNT(*), MAX(moment), SUM(added) FROM {log} WHERE id = ? AND moment < ?", [table_id, oldest]
        ).fetchall()[0]
        if old[0] > 1:
            cursor.execute(f"DELETE FROM {log} WHERE id = ? AND moment < ?", [table_id, oldest])
            cursor.execute(f"INSERT INTO {log} VALUES (?, ?, '', ?, NULL)", [table_id, old[1], old[2]])
    cursor.execute("COMMIT")


def forget_table(cursor: Cursor, database: str, known: Facts | None) -> None:
    """Drop the history of a table that is dropped, replaced, or given other columns."""
    if known is not None:
        cursor.duck.execute(f"DROP TABLE IF EXISTS {_versions(database, known.id)}")
        cursor.duck.execute(f"DELETE FROM {_log(database)} WHERE id = ?", [known.id])


# ---- reading ----


def forget_when(expression: exp.Expression) -> None:
    """Read tables as they are: their columns are the same at all times that can be read."""
    for table in expression.find_all(exp.Table):
        table.set("when", None)


@contextmanager
def one_view(expression: exp.Expression, session: Session) -> Iterator[None]:
    """Let all that a statement reads be of one moment, if it reads the past."""
    if not expression.find(exp.HistoricalData) or session.transaction.is_begun:
        yield
        return
    session.cursor.duck.execute("BEGIN")
    try:
        yield
    finally:
        session.cursor.duck.execute("ROLLBACK")


def resolve(expression: exp.Expression, session: Session) -> None:
    """Put the rows that a table had in the place of the table, wherever a statement says AT or BEFORE."""
    for table in list(expression.find_all(exp.Table)):
        if when := table.args.get("when"):
            table.set("when", None)
            _replace(table, when, session)


def _replace(table: exp.Table, when: exp.HistoricalData, session: Session) -> None:
    key = (table.catalog, table.db, table.name)
    known = facts.read(session.cursor, key)
    name = ".".join(key)
    if key[0] == "temp":
        raise unsupported("AT | BEFORE of a temporary table")
    if known is None:
        # A table that is not there is the engine's error to tell.
        if _exists(session.cursor, key):
            raise unsupported(f"AT | BEFORE of {name}, which is not a table with a history")
        return
    rows, version = _state(session, key, known, _moment(when, session, key, known))
    if version is None and rows == _count(session.cursor, key):
        # Nothing has changed since: filters reach the table itself, as they do not through a LIMIT.
        return
    source, columns = facts.quoted(key), "*"
    if version is not None:
        source, columns = _versions(key[0], known.id), f'* EXCLUDE ("{_VERSION}")'
    where = f'WHERE "{_VERSION}" = {version}' if version is not None else ""
    past: exp.Expression = exp.maybe_parse(f"SELECT {columns} FROM {source} {where} LIMIT {rows}", dialect="duckdb")
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
    past_rows = exp.Subquery(this=past, alias=alias.copy(), joins=table.args.get("joins"))
    for part in ("sample", "pivots", "laterals"):
        past_rows.set(part, table.args.get(part))
    table.replace(past_rows)


def _exists(cursor: Cursor, key: TableKey) -> bool:
    found = cursor.duck.execute(
        "SELECT 1 FROM duckdb_columns() WHERE (database_name, schema_name, table_name) = (?, ?, ?)", list(key)
    )
    return bool(found.fetchall())


def _moment(when: exp.HistoricalData, session: Session, key: TableKey, known: Facts) -> int:
    """The last nanosecond (since 1970) that still counts."""
    is_before, kind = str(when.this).upper() == "BEFORE", str(when.args["kind"]).upper()
    value = when.expression
    if kind == "STATEMENT":
        return _statement(session, key, known, value.name, is_before=is_before)
    if kind == "OFFSET":
        seconds = float(session.cursor.query(f"SELECT {session.cursor.to_duckdb(value.copy())}").table[0][0].as_py())
        if seconds > 0:
            raise SqlError(2217, "22023", "SQL compilation error:\nTime travel OFFSET must not be positive.")
        microsecond = int((time.time() + seconds) * 1_000_000)
    elif kind == "TIMESTAMP":
        text = session.cursor.to_duckdb(exp.select(exp.cast(value.copy(), "TIMESTAMPTZ")))
        found = session.cursor.query(f"SELECT epoch_us(({text}))").table[0][0].as_py()
        if found is None:
            raise not_available(key)
        microsecond = int(found)
    else:
        raise unsupported(f"AT ({kind} => ...)")
    return microsecond * 1000 - 1 if is_before else microsecond * 1000 + 999


def _statement(session: Session, key: TableKey, known: Facts, query_id: str, *, is_before: bool) -> int:
    found = session.cursor.duck.execute(
        f"SELECT MIN(moment), MAX(moment) FROM {_log(key[0])} WHERE id = ? AND query_id = ?", [known.id, query_id]
    ).fetchall()[0]
    if found[0] is None:
        raise SqlError(709, "02000", f"Statement {query_id} not found")
    return int(found[0]) - 1 if is_before else int(found[1])


def _state(session: Session, key: TableKey, known: Facts, moment: int) -> tuple[int, int | None]:
    """How many rows a table had, and the version to take them from; None is the table itself."""
    log = session.cursor.duck.execute(
        f"SELECT moment, added, version FROM {_log(key[0])} WHERE id = ? ORDER BY moment", [known.id]
    ).fetchall()
    oldest = (datetime.now(UTC) - timedelta(days=known.retention_days)).timestamp() * 1e9
    if not log or moment < log[0][0] or moment < oldest:
        raise not_available(key)
    rows = sum(added for at, added, _ in log if at <= moment)
    own = [c for c in session.transaction.recorder.changes if c.id == known.id]
    later = [(added, version) for at, added, version in log if at > moment] + [(c.added, c.version) for c in own]
    version = next((v for _, v in later if v is not None), None)
    source = _count(session.cursor, key)
    expected = rows + sum(added for added, _ in later)
    if version is not None:
        before = later[: next(i for i, (_, v) in enumerate(later) if v is not None)]
        kept = _versions(key[0], known.id)
        expected = rows + sum(added for added, _ in before)
        source = _rows_of(session.cursor, kept, version) if version != _NOT_KEPT else -1
        if not source and expected == 0:
            source = 0
    # What was counted and what is there must agree: a change that went past the log is no base for an answer.
    if source != expected:
        raise not_available(key)
    return rows, version


def _rows_of(cursor: Cursor, kept: str, version: int) -> int:
    return int(cursor.duck.execute(f'SELECT COUNT(*) FROM {kept} WHERE "{_VERSION}" = {version}').fetchall()[0][0])


def not_available(key: TableKey) -> SqlError:
    """A time that no history of the table reaches."""
    return SqlError(
        707,
        "02000",
        f"Time travel data is not available for table {key[2]}. The requested time is either beyond the allowed "
        "time travel period or before the object creation time.",
    )
