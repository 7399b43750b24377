"""A session of an alert's or a task's own, and the record of what ran in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.automation import schedule
from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, translate
from include.sandbox.snowflake.objects.catalog import Key
from include.sandbox.snowflake.queries import Query
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.session import Account, Session

INTERRUPTED = "The run was interrupted: the account was shut down while it was under way."
_COMING = {"SCHEDULED", "EXECUTING"}
GONE = "The run did not take place: what was to run was dropped or replaced before."


@dataclass
class Run:
    """One run of an alert, a task or a graph: what is written down of it, as plain JSON values."""

    account: Account
    kind: str
    record: dict[str, Any]
    context: dict[str, Any] = field(default_factory=dict)  # what its own functions need to know

    @property
    def id(self) -> str:
        """The run's own id."""
        return str(self.record["run_id"])

    def write(self, **changed: Any) -> None:
        """Write down how the run is going."""
        self.record.update(changed)
        self.account.catalog.record(self.kind, self.record)

    def promise(self) -> None:
        """Write down that the run is to come, so that it is known of whatever happens."""
        self.account.scheduler.live.add(self.id)
        self.write(state="SCHEDULED")

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While this lasts the run is not one that a crash has interrupted."""
        self.account.scheduler.live.add(self.id)
        try:
            yield
        finally:
            self.account.scheduler.live.discard(self.id)

    def cancel(self, why: str) -> None:
        """Write down that the run does not take place."""
        with self.under_way():
            self.write(state="CANCELLED", error_message=why, completed_time=now())

    def fail(self, state: str, error: BaseException) -> None:
        """Write down that the run has failed, or, when the account is being shut down, that it was cancelled."""
        known = translate(error)
        stopping = self.account.scheduler.is_stopping
        self.write(
            state="CANCELLED" if stopping else state,
            error_code=f"{known.code:06d}",
            error_message=INTERRUPTED if stopping else known.message,
            completed_time=now(),
        )


class BackgroundSession(Session):
    """The session in which a run happens."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.account)
        self.run = run


@contextmanager
def session_of(run: Run, database: str, schema: str, owner: str) -> Iterator[BackgroundSession]:
    """A session of the owner's, in the schema of what runs; what it leaves open is rolled back."""
    session = BackgroundSession(run)
    session.role = owner
    try:
        session.use(database, schema)
        with run.account.scheduler.holding(session):
            yield session
    finally:
        session.close()


def execute(session: BackgroundSession, sql: str, query: Query | None = None) -> Result:
    """Run one statement of a run, unless the account is being shut down."""
    if session.account.scheduler.is_stopping:
        raise SqlError(604, "57014", "SQL execution canceled")
    return execution.execute(session, sql, query=query)


def runs(account: Account, kind: str) -> list[dict[str, Any]]:
    """All runs of a kind as they stand now, oldest first; those that a crash broke off are cancelled."""
    scheduler = account.scheduler
    latest = _latest(account, kind)
    lost = {run_id for run_id, record in latest.items() if record["state"] in _COMING and run_id not in scheduler.live}
    if lost - scheduler.lost:
        # A run is under way until its end is written down: what ended while we looked shows its end now.
        latest = _latest(account, kind)
        lost = {run_id for run_id in lost if latest.get(run_id, {}).get("state") in _COMING}
        scheduler.lost |= lost
    cancelled = {"state": "CANCELLED", "error_message": INTERRUPTED}
    return [{**record, **cancelled} if run_id in lost else record for run_id, record in latest.items()]


def _latest(account: Account, kind: str) -> dict[str, dict[str, Any]]:
    return {record["run_id"]: record for record in account.catalog.history(kind)}


def new_id() -> str:
    """An id that nothing else has."""
    return str(uuid.uuid4())


def now() -> str:
    """The time in the form that records have."""
    return datetime.now(UTC).isoformat()


# ---- what the definitions of alerts and tasks have in common ----


def new_key(session: Session, name: str) -> Key:
    """The full name of an object that is to be made; its schema must be there."""
    key = session.qualify(name)
    if not session.account.engine.has_schema(key[0], key[1]):
        raise not_found("Schema", f"{key[0]}.{key[1]}")
    return key


def check_schedule(text: str) -> None:
    """Refuse a schedule that is none."""
    try:
        schedule.parse(text)
    except schedule.InvalidScheduleError as error:
        raise SqlError(
            1008, "22023", f"{COMPILATION}invalid value [{text}] for parameter 'SCHEDULE': {error}"
        ) from None


def check_warehouse(session: Session, name: tuple[str, ...]) -> str:
    """The name of a warehouse that is there."""
    return session.account.warehouses.get(".".join(name)).key[2]
