"""The operator that promotes a challenger."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.exceptions import ApprovalError, ChallengerRejectedError, WeekError
from snowmaker.gate import GateVerdict
from snowmaker.hooks.model_life import promote, reject
from snowmaker.operators.base import WarehouseOperator, run_label
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PromoteModelOperator(WarehouseOperator):
    """Make a challenger that passed its gate the champion, and write the model event.

    The event is the decision: of two promotions at once one goes first, and the other fails with a clear error if it
    was judged against a champion that is no longer one. The registry's default version and aliases follow the event; a
    promotion that died half-way is finished by the next attempt of it, or of any other.

    A challenger that did not pass is written down as rejected, and the task is skipped. One that a person rejected is,
    too, and the task fails, without another try.

    :param model_name: the model, written database.schema.name (templated)
    :param verdict: what EvaluateChallengerOperator returned (templated)
    :param week: the week as of which the challenger was trained: it scores the next one (templated)
    :param reason: why it was trained, for the event (templated)
    :param approval: what ApproveChallengerOperator returned; if it is not given, the gate decides (templated)
    :return: ``{"champion", "previous"}``
    """

    template_fields: Sequence[str] = ("model_name", "verdict", "week", "reason", "approval")

    def __init__(
        self,
        *,
        model_name: str,
        verdict: Mapping[str, Any],
        week: str,
        reason: str | None = None,
        approval: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_name = model_name
        self.verdict = verdict
        self.week = week
        self.reason = reason
        self.approval = approval
        self.is_approval_needed = approval is not None

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Promote, or write down the rejection."""
        verdict = GateVerdict.from_dict(self.verdict)
        approval = self._check_approval() if verdict.passed else None
        model = QualifiedName.parse(self.model_name)
        told: dict[str, Any] = {
            "week": _week(self.week),
            "run": run_label(context),
            "reason": self.reason,
            "gate": json.dumps(verdict.to_dict()),
            "decided_by": approval["decided_by"] if approval else "gate",
            "decision": approval["note"] if approval else None,
        }
        with self.hook.session() as session:
            if not verdict.passed:
                reject(session, model, verdict.challenger, **told)
                raise AirflowSkipException(f"rejected, champion unchanged: {verdict.summary}")
            if approval and not approval["approved"]:
                state = reject(session, model, verdict.challenger, **told).state
                is_champion = state.champion_name == verdict.challenger
                raise ChallengerRejectedError(_rejection(verdict, approval, is_champion=is_champion))
            outcome = promote(session, model, verdict.challenger, expected=verdict.champion, **told)
        previous, champion = outcome.event.previous, outcome.state.champion_name
        if champion != verdict.challenger:
            self.log.warning(
                "This run promoted %s, but %s is champion by now, and stays; DAG rollback_model can go back to %s",
                *(verdict.challenger, champion, verdict.challenger),
            )
        self.log.info("Champion of %s: %s (before: %s)", model.quoted, verdict.challenger, previous)
        return {"champion": verdict.challenger, "previous": previous}

    def _check_approval(self) -> Mapping[str, Any] | None:
        # A task that somebody marked as successful returns nothing.
        if self.is_approval_needed and (self.approval is None or self.approval["approved"] is None):
            raise ApprovalError(
                "nobody has decided about the challenger, for the approval's task returned nothing; clear that task, "
                "and answer it"
            )
        return self.approval


def _week(text: str) -> Week:
    try:
        return Week(date.fromisoformat(text))
    except ValueError:
        raise WeekError(f"week {text!r} is not a date; write its first day like 2026-03-02") from None


def _rejection(verdict: GateVerdict, approval: Mapping[str, Any], *, is_champion: bool) -> str:
    note = f" ({approval['note']})" if approval["note"] else ""
    remedy = f"; {verdict.challenger} is that champion already: go back with DAG rollback_model" if is_champion else ""
    return f"rejected, champion unchanged: by {approval['decided_by']}{note}: {verdict.summary}{remedy}"
