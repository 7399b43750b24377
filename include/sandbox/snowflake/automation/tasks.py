"""Tasks and the graphs that they form: who comes after whom, which rules hold, which tasks of a run may start.

All tasks of a graph lie in one schema, so within a graph a task goes by its name alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.sandbox.snowflake.errors import SqlError, not_found, unsupported
from include.sandbox.snowflake.objects.catalog import Catalog, Entry, Key

KIND = "TASK"
_MOST_TASKS = 1000
_MOST_NEIGHBOURS = 100
DEFAULTS: dict[str, Any] = {
    "warehouse": None,
    "size": None,
    "schedule": None,
    "config": None,
    "overlaps": False,
    "parameters": {},
    "timeout_ms": 3_600_000,
    "suspend_after": 10,
    "retries": 0,
    "comment": None,
    "finalize": None,
    "after": [],
    "when": None,
    "state": "suspended",
    "anchor": None,
    "committed_on": None,
    "suspended_on": None,
    "suspended_reason": None,
    "failures": 0,
    "version": 0,
    "hash": None,
}
Graph = Mapping[str, Mapping[str, Any]]  # definitions by name


def refused(message: str) -> SqlError:
    """What the rules of task graphs forbid."""
    return SqlError(91400, "22000", message)


def find(catalog: Catalog, key: Key) -> Entry:
    """A task by its full name, or Snowflake's error."""
    if entry := catalog.find(KIND, key):
        return entry
    raise not_found("Task", ".".join(key))


def of_schema(catalog: Catalog, database: str, schema: str) -> dict[str, dict[str, Any]]:
    """The tasks of a schema, by name."""
    return {entry.key[2]: entry.definition for entry in catalog.entries(KIND, database, schema)}


# ---- graphs ----


def children(tasks: Graph, name: str) -> list[str]:
    """The tasks that come right after one."""
    return [other for other, known in tasks.items() if name in known["after"]]


def finalizer(tasks: Graph, root: str) -> str | None:
    """The task that ends a root's graph."""
    return next((other for other, known in tasks.items() if known["finalize"] == root), None)


def roots(tasks: Graph, name: str) -> list[str]:
    """The tasks with which the graph of one begins; itself, if nothing comes before it."""
    known = tasks[name]
    if known["finalize"]:
        return [known["finalize"]]
    above, found, waiting = {name}, set[str](), [name]
    while waiting:
        current = waiting.pop()
        before = [p for p in tasks[current]["after"] if p in tasks]
        if not before:
            found.add(current)
        waiting += [p for p in before if p not in above]
        above.update(before)
    return sorted(found)


def descendants(tasks: Graph, name: str) -> list[str]:
    """All tasks that come after one, directly or not, and the finalizer; a cycle leads back to the task itself."""
    found: list[str] = []
    waiting = children(tasks, name)
    while waiting:
        current = waiting.pop(0)
        if current not in found:
            found.append(current)
            waiting += children(tasks, current)
    last = finalizer(tasks, name)
    return [*found, last] if last else found


def fingerprint(tasks: Graph, root: str) -> str:
    """What changes when a graph's tasks change, and not when they run, resume or are suspended."""
    passing = {"state", "anchor", "committed_on", "suspended_on", "suspended_reason", "failures", "version", "hash"}
    kept = {
        name: {key: value for key, value in tasks[name].items() if key not in passing}
        for name in [root, *descendants(tasks, root)]
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


# ---- rules ----


def check(tasks: Graph, key: Key) -> None:
    """Refuse a task that does not fit into its graph; `tasks` has it as it is to be."""
    name = key[2]
    known = tasks[name]
    full = ".".join(key)
    if known["after"] and known["schedule"]:
        raise refused(f"Task {name} cannot have both a schedule and a predecessor.")
    if known["finalize"] and known["schedule"]:
        raise refused(f"Task {name} cannot have a schedule and be a finalizer task.")
    if known["finalize"] and known["after"]:
        raise refused(f"Task {full} cannot have predecessors as a finalizer task.")
    if known["finalize"] and children(tasks, name):
        raise refused(f"Task {full} cannot have children as a finalizer task.")
    if (known["after"] or known["finalize"]) and known["config"] is not None:
        raise refused(f"Task {full} cannot both be a non-root task and have a config.")
    if (known["after"] or known["finalize"]) and known["overlaps"]:
        raise refused(f"Cannot set overlap policy on non-root task {full}.")
    _check_predecessors(tasks, key)
    _check_finalizer(tasks, name)


def _check_predecessors(tasks: Graph, key: Key) -> None:
    name = key[2]
    after: Sequence[str] = tasks[name]["after"]
    for before in after:
        if before == name:
            raise refused(f"Task {name} cannot use itself as its predecessor.")
        if before not in tasks:
            raise refused(f"Invalid predecessor {before} was specified.")
        if tasks[before]["finalize"]:
            raise refused(f"Task {'.'.join((*key[:2], before))} cannot have children as a finalizer task.")
        if len(children(tasks, before)) > _MOST_NEIGHBOURS:
            raise refused(f"Task {before} cannot have more than {_MOST_NEIGHBOURS} child tasks.")
    if len(after) > _MOST_NEIGHBOURS:
        raise refused(f"Task {name} cannot have more than {_MOST_NEIGHBOURS} predecessors.")
    if name in descendants(tasks, name):
        raise refused(f"Task {name} cannot come after itself: the graph has at least one cycle.")
    if len(found := roots(tasks, name)) > 1:
        raise unsupported(f"a task graph with several root tasks: {', '.join(found)}")
    if len(descendants(tasks, found[0])) >= _MOST_TASKS:
        raise refused(f"A task graph cannot have more than {_MOST_TASKS} tasks.")


def _check_finalizer(tasks: Graph, name: str) -> None:
    target = tasks[name]["finalize"]
    if not target:
        return
    if target not in tasks or target == name or tasks[target]["after"] or tasks[target]["finalize"]:
        raise refused(f"Invalid finalized root task {target} was specified.")
    if any(other != name and known["finalize"] == target for other, known in tasks.items()):
        raise refused(f"Finalize target {target} already have finalizer.")


def check_suspended(tasks: Graph, key: Key, *, unless: str | None = None) -> None:
    """Refuse to change a graph while its root task is resumed; `unless` is a root that may be."""
    for root in roots(tasks, key[2]) if key[2] in tasks else []:
        if root != unless and root in tasks and tasks[root]["state"] == "started":
            full = ".".join((*key[:2], root))
            raise SqlError(
                91421, "22000", f"Unable to update graph with root task {full} since that root task is not suspended."
            )


# ---- runs ----

SUCCEEDED, FAILED, SKIPPED, CANCELLED = "SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED"


def active(tasks: Graph, root: str) -> dict[str, list[str]]:
    """The tasks that a run of a graph has, each with those it waits for.

    Suspended tasks count for nothing: who waits for others too waits for these only, and who would wait for none
    is left out.
    """
    resumed = {root} | {n for n in descendants(tasks, root) if tasks[n]["state"] == "started"}
    resumed.discard(finalizer(tasks, root) or "")
    waits = {name: [p for p in tasks[name]["after"] if p in resumed] for name in resumed}
    while orphans := [n for n, before in waits.items() if n != root and not before]:
        for orphan in orphans:
            del waits[orphan]
        waits = {name: [p for p in before if p in waits] for name, before in waits.items()}
    return waits


def ready(waits: Mapping[str, Sequence[str]], states: Mapping[str, str], begun: Iterable[str]) -> list[str]:
    """The tasks that may start: not begun, and all that they wait for have succeeded."""
    begun = set(begun) | set(states)
    return [
        name
        for name, before in waits.items()
        if name not in begun and all(states.get(predecessor) == SUCCEEDED for predecessor in before)
    ]


def kept(states: Mapping[str, str]) -> dict[str, str]:
    """What a retry leaves as it is: all but the tasks that failed or were cancelled."""
    return {name: state for name, state in states.items() if state in {SUCCEEDED, SKIPPED}}


def outcome(states: Mapping[str, str]) -> str:
    """The state of a run of a graph whose tasks ended so."""
    for state in (CANCELLED, FAILED):
        if state in states.values():
            return state
    return SKIPPED if set(states.values()) == {SKIPPED} else SUCCEEDED
