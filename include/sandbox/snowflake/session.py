"""One client's session: its names, parameters, temporary objects and transaction."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from include.sandbox.snowflake.automation.scheduler import Scheduler
from include.sandbox.snowflake.engine import Engine
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.language.variables import Variable
from include.sandbox.snowflake.locks import LockTable
from include.sandbox.snowflake.objects.catalog import Catalog
from include.sandbox.snowflake.objects.dynamic_tables import Refreshes, recover
from include.sandbox.snowflake.objects.models import ModelStore
from include.sandbox.snowflake.objects.parameters import DEFAULTS, Parameter
from include.sandbox.snowflake.objects.users import Users
from include.sandbox.snowflake.objects.warehouses import Warehouses
from include.sandbox.snowflake.protocol.query_results import ResultStore
from include.sandbox.snowflake.queries import Queries, Query
from include.sandbox.snowflake.query_history import QueryHistory
from include.sandbox.snowflake.scoring.model_views import ModelViews
from include.sandbox.snowflake.scoring.packages import PackageCache
from include.sandbox.snowflake.staging.datasets import Datasets
from include.sandbox.snowflake.transactions import Transaction

if TYPE_CHECKING:
    from include.sandbox.snowflake.results import Result

TableKey = tuple[str, str, str]
_KEPT_QUERY_IDS = 1_000


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
    datasets: Datasets
    queries: Queries
    results: ResultStore
    users: Users
    warehouses: Warehouses
    locks: LockTable = field(default_factory=LockTable)
    packages: PackageCache = field(default_factory=PackageCache)
    model_views: ModelViews = field(default_factory=ModelViews)
    scheduler: Scheduler = field(default_factory=Scheduler)
    refreshes: Refreshes = field(default_factory=Refreshes)
    sessions: WeakSet[Session] = field(default_factory=WeakSet)
    # The history outlives the process, so no two sessions ever have one number.
    session_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1_000_000))

    @classmethod
    def open(cls, folder: Path, *, name: str, user: str, role: str, warehouse: str) -> Account:
        """The account that is kept in a folder; an empty one is a new account."""
        folder.mkdir(parents=True, exist_ok=True)
        catalog, engine = Catalog(folder), Engine(folder)
        recover(engine, catalog)
        opened = cls(
            name=name,
            user=user,
            role=role,
            warehouse=warehouse,
            folder=folder,
            engine=engine,
            models=ModelStore(folder),
            catalog=catalog,
            datasets=Datasets(folder, catalog),
            queries=Queries(QueryHistory(folder)),
            results=ResultStore(folder / "results"),
            users=Users(catalog),
            warehouses=Warehouses(catalog, first=warehouse),
        )
        opened.sweep()
        return opened

    def sweep(self) -> None:
        """Forget what lay in databases and schemas that are gone: the process may have died while it dropped them."""
        there = {
            (name.upper(), schema.upper()) for name in self.engine.databases() for schema in self.engine.schemas(name)
        }
        databases = {name.upper() for name in self.engine.databases()}
        places = self.catalog.places() | {model.key[:2] for model in self.models.models()}
        for database, schema in places:
            if database.upper() not in databases:
                self.models.drop_all(database)
                self.catalog.drop_all(database)
            elif schema and (database.upper(), schema.upper()) not in there:
                self.models.drop_all(database, schema)
                self.catalog.drop_all(database, schema)


class Session:
    """A logged-in client. Its statements run one at a time."""

    def __init__(self, account: Account, user: str | None = None) -> None:
        self.account = account
        account.sessions.add(self)
        self.user = user or account.user
        self.id = next(account.session_ids)
        self.cursor = account.engine.cursor()
        self.transaction = Transaction(self.cursor, account.locks, self)
        self.database: str | None = None
        self.schema: str | None = None
        self.role: str = account.role
        self.warehouse: str | None = account.warehouse
        self.autocommit = True
        self.parameters: dict[str, Any] = dict(DEFAULTS)
        self.variables: dict[str, Variable] = {}
        self.chain: list[Result] = []  # of the statements before the one under way, in a chain with ->>
        self.piped: dict[str, Any] = {}  # the rows that statements of a chain read
        self.temporary_tables: dict[TableKey, str] = {}
        # Stages and file formats, by kind and name.
        self.temporary_objects: dict[tuple[str, TableKey], dict[str, Any]] = {}
        self.endpoint = ""  # host and port by which the client knows the sandbox
        self.temporary_stages: list[Callable[[], None]] = []
        self.query_ids: deque[str] = deque(maxlen=_KEPT_QUERY_IDS)
        self.first_query_id: str | None = None
        self.current: Query | None = None
        self.maintains: TableKey | None = None  # the dynamic table that this session refreshes
        self.helper: Session | None = None  # a session that works for the statement under way
        self.is_closed = False
        self.started = datetime.now(UTC)
        self.busy = threading.Lock()
        self._registered = 0

    def use(self, database: str | None, schema: str | None) -> None:
        """Make these the current database and schema."""
        self.database, self.schema = database, schema
        self.cursor.use(database, schema)

    def set_parameter(self, parameter: Parameter, value: Any) -> None:
        """Set a parameter; changing AUTOCOMMIT commits what is open."""
        text = parameter.parse(value)
        if parameter.name == "AUTOCOMMIT":
            self.transaction.commit()
            self.autocommit = text == "true"
        self.parameters[parameter.name] = text

    @property
    def is_busy(self) -> bool:
        """True while a statement runs."""
        return self.busy.locked()

    @property
    def context(self) -> tuple[str | None, str | None, str, str | None]:
        """Database, schema, role and warehouse."""
        return self.database, self.schema, self.role, self.warehouse

    def interrupt(self) -> None:
        """Make the running statement notice that it has been stopped, also where it waits for a lock."""
        self.account.locks.cancel(self)
        self.transaction.interrupt()
        if helper := self.helper:
            helper.interrupt()

    def cancel(self) -> None:
        """Stop the statements that run and wait."""
        for query in self.account.queries.of(self):
            self.account.queries.stop(query)

    def wait(self, seconds: float) -> None:
        """Let a statement wait until it is stopped."""
        if self.current is None:
            time.sleep(seconds)
        elif self.current.noticed.wait(seconds):
            self.current.check()

    def close(self) -> None:
        """End the session: roll back what is open, drop what is temporary."""
        if self.is_closed:
            return
        self.is_closed = True
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
