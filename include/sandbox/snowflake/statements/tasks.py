"""The SQL of tasks and task graphs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.automation import background, task_runs, task_text, tasks
from include.sandbox.snowflake.automation.procedures import value_result
from include.sandbox.snowflake.errors import SqlError, already_exists, syntax_error
from include.sandbox.snowflake.language import properties, scanner, shows
from include.sandbox.snowflake.language.grammar import Effect, split_name, statement, unquote
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.statements import tags  # noqa: F401 (ALTER ... SET TAG is to be found before ours)

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry, Key
    from include.sandbox.snowflake.session import Session


# ---- definitions ---------------------------------------------------------------------------------


@statement("CREATE [replace:OR REPLACE] TASK [absent:IF NOT EXISTS] {name:name} {rest:rest}", Effect.DDL)
def create_task(session: Session, name: str, rest: str, replace: str | None, absent: str | None) -> Result:
    """Create a task, suspended: WAREHOUSE, SCHEDULE, AFTER, FINALIZE, WHEN, CONFIG, limits, AS a statement or block."""
    key = background.new_key(session, name)
    catalog = session.account.catalog
    found = catalog.find(tasks.KIND, key)
    if found and not absent and not replace:
        raise already_exists(".".join(key))
    if not (found and absent):
        new = {"id": background.new_id(), "owner": session.role}
        definition = {**tasks.DEFAULTS, **task_text.read(session, key, rest), **new}
        others = tasks.of_schema(catalog, key[0], key[1])
        if found and replace:
            tasks.check_suspended(others, key, unless=key[2])
            _detach(session, key, others)
        changed = {**tasks.of_schema(catalog, key[0], key[1]), key[2]: definition}
        tasks.check(changed, key)
        tasks.check_suspended(changed, key)
        catalog.create(tasks.KIND, key, definition, replace=bool(replace))
    return status(f"{key[2]} already exists, statement succeeded." if found and absent else _created(key))


@statement("CREATE OR ALTER TASK {name:name} {rest:rest}", Effect.DDL)
def create_or_alter_task(session: Session, name: str, rest: str) -> Result:
    """Create a task, or make a suspended one what the statement says; its state and history stay."""
    key = background.new_key(session, name)
    if not session.account.catalog.find(tasks.KIND, key):
        created: Result = create_task(session, name, rest, None, None)
        return created
    defaults = {field: tasks.DEFAULTS[field] for field in _ALTERABLE}
    _change(session, key, **{**defaults, **task_text.read(session, key, rest)})
    return status(DONE)


_ALTERABLE = (
    *("warehouse", "size", "schedule", "config", "overlaps", "parameters", "timeout_ms", "suspend_after", "retries"),
    *("comment", "finalize", "after", "when"),
)


@statement("ALTER TASK [exists:IF EXISTS] {name:name} {rest:rest}", Effect.DDL)
def alter_task(session: Session, name: str, rest: str, exists: str | None) -> Result:
    """RESUME, SUSPEND, SET, UNSET, ADD AFTER, REMOVE AFTER, REMOVE WHEN, MODIFY AS or MODIFY WHEN."""
    key = session.qualify(name)
    if exists and not session.account.catalog.find(tasks.KIND, key):
        return status(DONE)
    known = tasks.find(session.account.catalog, key).definition
    found = scanner.tokens(rest)
    words = [token.text.upper() for token in found[:2]]
    if len(found) == 1 and words == ["RESUME"]:
        resume(session, key)
    elif len(found) == 1 and words == ["SUSPEND"]:
        _suspend(session, key)
    else:
        _change(session, key, **_changed(session, key, known, words, rest, found))
    return status(DONE)


@statement("DROP TASK [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_task(session: Session, name: str, exists: str | None) -> Result:
    """Remove a task; those that come after it alone become root tasks, suspended."""
    key = session.qualify(name)
    others = tasks.of_schema(session.account.catalog, key[0], key[1])
    if key[2] not in others:
        if exists:
            return status(dropped(key[2], done=False))
        tasks.find(session.account.catalog, key)
    tasks.check_suspended(others, key, unless=key[2])
    _detach(session, key, others)
    return status(dropped(key[2], done=session.account.catalog.drop(tasks.KIND, key)))


def _changed(
    session: Session, key: Key, known: dict[str, Any], words: list[str], rest: str, found: list[scanner.Token]
) -> dict[str, Any]:
    """What an ALTER changes, beyond the state."""
    behind = rest[found[1].end :] if len(found) > 1 else ""
    after = known["after"]
    if words[:1] == ["SET"]:
        values = properties.parse(rest[found[0].end :], task_text.KINDS, "TASK").values
        fields = task_text.settings_of(session, key, values)
        fields["parameters"] = {**known["parameters"], **fields["parameters"]}
        fields |= {"size": None} if "warehouse" in fields else {"warehouse": None} if "size" in fields else {}
        return fields
    if words[:1] == ["UNSET"]:
        names, unset = task_text.unset(rest[found[0].end :])
        kept = {name: value for name, value in known["parameters"].items() if name not in unset}
        return {**{name: tasks.DEFAULTS[name] for name in names}, "parameters": kept}
    if words == ["ADD", "AFTER"]:
        return {"after": [*after, *(n for n in task_text.names(key, behind) if n not in after)]}
    if words == ["REMOVE", "AFTER"]:
        removed = task_text.names(key, behind)
        for one in removed:
            if one not in after:
                raise tasks.refused(f"Task {key[2]} does not have predecessor {one}.")
        return {"after": [n for n in after if n not in removed]}
    if words == ["REMOVE", "WHEN"] and len(found) == 2:
        return {"when": None}
    if words == ["MODIFY", "AS"]:
        return {"sql": task_text.body(behind)}
    if words == ["MODIFY", "WHEN"]:
        return {"when": task_text.condition(behind.strip().removesuffix(";"))}
    raise syntax_error(f"unexpected in ALTER TASK: '{rest}'.")


def _change(session: Session, key: Key, **changed: Any) -> None:
    """Change a task of a graph whose root task is suspended."""
    others = tasks.of_schema(session.account.catalog, key[0], key[1])
    tasks.check_suspended(others, key)
    after = {**others, key[2]: {**others[key[2]], **changed}}
    tasks.check(after, key)
    tasks.check_suspended(after, key)
    session.account.catalog.update(tasks.KIND, key, **changed)


def resume(session: Session, key: Key) -> None:
    """Let a task run by its schedule, or after its predecessors; a child only while its root is suspended."""
    others = tasks.of_schema(session.account.catalog, key[0], key[1])
    known = others[key[2]]
    tasks.check_suspended(others, key, unless=key[2])
    if known["state"] != "started":
        now = background.now()
        session.account.catalog.update(
            tasks.KIND, key, state="started", anchor=now, committed_on=now, suspended_reason=None, failures=0
        )


def _suspend(session: Session, key: Key) -> None:
    others = tasks.of_schema(session.account.catalog, key[0], key[1])
    tasks.check_suspended(others, key, unless=key[2])
    if others[key[2]]["state"] == "started":
        _mark_suspended(session, key, "USER_SUSPENDED")


def _mark_suspended(session: Session, key: Key, reason: str, **changed: Any) -> None:
    session.account.catalog.update(
        tasks.KIND, key, state="suspended", suspended_on=background.now(), suspended_reason=reason, **changed
    )


def _detach(session: Session, key: Key, others: tasks.Graph) -> None:
    """Take a task that goes away out of its graph."""
    for child in tasks.children(others, key[2]):
        left = [name for name in others[child]["after"] if name != key[2]]
        if left:
            session.account.catalog.update(tasks.KIND, (*key[:2], child), after=left)
        else:
            _mark_suspended(session, (*key[:2], child), "CHILD_BECAME_ROOT", after=[])
    if last := tasks.finalizer(others, key[2]):
        _mark_suspended(session, (*key[:2], last), "FINALIZER_BECAME_ROOT", finalize=None)


def _created(key: Key) -> str:
    return f"Task {key[2]} successfully created."


# ---- runs ----------------------------------------------------------------------------------------


@statement("EXECUTE TASK {name:name} [USING CONFIG = {config:text}]")
def execute_task(session: Session, name: str, config: str | None) -> Result:
    """Run a root task and its graph once, in the background, also a suspended one."""
    entry = _root(session, name)
    merged = None
    if config is not None:
        own = json.loads(entry.definition["config"] or "{}")
        merged = json.dumps({**own, **task_text.config(unquote(config))})
    task_runs.submit(session.account, entry, datetime.now(UTC), origin="EXECUTE TASK", config=merged)
    return status(f"Task {entry.key[2]} is scheduled to run immediately.")


@statement("EXECUTE TASK {name:name} RETRY LAST")
def retry_task(session: Session, name: str) -> Result:
    """Run the failed tasks of a graph's last run again, and what comes after them."""
    entry = _root(session, name)
    last = task_runs.last_run(session.account, entry.definition["id"])
    others = tasks.of_schema(session.account.catalog, *entry.key[:2])
    if last is None or last["state"] not in {tasks.FAILED, tasks.CANCELLED}:
        raise tasks.refused(f"Cannot perform retry: no suitable run of graph with root task {entry.key[2]} to retry.")
    if last["graph_hash"] != tasks.fingerprint(others, entry.key[2]):
        raise tasks.refused(f"Cannot perform retry: the graph with root task {entry.key[2]} was modified.")
    last = {"states": {}, "values": {}, **last}
    task_runs.submit(
        session.account, entry, datetime.now(UTC), origin="EXECUTE TASK", config=last["config"], retried=last
    )
    return status(f"Task {entry.key[2]} is scheduled to run immediately.")


@statement("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE {argument:rest}")
def enable_dependents(session: Session, argument: str) -> Result:
    """Resume a root task and all tasks that come after it."""
    found = scanner.tokens(argument)
    if [token.kind for token in found] != ["sign", "text", "sign"]:
        raise syntax_error("SYSTEM$TASK_DEPENDENTS_ENABLE takes the name of a task as a text.")
    key = session.qualify(split_name(unquote(found[1].text)))
    catalog = session.account.catalog
    tasks.find(catalog, key)
    others = tasks.of_schema(catalog, key[0], key[1])
    tasks.check_suspended(others, key)
    for name in [*tasks.descendants(others, key[2]), key[2]]:
        resume(session, (*key[:2], name))
    return value_result(f"SYSTEM$TASK_DEPENDENTS_ENABLE('{unquote(found[1].text)}')", "true")


def _root(session: Session, name: str) -> Entry:
    entry = tasks.find(session.account.catalog, session.qualify(name))
    if entry.definition["after"] or entry.definition["finalize"]:
        raise SqlError(
            91400,
            "22000",
            f"Execute task cannot be called on non-root task {'.'.join(entry.key)}. Call EXECUTE TASK on the root "
            "task of its graph instead.",
        )
    return entry


# ---- listings ------------------------------------------------------------------------------------

COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(["name", "id", "database_name", "schema_name", "owner", "comment", "warehouse"], pa.string()),
    **dict.fromkeys(["schedule", "predecessors", "state", "definition", "condition"], pa.string()),
    **dict.fromkeys(["allow_overlapping_execution", "error_integration"], pa.string()),
    **dict.fromkeys(["last_committed_on", "last_suspended_on"], CREATED_ON),
    **dict.fromkeys(["owner_role_type", "config", "budget", "task_relations", "last_suspended_reason"], pa.string()),
}
_TERSE = ["created_on", "name", "kind", "database_name", "schema_name", "schedule", "state"]


@statement("SHOW [terse:TERSE] TASKS {options:rest}")
def show_tasks(session: Session, options: str, terse: str | None) -> Result:
    """List tasks: LIKE, IN, STARTS WITH, ROOT ONLY, LIMIT."""
    found = scanner.tokens(options)
    only = next((i for i, t in enumerate(found[:-1]) if t.is_word("ROOT") and found[i + 1].is_word("ONLY")), None)
    if only is not None:
        options = f"{options[: found[only].start]} {options[found[only + 1].end :]}"
    entries = shows.listed(session, tasks.KIND, options)
    if only is not None:
        entries = [e for e in entries if not e.definition["after"] and not e.definition["finalize"]]
    records = [row(session, entry) for entry in entries]
    columns = {name: COLUMNS.get(name, pa.string()) for name in _TERSE} if terse else COLUMNS
    return rows([{name: record.get(name) for name in columns} for record in records], columns)


@statement("(DESC|DESCRIBE) TASK {name:name}")
def describe_task(session: Session, name: str) -> Result:
    """One task, as SHOW TASKS lists it."""
    return rows([row(session, tasks.find(session.account.catalog, session.qualify(name)))], COLUMNS)


def row(session: Session, entry: Entry) -> dict[str, Any]:
    """A task as it is listed."""
    database, schema, name = entry.key
    known = entry.definition
    is_root = not known["after"] and not known["finalize"]
    predecessors = [_full(entry.key, before) for before in known["after"]]
    relations: dict[str, Any] = {"Predecessors": predecessors}
    if known["finalize"]:
        relations = {"FinalizedRootTask": _full(entry.key, known["finalize"]), **relations}
    elif last := tasks.finalizer(tasks.of_schema(session.account.catalog, database, schema), name):
        relations["FinalizerTask"] = _full(entry.key, last)
    return {
        "created_on": entry.created_on,
        "name": name,
        "id": known["id"],
        "database_name": database,
        "schema_name": schema,
        **{field: known[field] for field in ("owner", "comment", "warehouse", "schedule", "state", "config")},
        "predecessors": json.dumps(predecessors),
        "definition": known["sql"],
        "condition": known["when"],
        "allow_overlapping_execution": str(known["overlaps"]).lower() if is_root else "null",
        "error_integration": "null",
        "last_committed_on": _time(known["committed_on"]),
        "last_suspended_on": _time(known["suspended_on"]),
        "owner_role_type": "ROLE",
        "task_relations": json.dumps(relations, separators=(",", ":")),
        "last_suspended_reason": known["suspended_reason"],
    }


def _full(key: Key, name: str) -> str:
    """A task's full name as it is written in SQL."""
    plain = re.compile(r"[A-Z_][A-Z0-9_$]*")
    return ".".join(p if plain.fullmatch(p) else '"' + p.replace('"', '""') + '"' for p in (*key[:2], name))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
