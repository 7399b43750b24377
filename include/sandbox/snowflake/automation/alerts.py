"""What an alert does when it runs: evaluate the condition, perhaps act, and write down how it went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.sandbox.snowflake.automation import background
from include.sandbox.snowflake.automation.background import BackgroundSession, Run
from include.sandbox.snowflake.automation.scheduler import every
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.queries import Query

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
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
            submit(account, entry, due, by_hand=False)


def submit(account: Account, entry: Entry, scheduled: datetime, *, by_hand: bool) -> None:
    """Run an alert in the background, never twice at once; by its schedule it is left out while it runs."""
    record = {
        "run_id": background.new_id(),
        "alert_id": entry.definition["id"],
        "name": entry.key[2],
        "database_name": entry.key[0],
        "schema_name": entry.key[1],
        "condition": entry.definition["condition"],
        "action": entry.definition["action"],
        "scheduled_time": scheduled.isoformat(),
    }
    run = Run(account, RUNS, record, {"scheduled": scheduled})
    if by_hand:
        run.promise()
    account.scheduler.submit((KIND, record["alert_id"]), lambda: _run(run, entry, by_hand=by_hand), wait=by_hand)


def _run(run: Run, entry: Entry, *, by_hand: bool) -> None:
    """Run an alert now, as it is defined now; a suspended one does not run by its schedule."""
    current = run.account.catalog.find(KIND, entry.key)
    if current is None or current.definition["id"] != run.record["alert_id"]:
        if by_hand:
            run.cancel(background.GONE)
        return
    known = current.definition
    if known["state"] != "started" and not by_hand:
        return
    run.record.update(condition=known["condition"], action=known["action"])
    run.context["last_success"] = last_success(run.account, known["id"])
    with run.under_way():
        run.write(state="EXECUTING")
        try:
            with background.session_of(run, *current.key[:2], known["owner"]) as session:
                session.warehouse = known["warehouse"]
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
