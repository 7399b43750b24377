"""One client's session: its names, parameters, temporary objects and transaction."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.sandbox.snowflake import grammar
from include.sandbox.snowflake.catalog import Catalog
from include.sandbox.snowflake.engine import Engine
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.locks import LockTable
from include.sandbox.snowflake.models import ModelStore
from include.sandbox.snowflake.packages import PackageCache
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.transactions import Transaction

TableKey = tuple[str, str, str]


@dataclass
class Account:
    """What all sessions share. Everything that is kept lies under `folder`."""

    name: str
    user: str
    role: str
    warehouse: str
    folder: Path
    engine: Engine
    models: ModelStore
    catalog: Catalog
    locks: LockTable = field(default_factory=LockTable)
    packages: PackageCache = field(default_factory=PackageCache)
    session_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def open(cls, folder: Path, *, name: str, user: str, role: str, warehouse: str) -> Account:
        """The account that is kept in a folder; an empty one is a new account."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(name, user, role, warehouse, folder, Engine(folder), ModelStore(folder), Catalog(folder))


class Session:
    """A logged-in client. Its statements run one at a time."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.id = next(account.session_ids)
        self.cursor = account.engine.cursor()
        self.transaction = Transaction(self.cursor, account.locks, self)
        self.database: str | None = None
        self.schema: str | None = None
        self.role: str = account.role
        self.warehouse: str | None = account.warehouse
        self.autocommit = True
        self.parameters: dict[str, Any] = {
            "LOCK_TIMEOUT": 43200,
            "QUERY_TAG": "",
            "STATEMENT_TIMEOUT_IN_SECONDS": 172800,
        }
        self.variables: dict[str, str] = {}
        self.chain: list[Result] = []  # of the statements before the one under way, in a chain with ->>
        self.piped: dict[str, Any] = {}  # the rows that statements of a chain read
        self.temporary_tables: dict[TableKey, str] = {}
        self.temporary_stages: list[Callable[[], None]] = []
        self.results: OrderedDict[str, Result] = OrderedDict()
        self.last_used = time.monotonic()
        self.busy = threading.Lock()
        self._registered = 0

    def use(self, database: str | None, schema: str | None) -> None:
        """Make these the current database and schema."""
        self.database, self.schema = database, schema
        self.cursor.use(database, schema)

    @property
    def is_busy(self) -> bool:
        """True while a statement runs."""
        return self.busy.locked()

    def cancel(self) -> None:
        """Stop the running statement, also where it waits for a lock."""
        self.account.locks.cancel(self)
        self.cursor.interrupt()

    def close(self) -> None:
        """End the session: roll back what is open, drop what is temporary."""
        self.cancel()
        with self.busy:
            self.transaction.rollback()
            for remove in self.temporary_stages:
                remove()
            self.cursor.close()

    def qualify(self, name: str | tuple[str, ...]) -> TableKey:
        """Complete a name with the current database and schema."""
        parts = grammar.split_name(name) if isinstance(name, str) else name
        missing = 3 - len(parts)
        if missing and not self.database:
            raise _no_current("database", 90105)
        if missing == 2 and not self.schema:
            raise _no_current("schema", 90106)
        return (*(self.database, self.schema)[:missing], *parts)  # type: ignore[return-value]

    def show_table(self, table: Any) -> str:
        """Register an arrow table for the statement under way; returns the name to read it by."""
        self._registered += 1
        name = f"_sandbox_{self._registered}"
        self.cursor.register(name, table)
        return name


def _no_current(kind: str, code: int) -> SqlError:
    return SqlError(
        code,
        "22000",
        f"Cannot perform operation. This session does not have a current {kind}. "
        f"Call 'USE {kind.upper()}', or use a qualified name.",
    )
