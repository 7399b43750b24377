"""A person approves, rejects or is silent, and goes back to an earlier champion: by the REST API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.decisions import ASK, ASK_IN_VAIN, PIPELINE, ROLLBACK, Decisions, answer_when_asked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]


@dataclass(frozen=True)
class Answered:
    """Three challengers of the same time, each with another answer: their runs, and how those ended."""

    approved: str
    rejected: str
    silent: str
    states: dict[str, str]


@pytest.fixture(scope="module")
def answered(decisions: Decisions) -> Answered:
    api = decisions.deployment.api
    silent, approved, rejected = decisions.ask("V5", ASK_IN_VAIN), decisions.ask("V3"), decisions.ask("V4")
    states = {
        rejected: answer_when_asked(api, ASK, rejected, "Reject", "worse in winter"),
        approved: answer_when_asked(api, ASK, approved, "Approve", "good"),
        silent: api.wait(ASK_IN_VAIN, silent),
    }
    return Answered(approved, rejected, silent, states)


@pytest.fixture(scope="module")
def back_twice(decisions: Decisions, answered: Answered) -> Iterator[list[str]]:
    """The champion before, after the first and after the second rollback."""
    seen = [decisions.champion]
    for reason in ("it is wrong", "that one, too"):
        assert decisions.roll_back(reason=reason) == "success"
        seen.append(decisions.champion)
    return seen


def test_who_approved_and_why_is_on_record(decisions: Decisions, answered: Answered) -> None:
    assert answered.states[answered.approved] == "success"
    assert decisions.events(run=answered.approved) == [("PROMOTED", "V3", "V2", "Anonymous", "good", None)]


def test_a_rejected_challenger_ends_the_run_as_rejected(decisions: Decisions, answered: Answered) -> None:
    api, run = decisions.deployment.api, answered.rejected
    assert answered.states[run] == "failed"
    tasks = {task["task_id"]: task for task in api.tasks(ASK, run)}
    assert tasks["approve"]["state"] == "success"
    assert (tasks["promote"]["state"], tasks["promote"]["try_number"]) == ("failed", 1)
    assert "rejected, champion unchanged: by Anonymous (worse in winter): V4 against V2" in api.first_log(
        ASK, run, "promote"
    )
    ((event, version, _, *decided),) = decisions.events(run=run)
    assert (event, version, decided) == ("REJECTED", "V4", ["Anonymous", "worse in winter", None])


def test_silence_counts_as_rejected(decisions: Decisions, answered: Answered) -> None:
    assert answered.states[answered.silent] == "failed"
    result = decisions.deployment.api.xcom(ASK_IN_VAIN, answered.silent, "approve")
    assert (result["approved"], result["timed_out"]) == (False, True)
    ((event, version, _, *decided),) = decisions.events(run=answered.silent)
    assert (event, version, decided) == ("REJECTED", "V5", ["timeout", None, None])


def test_the_question_holds_the_verdict_and_names_who_may_answer(decisions: Decisions, answered: Answered) -> None:
    asked = decisions.deployment.api.approval(ASK, answered.approved, "approve")
    assert asked["subject"] == "Make V3 the champion, in place of V2?"
    assert "| f1 | all | 0.7800 |" in asked["body"]
    assert [user["id"] for user in asked["assigned_users"]] == ["ada"]
    assert asked["params"].keys() == {"note"}


def test_rolling_back_twice_goes_two_back(decisions: Decisions, back_twice: list[str]) -> None:
    assert back_twice == ["V3", "V2", "V1"]
    assert decisions.events()[-2:] == [
        ("ROLLED_BACK", "V2", "V3", "Anonymous", None, "it is wrong"),
        ("ROLLED_BACK", "V1", "V2", "Anonymous", None, "that one, too"),
    ]


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"pipeline": PIPELINE}, "Invalid input for param reason"),
        ({"reason": "it is wrong"}, "Invalid input for param pipeline"),
        ({"pipeline": "nobody", "reason": "it is wrong"}, "'nobody' is not one of"),
        ({"pipeline": PIPELINE, "reason": "x"}, "'x' is too short"),
        ({"pipeline": PIPELINE, "reason": "it is wrong", "week": "last"}, "'last' is not a 'date'"),
    ],
)
def test_a_form_that_is_filled_in_wrongly_is_refused(
    decisions: Decisions, back_twice: list[str], params: dict[str, Any], fault: str
) -> None:
    with pytest.raises(RuntimeError, match=fault):
        decisions.deployment.api.trigger(ROLLBACK, params)
    assert decisions.champion == back_twice[-1]
