"""What happens to a model's versions: nominated, promoted, rejected, rolled back, retired; and the registry follows.

A decision is one transaction on the log of events, under a lock: its commit is the instant at which the champion
changes. The registry's own statements commit by themselves, so they come after it, and whoever dies before the last
one leaves them to the next: see ``settle``.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from snowmaker.decisions import check_promotion, check_retirement, rollback_target
from snowmaker.exceptions import ModelBusyError, WarehouseError
from snowmaker.hooks.model_registry import carry_out, read_state
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import StatementError
from snowmaker.model_events import Event, EventKind, event_id
from snowmaker.registry_plan import plan
from snowmaker.snowflake import registry, tables
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
# A lease is waited for as long as some that die one after another, or many that work, may hold it.
LEASE_WAIT_SECONDS = 120
# What Snowflake says to who has waited too long for a lock, and at once where twenty wait for it already.
_LOCK_NOT_HAD = 625
_ROUNDS = 20


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
    do; so what another decided meanwhile is done too, and what one who died left.

    :param run: who settles
    :return: events and registry at the end
    :raises ModelBusyError: if another holds the lease for too long, or the registry does not follow; try again
    """
    state = read_state(session, model)
    if not plan(state):
        return state
    with _lease(session, model, run) as renew:
        for _ in range(_ROUNDS):
            renew()
            state = read_state(session, model)
            steps = plan(state)
            if not steps:
                return state
            _carry_out_all(session, model, steps)
    raise ModelBusyError(
        f"the registry of model {model.quoted} does not follow its events; still to do: "
        f"{'; '.join(str(step) for step in plan(state))}; see who else changes it, and try again"
    )


def _carry_out_all(session: WarehouseSession, model: QualifiedName, steps: Sequence[Step]) -> None:
    for step in steps:
        carry_out(session, model, step)
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
    _ensure_lock(session, locks, lock)
    # Not the run's name alone: an earlier attempt of it may still be alive somewhere.
    holder = f"{run} {uuid.uuid4().hex}"
    with session.transaction():
        _take_lock(session, model, locks, lock, holder)
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


def _event_id(model: QualifiedName, run: str, *told_by: str) -> str:
    return event_id(*told_by, model.quoted, run)


def _ensure_lock(session: WarehouseSession, locks: QualifiedName, name: str) -> None:
    ensure_table(session, locks)
    session.execute(Statement(f"ALTER SESSION SET LOCK_TIMEOUT = {LOCK_SECONDS}"))
    session.execute(tables.add_lock(locks, name))


def _take_lock(session: WarehouseSession, model: QualifiedName, locks: QualifiedName, lock: str, holder: str) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while _changed(session, tables.take_lock(locks, lock, holder)) is None:
        if time.monotonic() > deadline:
            raise ModelBusyError(
                f"model {model.quoted}: others have been deciding for {LOCK_SECONDS} seconds; nothing was decided, try "
                f"again (SHOW LOCKS tells who)"
            )
        _wait_a_moment()


def _changed(session: WarehouseSession, statement: Statement) -> int | None:
    """Return how many rows a statement changed; None if it did not get a lock that it needs."""
    try:
        return session.execute(statement)
    except StatementError as error:
        if error.errno != _LOCK_NOT_HAD:
            raise
        return None


def _wait_a_moment() -> None:
    time.sleep(random.uniform(0.1, 0.3))  # noqa: S311


@contextmanager
def _lease(session: WarehouseSession, model: QualifiedName, run: str) -> Iterator[Callable[[], None]]:
    """Let one at a time make the registry follow; gives the function that takes the lease, or takes it for longer."""
    # Model DDL commits a transaction, so this lock cannot be one.
    locks, name = model.sibling(tables.LOCKS), f"registry {model.quoted}"
    holder = f"{run} {uuid.uuid4().hex}"
    _ensure_lock(session, locks, name)

    def take() -> None:
        deadline = time.monotonic() + LEASE_WAIT_SECONDS
        while not _changed(session, tables.take_lease(locks, name, holder, LEASE_SECONDS)):
            if time.monotonic() > deadline:
                raise ModelBusyError(
                    f"model {model.quoted}: the decision is on record, but others have been making its registry follow "
                    f"for {LEASE_WAIT_SECONDS} seconds; try again"
                )
            _wait_a_moment()

    try:
        yield take
    finally:
        # It ends by itself where the connection is gone.
        with suppress(WarehouseError):
            session.execute(tables.release_lease(locks, name, holder))
