"""The operator that promotes a challenger."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from snowmaker.champion import plan_promotion
from snowmaker.exceptions import ConcurrentChangeError
from snowmaker.gate import GateVerdict
from snowmaker.hooks.model_registry import carry_out, read_state
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.operators.base import WarehouseOperator, run_label
from snowmaker.snowflake import registry, tables
from snowmaker.snowflake.identifiers import QualifiedName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession

_LEASE_SECONDS = 120


class PromoteModelOperator(WarehouseOperator):
    """Make a challenger that passed its gate the champion, and write the model event.

    The default version is switched first, in one atomic statement; the PRODUCTION alias follows. A promotion
    that died half-way is finished by the next attempt. Of two at once one goes first, and the other fails with
    a clear error if it was judged against a champion that is no longer one. A challenger that did not pass is
    written down as rejected, and the task is skipped.

    :param model_name: the model, written database.schema.name (templated)
    :param verdict: what EvaluateChallengerOperator returned (templated)
    :param week: the week as of which the challenger was trained: it scores the next one (templated)
    :param reason: why it was trained, for the event (templated)
    :return: ``{"champion", "previous"}``
    """

    template_fields: Sequence[str] = ("model_name", "verdict", "week", "reason")

    def __init__(
        self, *, model_name: str, verdict: Mapping[str, Any], week: str, reason: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model_name = model_name
        self.verdict = verdict
        self.week = week
        self.reason = reason

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Promote, or write down the rejection."""
        verdict = GateVerdict.from_dict(self.verdict)
        model = QualifiedName.parse(self.model_name)
        events = model.sibling(tables.MODEL_EVENTS)
        with self.hook.session() as session:
            ensure_table(session, events)
            if not verdict.passed:
                self._write_event(session, events, "REJECTED", verdict, run_label(context))
                raise AirflowSkipException(f"rejected, champion unchanged: {verdict.summary}")
            with self._leased(session, model, run_label(context)):
                steps = plan_promotion(read_state(session, model), verdict.challenger, verdict.champion)
                for step in steps:
                    carry_out(session, model, step)
                    self.log.info("%s %s", step.action, step.version)
                self._write_event(session, events, "PROMOTED", verdict, run_label(context))
        self.log.info("Champion of %s: %s (before: %s)", model.quoted, verdict.challenger, verdict.champion)
        return {"champion": verdict.challenger, "previous": verdict.champion}

    @contextmanager
    def _leased(self, session: WarehouseSession, model: QualifiedName, holder: str) -> Iterator[None]:
        # Model DDL commits a transaction, so the lock of a promotion cannot be one: it is a lease.
        locks, name = model.sibling(tables.LOCKS), f"promotion {model.quoted}"
        ensure_table(session, locks)
        session.execute(tables.add_lock(locks, name))
        if not session.execute(tables.take_lease(locks, name, holder, _LEASE_SECONDS)):
            raise ConcurrentChangeError(
                f"model {model.quoted} is being promoted by another run; look at its champion, then clear this task"
            )
        try:
            yield
        finally:
            session.execute(tables.release_lease(locks, name, holder))

    def _write_event(
        self, session: WarehouseSession, events: QualifiedName, event: str, verdict: GateVerdict, run: str
    ) -> None:
        told_by = json.dumps([event, self.model_name, verdict.challenger, run])
        session.execute(
            registry.insert_event(
                events,
                event_id=hashlib.sha256(told_by.encode()).hexdigest()[:32],
                event=event,
                model=QualifiedName.parse(self.model_name).quoted,
                version=verdict.challenger,
                previous=verdict.champion,
                week=self.week,
                reason=self.reason,
                gate=json.dumps(verdict.to_dict()),
                run_id=run,
            )
        )
