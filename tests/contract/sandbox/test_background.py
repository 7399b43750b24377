"""What the account does by itself: by schedule, and across an end of the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector.cursor import SnowflakeCursor

from include.sandbox import process
from include.sandbox.snowflake import execution, statements
from include.sandbox.snowflake.automation import alerts, background, task_runs
from include.sandbox.snowflake.automation.scheduler import Scheduler
from include.sandbox.snowflake.session import Account, Session


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


# ---- by schedule ----


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session of an account whose scheduler is not started: the tests say what time it is."""
    statements.load()
    account = Account.open(tmp_path / "snowflake", name="A", user="U", role="R", warehouse="W")
    account.engine.create_database("D", if_not_exists=True)
    session = Session(account)
    session.use("D", "PUBLIC")
    execution.execute(session, "CREATE TABLE log (n INT)")
    yield session
    session.close()
    account.scheduler.stop()
    account.engine.close()


def ended(account: Account, kind: str) -> list[dict[str, Any]]:
    return [run for run in background.runs(account, kind) if run["state"] not in {"EXECUTING", "SCHEDULED"}]


def test_a_resumed_alert_runs_at_its_times_and_a_suspended_one_no_more(session: Session) -> None:
    account = session.account
    create = "CREATE ALERT a SCHEDULE = '5 MINUTE' IF (EXISTS (SELECT 1)) THEN INSERT INTO log VALUES (1)"
    execution.execute(session, create)
    start = datetime.now(UTC)
    alerts.run_due_at(account, start + timedelta(days=1))
    execution.execute(session, "ALTER ALERT a RESUME")
    (alert,) = account.catalog.entries(alerts.KIND)
    place = (alerts.KIND, alert.definition["id"])  # a run has its end written down a moment before it leaves its place
    for minutes, runs in ((1, 0), (4.9, 0), (5.1, 1), (5.2, 1), (9, 1), (10.1, 2)):
        alerts.run_due_at(account, start + timedelta(minutes=minutes))
        until(lambda: not account.scheduler.is_running(place))
        assert len(ended(account, alerts.RUNS)) == runs
    execution.execute(session, "ALTER ALERT a SUSPEND")
    alerts.run_due_at(account, start + timedelta(minutes=16))
    execution.execute(session, "ALTER ALERT a RESUME")
    records = ended(account, alerts.RUNS)
    assert [record["state"] for record in records] == ["TRIGGERED", "TRIGGERED"]
    times = [datetime.fromisoformat(record["scheduled_time"]) - start for record in records]
    assert [round(t.total_seconds() / 60) for t in times] == [5, 10]
    assert execution.execute(session, "SELECT COUNT(*) FROM log").table.column(0)[0].as_py() == 2


def test_a_resumed_task_runs_at_its_times(session: Session) -> None:
    account = session.account
    create = "CREATE TASK t SCHEDULE = 'USING CRON */10 * * * * UTC' AS INSERT INTO log VALUES (1)"
    execution.execute(session, create)
    execution.execute(session, "ALTER TASK t RESUME")
    now = datetime.now(UTC)
    task_runs.run_due_at(account, now)
    task_runs.run_due_at(account, now + timedelta(minutes=10))
    (run,) = until(lambda: ended(account, task_runs.TASK_RUNS))
    assert (run["state"], run["scheduled_from"]) == ("SUCCEEDED", "SCHEDULE")
    assert datetime.fromisoformat(run["scheduled_time"]).minute % 10 == 0


@pytest.mark.parametrize("overlap", [False, True])
def test_a_second_run_by_hand_waits_unless_runs_may_overlap(session: Session, overlap: bool) -> None:
    create = f"CREATE TASK t ALLOW_OVERLAPPING_EXECUTION = {overlap} AS CALL SYSTEM$WAIT(1)"
    execution.execute(session, create)
    execution.execute(session, "EXECUTE TASK t")
    execution.execute(session, "EXECUTE TASK t")
    coming = "SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS())"
    assert execution.execute(session, coming).table.column(0)[0].as_py() == 2
    until(lambda: len(ended(session.account, task_runs.GRAPH_RUNS)) == 2)
    first, second = sorted(ended(session.account, task_runs.TASK_RUNS), key=lambda run: str(run["query_start_time"]))
    assert (second["query_start_time"] < first["completed_time"]) is overlap


# ---- in the background ----


def test_a_run_under_way_is_not_started_twice_but_one_by_hand_waits() -> None:
    scheduler, began, go, ran = Scheduler(), threading.Event(), threading.Event(), []

    def slow() -> None:
        began.set()
        go.wait(10)
        ran.append("slow")

    assert scheduler.submit("a", slow)
    assert began.wait(10)
    assert not scheduler.submit("a", lambda: ran.append("left out"))
    assert scheduler.submit("a", lambda: ran.append("by hand"), wait=True)
    assert scheduler.submit("b", lambda: ran.append("another"))
    until(lambda: ran == ["another"])
    go.set()
    until(lambda: ran == ["another", "slow", "by hand"])
    scheduler.stop()
    assert not scheduler.submit("a", lambda: ran.append("too late"))
    assert ran == ["another", "slow", "by hand"]


def test_what_fails_does_not_keep_others_from_running(caplog: pytest.LogCaptureFixture) -> None:
    scheduler, ran = Scheduler(), threading.Event()
    scheduler.submit("a", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    scheduler.submit("a", ran.set, wait=True)
    assert ran.wait(10)
    scheduler.stop()
    assert "a failed in the background" in caplog.text


# ---- across an end of the server ----


def connect(sandbox: process.Sandbox) -> SnowflakeCursor:
    return snowflake.connector.connect(**sandbox.settings.connection()).cursor()


def state_of(cursor: SnowflakeCursor, function: str) -> list[str]:
    query = f"SELECT state FROM TABLE(INFORMATION_SCHEMA.{function}()) ORDER BY scheduled_time"
    return [row[0] for row in cursor.execute(query).fetchall()]


def test_what_a_killed_server_was_running_is_cancelled_and_what_was_resumed_goes_on(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = process.start(state, only="snowflake")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", before.env["REQUESTS_CA_BUNDLE"])
    cursor = connect(before)
    cursor.execute("CREATE TABLE log (n INT)")
    long = "BEGIN INSERT INTO log VALUES (1); CALL SYSTEM$WAIT(60); INSERT INTO log VALUES (2); END"
    cursor.execute(f"CREATE ALERT a SCHEDULE = '60 MINUTE' IF (EXISTS (SELECT 1)) THEN {long}")
    cursor.execute(f"CREATE TASK t SCHEDULE = '60 MINUTE' AS {long}")
    for statement in ("ALTER ALERT a RESUME", "ALTER TASK t RESUME", "EXECUTE ALERT a", "EXECUTE TASK t"):
        cursor.execute(statement)
    until(lambda: cursor.execute("SELECT COUNT(*) FROM log").fetchone() == (2,))
    assert state_of(cursor, "ALERT_HISTORY") == ["EXECUTING", "SCHEDULED"]
    before.kill()

    between = process.start(state, only="snowflake", snowflake_port=None)
    cursor = connect(between)
    for function in ("ALERT_HISTORY", "TASK_HISTORY"):
        assert state_of(cursor, function) == ["CANCELLED", "SCHEDULED"]
    cursor.execute("EXECUTE TASK t")
    until(lambda: cursor.execute("SELECT COUNT(*) FROM log").fetchone() == (3,))
    started = time.monotonic()
    between.stop()
    assert time.monotonic() - started < 8, "stopping breaks off what runs"

    after = process.start(state, only="snowflake", snowflake_port=None)
    try:
        assert state_of(connect(after), "TASK_HISTORY") == ["CANCELLED", "CANCELLED", "SCHEDULED"]
    finally:
        after.stop()
