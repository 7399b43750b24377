"""The life of a model's versions, held against a model of it that fits on a page, by made-up stories.

In them tasks die between any two statements, lose an answer, and are tried again, and people change the registry by
hand.
"""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from snowmaker.champion import ModelState
from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError, SnowmakerError
from snowmaker.hooks import model_life
from snowmaker.hooks.model_registry import read_state
from snowmaker.hooks.warehouse import WarehouseHook, WarehouseSession
from snowmaker.model_events import EventKind
from snowmaker.retention import RetentionRule, plan_retention
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.week import Week

from .dying import Died, dying_after, losing_the_answer_to, registry_that
from .lab import Lab

WEEK, LATER = Week(date(2026, 3, 2)), Week(date(2030, 1, 7))
MOST_STATEMENTS = 30
"""More than any step takes."""
HAND_MADE = "BLUE"
KINDS = [EventKind.PROMOTED] * 4 + [EventKind.ROLLED_BACK] * 3 + [EventKind.NOMINATED, EventKind.RETIRED] * 2
KINDS.append(EventKind.REJECTED)
PICKS = st.integers(0, 5)
Fault = tuple[str, int]
FAULTS = st.one_of(st.none(), st.tuples(st.sampled_from(["dies", "loses"]), st.integers(1, MOST_STATEMENTS)))


@dataclass(frozen=True)
class Step:
    """What a run wants to be decided; tried again it is the same step.

    :param target: a version, of a rollback also ``previous``, of a retirement how many of the newest to keep
    :param expected: the champion that a promotion was judged against
    """

    kind: EventKind
    target: str
    run: str
    expected: str | None = None


@dataclass
class Oracle:
    """What is so: a few lists.

    :param versions: those in the registry that were not retired, the oldest first
    :param champions: the champion last, before it those to go back to
    :param decided: event, version and champion before it
    :param done: the steps that were decided, by run
    """

    versions: list[str]
    champions: list[str]
    challenger: str | None = None
    decided: list[tuple[str, str, str | None]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)

    @property
    def champion(self) -> str | None:
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> str | None:
        below = [name for name in self.champions[:-1] if name in self.versions and name != self.champion]
        return below[-1] if below else None

    @property
    def aliases(self) -> dict[str, str]:
        """Who is due which alias; a version holds at most one."""
        due: dict[str, str] = {}
        for alias, name in (
            ("PRODUCTION", self.champion),
            ("PREVIOUS", self.previous),
            ("CHALLENGER", self.challenger),
        ):
            if name in self.versions and name not in due.values():
                due[alias] = str(name)
        return due

    @property
    def former(self) -> set[str]:
        """Who was champion, is not, and could be again."""
        crowned = {version for kind, version, _ in self.decided if kind in ("PROMOTED", "ROLLED_BACK")}
        before = {previous for *_, previous in self.decided if previous}
        return ((crowned | before) & set(self.versions)) - {self.champion}

    def retirable(self, keep: int, shown: list[dict[str, Any]]) -> list[str]:
        """Who is neither one of the newest, nor of use, nor the registry's default, nor holds an alias."""
        held = {row["name"] for row in shown if row["default"] or row["aliases"]}
        return [
            name
            for name in self.versions[: max(0, len(self.versions) - keep)]
            if name not in held | {self.champion, self.previous, self.challenger}
        ]

    def refusal(self, step: Step) -> type[Exception] | None:
        """The error that a step ends with; None if it is decided, or was."""
        exists = step.target in self.versions
        match step.kind:
            case _ if step.run in self.done:
                return None
            case EventKind.NOMINATED if not exists:
                return ModelVersionError
            case EventKind.PROMOTED if not exists:
                return ModelVersionError
            case EventKind.PROMOTED if self.champion not in (step.expected, step.target):
                return ConcurrentChangeError
            case EventKind.ROLLED_BACK if step.target == "previous" and not self.previous:
                return ModelVersionError
            case EventKind.ROLLED_BACK if step.target != "previous" and step.target not in self.former:
                return ModelVersionError
        return None

    def decide(self, step: Step, retired: list[str]) -> None:
        """Let it be so."""
        before = self.champion
        names = retired if step.kind is EventKind.RETIRED else [step.target]
        if step.target == "previous":
            names = [str(self.previous)]
        self.decided += [(str(step.kind), name, before) for name in names]
        self.done.add(step.run)
        for name in names:
            if step.kind is EventKind.NOMINATED:
                self.challenger = self.challenger if name == before else name
            elif name == self.challenger:
                self.challenger = None
            if step.kind is EventKind.RETIRED:
                self.versions.remove(name)
            if step.kind is EventKind.ROLLED_BACK and name in self.champions:
                del self.champions[len(self.champions) - self.champions[::-1].index(name) :]
            elif step.kind in (EventKind.PROMOTED, EventKind.ROLLED_BACK) and name != before:
                self.champions.append(name)


class Life(RuleBasedStateMachine):
    """Versions of one model come and go."""

    lab: Lab
    takes_aliases: bool

    def __init__(self) -> None:
        super().__init__()
        self.model = self.lab.model("weak")
        self.name = QualifiedName.parse(self.model.name)
        self.runs = self.made = 0
        self.begun: list[Step] = []
        self.is_settled = True
        self.by_hand: str | None = None
        """The version that somebody gave an alias of their own, as long as it is due none of ours."""
        self._open()

    def _open(self) -> None:
        self.sessions = WarehouseHook().session()
        self.session = self.sessions.__enter__()

    def teardown(self) -> None:
        self.sessions.__exit__(None, None, None)

    @initialize(was_in_use=st.booleans())
    def begin(self, was_in_use: bool) -> None:
        """A model without events, with a champion by alias and default version, or without one."""
        if was_in_use:
            self._alter("VERSION WEAK SET ALIAS = PRODUCTION")
        self.oracle = Oracle(["WEAK"], ["WEAK"] if was_in_use else [])
        for _ in range(3):
            self.version()

    # ---- what may happen -------------------------------------------------------------------------

    @rule()
    def version(self) -> None:
        self.made += 1
        name = f"V{self.made}"
        logged = self.lab.logged["weak"]
        self._alter(f'ADD VERSION {name} FROM MODEL {logged["model_name"]} VERSION "{logged["model_version"]}"')
        self.oracle.versions.append(name)

    @rule(kind=st.sampled_from(KINDS), pick=PICKS, fault=FAULTS)
    def decide(self, kind: EventKind, pick: int, fault: Fault | None) -> None:
        expected, target = None, self._any(pick)
        if kind is EventKind.PROMOTED:
            expected = "WEAK" if pick == 0 else self.oracle.champion
        elif kind is EventKind.ROLLED_BACK and pick % 2:
            target = "previous"
        elif kind is EventKind.RETIRED:
            target = str(1 + pick % 3)
        self.runs += 1
        self.begun.append(Step(kind, target, f"run-{self.runs}", expected))
        self._try(self.begun[-1], fault)

    @precondition(lambda self: self.begun)
    @rule(pick=PICKS, fault=FAULTS)
    def try_again(self, pick: int, fault: Fault | None) -> None:
        self._try(self.begun[-1 - pick % len(self.begun)], fault)

    @precondition(lambda self: self.oracle.decided and self.oracle.champion)
    @rule(pick=PICKS, what=st.sampled_from(["default", "drop", HAND_MADE, "PRODUCTION", "PREVIOUS", "CHALLENGER"]))
    def somebody_changes_the_registry(self, pick: int, what: str) -> None:
        shown = self._shown()
        name = shown[pick % len(shown)]["name"]
        if what == "default":
            self._alter(f"SET DEFAULT_VERSION = {name}")
        elif what != "drop":
            self._set_alias(name, what)
        elif not shown[pick % len(shown)]["default"]:
            self._drop(name)
        self.is_settled = False

    def _set_alias(self, name: str, alias: str) -> None:
        for row in self._shown():
            if alias in row["aliases"]:
                self._alter(f"VERSION {row['name']} UNSET ALIAS")
        self._alter(f"VERSION {name} SET ALIAS = {alias}")
        if alias == HAND_MADE or name == self.by_hand:
            self.by_hand = name if alias == HAND_MADE else None

    def _drop(self, name: str) -> None:
        self._alter(f"DROP VERSION {name}")
        with suppress(ValueError):
            self.oracle.versions.remove(name)
        self.by_hand = None if self.by_hand == name else self.by_hand

    # ---- what holds ------------------------------------------------------------------------------

    @invariant()
    def the_log_says_what_happened(self) -> None:
        state = self._read()
        assert [(str(event.kind), event.version, event.previous) for event in state.events] == self.oracle.decided
        assert [event.sequence for event in state.events] == list(range(1, len(state.events) + 1))
        assert state.champion_name == self.oracle.champion
        holders = {"PREVIOUS": state.previous, "CHALLENGER": state.challenger}
        assert {alias: holder and holder.name for alias, holder in holders.items()} == {
            "PREVIOUS": self.oracle.previous,
            "CHALLENGER": self.oracle.challenger if self.oracle.challenger in self.oracle.versions else None,
        }
        assert list(state.names) == self.oracle.versions

    @invariant()
    def the_registry_follows(self) -> None:
        shown, due = self._shown(), self.oracle.aliases
        (default,) = [row["name"] for row in shown if row["default"]]
        assert all(len(row["aliases"]) <= 1 for row in shown)
        if self.by_hand in due.values() or self.by_hand not in self.oracle.versions:
            self.by_hand = None
        if not self.is_settled:
            return
        assert default == self.oracle.champion or self.oracle.champion not in self.oracle.versions
        ours = {alias: row["name"] for row in shown for alias in row["aliases"] if alias != HAND_MADE}
        if self.oracle.champion and self.oracle.champion not in self.oracle.versions:
            ours.pop("PRODUCTION", None)
        assert ours == due
        assert {row["name"] for row in shown} - {default} <= set(self.oracle.versions)
        if self.by_hand:
            assert [row["name"] for row in shown if HAND_MADE in row["aliases"]] == [self.by_hand]

    # ---- how -------------------------------------------------------------------------------------

    def _any(self, pick: int) -> str:
        # Of those that were dropped, too.
        names = ["WEAK", *(f"V{number + 1}" for number in range(self.made))]
        return names[pick % len(names)]

    def _alter(self, change: str) -> None:
        self.lab.rows(f"ALTER MODEL {self.model.name} {change}")

    def _shown(self) -> list[dict[str, Any]]:
        return [
            {
                "name": row["name"],
                "default": row["is_default_version"] == "true",
                "aliases": set(json.loads(row["aliases"])) - {"DEFAULT", "FIRST", "LAST"},
            }
            for row in self.model.shown()
        ]

    def _try(self, step: Step, fault: Fault | None) -> None:
        refusal = self.oracle.refusal(step)
        retired = self.oracle.retirable(int(step.target), self._shown()) if step.kind is EventKind.RETIRED else []
        outcome = self._outcome(step, fault)
        if isinstance(outcome, (ModelVersionError, ConcurrentChangeError)):
            assert type(outcome) is refusal, outcome
            return
        if outcome is None:
            assert refusal is None
        else:
            assert isinstance(outcome, Died) or "the connection was lost" in str(outcome)
        self.is_settled = outcome is None
        is_decided = len(self._read().events) > len(self.oracle.decided)
        if is_decided:
            assert refusal is None
            assert step.run not in self.oracle.done or step.kind is EventKind.RETIRED
            self.oracle.decide(step, retired)
        elif outcome is None:
            assert step.run in self.oracle.done or (step.kind is EventKind.RETIRED and not retired)

    def _outcome(self, step: Step, fault: Fault | None) -> BaseException | None:
        how, number = fault or ("", 0)
        failing = {"dies": dying_after, "loses": losing_the_answer_to}[how](number) if how else nullcontext()
        try:
            with registry_that(takes_aliases=self.takes_aliases), failing:
                carry_out(self.session, self.name, step)
        except Died as died:
            self._open_anew()
            return died
        except SnowmakerError as error:
            return error
        return None

    def _read(self) -> ModelState:
        return read_state(self.session, self.name)

    def _open_anew(self) -> None:
        self.sessions.__exit__(None, None, None)
        self._open()


def carry_out(session: WarehouseSession, model: QualifiedName, step: Step) -> None:
    """Call what the operators call."""
    common = {"week": WEEK, "run": step.run}
    match step.kind:
        case EventKind.NOMINATED:
            model_life.nominate(session, model, step.target, **common)
        case EventKind.PROMOTED:
            model_life.promote(session, model, step.target, expected=step.expected, **common)
        case EventKind.REJECTED:
            model_life.reject(session, model, step.target, **common)
        case EventKind.ROLLED_BACK:
            model_life.roll_back(session, model, step.target, **common)
        case EventKind.RETIRED:
            keep = RetentionRule(int(step.target), keep_champion_weeks=0)
            model_life.retire(
                session,
                model,
                lambda state: dict.fromkeys(plan_retention(state, keep, LATER).retired, "{}"),
                lambda _: None,
                **common,
            )


STORY: list[tuple[str, dict[str, Any]]] = [
    ("decide", {"kind": EventKind.NOMINATED, "pick": 1}),
    ("decide", {"kind": EventKind.PROMOTED, "pick": 1}),
    ("decide", {"kind": EventKind.PROMOTED, "pick": 2, "fault": ("dies", 12)}),
    ("try_again", {"pick": 0}),
    # The promotion before it, which decides nothing any more; and one that was judged against a former champion.
    ("try_again", {"pick": 1}),
    ("decide", {"kind": EventKind.PROMOTED, "pick": 0}),
    ("somebody_changes_the_registry", {"pick": 3, "what": "CHALLENGER"}),
    ("somebody_changes_the_registry", {"pick": 0, "what": "default"}),
    ("decide", {"kind": EventKind.REJECTED, "pick": 3}),
    ("decide", {"kind": EventKind.ROLLED_BACK, "pick": 1, "fault": ("loses", 9)}),
    ("try_again", {"pick": 0}),
    ("decide", {"kind": EventKind.ROLLED_BACK, "pick": 1}),
    ("version", {}),
    ("decide", {"kind": EventKind.RETIRED, "pick": 0, "fault": ("dies", 15)}),
    ("decide", {"kind": EventKind.ROLLED_BACK, "pick": 2}),
    ("somebody_changes_the_registry", {"pick": 1, "what": HAND_MADE}),
    ("decide", {"kind": EventKind.PROMOTED, "pick": 4}),
    ("decide", {"kind": EventKind.ROLLED_BACK, "pick": 1}),
]


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # For the lease of one who died.
    monkeypatch.setattr(model_life, "LEASE_SECONDS", 0)


@pytest.mark.parametrize("takes_aliases", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_in_one_story_the_log_and_the_registry_are_as_a_page_of_rules_says(lab: Lab, takes_aliases: bool) -> None:
    life = kind_of(lab, takes_aliases)()
    try:
        life.begin(was_in_use=True)
        for name, arguments in STORY:
            goes_well = {"fault": None} if name in ("decide", "try_again") else {}
            getattr(life, name)(**{**goes_well, **arguments})
            life.the_log_says_what_happened()
            life.the_registry_follows()
    finally:
        life.teardown()
    assert [event[:2] for event in life.oracle.decided] == [
        ("NOMINATED", "V1"),
        ("PROMOTED", "V1"),
        ("PROMOTED", "V2"),
        ("REJECTED", "V3"),
        ("ROLLED_BACK", "V1"),
        ("ROLLED_BACK", "WEAK"),
        *(("RETIRED", name) for name in ("V1", "V2", "V3")),
        ("PROMOTED", "V4"),
        ("ROLLED_BACK", "WEAK"),
    ]


def test_they_are_in_some_stories_that_nobody_wrote(lab: Lab) -> None:
    live(lab, takes_aliases=True, stories=3, steps=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("takes_aliases", [False, True])
def test_they_are_in_hundreds(lab: Lab, takes_aliases: bool) -> None:
    live(lab, takes_aliases=takes_aliases, stories=300, steps=40)


def kind_of(lab: Lab, takes_aliases: bool) -> type[Life]:
    return type("Life", (Life,), {"lab": lab, "takes_aliases": takes_aliases})


def live(lab: Lab, *, takes_aliases: bool, stories: int, steps: int) -> None:
    """Let so many stories of so many steps happen."""
    told = settings(
        max_examples=stories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(kind_of(lab, takes_aliases), settings=told)
