"""The question to a person: what is asked, of whom, and what each answer comes to."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload, HITLDetailRequestResult

from snowmaker.exceptions import AnswerError, ApprovalError
from snowmaker.gate import GateVerdict, Rule
from snowmaker.operators.approval import ApproveChallengerOperator
from snowmaker.operators.promotion import PromoteModelOperator

NOW = datetime(2026, 3, 9, 6, tzinfo=UTC)
PASSED = GateVerdict("V2", "V1", 1000, (Rule("f1", 0.78, 0.7, passed=True),), {})
NOT_PASSED = dataclasses.replace(PASSED, rules=(Rule("f1", 0.6, 0.7, passed=False),))
ADA = {"id": "ada", "name": "ada"}


def make_task(verdict: GateVerdict = PASSED, **arguments: Any) -> ApproveChallengerOperator:
    return ApproveChallengerOperator(task_id="approve", verdict=verdict.to_dict(), **arguments)


def context(try_number: int = 1) -> Any:
    instance = SimpleNamespace(id=uuid.UUID(int=1), try_number=try_number)
    return {"ti": instance, "task_instance": instance}


class Airflow:
    """What a task says to Airflow; it shows the first text that it was given, as Airflow 3.3 does."""

    def __init__(self) -> None:
        self.shown: CreateHITLDetailPayload | None = None

    def send(self, msg: CreateHITLDetailPayload) -> HITLDetailRequestResult:
        self.shown = self.shown or msg
        return HITLDetailRequestResult(**{**self.shown.model_dump(exclude={"type"}), "type": "HITLDetailRequestResult"})


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    found = Airflow()
    with mock.patch("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", found, create=True):
        yield found


def ask(task: ApproveChallengerOperator, try_number: int = 1) -> TaskAwaitingInput:
    with pytest.raises(TaskAwaitingInput) as waiting:
        task.execute(context(try_number))
    return waiting.value


def answer(chosen: str, note: Any = None, user: dict[str, str] | None = ADA, **event: Any) -> dict[str, Any]:
    return {
        "chosen_options": [chosen],
        "params_input": {"note": note},
        "responded_at": NOW,
        "responded_by_user": user,
        **event,
    }


# What is asked


def test_a_person_is_asked_with_the_whole_verdict(airflow: Airflow) -> None:
    waiting = ask(make_task(approvers=["ada", "7"], timeout=timedelta(hours=5)))
    assert airflow.shown
    assert airflow.shown.subject == "Make V2 the champion, in place of V1?"
    assert airflow.shown.body.startswith(PASSED.markdown)
    assert airflow.shown.body.endswith("Not answered in 5 hours, it counts as rejected.")
    assert airflow.shown.options == ["Approve", "Reject"]
    assert [user.id for user in airflow.shown.assigned_users] == ["ada", "7"]
    assert waiting.timeout == timedelta(hours=5)


@pytest.mark.parametrize(("on_timeout", "counts_as"), [("reject", "Reject"), ("approve", "Approve")])
def test_what_silence_means_is_said_and_done(airflow: Airflow, on_timeout: Any, counts_as: str) -> None:
    ask(make_task(on_timeout=on_timeout))
    assert airflow.shown
    assert airflow.shown.defaults == [counts_as]
    assert f"it counts as {counts_as.lower()}" in airflow.shown.body


def test_the_form_asks_why_and_nothing_of_the_dag(airflow: Airflow) -> None:
    with DAG("retrain", schedule=None, params={"week": Param("2026-03-02", type="string")}):
        task = make_task()
    ask(task)
    assert airflow.shown
    assert airflow.shown.params.keys() == {"note"}
    assert task.execute_complete(context(), answer("Approve", "better"))["note"] == "better"


def test_a_name_is_no_markup(airflow: Airflow) -> None:
    segment = Rule("f1 not worse", 0.1, -0.02, passed=True, segment="COUNTY=<b>|[x](javascript:y)`")
    ask(make_task(dataclasses.replace(PASSED, rules=(segment,))))
    assert airflow.shown
    assert "| `COUNTY=<b>\\|[x](javascript:y)'` |" in airflow.shown.body


def test_nobody_is_asked_about_a_challenger_that_did_not_pass(airflow: Airflow) -> None:
    found = make_task(NOT_PASSED).execute(context())
    assert found["approved"] is None
    assert airflow.shown is None


def test_who_waits_for_it_is_told(airflow: Airflow) -> None:
    told: list[Any] = []
    task = make_task(notifiers=[told.append])
    ask(task)
    assert len(told) == 1


# What an answer comes to


@pytest.mark.parametrize(("chosen", "approved"), [("Approve", True), ("Reject", False)])
def test_an_answer_tells_who_decided_what_when_and_why(chosen: str, approved: bool) -> None:
    assert make_task().execute_complete(context(), answer(chosen, " too small a gain ")) == {
        "approved": approved,
        "decided_by": "ada",
        "note": "too small a gain",
        "decided_at": "2026-03-09T06:00:00+00:00",
        "timed_out": False,
    }


def test_a_rejection_skips_nothing() -> None:
    task = make_task()
    with DAG("retrain", schedule=None) as dag:
        dag.add_task(task)
        task >> PromoteModelOperator(task_id="promote", model_name="M", verdict={}, week="2026-03-02")
    with mock.patch.object(task, "skip", autospec=True) as skip:
        task.execute_complete(context(), answer("Reject"))
    skip.assert_not_called()


def test_a_user_whom_a_number_stands_for_is_named_too() -> None:
    found = make_task().execute_complete(context(), answer("Approve", user={"id": "3", "name": "Ada L."}))
    assert found["decided_by"] == "Ada L. (3)"


def test_silence_is_no_person_s_answer() -> None:
    found = make_task().execute_complete(context(), answer("Reject", user=None, timedout=True))
    assert (found["approved"], found["decided_by"], found["timed_out"]) == (False, "timeout", True)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"note": 5}, "note is 5, and no text"),
        ({"note": "x" * 1001}, "note has 1001 characters, and at most 1000 are kept"),
        ({"why": "x"}, "it has a field 'why', and only note is known"),
        ({"note": "x", "why": "x"}, "it has a field 'why', and only note is known"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_asked_for_again(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(AnswerError, match=f"the answer of ada is not taken: {fault}; answer again") as raised:
        make_task().execute_complete(context(), answer("Approve", params_input=given))
    assert not isinstance(raised.value, AirflowFailException)


# Another try


def test_another_try_asks_the_same_again(airflow: Airflow) -> None:
    ask(make_task())
    ask(make_task(), try_number=2)


def test_nobody_answers_by_an_earlier_verdict(airflow: Airflow) -> None:
    ask(make_task())
    cleared = make_task(dataclasses.replace(PASSED, challenger="V3"))
    with pytest.raises(ApprovalError, match=r"still shows .* \(Make V2 the champion.* as a new run") as raised:
        cleared.execute(context(try_number=2))
    assert isinstance(raised.value, AirflowFailException)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"on_timeout": "maybe"}, "on_timeout is 'maybe'; choose one of reject, approve"),
        ({"timeout": timedelta(0)}, "timeout is 0:00:00; give the time"),
        ({"approvers": "ada"}, "approvers is 'ada'; give a list of user ids"),
        ({"approvers": [7]}, r"approvers is \[7\]; give a list of user ids"),
        ({"approvers": [" "]}, r"approvers is \[' '\]; give a list of user ids"),
    ],
)
def test_a_wrong_argument_is_told_where_it_is_given(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        make_task(**arguments)


# The promotion


@pytest.mark.parametrize("returned", [None, {"approved": None, "decided_by": None, "note": None}])
def test_an_approval_that_nobody_gave_promotes_nothing(returned: dict[str, Any] | None) -> None:
    asked = {"approval": {"rendered": "later"}, "verdict": PASSED.to_dict()}
    promote = PromoteModelOperator(task_id="promote", model_name="D.S.M", week="2026-03-02", **asked)
    promote.approval = returned
    with pytest.raises(ApprovalError, match="nobody has decided about the challenger"):
        promote.execute({})
