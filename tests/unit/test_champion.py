from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from snowmaker.champion import PRODUCTION, ModelState, ModelVersion, Promotion, Step, plan_promotion
from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError
from snowmaker.week import Week

WEEK = Week(date(2026, 3, 2))
V1 = ModelVersion("V1", is_default=True, aliases=frozenset({PRODUCTION}))
V2 = ModelVersion("V2")
FIRST = Promotion("V1", date(2026, 1, 5))
STATE = ModelState("M", (V1, V2), (FIRST,))


def carry_out(state: ModelState, step: Step) -> ModelState:
    """A registry of the stricter kind: an alias is taken away from nobody, a version holds at most one."""

    def change(version: ModelVersion) -> ModelVersion:
        if step.action == "set_default":
            return replace(version, is_default=version.name == step.version)
        if version.name != step.version:
            return version
        if step.action == "unset_alias":
            return replace(version, aliases=frozenset())
        assert not version.aliases, "a version holds at most one alias"
        assert not any(PRODUCTION in other.aliases for other in state.versions), "an alias has one holder"
        return replace(version, aliases=frozenset({PRODUCTION}))

    return replace(state, versions=tuple(change(version) for version in state.versions))


def test_promotion_ends_with_default_and_alias_on_the_challenger() -> None:
    state = STATE
    for step in plan_promotion(STATE, "V2", "V1"):
        state = carry_out(state, step)
    assert [(v.name, v.is_default, set(v.aliases)) for v in state.versions] == [
        ("V1", False, set()),
        ("V2", True, {PRODUCTION}),
    ]
    assert plan_promotion(state, "V2", "V1") == []


@pytest.mark.parametrize("survived", range(4))
def test_a_promotion_that_died_after_any_statement_is_finished_by_the_next(survived: int) -> None:
    state = STATE
    for step in plan_promotion(state, "V2", "V1")[:survived]:
        state = carry_out(state, step)
        assert state.champion is not None
    for step in plan_promotion(state, "V2", "V1"):
        state = carry_out(state, step)
        assert state.champion is not None
        assert state.champion.name == "V2"
    assert state.version("V2").aliases == {PRODUCTION}


@pytest.mark.parametrize(("challenger_alias", "holder"), product([None, "CHALLENGER"], ["V1", "V2", None]))
def test_aliases_in_any_state_are_put_right(challenger_alias: str | None, holder: str | None) -> None:
    aliases = {"V1": frozenset({"OLD"}), "V2": frozenset({challenger_alias}) if challenger_alias else frozenset()}
    if holder:
        aliases[holder] = frozenset({PRODUCTION})
    versions = (replace(V1, aliases=aliases["V1"]), replace(V2, aliases=aliases["V2"]))
    state = ModelState("M", versions, (FIRST,))
    for step in plan_promotion(state, "V2", "V1"):
        state = carry_out(state, step)
    assert state.version("V2").aliases == {PRODUCTION}
    assert state.version("V2").is_default


def test_the_first_version_is_default_but_no_champion_until_promoted() -> None:
    state = ModelState("M", (ModelVersion("V1", is_default=True),))
    assert state.champion is None
    with pytest.raises(ModelVersionError, match="has no champion yet; run its retraining DAG"):
        state.resolve("champion", WEEK)
    assert plan_promotion(state, "V1", None) == [Step("set_alias", "V1")]


def test_an_alias_that_contradicts_the_default_is_told_unless_a_promotion_tells_which_is_meant() -> None:
    versions = (replace(V1, aliases=frozenset()), replace(V2, aliases=frozenset({PRODUCTION})))
    with pytest.raises(ModelVersionError, match="alias PRODUCTION on V2, but V1 is its default version"):
        ModelState("M", versions).resolve("champion", WEEK)
    assert ModelState("M", versions, (FIRST,)).resolve("champion", WEEK).name == "V1"


def test_a_champion_other_than_the_one_judged_against_stops_the_promotion() -> None:
    with pytest.raises(ConcurrentChangeError, match=r"V2 was judged against champion V0, but the champion is V1 now"):
        plan_promotion(STATE, "V2", "V0")
    with pytest.raises(ConcurrentChangeError, match=r"champion \(none\)"):
        plan_promotion(STATE, "V2", None)


def test_names_aliases_and_champions_resolve() -> None:
    assert [STATE.resolve(name, WEEK).name for name in ("champion", "PRODUCTION", "production", "V2", "v2")] == [
        *("V1", "V1", "V1", "V2", "V2")
    ]
    with pytest.raises(ModelVersionError, match=r"has no version or alias 'SHADOW'; there are: V1 \(PRODUCTION\), V2"):
        STATE.resolve("SHADOW", WEEK)


def test_champion_as_of_a_week_is_the_last_one_promoted_before_it() -> None:
    state = replace(STATE, promotions=(FIRST, Promotion("V2", date(2026, 2, 2))))
    assert state.resolve("champion_as_of_week", Week(date(2026, 2, 2))).name == "V1"
    assert state.resolve("champion_as_of_week", Week(date(2026, 2, 9))).name == "V2"
    with pytest.raises(ModelVersionError, match="had no champion as of week 2026-01-05"):
        state.resolve("champion_as_of_week", Week(date(2026, 1, 5)))


def test_rows_of_show_versions_are_read() -> None:
    row = {
        "name": "V1",
        "aliases": '["DEFAULT", "FIRST", "PRODUCTION"]',
        "is_default_version": "true",
        "metadata": json.dumps({"metrics": {"f1": 0.8}}),
        "comment": json.dumps({"artefact_digest": "abc"}),
    }
    version = ModelVersion.from_row(row)
    assert version.aliases == {PRODUCTION}
    assert version.is_default
    assert dict(version.metrics) == {"f1": 0.8}
    assert version.provenance == {"artefact_digest": "abc"}
    assert ModelVersion.from_row(row | {"comment": "by hand"}).provenance == {}
