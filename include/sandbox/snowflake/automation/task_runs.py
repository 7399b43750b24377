"""Runs of task graphs: in the background, predecessors first, each task in a session of its own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.sandbox.snowflake.automation import background, tasks
from include.sandbox.snowflake.automation.background import BackgroundSession, Run
from include.sandbox.snowflake.automation.scheduler import every
from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.queries import Query

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry, Key
    from include.sandbox.snowflake.session import Account

TASK_RUNS = "TASK_RUN"
GRAPH_RUNS = "TASK_GRAPH_RUN"
_PARALLEL = 8


@every(1)
def run_due(account: Account) -> None:
    """Run the root tasks whose time has come."""
    run_due_at(account, datetime.now(UTC))


def run_due_at(account: Account, now: datetime) -> None:
    """Run the root tasks whose time has come at a given time."""
    for entry in account.catalog.entries(tasks.KIND):
        known = entry.definition
        if known["state"] != "started" or not known["schedule"]:
            continue
        anchor = datetime.fromisoformat(known["anchor"])
        if due := account.scheduler.timetable.due(known["id"], known["schedule"], anchor, now):
            submit(account, entry, due, origin="SCHEDULE")


def submit(
    account: Account,
    entry: Entry,
    scheduled: datetime,
    *,
    origin: str,
    config: str | None = None,
    retried: Mapping[str, Any] | None = None,
) -> None:
    """Run a graph in the background. Unless its runs may overlap, a scheduled one is left out while one runs.

    :param config: what is used in place of the root task's configuration
    :param retried: the record of the run of which the failed tasks are to run again
    """
    by_hand = origin != "SCHEDULE"
    identity = entry.definition["id"]
    key = (tasks.KIND, identity, background.new_id() if entry.definition["overlaps"] else None)
    graph = GraphRun(account, entry, scheduled, origin, config, retried)
    if by_hand:
        graph.promise()

    def run() -> None:
        current = account.catalog.find(tasks.KIND, entry.key)
        if current is None or current.definition["id"] != identity:
            if by_hand:
                graph.cancel(background.GONE)
        elif by_hand or current.definition["state"] == "started":
            graph.root = current
            graph.run()

    account.scheduler.submit(key, run, wait=by_hand)


@dataclass
class GraphRun:
    """One run of a graph, as its tasks are defined when it begins."""

    account: Account
    root: Entry
    scheduled: datetime
    origin: str
    config: str | None = None
    retried: Mapping[str, Any] | None = None
    record: dict[str, Any] = field(default_factory=dict)
    promised: list[Run] = field(default_factory=list)  # the graph's, and the root task's
    tasks: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    waits: Mapping[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    values: dict[str, str | None] = field(default_factory=dict)  # what the tasks return

    @property
    def key(self) -> Key:
        """The root task's full name."""
        return self.root.key

    def promise(self) -> None:
        """Write down that the graph and its root task are to run."""
        self._look()
        # In a retry the root task may not run again.
        promised = [self._graph_run(), *([] if self.retried else [self._task_run(self.key[2])])]
        for run in promised:
            run.promise()
        self.promised = promised

    def cancel(self, why: str) -> None:
        """Write down that the promised runs do not take place."""
        for run in self.promised:
            run.cancel(why)

    def run(self) -> None:
        """Run the graph, and the failed tasks again as often as the root task says."""
        name = self.key[2]
        self._look()
        self.waits = tasks.active(self.tasks, name)
        if self.retried:
            self.states = tasks.kept(self.retried["states"])
            self.values = dict(self.retried["values"])
        attempts = self.tasks[name]["retries"]
        while True:
            run = self._graph_run()
            with run.under_way():
                run.write(state="EXECUTING")
                self._run_tasks()
                outcome = tasks.outcome(self.states)
                again = outcome == tasks.FAILED and attempts > 0
                if not again:
                    self._finalize()
                run.write(state=outcome, states=self.states, values=self.values, completed_time=background.now())
            if not again:
                break
            attempts -= 1
            self.states = tasks.kept(self.states)
            number = self.record["attempt_number"] + 1
            self.record = {**self._new_record(), "attempt_number": number, "scheduled_from": "AUTO RETRY"}
        self._count_failures(outcome)

    def _look(self) -> None:
        """Take the tasks as they are defined now."""
        name = self.key[2]
        self.tasks = {**tasks.of_schema(self.account.catalog, *self.key[:2]), name: self.root.definition}
        self.record = self._new_record()
        if self.promised:
            self.record["run_id"] = self.promised[0].id

    def _graph_run(self) -> Run:
        return Run(self.account, GRAPH_RUNS, self.record)

    def _task_run(self, name: str) -> Run:
        promised = self.promised.pop() if name == self.key[2] and len(self.promised) == 2 else None
        record = {
            **{key: value for key, value in self.record.items() if key not in {"states", "values", "state"}},
            "run_id": promised.id if promised else background.new_id(),
            "name": name,
            "query_text": self.tasks[name]["sql"],
            "condition_text": self.tasks[name]["when"],
            "query_start_time": background.now(),
        }
        return Run(self.account, TASK_RUNS, record, {"graph": self, "task": name, "return_value": None})

    def _new_record(self) -> dict[str, Any]:
        database, schema, name = self.key
        known = self.tasks[name]
        print_ = tasks.fingerprint(self.tasks, name)
        if print_ != known["hash"]:
            known["version"], known["hash"] = known["version"] + 1, print_
            self._update(name, version=known["version"], hash=print_)
        before = self.retried or self.record
        return {
            "run_id": background.new_id(),
            "root_task_name": name,
            "name": name,
            "database_name": database,
            "schema_name": schema,
            "root_task_id": known["id"],
            "scheduled_time": self.scheduled.isoformat(),
            "query_start_time": background.now(),
            "scheduled_from": self.origin,
            "graph_version": known["version"],
            "graph_hash": print_,
            "attempt_number": self.retried["attempt_number"] + 1 if self.retried else 1,
            "graph_run_group_id": before["graph_run_group_id"] if before else background.new_id(),
            "config": self.config if self.config is not None else known["config"],
        }

    def _run_tasks(self) -> None:
        running: dict[Future[str], str] = {}
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="task") as pool:
            while True:
                for name in tasks.ready(self.waits, self.states, running.values()):
                    running[pool.submit(self._run_task, name)] = name
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self.states[running.pop(future)] = future.result()

    def _finalize(self) -> None:
        last = tasks.finalizer(self.tasks, self.key[2])
        if last and self.tasks[last]["state"] == "started" and not self.account.scheduler.is_stopping:
            self._run_task(last)

    def _run_task(self, name: str) -> str:
        """Run one task; returns the state in which it ended."""
        run = self._task_run(name)
        with run.under_way():
            run.write(state="EXECUTING")
            try:
                with background.session_of(run, *self.key[:2], self.tasks[name]["owner"]) as session:
                    self._run_in(session, run, self.tasks[name])
            except Exception as error:
                run.fail(tasks.FAILED, error)
        self._note_error(run.record)
        return str(run.record["state"])

    def _run_in(self, session: BackgroundSession, run: Run, known: Mapping[str, Any]) -> None:
        session.warehouse = known["warehouse"]
        for name, value in known["parameters"].items():
            session.set_parameter(parameters.find(name), value)
        if known["when"]:
            condition = background.execute(session, f"SELECT {known['when']}").table
            if not condition.num_rows or not condition.column(0)[0].as_py():
                run.write(
                    state=tasks.SKIPPED,
                    error_code="0040003",
                    error_message="Conditional expression for task evaluated to false.",
                    completed_time=background.now(),
                )
                return
        limits = [known["timeout_ms"] / 1000, float(session.parameters["STATEMENT_TIMEOUT_IN_SECONDS"])]
        limit = min((seconds for seconds in limits if seconds), default=0)
        query = Query(session, known["sql"], parameters={"STATEMENT_TIMEOUT_IN_SECONDS": limit})
        run.write(state="EXECUTING", query_id=query.id)
        background.execute(session, query.sql, query)
        # A transaction that the task leaves open is rolled back when its session ends.
        self.values[run.record["name"]] = run.context["return_value"]
        run.write(state=tasks.SUCCEEDED, return_value=run.context["return_value"], completed_time=background.now())

    def _note_error(self, record: Mapping[str, Any]) -> None:
        if record["state"] == tasks.FAILED and "first_error_task_name" not in self.record:
            self.record["first_error_task_name"] = record["name"]
            self.record["first_error_code"] = record["error_code"]
            self.record["first_error_message"] = record["error_message"]

    def _count_failures(self, outcome: str) -> None:
        """Suspend the root task after so many failed runs in a row."""
        current = self.account.catalog.find(tasks.KIND, self.key)
        if current is None or current.definition["id"] != self.root.definition["id"]:
            return
        known = current.definition
        failures = known["failures"] + 1 if outcome == tasks.FAILED else 0
        changed: dict[str, Any] = {"failures": failures} if failures != known["failures"] else {}
        if known["suspend_after"] and failures >= known["suspend_after"] and known["state"] == "started":
            changed |= {"state": "suspended", "suspended_on": background.now(), "failures": 0}
            changed["suspended_reason"] = "SUSPENDED_DUE_TO_ERRORS"
        if changed:
            self._update(self.key[2], **changed)

    def _update(self, name: str, **changed: Any) -> None:
        try:
            self.account.catalog.update(tasks.KIND, (*self.key[:2], name), **changed)
        except SqlError:
            return  # it was dropped meanwhile


def last_run(account: Account, root_id: str) -> dict[str, Any] | None:
    """The last run of a graph, by its root task's id."""
    found = [record for record in background.runs(account, GRAPH_RUNS) if record["root_task_id"] == root_id]
    return found[-1] if found else None
