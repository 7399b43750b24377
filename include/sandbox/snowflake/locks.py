"""Locks on tables, held to the end of a transaction, as Snowflake queues changes of the same rows.

A lock is taken on a whole table: DuckDB would answer two changes of one row with a
conflict, where Snowflake makes the second wait. Snowflake's INSERT waits for nobody, so neither does ours.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterable
from enum import Enum

from include.sandbox.snowflake.errors import SqlError

_REMEMBERED = 10_000


class Mode(Enum):
    """What a statement does to its table; the value says which modes of others it can go along with."""

    INSERT = frozenset({"INSERT", "CHANGE"})
    CHANGE = frozenset({"INSERT"})
    ALTER = frozenset[str]()

    def allows(self, other: Mode) -> bool:
        """True if both may hold the same table at once."""
        return other.name in self.value


class LockTable:
    """Who holds which table in which mode. Owners are opaque, compared by identity."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[Hashable, dict[object, set[Mode]]] = defaultdict(dict)
        self._waits_for: dict[object, set[object]] = {}
        self._committed: dict[Hashable, int] = {}
        self._forgotten = 0
        self.commits = 0  # how many there have been
        self._canceled: set[object] = set()

    def acquire(self, owner: object, table: Hashable, mode: Mode, timeout: float) -> bool:
        """Wait until the owner holds the table in this mode.

        Returns whether the lock is new to the owner. Raises Snowflake's errors for a wait longer
        than `timeout` seconds, and for a deadlock, which is noticed at once.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            if mode in self._held[table].get(owner, ()):
                return False
            try:
                while blockers := self._blockers(owner, table, mode):
                    self._waits_for[owner] = blockers
                    if owner in self._canceled:
                        raise SqlError(604, "57014", "SQL execution canceled")
                    if self._in_a_circle(owner):
                        raise SqlError(606, "40P01", f"Deadlock detected while waiting for table {table}; try again.")
                    if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                        raise SqlError(
                            625, "57014", f"Statement aborted: lock timeout after {timeout:g} s on table {table}."
                        )
            finally:
                self._waits_for.pop(owner, None)
                self._canceled.discard(owner)
            self._held[table].setdefault(owner, set()).add(mode)
            return True

    def release(self, owner: object, table: Hashable | None = None, mode: Mode | None = None) -> None:
        """Give up one lock, or all of the owner's."""
        with self._changed:
            for name in [table] if table is not None else list(self._held):
                modes = self._held[name].get(owner, set())
                modes -= {mode} if mode else set(Mode)
                if not modes:
                    self._held[name].pop(owner, None)
                if not self._held[name]:
                    del self._held[name]
            self._changed.notify_all()

    def cancel(self, owner: object) -> None:
        """End an owner's wait, if it waits."""
        with self._changed:
            if owner in self._waits_for:
                self._canceled.add(owner)
                self._changed.notify_all()

    def waiters_of(self, owner: object) -> int:
        """How many others wait for a lock of this owner."""
        with self._changed:
            return sum(owner in blockers for blockers in self._waits_for.values())

    def committed(self, tables: Iterable[Hashable]) -> None:
        """Note that changes of these tables are there to be seen."""
        with self._changed:
            self.commits += 1
            self._committed.update(dict.fromkeys(tables, self.commits))
            if len(self._committed) > _REMEMBERED:
                self._committed.clear()
                self._forgotten = self.commits

    def changed_since(self, table: Hashable, commits: int) -> bool:
        """True if a table was changed after so many commits, or may have been."""
        with self._changed:
            return self._committed.get(table, self._forgotten) > commits

    def _blockers(self, owner: object, table: Hashable, mode: Mode) -> set[object]:
        held = self._held[table].items()
        return {o for o, modes in held if o is not owner and not all(mode.allows(m) for m in modes)}

    def _in_a_circle(self, owner: object) -> bool:
        seen: set[object] = set()
        todo = list(self._waits_for[owner])
        while todo:
            other = todo.pop()
            if other is owner:
                return True
            if other not in seen:
                seen.add(other)
                todo.extend(self._waits_for.get(other, ()))
        return False
