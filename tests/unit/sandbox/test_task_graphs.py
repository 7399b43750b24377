"""The rules of task graphs, and which tasks of a run may start."""

from __future__ import annotations

from typing import Any

import pytest

from include.sandbox.snowflake.automation import tasks
from include.sandbox.snowflake.errors import SqlError


def graph(**after: str) -> dict[str, dict[str, Any]]:
    """Tasks by name, each with its predecessors; `!` marks a suspended one."""
    made = {}
    for name, text in after.items():
        state = "suspended" if text.startswith("!") else "started"
        made[name] = {**tasks.DEFAULTS, "after": text.removeprefix("!").split(), "state": state, "sql": "SELECT 1"}
    return made


DIAMOND = graph(ROOT="", A="ROOT", B="ROOT", END="A B")


def run(waits: dict[str, list[str]], **fails: str) -> list[list[str]]:
    """The order in which tasks start, in rounds; the named ones end in another state than success."""
    states: dict[str, str] = {}
    rounds = []
    while started := tasks.ready(waits, states, []):
        rounds.append(sorted(started))
        states |= {name: fails.get(name, tasks.SUCCEEDED) for name in started}
    return rounds


def test_predecessors_run_first_and_siblings_side_by_side() -> None:
    assert run(tasks.active(DIAMOND, "ROOT")) == [["ROOT"], ["A", "B"], ["END"]]


@pytest.mark.parametrize("state", [tasks.FAILED, tasks.SKIPPED, tasks.CANCELLED])
def test_what_comes_after_a_task_without_success_does_not_run(state: str) -> None:
    assert run(tasks.active(DIAMOND, "ROOT"), B=state) == [["ROOT"], ["A", "B"]]


def test_nothing_that_has_begun_starts_again() -> None:
    waits = tasks.active(DIAMOND, "ROOT")
    assert tasks.ready(waits, {"ROOT": tasks.SUCCEEDED}, ["A"]) == ["B"]


def test_a_suspended_child_counts_for_nothing() -> None:
    suspended = graph(ROOT="", A="ROOT", B="!ROOT", END="A B")
    assert run(tasks.active(suspended, "ROOT")) == [["ROOT"], ["A"], ["END"]]


def test_who_comes_after_suspended_tasks_only_does_not_run() -> None:
    chain = graph(ROOT="", A="!ROOT", B="A", C="B", D="ROOT")
    assert run(tasks.active(chain, "ROOT")) == [["ROOT"], ["D"]]


def test_a_suspended_root_runs_when_it_is_executed() -> None:
    assert run(tasks.active(graph(ROOT="!", A="ROOT"), "ROOT")) == [["ROOT"], ["A"]]


def test_the_finalizer_is_no_task_of_the_run_itself() -> None:
    finalized = {**DIAMOND, "LAST": {**graph(LAST="")["LAST"], "finalize": "ROOT"}}
    assert "LAST" not in tasks.active(finalized, "ROOT")
    assert tasks.finalizer(finalized, "ROOT") == "LAST"
    assert tasks.descendants(finalized, "ROOT") == ["A", "B", "END", "LAST"]
    assert tasks.roots(finalized, "LAST") == ["ROOT"]


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ("SUCCEEDED SKIPPED", "SUCCEEDED"),
        ("SKIPPED", "SKIPPED"),
        ("SUCCEEDED FAILED", "FAILED"),
        ("FAILED CANCELLED", "CANCELLED"),
    ],
)
def test_the_outcome_of_a_graph_is_its_worst_tasks(states: str, outcome: str) -> None:
    assert tasks.outcome(dict(enumerate(states.split()))) == outcome  # type: ignore[arg-type]


def test_a_retry_keeps_what_succeeded_and_what_was_skipped() -> None:
    states = {"A": "SUCCEEDED", "B": "FAILED", "C": "SKIPPED", "D": "CANCELLED"}
    assert tasks.kept(states) == {"A": "SUCCEEDED", "C": "SKIPPED"}


def refused(tasks_: dict[str, dict[str, Any]], name: str) -> str:
    with pytest.raises(SqlError) as caught:
        tasks.check(tasks_, ("DB", "S", name))
    return caught.value.message


def test_a_cycle_is_refused() -> None:
    assert "at least one cycle" in refused(graph(A="C", B="A", C="B"), "C")
    assert "at least one cycle" in refused(graph(ROOT="", A="ROOT B", B="A"), "B")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"after": ["A"]}, "Task A cannot use itself as its predecessor."),
        ({"after": ["NONE"]}, "Invalid predecessor NONE was specified."),
        ({"schedule": "1 MINUTE"}, "Task A cannot have both a schedule and a predecessor."),
        ({"config": "{}"}, "Task DB.S.A cannot both be a non-root task and have a config."),
        ({"after": [], "finalize": "NONE"}, "Invalid finalized root task NONE was specified."),
        ({"after": [], "finalize": "B"}, "Invalid finalized root task B was specified."),
        ({"finalize": "ROOT"}, "Task DB.S.A cannot have predecessors as a finalizer task."),
    ],
)
def test_what_does_not_fit_into_a_graph_is_refused(changed: dict[str, Any], message: str) -> None:
    tasks_ = graph(ROOT="", A="ROOT", B="ROOT")
    tasks_["A"] |= changed
    assert refused(tasks_, "A") == message


def test_two_roots_of_one_task_are_refused() -> None:
    assert "several root tasks: A, B" in refused(graph(A="", B="", C="A B"), "C")


def test_a_graph_is_changed_while_its_root_is_suspended_only() -> None:
    with pytest.raises(SqlError, match=r"root task DB.S.ROOT since that root task is not suspended") as caught:
        tasks.check_suspended(DIAMOND, ("DB", "S", "END"))
    assert caught.value.code == 91421
    tasks.check_suspended(DIAMOND, ("DB", "S", "ROOT"), unless="ROOT")
    tasks.check_suspended(graph(ROOT="!", A="ROOT"), ("DB", "S", "A"))


def test_running_and_resuming_do_not_change_a_graph_and_a_new_body_does() -> None:
    before = tasks.fingerprint(DIAMOND, "ROOT")
    running = {name: {**known, "failures": 3, "state": "suspended"} for name, known in DIAMOND.items()}
    assert tasks.fingerprint(running, "ROOT") == before
    assert tasks.fingerprint({**DIAMOND, "B": {**DIAMOND["B"], "sql": "SELECT 2"}}, "ROOT") != before
