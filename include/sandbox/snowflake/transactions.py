"""Snowflake's transactions (READ COMMITTED, statement-wise failure) on top of DuckDB's (snapshots, all or nothing).

Until its first change a transaction reads without one of DuckDB's, so each statement sees what is committed; later
the changes are made again in a new one, where that comes to the same. A failed statement undoes itself only, also by
making the changes before it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from include.sandbox.snowflake.engine import Cursor
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.locks import LockTable, Mode
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.sql.history import Recorder, Work

Run = Callable[[], Result]
Tables = frozenset[Hashable]
_NONE: Tables = frozenset()


@dataclass(frozen=True)
class _Change:
    """A statement that the transaction has run, and what it would depend on if it were run again."""

    run: Run
    rowcount: int | None
    touched: Tables | None  # None if it would not do the same again, whatever it reads


class Transaction:
    """The transaction of one session, open or not."""

    def __init__(self, cursor: Cursor, locks: LockTable, owner: object) -> None:
        self._cursor = cursor
        self._locks = locks
        self._owner = owner
        self._begun = False  # DuckDB's own transaction
        self._began_at: datetime | None = None
        self._changes: list[_Change] = []
        self._altered: set[Hashable] = set()
        self._snapshot = 0  # how many commits of others the engine's transaction sees
        self.recorder = Recorder(cursor)  # for Time Travel
        self._shield = threading.RLock()  # held where nothing may interrupt
        self.open = False
        self.after_commit: list[Callable[[], None]] = []  # what is to be done when the changes are there to stay

    def interrupt(self) -> None:
        """Stop the statement that the engine runs, except where earlier changes are made again or ended."""
        if self._shield.acquire(blocking=False):
            try:
                self._cursor.interrupt()
            finally:
                self._shield.release()

    @property
    def is_begun(self) -> bool:
        """True while the engine's own transaction is open."""
        return self._begun

    def begin(self) -> None:
        """Open a transaction; within an open one this does nothing, as in Snowflake."""
        self.open = True

    def commit(self) -> None:
        """Make the changes durable and visible, then let go of the locks."""
        after = list(self.after_commit)
        try:
            if self._begun:
                with self._shield, self.recorder.committing():
                    self._cursor.duck.execute("COMMIT")
                self._locks.committed(self._altered)
        except duckdb.Error:
            self._begun = False
            raise
        finally:
            self._finish()
        for function in after:
            function()

    def rollback(self) -> None:
        """Undo the changes and let go of the locks."""
        try:
            self._undo()
        finally:
            self._finish()

    def see(self, changed: datetime) -> None:
        """Make sure that the next statement sees what was committed until this time."""
        if self._begun and self._began_at and self._began_at <= changed:
            self._redo_changes()

    def query(self, run: Run, reads: Tables = _NONE) -> Result:
        """Run a statement that changes nothing."""
        try:
            self._refresh(reads)
            return run()
        except Exception:
            if self._begun:
                self._redo_changes()
            raise

    def change(self, table: Hashable, mode: Mode, work: Work, timeout: float) -> Result:
        """Run a statement that changes one table, when the table's lock has been had.

        Outside an open transaction it is one of its own. A change of no rows keeps no lock.
        """
        run = self.recorder.recorded(table, mode, work)
        alone = not self.open
        is_new = self._locks.acquire(self._owner, table, mode, timeout)
        try:
            self._refresh(work.touched or _NONE)
            self._altered.add(table)
            result = self._attempt(run)
            if alone:
                self.commit()
        except BaseException:
            if alone:
                self.rollback()
            else:
                self._redo_changes()
                if is_new:
                    self._locks.release(self._owner, table, mode)
            raise
        if not alone and is_new and not result.rowcount and not self._changes:
            # The version that was kept of the table must go before the lock does.
            self._undo()
            self._locks.release(self._owner, table, mode)
        elif not alone:
            self._changes.append(_Change(run, result.rowcount, work.touched))
            if is_new and not result.rowcount:
                self._locks.release(self._owner, table, mode)
        return result

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Let several statements of the engine be done together or not at all, apart from any open transaction."""
        self._cursor.duck.execute("BEGIN")
        try:
            yield
            with self._shield, self.recorder.committing():
                self._cursor.duck.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                self._cursor.duck.execute("ROLLBACK")
            raise
        finally:
            self.recorder.forget()

    def alter(self, table: Hashable, run: Run, timeout: float) -> Result:
        """Run a statement on a table's definition: it commits what is open and waits for changes under way."""
        self.commit()
        self._locks.acquire(self._owner, table, Mode.ALTER, timeout)
        try:
            return run()
        finally:
            self._locks.committed([table])
            self._locks.release(self._owner)

    def _attempt(self, run: Run) -> Result:
        self._start()
        try:
            return run()
        except duckdb.TransactionException:
            # The table changed after this transaction's snapshot was taken; the lock is ours now, so take a new one.
            self._redo_changes()
            self._start()
            return run()

    def _refresh(self, reads: Tables) -> None:
        """See what others have committed meanwhile to the tables that a statement is about to read.

        The engine's transaction sees what was there when it began, so it is begun anew and its changes made again:
        but only where they come out the same, because nothing that they depend on has changed.
        """
        if not self._begun or self._locks.commits == self._snapshot:
            return
        touched = [change.touched for change in self._changes]
        if self._has_changed(reads) and all(t is not None and not self._has_changed(t) for t in touched):
            self._redo_changes()

    def _has_changed(self, tables: Tables) -> bool:
        return any(self._locks.changed_since(table, self._snapshot) for table in tables)

    def _start(self) -> None:
        if not self._begun:
            self._snapshot = self._locks.commits
            self._began_at = datetime.now(UTC)
            self._cursor.duck.execute("BEGIN")
            self._begun = True

    def _undo(self) -> None:
        if self._begun:
            with self._shield:
                self._begun = False
                self.recorder.forget()
                self._cursor.duck.execute("ROLLBACK")

    def _redo_changes(self) -> None:
        """Start over with a new snapshot and the changes made so far, or lose all of them."""
        try:
            with self._shield:
                self._undo()
                for change in self._changes:
                    self._start()
                    if change.run().rowcount != change.rowcount:
                        raise SqlError(
                            300005,
                            "40001",
                            "The transaction was rolled back: rows that it had read were changed meanwhile.",
                        )
        except BaseException:
            self.rollback()
            raise

    def _finish(self) -> None:
        self._begun = False
        self.recorder.forget()
        self.open = False
        self._changes.clear()
        self._altered.clear()
        self.after_commit.clear()
        self._locks.release(self._owner)
