"""Many who promote and roll back at once, and those who look on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from snowmaker.champion import ModelVersion
from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError
from snowmaker.hooks import model_life
from snowmaker.hooks.model_registry import carry_out, read_state
from snowmaker.hooks.warehouse import WarehouseHook, WarehouseSession
from snowmaker.model_events import Event, EventKind
from snowmaker.registry_plan import Step, plan
from snowmaker.snowflake import registry
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement

from .dying import registry_that
from .history import Operation, check
from .lab import Lab
from .weekly_data import WEEKS

VERSIONS = ("V1", "V2", "V3", "V4")
WEEK = WEEKS[3]


@pytest.fixture
def name(lab: Lab) -> QualifiedName:
    """A model with four versions, the first of which is champion."""
    model = lab.model()
    for version in VERSIONS:
        model.add("good", version)
    model.make_champion("V1", WEEKS[0])
    return QualifiedName.parse(model.name)


# ---- races ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("takes_aliases", [False, True])
@pytest.mark.parametrize(
    ("promotions", "rollbacks", "rounds"), [(5, 2, 2), pytest.param(20, 5, 3, marks=pytest.mark.slow)]
)
def test_there_is_one_champion_at_every_instant_however_many_race(
    name: QualifiedName, promotions: int, rollbacks: int, rounds: int, takes_aliases: bool
) -> None:
    start, ended = threading.Barrier(promotions + rollbacks), threading.Event()

    def race(racer: int) -> list[Operation]:
        with WarehouseHook().session() as session:
            start.wait(60)
            return [act(session, name, racer, turn, is_rollback=racer >= promotions) for turn in range(rounds)]

    with one_at_a_time(takes_aliases=takes_aliases), ThreadPoolExecutor(promotions + rollbacks + 2) as pool:
        seen_in_log = pool.submit(watch_log, name, ended)
        seen_in_registry = pool.submit(watch_registry, name, ended)
        try:
            operations = [one for racer in pool.map(race, range(promotions + rollbacks)) for one in racer]
        finally:
            ended.set()
    with WarehouseHook().session() as session:
        state = read_state(session, name)
    check(state.events, operations)
    assert plan(state) == []
    assert len(state.events) > rounds
    assert len(seen_in_log.result()) > rounds
    assert None not in seen_in_log.result()
    for defaults, holders in seen_in_registry.result():
        assert defaults == 1
        assert holders == 1 or (holders == 0 and not takes_aliases)


def act(session: WarehouseSession, name: QualifiedName, racer: int, turn: int, *, is_rollback: bool) -> Operation:
    """Roll back, or promote another version over the champion that is seen."""
    run, began = f"run-{racer}-{turn}", datetime.now(UTC)
    champion = read_state(session, name).champion_name
    version = None if is_rollback else [one for one in VERSIONS if one != champion][racer % 3]
    error = None
    try:
        if version is None:
            model_life.roll_back(session, name, "previous", week=WEEK, run=run)
        else:
            model_life.promote(session, name, version, expected=champion, week=WEEK, run=run)
    except (ConcurrentChangeError, ModelVersionError) as refused:
        error = refused
    return Operation(run, version, None if version is None else champion, began, datetime.now(UTC), error)


def watch_log(name: QualifiedName, ended: threading.Event) -> list[str | None]:
    """Who is champion by the log, time and again."""
    seen = []
    with WarehouseHook().session() as session:
        while not ended.is_set():
            champion = read_state(session, name).champion
            seen.append(champion.name if champion else None)
    return seen


def watch_registry(name: QualifiedName, ended: threading.Event) -> list[tuple[int, int]]:
    """How many default versions and PRODUCTION aliases SHOW tells of, time and again."""
    seen = []
    with WarehouseHook().session() as session:
        while not ended.is_set():
            versions = [ModelVersion.from_row(row) for row in session.rows(registry.show_versions(name))]
            holders = sum("PRODUCTION" in version.aliases for version in versions)
            seen.append((sum(version.is_default for version in versions), holders))
    return seen


@contextmanager
def one_at_a_time(*, takes_aliases: bool) -> Iterator[None]:
    """A registry that takes an alias from its holder does so in one step, in which nobody looks on."""
    edge = threading.RLock()
    with registry_that(takes_aliases=takes_aliases):
        run = WarehouseSession._run

        @contextmanager
        def run_at_the_edge(session: WarehouseSession, statement: Statement) -> Iterator[Any]:
            if " SET ALIAS " not in statement.text and not statement.text.startswith("SHOW VERSIONS"):
                with run(session, statement) as cursor:
                    yield cursor
            else:
                with edge, run(session, statement) as cursor:
                    yield cursor

        with mock.patch.object(WarehouseSession, "_run", run_at_the_edge):
            yield


def test_who_slept_past_the_end_of_their_lease_puts_right_what_they_changed_too_late(
    name: QualifiedName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)
    late: list[Step] = []

    def sleep_before_the_first(session: WarehouseSession, model: QualifiedName, step: Step) -> None:
        if not late:
            late.append(step)
            with WarehouseHook().session() as other:
                model_life.promote(other, name, "V3", expected="V2", week=WEEK, run="faster")
        carry_out(session, model, step)

    monkeypatch.setattr(model_life, "carry_out", sleep_before_the_first)
    with WarehouseHook().session() as session:
        outcome = model_life.promote(session, name, "V2", expected="V1", week=WEEK, run="slower")
        assert late == [Step("set_default", "V2")]
        state = read_state(session, name)
    assert outcome.event.version == "V2"
    assert state.champion_name == "V3"
    assert plan(state) == []


# ---- the check itself ----------------------------------------------------------------------------

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def promoted(sequence: int, version: str, previous: str | None, second: float) -> Event:
    kind, week = EventKind.PROMOTED, date(2026, 3, 2)
    return Event(sequence, kind, version, previous, week, run=f"run-{version}", written_at=at(second))


EVENTS = (promoted(1, "V1", None, 0), promoted(2, "V2", "V1", 2), promoted(3, "V3", "V2", 6))
OPERATIONS = (
    Operation("run-V2", "V2", "V1", at(1), at(3), None),
    Operation("run-V3", "V3", "V2", at(4), at(7), None),
    Operation("run-V4", "V4", "V1", at(1), at(4), ConcurrentChangeError("")),
)


def test_a_history_that_could_have_happened_passes() -> None:
    check(EVENTS, OPERATIONS)


@pytest.mark.parametrize(
    ("events", "operations"),
    [
        pytest.param(EVENTS[:2], OPERATIONS, id="a success without an event"),
        pytest.param(EVENTS, OPERATIONS[1:], id="an event of nobody"),
        pytest.param((EVENTS[0], EVENTS[1], replace(EVENTS[2], sequence=2)), OPERATIONS, id="one place twice"),
        pytest.param((*EVENTS[:2], replace(EVENTS[2], previous="V1")), OPERATIONS, id="another champion before"),
        pytest.param(EVENTS, (replace(OPERATIONS[0], began=at(2.5)), *OPERATIONS[1:]), id="before it began"),
        pytest.param(EVENTS, (replace(OPERATIONS[0], ended=at(1.5)), *OPERATIONS[1:]), id="after it had ended"),
        pytest.param(EVENTS, (OPERATIONS[0], replace(OPERATIONS[1], expected="V1"), OPERATIONS[2]), id="lost update"),
        pytest.param(
            EVENTS, (*OPERATIONS[:2], replace(OPERATIONS[2], began=at(0.5), ended=at(1.5))), id="refused without reason"
        ),
    ],
)
def test_a_history_that_could_not_have_happened_is_found(
    events: tuple[Event, ...], operations: tuple[Operation, ...]
) -> None:
    with pytest.raises(AssertionError):
        check(events, operations)
