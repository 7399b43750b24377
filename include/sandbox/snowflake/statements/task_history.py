"""The history of tasks and their graphs, and the functions that a running task has of its own."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.automation import background, schedule, task_runs, tasks
from include.sandbox.snowflake.automation.background import BackgroundSession
from include.sandbox.snowflake.automation.histories import window
from include.sandbox.snowflake.automation.procedures import procedure, texts, value_result
from include.sandbox.snowflake.errors import SqlError, invalid_argument_types, unsupported
from include.sandbox.snowflake.language.grammar import split_name
from include.sandbox.snowflake.results import CREATED_ON, Result, rows
from include.sandbox.snowflake.sql.constants import constant_function
from include.sandbox.snowflake.sql.tables import Arguments, table_function
from include.sandbox.snowflake.statements.tasks import COLUMNS, row

if TYPE_CHECKING:
    from include.sandbox.snowflake.automation.task_runs import GraphRun
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.session import Session

_TASK_COLUMNS = {
    **dict.fromkeys(["QUERY_ID", "NAME", "DATABASE_NAME", "SCHEMA_NAME", "QUERY_TEXT", "CONDITION_TEXT"], pa.string()),
    **dict.fromkeys(["STATE", "ERROR_CODE", "ERROR_MESSAGE"], pa.string()),
    **dict.fromkeys(["SCHEDULED_TIME", "QUERY_START_TIME", "NEXT_SCHEDULED_TIME", "COMPLETED_TIME"], CREATED_ON),
    "ROOT_TASK_ID": pa.string(),
    **dict.fromkeys(["GRAPH_VERSION", "RUN_ID"], pa.int64()),
    **dict.fromkeys(["RETURN_VALUE", "SCHEDULED_FROM"], pa.string()),
    "ATTEMPT_NUMBER": pa.int64(),
    **dict.fromkeys(["CONFIG", "GRAPH_RUN_GROUP_ID"], pa.string()),
}
_GRAPH_COLUMNS = {
    **dict.fromkeys(["ROOT_TASK_NAME", "DATABASE_NAME", "SCHEMA_NAME", "STATE", "SCHEDULED_FROM"], pa.string()),
    **dict.fromkeys(["FIRST_ERROR_TASK_NAME", "FIRST_ERROR_CODE", "FIRST_ERROR_MESSAGE"], pa.string()),
    **dict.fromkeys(["SCHEDULED_TIME", "QUERY_START_TIME", "NEXT_SCHEDULED_TIME", "COMPLETED_TIME"], CREATED_ON),
    "ROOT_TASK_ID": pa.string(),
    **dict.fromkeys(["GRAPH_VERSION", "RUN_ID", "ATTEMPT_NUMBER"], pa.int64()),
    **dict.fromkeys(["CONFIG", "GRAPH_RUN_GROUP_ID"], pa.string()),
}


# ---- history -------------------------------------------------------------------------------------


@table_function("TASK_HISTORY")
def task_history(session: Session, arguments: Arguments) -> pa.Table:
    """The runs of tasks in the last seven days, and the next one of each resumed root task; the latest first."""
    wanted = window(arguments, "TASK_HISTORY", "TASK_NAME", more=("error_only", "root_task_id"))
    found = background.runs(session.account, task_runs.TASK_RUNS) + _coming(session)
    if arguments.named.get("error_only"):
        found = [run for run in found if run["state"] in {tasks.FAILED, tasks.CANCELLED}]
    if root := arguments.named.get("root_task_id"):
        found = [run for run in found if run["root_task_id"] == root]
    return rows(wanted.choose(map(_shown, found), _TASK_COLUMNS), _TASK_COLUMNS).table


@table_function("COMPLETE_TASK_GRAPHS")
def complete_task_graphs(session: Session, arguments: Arguments) -> pa.Table:
    """The runs of graphs that have ended; with ERROR_ONLY those that failed or were cancelled."""
    wanted = window(arguments, "COMPLETE_TASK_GRAPHS", "ROOT_TASK_NAME", more=("error_only",))
    ended = {tasks.FAILED, tasks.CANCELLED} | (set() if arguments.named.get("error_only") else {tasks.SUCCEEDED})
    found = [run for run in background.runs(session.account, task_runs.GRAPH_RUNS) if run["state"] in ended]
    return rows(wanted.choose(map(_shown, found), _GRAPH_COLUMNS), _GRAPH_COLUMNS).table


@table_function("CURRENT_TASK_GRAPHS")
def current_task_graphs(session: Session, arguments: Arguments) -> pa.Table:
    """The runs of graphs that are under way or wait for their turn, and the next one of each resumed root task."""
    wanted = window(arguments, "CURRENT_TASK_GRAPHS", "ROOT_TASK_NAME")
    current = {"SCHEDULED", "EXECUTING"}
    found = [run for run in background.runs(session.account, task_runs.GRAPH_RUNS) if run["state"] in current]
    return rows(wanted.choose(map(_shown, found + _coming(session)), _GRAPH_COLUMNS), _GRAPH_COLUMNS).table


@table_function("TASK_DEPENDENTS")
def task_dependents(session: Session, arguments: Arguments) -> pa.Table:
    """A task and those that come after it, as SHOW TASKS lists them."""
    name = arguments.get(0, "task_name")
    if not isinstance(name, str) or set(arguments.named) - {"task_name", "recursive"}:
        raise invalid_argument_types("TASK_DEPENDENTS", ", ".join(sorted(arguments.named)).upper())
    catalog = session.account.catalog
    key = session.qualify(split_name(name))
    root = tasks.find(catalog, key)
    others = tasks.of_schema(catalog, key[0], key[1])
    last = tasks.finalizer(others, key[2])
    below = [*tasks.children(others, key[2]), *([last] if last else [])]
    if arguments.get(1, "recursive", default=True):
        below = tasks.descendants(others, key[2])
    entries = [root, *(tasks.find(catalog, (*key[:2], one)) for one in below)]
    columns = {column.upper(): type_ for column, type_ in COLUMNS.items()}
    records = [{column.upper(): value for column, value in row(session, entry).items()} for entry in entries]
    return rows(records, columns).table


def _coming(session: Session) -> list[dict[str, Any]]:
    entries = session.account.catalog.entries(tasks.KIND)
    return [run for run in map(_next_run, entries) if run]


def _next_run(entry: Entry) -> dict[str, Any] | None:
    known = entry.definition
    if known["state"] != "started" or not known["schedule"]:
        return None
    following = schedule.listed(known["schedule"], known["anchor"])
    if following is None:
        return None
    database, schema, name = entry.key
    return {
        "name": name,
        "root_task_name": name,
        "database_name": database,
        "schema_name": schema,
        "query_text": known["sql"],
        "condition_text": known["when"],
        "state": "SCHEDULED",
        "scheduled_time": following.isoformat(),
        "root_task_id": known["id"],
        "graph_version": known["version"],
        "scheduled_from": "SCHEDULE",
        "attempt_number": 1,
        "config": known["config"],
    }


def _shown(run: dict[str, Any]) -> dict[str, Any]:
    """A run with its id in Snowflake's form: the time for which it was scheduled, in milliseconds."""
    scheduled = datetime.fromisoformat(run["scheduled_time"])
    return {**run, "run_id": int(scheduled.timestamp() * 1000)}


# ---- what a running task asks --------------------------------------------------------------------


@procedure("SYSTEM$SET_RETURN_VALUE")
def set_return_value(session: Session, arguments: list[Any]) -> Result:
    """Set what the running task returns, for those that come after it."""
    (value,) = texts("SYSTEM$SET_RETURN_VALUE", arguments, 1, 1)
    context = _context(session, "SYSTEM$SET_RETURN_VALUE")
    if len(value.encode()) > 10 * 1024:
        raise tasks.refused("The return value of a task is at most 10 kB long.")
    context["return_value"] = value
    return value_result("SYSTEM$SET_RETURN_VALUE", "Set return value")


@constant_function("SYSTEM$GET_PREDECESSOR_RETURN_VALUE")
def predecessor_return_value(session: Session, name: str | None = None) -> str | None:
    """What a predecessor of the running task has returned; with a single one it need not be named."""
    context = _context(session, "SYSTEM$GET_PREDECESSOR_RETURN_VALUE")
    graph: GraphRun = context["graph"]
    before = graph.tasks[context["task"]]["after"]
    wanted = [split_name(name)[-1]] if name else before
    if len(wanted) != 1 or wanted[0] not in before:
        raise tasks.refused(f"Task {context['task']} has no predecessor {name or 'that is its only one'}.")
    return graph.values.get(wanted[0])


@constant_function("SYSTEM$GET_TASK_GRAPH_CONFIG")
def graph_config(session: Session, path: str | None = None) -> str | None:
    """The configuration of the graph that runs, or a value in it, as text."""
    graph: GraphRun = _context(session, "SYSTEM$GET_TASK_GRAPH_CONFIG")["graph"]
    text = graph.record["config"]
    if text is None or path is None:
        return None if text is None else str(text)
    value = json.loads(text)
    for name, number in re.findall(r"\[?\"?([A-Za-z_][\w$]*)\"?\]?|\[(\d+)\]", path):
        try:
            value = value[name] if name else value[int(number)]
        except (KeyError, IndexError, TypeError):
            return None
    return value if isinstance(value, str) or value is None else json.dumps(value)


@constant_function("SYSTEM$CURRENT_USER_TASK_NAME")
def current_task_name(session: Session) -> str | None:
    """The name of the task that runs; NULL outside of one."""
    is_task = isinstance(session, BackgroundSession) and session.run.kind == task_runs.TASK_RUNS
    return str(_context(session, "")["task"]) if is_task else None


@constant_function("SYSTEM$TASK_RUNTIME_INFO")
def runtime_info(session: Session, what: str) -> str | None:
    """What is known of the run under way."""
    context = _context(session, "SYSTEM$TASK_RUNTIME_INFO")
    graph: GraphRun = context["graph"]
    known = {
        "CURRENT_TASK_NAME": context["task"],
        "CURRENT_ROOT_TASK_NAME": graph.key[2],
        "CURRENT_ROOT_TASK_UUID": graph.root.definition["id"],
        "CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP": graph.record["scheduled_time"],
        "CURRENT_TASK_GRAPH_RUN_GROUP_ID": graph.record["graph_run_group_id"],
    }
    if what.upper() not in known:
        raise unsupported(f"SYSTEM$TASK_RUNTIME_INFO('{what}')")
    return str(known[what.upper()])


def _context(session: Session, function: str) -> dict[str, Any]:
    if isinstance(session, BackgroundSession) and session.run.kind == task_runs.TASK_RUNS:
        return session.run.context
    raise SqlError(91400, "22000", f"Function {function} must be called from within a task.")
