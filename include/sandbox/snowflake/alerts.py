"""What an alert does when it runs: evaluate the condition, perhaps act, and write down how it went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake import background
from include.sandbox.snowflake.background import BackgroundSession, Run
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.queries import Query
from include.sandbox.snowflake.scheduler import every

if TYPE_CHECKING:
    from include.sandbox.snowflake.catalog import Entry
    from include.sandbox.snowflake.session import Account

KIND = "ALERT"
RUNS = "ALERT_RUN"
SUCCESSFUL = {"CONDITION_FALSE", "TRIGGERED"}


@every(1)
def run_due(account: Account) -> None:
    """Run the alerts whose time has come."""
    run_due_at(account, datetime.now(UTC))


def run_due_at(account: Account, now: datetime) -> None:
    """Run the alerts whose time has come at a given time; one that runs still is left out."""
    for entry in account.catalog.entries(KIND):
        known = entry.definition
        if known["state"] != "started":
            continue
        anchor = datetime.fromisoformat(known["anchor"])
        if due := account.scheduler.timetable.due(known["id"], known["schedule"], anchor, now):
            submit(account, entry, due, wait=False)


def submit(account: Account, entry: Entry, scheduled: datetime, *, wait: bool) -> None:
    """Run an alert in the background, never twice at once."""
    account.scheduler.submit(
        (KIND, entry.definition["id"]), lambda: run(account, entry, scheduled, is_manual=wait), wait=wait
    )


def run(account: Account, entry: Entry, scheduled: datetime, *, is_manual: bool) -> None:
    """Run an alert now, as it is defined now; a suspended or dropped one does not run by its schedule."""
    current = account.catalog.find(KIND, entry.key)
    if current is None or current.definition["id"] != entry.definition["id"]:
        return
    known = current.definition
    if known["state"] != "started" and not is_manual:
        return
    database, schema, name = current.key
    record: dict[str, Any] = {
        "run_id": background.new_id(),
        "alert_id": known["id"],
        "name": name,
        "database_name": database,
        "schema_name": schema,
        "condition": known["condition"],
        "action": known["action"],
        "scheduled_time": scheduled.isoformat(),
    }
    run = Run(account, RUNS, record, {"scheduled": scheduled, "last_success": last_success(account, known["id"])})
    with run.under_way():
        run.write(state="EXECUTING")
        try:
            with background.session_of(run, database, schema) as session:
                _evaluate(session, run)
        except Exception as error:
            run.fail("FAILED", error)


def _evaluate(session: BackgroundSession, run: Run) -> None:
    query = Query(session, run.record["condition"])
    run.record["condition_query_id"] = query.id
    run.context["condition_query_id"] = query.id
    try:
        result = background.execute(session, query.sql, query)
    except SqlError as error:
        run.fail("CONDITION_FAILED", error)
        return
    if not result.table.num_rows:
        run.write(state="CONDITION_FALSE", completed_time=background.now())
        return
    action = Query(session, run.record["action"])
    run.record["action_query_id"] = action.id
    try:
        background.execute(session, action.sql, action)
    except SqlError as error:
        run.fail("ACTION_FAILED", error)
    else:
        run.write(state="TRIGGERED", completed_time=background.now())


def last_success(account: Account, alert_id: str) -> datetime | None:
    """The time for which the last run without an error was scheduled."""
    times = [
        datetime.fromisoformat(record["scheduled_time"])
        for record in background.runs(account, RUNS)
        if record["alert_id"] == alert_id and record["state"] in SUCCESSFUL
    ]
    return max(times, default=None)
