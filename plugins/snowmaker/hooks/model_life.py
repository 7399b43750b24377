"""What happens to a model's versions: nominated, promoted, rejected, rolled back, retired; and the registry follows.

A decision is one transaction on the log of events, under a lock: its commit is the instant at which the champion
changes. The registry's own statements commit by themselves, so they come after it, and whoever dies before the last
one leaves them to the next: see ``settle``.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from snowmaker.decisions import check_promotion, check_retirement, rollback_target
from snowmaker.exceptions import ModelBusyError
from snowmaker.hooks.locks import ensure_lock, lease, take_lock, wait_a_moment
from snowmaker.hooks.model_registry import carry_out, read_state
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import StatementError
from snowmaker.model_events import Event, EventKind, event_id
from snowmaker.registry_plan import plan
from snowmaker.snowflake import registry, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from snowmaker.champion import ModelState
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.registry_plan import Step
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.week import Week

log = logging.getLogger(__name__)

# Snowflake ends a transaction that stands idle for five minutes while another waits for its lock.
LOCK_SECONDS = 330
# Longer than the statements of one round take. One who died holds the registry up for so long.
LEASE_SECONDS = 20
# As long as some that die one after another, or many that work, may hold the lease.
LEASE_WAIT_SECONDS = 120


@dataclass(frozen=True)
class Outcome:
    """What a decision came to.

    :param event: the event on record; of an earlier attempt if this one found it
    :param state: events and registry after the decision, when the registry had followed
    """

    event: Event
    state: ModelState


@dataclass(frozen=True)
class _Decision:
    kind: EventKind
    version: str
    reason: str | None = None
    gate: str | None = None
    decided_by: str | None = None
    decision: str | None = None
    event_id: str = ""


def nominate(session: WarehouseSession, model: QualifiedName, version: str, *, week: Week, run: str) -> Outcome:
    """Make a version the challenger.

    :param week: as of which it was trained
    :param run: who says so; a second time the same run finds what it said
    :raises ModelVersionError: if there is no such version
    :raises ModelBusyError: if another changes the model for too long; try again
    """

    def choose(state: ModelState) -> _Decision:
        state.version(version)
        return _Decision(EventKind.NOMINATED, version)

    return _decide_one(session, model, (EventKind.NOMINATED, version), choose, week, run)


def promote(
    session: WarehouseSession,
    model: QualifiedName,
    challenger: str,
    *,
    expected: str | None,
    week: Week,
    run: str,
    reason: str | None = None,
    gate: str | None = None,
    decided_by: str = "gate",
    decision: str | None = None,
) -> Outcome:
    """Make a challenger the champion, if the champion is still the one it was judged against.

    :param expected: the champion that it was judged against, None if there was none
    :param week: as of which it was trained: it scores the next one
    :param run: who promotes; a second time the same run finds its event, and decides nothing
    :param reason: why it was trained
    :param gate: the gate's verdict, as JSON
    :param decided_by: who decided: the gate, or a person
    :param decision: the person's words
    :raises ModelVersionError: if there is no such version
    :raises ConcurrentChangeError: if the champion is another one by now
    :raises ModelBusyError: if another changes the model for too long; try again
    """

    def choose(state: ModelState) -> _Decision:
        check_promotion(state, challenger, expected)
        return _Decision(EventKind.PROMOTED, challenger, reason, gate, decided_by, decision)

    return _decide_one(session, model, (EventKind.PROMOTED, challenger), choose, week, run)


def reject(
    session: WarehouseSession,
    model: QualifiedName,
    challenger: str,
    *,
    week: Week,
    run: str,
    reason: str | None = None,
    gate: str | None = None,
    decided_by: str = "gate",
    decision: str | None = None,
) -> Outcome:
    """Write down that a challenger does not become champion. The parameters are those of :func:`promote`.

    :raises ModelBusyError: if another changes the model for too long; try again
    """

    def choose(_: ModelState) -> _Decision:
        return _Decision(EventKind.REJECTED, challenger, reason, gate, decided_by, decision)

    return _decide_one(session, model, (EventKind.REJECTED, challenger), choose, week, run)


def roll_back(
    session: WarehouseSession,
    model: QualifiedName,
    target: str,
    *,
    week: Week,
    run: str,
    task: str = "",
    reason: str | None = None,
    decided_by: str | None = None,
) -> Outcome:
    """Make an earlier champion the champion again.

    :param target: ``previous``, or a version that was champion
    :param week: as of which: the champion of the weeks after it changes
    :param run: who rolls back; a second time the same run finds its event, and does not go back two
    :param task: which of the run's tasks, where several roll back
    :param reason: why
    :raises ModelVersionError: if there is no such earlier champion; those that there are are listed
    :raises ModelBusyError: if another changes the model for too long; try again
    """

    def choose(state: ModelState) -> _Decision:
        return _Decision(EventKind.ROLLED_BACK, rollback_target(state, target), reason, None, decided_by)

    return _decide_one(session, model, (EventKind.ROLLED_BACK, target, task), choose, week, run)


def retire(
    session: WarehouseSession,
    model: QualifiedName,
    choose: Callable[[ModelState], Mapping[str, str]],
    release: Callable[[ModelState], None],
    *,
    week: Week,
    run: str,
    reason: str | None = None,
) -> tuple[str, ...]:
    """Take versions out of the registry: first in the log, then there.

    :param choose: tells which, and of each what led to it, as JSON, given what is so while nobody else can decide
    :param release: lets go of what belongs to retired versions, before the registry drops them
    :param week: as of which
    :param run: who retires
    :return: the versions that were retired now, and those that this run retired in an earlier attempt
    :raises ModelVersionError: if one of them is champion, previous champion, challenger, or has an alias
    :raises ModelBusyError: if another changes the model for too long; try again
    """

    def decide(state: ModelState) -> Sequence[_Decision]:
        chosen = choose(state)
        check_retirement(state, chosen)
        return [
            _Decision(EventKind.RETIRED, name, reason, gate, event_id=_event_id(model, run, EventKind.RETIRED, name))
            for name, gate in chosen.items()
        ]

    _decide(session, model, decide, week, run)
    release(read_state(session, model))
    state = settle(session, model, run=run)
    return tuple(event.version for event in state.events if event.kind is EventKind.RETIRED and event.run == run)


def settle(session: WarehouseSession, model: QualifiedName, *, run: str) -> ModelState:
    """Make the registry say what the events say: default version, aliases, retired versions gone.

    One at a time does so, under a lease. Whoever does reads the events anew after each round until nothing is left to
    do; so what another decided meanwhile is done too, and what one who died left. A retired version that the registry
    refuses to drop stays there until a later try: nobody is to fail for that.

    :param run: who settles
    :return: events and registry at the end
    :raises ModelBusyError: if others hold the lease, or change the registry, for too long; try again
    """
    state = read_state(session, model)
    if not plan(state):
        return state
    locks, name = model.sibling(tables.LOCKS), f"registry {model.quoted}"
    ensure_lock(session, locks, name, wait_seconds=LOCK_SECONDS)
    deadline = time.monotonic() + LEASE_WAIT_SECONDS
    refused: set[Step] = set()
    # Model DDL commits a transaction, so a lock of one is of no use here.
    with lease(session, locks, name, _holder(run), seconds=LEASE_SECONDS) as take_lease:
        while set(plan(state)) - refused:
            if take_lease():
                _follow(session, model, refused)
            else:
                wait_a_moment()
            state = read_state(session, model)
            if set(plan(state)) - refused and time.monotonic() > deadline:
                raise ModelBusyError(
                    f"model {model.quoted}: the decision is on record, but its registry has not followed for "
                    f"{LEASE_WAIT_SECONDS} seconds, for others change it; try again"
                )
    return state


def _follow(session: WarehouseSession, model: QualifiedName, refused: set[Step]) -> None:
    # What was read before the lease was had may be old.
    steps = plan(read_state(session, model))
    try:
        for step in steps:
            if step.action == "drop_version":
                _drop(session, model, step, refused)
            else:
                carry_out(session, model, step)
                log.info("Model %s: %s", model.quoted, step)
    except StatementError:
        # Somebody else may have changed what the plan was made from.
        if plan(read_state(session, model)) == steps:
            raise


def _drop(session: WarehouseSession, model: QualifiedName, step: Step, refused: set[Step]) -> None:
    try:
        carry_out(session, model, step)
    except StatementError as error:
        refused.add(step)
        log.warning("Model %s: %s was refused, so the retired version stays for now: %s", model.quoted, step, error)
    else:
        log.info("Model %s: %s", model.quoted, step)


# ---- one decision at a time ----------------------------------------------------------------------


def _decide_one(
    session: WarehouseSession,
    model: QualifiedName,
    told_by: tuple[str, ...],
    choose: Callable[[ModelState], _Decision],
    week: Week,
    run: str,
) -> Outcome:
    own = _event_id(model, run, *told_by)
    _decide(
        session,
        model,
        lambda state: [] if state.event(own) else [replace(choose(state), event_id=own)],
        week,
        run,
    )
    state = settle(session, model, run=run)
    event = state.event(own)
    if event is None:
        raise ModelBusyError(f"model {model.quoted}: the event {own} is gone from the log again; try again")
    return Outcome(event, state)


def _decide(
    session: WarehouseSession,
    model: QualifiedName,
    choose: Callable[[ModelState], Sequence[_Decision]],
    week: Week,
    run: str,
) -> None:
    events, locks, lock = model.sibling(tables.MODEL_EVENTS), model.sibling(tables.LOCKS), f"promotion {model.quoted}"
    ensure_table(session, events)
    ensure_lock(session, locks, lock, wait_seconds=LOCK_SECONDS)
    holder = _holder(run)
    with session.transaction():
        if not take_lock(session, locks, lock, holder, wait_seconds=LOCK_SECONDS):
            raise ModelBusyError(
                f"model {model.quoted}: others have been deciding for {LOCK_SECONDS} seconds; nothing was decided, try "
                f"again (SHOW LOCKS tells who)"
            )
        state = read_state(session, model)
        for place, decision in enumerate(choose(state), start=state.events[-1].sequence + 1 if state.events else 1):
            values = {
                "EVENT_ID": decision.event_id,
                "SEQUENCE": place,
                "EVENT": str(decision.kind),
                "MODEL_NAME": model.quoted,
                "MODEL_VERSION": decision.version,
                "PREVIOUS_VERSION": state.champion_name,
                "WEEK_START": week.start,
                "REASON": decision.reason,
                "GATE": decision.gate,
                "DECIDED_BY": decision.decided_by,
                "DECISION": decision.decision,
                "RUN_ID": run,
            }
            if session.execute(registry.insert_event(events, locks, lock, holder, values)) != 1:
                raise ModelBusyError(
                    f"model {model.quoted}: the lock of its events was lost, for Snowflake ended the transaction; "
                    f"nothing was decided, try again"
                )


def _holder(run: str) -> str:
    # Not the run's name alone: an earlier attempt of it may still be alive somewhere.
    return f"{run} {uuid.uuid4().hex}"


def _event_id(model: QualifiedName, run: str, *told_by: str) -> str:
    return event_id(*told_by, model.quoted, run)
