"""Statements as the account knows them: who runs which, how one is stopped, what became of it."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.errors import SqlError, canceled, timed_out, translate
from include.sandbox.snowflake.query_history import QueryHistory, Record, redacted, type_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.results import Result
    from include.sandbox.snowflake.session import Session

log = logging.getLogger(__name__)

# The functions of statements that act on what other statements of their session do, so they wait for none of them.
OUT_OF_TURN: set[Callable[..., Any]] = set()


def _now() -> int:
    return time.time_ns() // 1000


@dataclass(eq=False)
class Query:
    """One statement of a session, from its arrival to its end."""

    session: Session
    sql: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parameters: dict[str, Any] = field(default_factory=dict)  # for this statement only, by upper-case name
    kind: str | None = None  # where it cannot be told from the text
    is_internal: bool = False
    is_out_of_turn: bool = False
    arrived: int = field(default_factory=_now)
    children: list[Query] = field(default_factory=list)
    deadline: float | None = None
    stopped: SqlError | None = None
    noticed: threading.Event = field(default_factory=threading.Event)  # set when it is stopped
    context: tuple[str | None, str | None, str, str | None] | None = None

    def parameter(self, name: str) -> Any:
        """A parameter's value for this statement."""
        return self.parameters.get(name, self.session.parameters.get(name))

    def check(self) -> None:
        """Raise the reason for which the statement has been stopped, if it has."""
        if self.stopped:
            raise self.stopped


class Queries:
    """The statements under way, and through the history those that have ended."""

    def __init__(self, history: QueryHistory) -> None:
        self.history = history
        self._lock = threading.Lock()
        self._live: dict[str, Query] = {}

    def arrive(self, query: Query) -> None:
        """Take note of a statement that waits for its turn."""
        with self._lock:
            self._live[query.id] = query

    def start(self, query: Query) -> None:
        """Take note that a statement runs now; one that was stopped while it waited does not."""
        session = query.session
        if not query.is_out_of_turn:
            self.arrive(query)
            session.current = query
        query.context = session.context
        if seconds := float(query.parameter("STATEMENT_TIMEOUT_IN_SECONDS") or 0):
            query.deadline = time.monotonic() + seconds
        query.check()

    def finish(self, query: Query, result: Result | None, error: SqlError | None) -> None:
        """Write down what became of a statement."""
        with self._lock:
            self._live.pop(query.id, None)
        if query.session.current is query:
            query.session.current = None
        try:
            self.history.write(_record(query, result, error, _now()))
        except Exception:
            # What the statement has done is done, and its client is to be told so.
            log.exception("the history has lost statement %s", query.id)

    @contextmanager
    def group(self, query: Query) -> Iterator[list[Query]]:
        """Take note of a request of several statements: stopping it stops the one of them that runs."""
        query.context = query.session.context
        self.arrive(query)
        error: SqlError | None = None
        try:
            yield query.children
        except BaseException as raised:
            error = translate(raised)
            raise
        finally:
            self.finish(query, None, error)

    def find(self, query_id: str) -> Query | None:
        """A statement that waits or runs."""
        with self._lock:
            return self._live.get(query_id)

    def of(self, session: Session) -> list[Query]:
        """The statements of a session that wait or run."""
        return [query for query in self.all() if query.session is session]

    def all(self) -> list[Query]:
        """The statements that wait or run."""
        with self._lock:
            return list(self._live.values())

    def records(self) -> list[Record]:
        """The statements that wait or run, as the history shows them."""
        return [_record(query, None, None, None) for query in self.all()]

    def stop(self, query: Query, reason: SqlError | None = None) -> None:
        """End a statement, also where it waits for its turn or for a lock."""
        query.stopped = query.stopped or reason or canceled()
        query.noticed.set()
        for child in query.children:
            child.stopped = query.stopped
            child.noticed.set()
            if query.session.current is child:
                query.session.interrupt()
        if query.session.current is query:
            query.session.interrupt()

    def enforce(self) -> None:
        """Stop what runs too long, and once more what has been told to stop and has not noticed."""
        for query in self.all():
            if query.deadline is not None and time.monotonic() > query.deadline:
                self.stop(query, timed_out(float(query.parameter("STATEMENT_TIMEOUT_IN_SECONDS"))))
            elif query.stopped:
                self.stop(query)


def _record(query: Query, result: Result | None, error: SqlError | None, ended: int | None) -> Record:
    session = query.session
    database, schema, role, warehouse = query.context or session.context
    status = "FAILED_WITH_ERROR" if error else ("SUCCESS" if ended else "RUNNING")
    rows = None
    if result is not None:
        rows = result.table.num_rows if result.rowcount is None else result.rowcount
    return Record(
        query_id=query.id,
        query_text=redacted(query.sql),
        database_name=database,
        schema_name=schema,
        query_type=query.kind or type_of(query.sql),
        session_id=session.id,
        user_name=session.user,
        role_name=role,
        warehouse_name=warehouse,
        query_tag=str(query.parameter("QUERY_TAG") or ""),
        execution_status=status,
        error_code=f"{error.code:06d}" if error else None,
        sqlstate=error.sqlstate if error else None,
        error_message=error.message if error else None,
        start_time=query.arrived,
        end_time=ended,
        rows_produced=rows,
        is_client_generated_statement=query.is_internal,
    )
