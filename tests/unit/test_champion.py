from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest

from snowmaker.champion import CHALLENGER, PREVIOUS, PRODUCTION, ModelState, ModelVersion
from snowmaker.decisions import check_promotion, check_retirement, rollback_target
from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError
from snowmaker.model_events import Event, EventKind, champion_as_of, event_id
from snowmaker.registry_plan import Step, plan, told_lag
from snowmaker.week import Week

WEEK = Week(date(2026, 3, 2))
NAMES = ("V1", "V2", "V3", "V4")


def version(name: str, *aliases: str, default: bool = False) -> ModelVersion:
    return ModelVersion(name, is_default=default, aliases=frozenset(aliases))


def log(*told: str, weeks: Sequence[date] = (), base: str | None = None) -> tuple[Event, ...]:
    """Events told as ``"PROMOTED V1"``, each with the champion before it, which is kept here in the simplest way."""
    events: list[Event] = []
    champion = base
    for i, text in enumerate(told):
        kind, name = text.split()
        week = weeks[i] if weeks else date(2026, 1, 5)
        at = datetime(2026, 1, 5, i, tzinfo=UTC)
        events.append(Event(i + 1, EventKind(kind), name, champion, week, f"id-{i}", "run", at))
        champion = name if kind in ("PROMOTED", "ROLLED_BACK") else champion
    return tuple(events)


def state(*told: str, names: Sequence[str] = NAMES, base: str | None = None) -> ModelState:
    """A model whose registry has been left as it was at first: the first version is the default, none has an alias."""
    versions = tuple(version(name, default=name == names[0]) for name in names)
    return ModelState("M", versions, log(*told, base=base))


def carry_out(model: ModelState, step: Step, *, takes: bool) -> ModelState:
    """A registry: a version holds at most one alias; an alias is taken from its holder, or that is refused."""
    assert step.version in {found.name for found in model.versions}

    def change(found: ModelVersion) -> ModelVersion:
        own = found.name == step.version
        if step.action == "set_default":
            return replace(found, is_default=own)
        if step.action == "unset_alias":
            return replace(found, aliases=frozenset()) if own else found
        if own:
            assert not found.aliases, "a version holds at most one alias"
            return replace(found, aliases=frozenset({step.alias}))
        assert takes or step.alias not in found.aliases, "an alias has one holder"
        return replace(found, aliases=found.aliases - {step.alias})

    if step.action == "drop_version":
        assert not next(found for found in model.versions if found.name == step.version).is_default
        return replace(model, versions=tuple(found for found in model.versions if found.name != step.version))
    return replace(model, versions=tuple(change(found) for found in model.versions))


def settled(model: ModelState) -> ModelState:
    for step in plan(model):
        model = carry_out(model, step, takes=True)
    assert plan(model) == []
    return model


def shown(model: ModelState) -> dict[str, str]:
    """Default version and aliases, by version."""
    return {
        found.name: " ".join([*(["default"] if found.is_default else []), *sorted(found.aliases)])
        for found in model.versions
        if found.is_default or found.aliases
    }


# ---- what the events come to ---------------------------------------------------------------------


def test_champion_previous_and_challenger_follow_from_the_events() -> None:
    model = state("NOMINATED V1", "PROMOTED V1", "NOMINATED V2", "PROMOTED V2", "NOMINATED V3")
    assert [found and found.name for found in (model.champion, model.previous, model.challenger)] == ["V2", "V1", "V3"]
    assert replace(model, events=model.events[:1]).champion is None
    rejected = state("PROMOTED V1", "NOMINATED V2", "REJECTED V2")
    assert rejected.challenger is None


def test_a_judgement_ends_only_its_own_nomination() -> None:
    for judged in ("REJECTED V3", "PROMOTED V3"):
        challenger = state("PROMOTED V1", "NOMINATED V2", judged).challenger
        assert challenger is not None
        assert challenger.name == "V2"


def test_rolling_back_twice_goes_two_back_and_a_promotion_after_it_goes_on_from_there() -> None:
    history = ["PROMOTED V1", "PROMOTED V2", "PROMOTED V3"]
    for expected in ("V2", "V1"):
        target = rollback_target(state(*history), "previous")
        assert target == expected
        history.append(f"ROLLED_BACK {target}")
    with pytest.raises(ModelVersionError, match=r"no champion before V1 to go back to; earlier champions: V2, V3"):
        rollback_target(state(*history), "previous")
    assert rollback_target(state(*history, "PROMOTED V4"), "previous") == "V1"
    assert rollback_target(state(*history), "V3") == "V3"
    assert rollback_target(state(*history, "ROLLED_BACK V3"), "previous") == "V1"


def test_a_rollback_names_only_what_was_champion_and_is_there() -> None:
    model = state("PROMOTED V1", "PROMOTED V2", "PROMOTED V3", "RETIRED V1")
    with pytest.raises(ModelVersionError, match=r"cannot go back to 'V1': it was retired; earlier champions: V2"):
        rollback_target(model, "V1")
    with pytest.raises(ModelVersionError, match=r"cannot go back to 'V4': it was never champion.*: V2"):
        rollback_target(model, "V4")
    with pytest.raises(ModelVersionError, match="V3 is the champion of model M already"):
        rollback_target(model, "V3")
    assert rollback_target(model, "v2") == "V2"
    dropped_by_hand = replace(model, versions=(version("V1", default=True), version("V3")))
    with pytest.raises(ModelVersionError, match="no champion before V3 to go back to; earlier champions: none"):
        rollback_target(dropped_by_hand, "previous")


def test_versions_that_are_gone_are_passed_over() -> None:
    model = state("PROMOTED V1", "PROMOTED V2", "PROMOTED V3", names=("V1", "V3"))
    assert model.previous is not None
    assert model.previous.name == "V1"
    assert rollback_target(model, "previous") == "V1"
    again = state("PROMOTED V1", "PROMOTED V2", "PROMOTED V1", names=("V1",))
    assert again.previous is None


def test_the_champion_that_a_model_had_before_its_first_event_is_the_base() -> None:
    model = state("NOMINATED V2", "PROMOTED V2", base="V1")
    assert model.previous is not None
    assert model.previous.name == "V1"
    nominated = state("NOMINATED V2", base="V1")
    assert nominated.champion is not None
    assert nominated.champion.name == "V1"
    adopted_later = ModelState("M", state().versions, log("REJECTED V2") + log("REJECTED V2", "PROMOTED V3", base="V1"))
    assert adopted_later.succession.champions == ("V1", "V3")


def test_who_went_back_by_hand_in_the_first_releases_stays_back_after_an_upgrade() -> None:
    old = tuple(replace(event, decided_by=None) for event in log("PROMOTED V1", "PROMOTED V2", "REJECTED V3"))
    model = ModelState("M", state().versions, old)  # somebody has made V1 the default again
    assert model.champion_name == "V1"
    assert shown(settled(model)) == {"V1": f"default {PRODUCTION}"}
    promoted = Event(4, EventKind.PROMOTED, "V4", "V1", date(2026, 3, 2))
    assert replace(model, events=(*old, promoted)).succession.champions == ("V1", "V4")
    nominated = Event(4, EventKind.NOMINATED, "V4", "V1", date(2026, 3, 2), decided_by=None)
    assert replace(model, events=(*old, nominated)).succession.champions == ("V1",)
    assert replace(model, versions=()).champion_name == "V2"


def test_a_champion_that_was_dropped_by_hand_is_told_with_what_to_do() -> None:
    model = state("PROMOTED V1", "PROMOTED V2", names=("V1", "V3"))
    assert model.champion_name == "V2"
    with pytest.raises(ModelVersionError, match=r"champion V2 of model M is not in the registry any more; .*roll.* V1"):
        model.resolve("champion", WEEK)
    assert plan(model) == [Step("set_alias", "V1", PREVIOUS)]
    assert rollback_target(model, "V1") == "V1"


def test_a_retired_version_is_none_unless_one_is_made_again_under_its_name() -> None:
    model = state("PROMOTED V1", "RETIRED V2")
    with pytest.raises(ModelVersionError, match=r"model M retired its version 'V2'; there are: V1, V3, V4"):
        model.resolve("V2", WEEK)
    with pytest.raises(ModelVersionError, match="retired its version 'V2'"):
        check_promotion(model, "V2", "V1")
    made = {-1: "before", 1: "after"}
    for hours in made:
        at = datetime(2026, 1, 5, 1 + hours, tzinfo=UTC)
        versions = tuple(replace(v, created_on=at) if v.name == "V2" else v for v in model.versions)
        assert ("V2" in replace(model, versions=versions).names) == (made[hours] == "after")


def test_what_readers_rely_on_cannot_be_retired() -> None:
    model = settled(state("PROMOTED V1", "PROMOTED V2", "NOMINATED V3", names=(*NAMES, "V5")))
    for name, place in (("V2", "champion"), ("V1", "previous champion"), ("V3", "challenger")):
        with pytest.raises(ModelVersionError, match=rf"{name} of model M .* it holds the place '{place}'"):
            check_retirement(model, ["V4", name])
    check_retirement(model, ["V4", "V5"])
    by_hand = replace(model, versions=(*model.versions[:3], version("V4", "SHADOW"), model.versions[4]))
    with pytest.raises(ModelVersionError, match="V4 of model M cannot be retired: it holds the place 'alias SHADOW'"):
        check_retirement(by_hand, ["V5", "V4"])


def test_a_champion_other_than_the_one_judged_against_stops_the_promotion() -> None:
    model = state("PROMOTED V1")
    with pytest.raises(ConcurrentChangeError, match=r"V2 was judged against champion V0, but the champion is V1 now"):
        check_promotion(model, "V2", "V0")
    with pytest.raises(ConcurrentChangeError, match=r"champion \(none\)"):
        check_promotion(model, "V2", None)
    check_promotion(model, "V2", "V1")
    check_promotion(model, "V1", None)  # what is champion already is confirmed
    confirmed = state("PROMOTED V1", "PROMOTED V2", "PROMOTED V2")
    assert confirmed.succession.champions == ("V1", "V2")


def test_an_event_has_the_same_id_whenever_the_same_is_said() -> None:
    assert event_id("PROMOTED", "V1", "run") == event_id("PROMOTED", "V1", "run")
    assert len({event_id("PROMOTED", "V1", "run"), event_id("PROMOTED", "V1r", "un"), event_id("V1", "run")}) == 3


# ---- which version a name means ------------------------------------------------------------------


def test_names_aliases_and_champions_resolve() -> None:
    model = state("PROMOTED V2", "PROMOTED V1", "NOMINATED V3")
    # The registry has no alias yet: the events tell.
    asked = {"champion": "V1", "PRODUCTION": "V1", "production": "V1", "previous": "V2", "Challenger": "V3", "v4": "V4"}
    assert {name: model.resolve(name, WEEK).name for name in asked} == asked
    with pytest.raises(ModelVersionError, match=r"has no version or alias 'CHALLENGER'; there are: V1 \(PRODUCTION\)"):
        settled(state("PROMOTED V1")).resolve("challenger", WEEK)
    by_hand = ModelState("M", (version("V1", "SHADOW", default=True),))
    assert by_hand.resolve("shadow", WEEK).name == "V1"


def test_the_first_version_is_default_but_no_champion_until_promoted() -> None:
    model = state()
    assert model.champion is None
    with pytest.raises(ModelVersionError, match="has no champion yet; run its retraining DAG"):
        model.resolve("champion", WEEK)
    assert plan(model) == []


def test_an_alias_that_contradicts_the_default_is_told_unless_an_event_tells_which_is_meant() -> None:
    versions = (version("V1", default=True), version("V2", PRODUCTION))
    with pytest.raises(ModelVersionError, match="alias PRODUCTION on V2, but V1 is its default version"):
        ModelState("M", versions).resolve("champion", WEEK)
    assert ModelState("M", versions, log("PROMOTED V1")).resolve("champion", WEEK).name == "V1"
    assert "make the champion the default" in told_lag(ModelState("M", versions, log("REJECTED V1")))
    adopted = ModelState("M", (version("V1"), version("V2", PRODUCTION, default=True)))
    assert adopted.resolve("champion", WEEK).name == "V2"


def test_champion_as_of_a_week_is_the_last_one_made_before_it() -> None:
    weeks = [date(2026, 1, 5), date(2026, 2, 2)]
    model = replace(state(), events=log("PROMOTED V1", "PROMOTED V2", weeks=weeks))
    assert model.resolve("champion_as_of_week", Week(date(2026, 2, 2))).name == "V1"
    assert model.resolve("champion_as_of_week", Week(date(2026, 2, 9))).name == "V2"
    with pytest.raises(ModelVersionError, match="had no champion as of week 2026-01-05"):
        model.resolve("champion_as_of_week", Week(date(2026, 1, 5)))


@pytest.mark.parametrize("seed", range(20))
def test_champion_as_of_agrees_with_going_through_time(seed: int) -> None:
    """Oracle: time goes on with each event, never back; at each week's beginning somebody looks who is champion."""
    rng = random.Random(seed)  # noqa: S311
    kinds = ["PROMOTED", "ROLLED_BACK", "REJECTED", "NOMINATED"]
    told = [f"{rng.choice(kinds)} {rng.choice(NAMES)}" for _ in range(12)]
    monday = Week(date(2026, 1, 5))
    decided = [rng.randrange(10) for _ in told]
    events = log(*told, weeks=[monday.shift(i).start for i in decided])
    champion, now, expected = None, -1, {}
    for text, week in zip(told, decided, strict=True):
        for passed in range(now + 1, week + 1):
            expected[passed] = champion
        now = max(now, week)
        kind, name = text.split()
        champion = name if kind in kinds[:2] else champion
    expected |= dict.fromkeys(range(now + 1, 12), champion)
    assert {week: champion_as_of(events, monday.shift(week)) for week in range(12)} == expected


# ---- the registry follows ------------------------------------------------------------------------


def test_after_a_promotion_default_version_and_aliases_agree_with_the_events() -> None:
    model = settled(state("NOMINATED V1", "PROMOTED V1", "NOMINATED V2"))
    assert told_lag(model) == ""
    assert "(set default V2; set alias V2 PRODUCTION;" in told_lag(state("PROMOTED V1", "PROMOTED V2"))
    assert shown(model) == {"V1": f"default {PRODUCTION}", "V2": CHALLENGER}
    model = settled(replace(model, events=log("PROMOTED V1", "NOMINATED V2", "PROMOTED V2", "NOMINATED V3")))
    assert shown(model) == {"V1": PREVIOUS, "V2": f"default {PRODUCTION}", "V3": CHALLENGER}
    events = log("PROMOTED V1", "PROMOTED V2", "REJECTED V3", "ROLLED_BACK V1", "RETIRED V4")
    model = settled(replace(model, events=events))
    assert shown(model) == {"V1": f"default {PRODUCTION}"}
    assert [found.name for found in model.versions] == ["V1", "V2", "V3"]


def test_where_an_alias_is_taken_from_its_holder_there_is_a_production_at_every_instant() -> None:
    model = settled(state("PROMOTED V1", "PROMOTED V2", "NOMINATED V3"))
    for told in ("PROMOTED V3", "ROLLED_BACK V2", "ROLLED_BACK V1"):
        model = replace(model, events=model.events + log(told))
        for step in plan(model):
            model = carry_out(model, step, takes=True)
            assert [found.name for found in model.versions if PRODUCTION in found.aliases], step


STRANGE: list[dict[str, str]] = [
    dict(zip(NAMES, aliases, strict=True))
    for aliases in product(["", PRODUCTION, PREVIOUS], ["", PRODUCTION, CHALLENGER, "SHADOW"], ["", "SHADOW"], [""])
    if len({*filter(None, aliases)}) == len([*filter(None, aliases)])
]


@pytest.mark.parametrize("default", NAMES)
@pytest.mark.parametrize("aliases", STRANGE, ids=lambda aliases: "-".join(a or "none" for a in aliases.values()))
def test_whatever_somebody_did_by_hand_is_put_right(default: str, aliases: dict[str, str]) -> None:
    versions = tuple(version(name, *filter(None, [aliases[name]]), default=name == default) for name in NAMES)
    model = settled(ModelState("M", versions, log("PROMOTED V1", "PROMOTED V2", "NOMINATED V3", "RETIRED V4")))
    assert shown(model) == {"V2": f"default {PRODUCTION}", "V1": PREVIOUS, "V3": CHALLENGER}


def test_somebodys_own_alias_stays_where_none_of_ours_is_due() -> None:
    versions = (version("V1", default=True), version("V2", "SHADOW"))
    assert shown(settled(ModelState("M", versions, log("PROMOTED V1")))) == {
        "V1": f"default {PRODUCTION}",
        "V2": "SHADOW",
    }


@pytest.mark.parametrize("survived", range(6))
def test_who_dies_after_any_statement_is_followed_by_the_next(survived: int) -> None:
    model = settled(state("PROMOTED V1", "PROMOTED V2", "NOMINATED V3"))
    model = replace(model, events=model.events + log("PROMOTED V3", "RETIRED V1"))
    for step in plan(model)[:survived]:
        model = carry_out(model, step, takes=True)
    assert shown(settled(model)) == {"V2": PREVIOUS, "V3": f"default {PRODUCTION}"}


def test_a_version_named_like_two_places_gets_the_first() -> None:
    model = settled(state("PROMOTED V1", "PROMOTED V2", "NOMINATED V1"))
    assert shown(model) == {"V1": PREVIOUS, "V2": f"default {PRODUCTION}"}
    assert model.challenger is not None


# ---- rows ----------------------------------------------------------------------------------------


def test_rows_of_show_versions_are_read() -> None:
    row: dict[str, Any] = {
        "name": "V1",
        "aliases": '["DEFAULT", "FIRST", "PRODUCTION"]',
        "is_default_version": "true",
        "metadata": json.dumps({"metrics": {"f1": 0.8}}),
        "comment": json.dumps({"artefact_digest": "abc"}),
        "created_on": datetime(2026, 1, 5, tzinfo=UTC),
    }
    found = ModelVersion.from_row(row)
    assert found.aliases == {PRODUCTION}
    assert found.is_default
    assert found.created_on == datetime(2026, 1, 5, tzinfo=UTC)
    assert dict(found.metrics) == {"f1": 0.8}
    assert found.provenance == {"artefact_digest": "abc"}
    assert ModelVersion.from_row(row | {"comment": "by hand"}).provenance == {}


def test_rows_of_the_events_are_read() -> None:
    row = {
        "SEQUENCE": 3,
        "EVENT": "ROLLED_BACK",
        "MODEL_VERSION": "V1",
        "PREVIOUS_VERSION": "V2",
        "WEEK_START": date(2026, 3, 2),
        "EVENT_ID": "abc",
        "RUN_ID": "dag/run",
        "WRITTEN_AT": datetime(2026, 3, 9, 6),  # noqa: DTZ001
        "DECIDED_BY": "jane",
    }
    at = datetime(2026, 3, 9, 6, tzinfo=UTC)
    assert Event.from_row(row) == Event(3, EventKind.ROLLED_BACK, "V1", "V2", WEEK.start, "abc", "dag/run", at, "jane")
