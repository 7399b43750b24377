"""The operator that asks a person whether a challenger may become the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Param

from snowmaker.exceptions import AnswerError, ApprovalError
from snowmaker.gate import GateVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OnTimeout = Literal["reject", "approve"]
_NOTE, _LONGEST_NOTE = "note", 1000


class ApproveChallengerOperator(ApprovalOperator):
    """Ask a person whether a challenger that passed its gate may become the champion, and wait for the answer.

    The task waits without a worker. It succeeds whatever the answer is: what follows from it is for
    PromoteModelOperator. Nobody is asked about a challenger that did not pass. A task that is tried again or
    cleared asks anew, and has all the time for an answer again.

    :param verdict: what EvaluateChallengerOperator returned (templated)
    :param approvers: who may answer, by the ids that the deployment's auth manager knows its users by: names with
        SimpleAuthManager, numbers with FAB; default: everybody who may answer such tasks of the DAG
    :param timeout: how long to wait for an answer (default 72 hours)
    :param on_timeout: what silence means: reject (default) or approve
    :return: ``{"approved", "decided_by", "note", "decided_at", "timed_out"}``; approved is None if nobody was asked
    :raises ValueError: if an argument is not of these kinds
    """

    template_fields: Sequence[str] = ("verdict",)

    def __init__(
        self,
        *,
        verdict: Mapping[str, Any],
        approvers: Sequence[str] = (),
        timeout: timedelta = timedelta(hours=72),
        on_timeout: OnTimeout = "reject",
        **kwargs: Any,
    ) -> None:
        if on_timeout not in get_args(OnTimeout):
            raise ValueError(f"on_timeout is {on_timeout!r}; choose one of {', '.join(get_args(OnTimeout))}")
        if timeout <= timedelta(0):
            raise ValueError(f"timeout is {timeout}; give the time in which somebody can answer")
        if isinstance(approvers, str) or not all(isinstance(user, str) and user.strip() for user in approvers):
            raise ValueError(f"approvers is {approvers!r}; give a list of user ids, as texts")
        note = Param(
            None,
            type=["null", "string"],
            maxLength=_LONGEST_NOTE,
            title="Why",
            description="Kept with the model's event.",
            source="task",
        )
        super().__init__(
            # Both are written when the verdict is known.
            subject="",
            body="",
            # Those of the DAG are no fields of this form.
            params={_NOTE: note},
            assigned_users=[{"id": user, "name": user} for user in approvers],
            response_timeout=timeout,
            defaults={"reject": self.REJECT, "approve": self.APPROVE}[on_timeout],
            **{name: value for name, value in kwargs.items() if name != "params"},
        )
        self.verdict = verdict
        self.approvers = tuple(approvers)
        self.timeout = timeout
        self.on_timeout = on_timeout

    def execute(self, context: Any) -> Any:
        """Ask, and wait; or return at once that there is nothing to ask."""
        verdict = GateVerdict.from_dict(self.verdict)
        if not verdict.passed:
            self.log.info("Nobody is asked, for the gate was not passed: %s", verdict.summary)
            return _decision(approved=None)
        self.subject, self.body = _subject(verdict), self._body(verdict)
        if context["ti"].try_number > 1:
            self._check_shown(context)
        self.log.info("Asking %s: %s", ", ".join(self.approvers) or "everybody who may answer", verdict.summary)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Return what was decided, by whom and why.

        :raises AnswerError: if the answer has more than a note, or a note that is no text; the next try asks again
        """
        user = event.get("responded_by_user")
        who = _name(user) if user else "timeout"
        if wrong := _wrong_fields(event.get("params_input") or {}):
            raise AnswerError(f"the answer of {who} is not taken: {wrong}; answer again when the task asks again")
        # Not ApprovalOperator's, which skips what follows a rejection: the promotion is to write it down.
        answer = HITLOperator.execute_complete(self, context, event)
        decided = _decision(
            approved=answer["chosen_options"] == [self.APPROVE],
            decided_by=who,
            note=(answer["params_input"].get(_NOTE) or "").strip() or None,
            decided_at=answer["responded_at"].isoformat(),
            timed_out=bool(event.get("timedout")),
        )
        self.log.info("%s by %s: %s", answer["chosen_options"][0], who, decided["note"] or "no reason given")
        return decided

    def _body(self, verdict: GateVerdict) -> str:
        silence = {"reject": "rejected", "approve": "approved"}[self.on_timeout]
        return (
            f"{verdict.markdown}\n\n"
            f"Rejected, it is not promoted and the run fails. Not answered in {_duration(self.timeout)}, it counts as "
            f"{silence}."
        )

    def _check_shown(self, context: Any) -> None:
        """Refuse to ask by the text of an earlier attempt.

        Airflow up to 3.3 goes on showing the first one's, whatever the later asks:
        https://github.com/apache/airflow/pull/73235
        """
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload, HITLDetailRequestResult
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        asked = CreateHITLDetailPayload(
            ti_id=context["ti"].id,
            options=self.options,
            subject=self.subject,
            body=self.body,
            defaults=self.defaults,
            params=self.serialized_params,
            multiple=self.multiple,
            assigned_users=self.assigned_users,
        )
        shown = SUPERVISOR_COMMS.send(asked)
        if isinstance(shown, HITLDetailRequestResult) and (shown.subject, shown.body) != (self.subject, self.body):
            raise ApprovalError(
                f"Airflow still shows what an earlier attempt asked ({shown.subject}), and the verdict is another now; "
                f"trigger the retraining as a new run"
            )


def _decision(
    *,
    approved: bool | None,
    decided_by: str | None = None,
    note: str | None = None,
    decided_at: str | None = None,
    timed_out: bool = False,
) -> dict[str, Any]:
    return {
        "approved": approved,
        "decided_by": decided_by,
        "note": note,
        "decided_at": decided_at,
        "timed_out": timed_out,
    }


def _wrong_fields(given: Mapping[str, Any]) -> str | None:
    """Tell what is wrong with the fields of an answer, if anything is; Airflow's API takes any.

    >>> _wrong_fields({"note": 5}), _wrong_fields({"reason": "why"}), _wrong_fields({"note": "why"})
    ('note is 5, and no text', "it has a field 'reason', and only note is known", None)
    """
    note = given.get(_NOTE)
    if unknown := [name for name in given if name != _NOTE]:
        return f"it has a field {unknown[0]!r}, and only {_NOTE} is known"
    if not isinstance(note, str | None):
        return f"{_NOTE} is {str(note)[:50]}, and no text"
    if note and len(note) > _LONGEST_NOTE:
        return f"{_NOTE} has {len(note)} characters, and at most {_LONGEST_NOTE} are kept"
    return None


def _subject(verdict: GateVerdict) -> str:
    champion = f"in place of {verdict.champion}" if verdict.champion else "the first one"
    return f"Make {verdict.challenger} the champion, {champion}?"


def _name(user: Mapping[str, str]) -> str:
    """Write a user's name, with the id where that is another.

    >>> _name({"id": "3", "name": "Ada"}), _name({"id": "ada", "name": "ada"})
    ('Ada (3)', 'ada')
    """
    return user["name"] if user["name"] == user["id"] else f"{user['name']} ({user['id']})"


def _duration(time: timedelta) -> str:
    """Write a time as people do.

    >>> _duration(timedelta(hours=72)), _duration(timedelta(minutes=90)), _duration(timedelta(seconds=5))
    ('72 hours', '1.5 hours', '5 seconds')
    """
    if time < timedelta(minutes=2):
        return f"{time.total_seconds():g} seconds"
    return f"{time / timedelta(hours=1):.3g} hours"
