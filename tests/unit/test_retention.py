from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowmaker.champion import ModelState, ModelVersion
from snowmaker.model_events import Event, EventKind
from snowmaker.retention import RetentionRule, champions_since, plan_retention
from snowmaker.week import Week

WEEK = Week(date(2026, 3, 2))
NEWEST = RetentionRule(keep_versions=1, keep_champion_weeks=0)


def made(*names: str) -> tuple[ModelVersion, ...]:
    """Versions made one a minute, the last one default."""
    first = datetime(2026, 1, 5, tzinfo=UTC)
    return tuple(
        ModelVersion(name, is_default=name == names[-1], created_on=first + timedelta(minutes=i))
        for i, name in enumerate(names)
    )


def logged(*told: tuple[str, str, Week]) -> tuple[Event, ...]:
    """Events of a kind, version and week, each with the champion before it."""
    champion, events = None, []
    for i, (kind, version, week) in enumerate(told):
        events.append(Event(i + 1, EventKind(kind), version, champion, week.start))
        champion = version if kind in ("PROMOTED", "ROLLED_BACK") else champion
    return tuple(events)


def test_the_newest_stay_by_when_they_were_made_and_not_by_name() -> None:
    state = ModelState("M", made("V9", "V10", "V1", "V2"))
    plan = plan_retention(state, replace(NEWEST, keep_versions=2), WEEK)
    assert plan.retired == ("V9", "V10")
    assert plan.kept == {"V1": ("one of the newest 2",), "V2": ("default version", "one of the newest 2")}


def test_what_is_in_use_stays_however_old_it_is() -> None:
    first, *others = made("OLD", "BEFORE", "CHAMPION", "CHALLENGER", "BLUE", "PINNED", "DEFAULT", "NEW")
    versions = (
        first,
        *(replace(v, is_default=v.name == "DEFAULT", aliases=frozenset({"BLUE"} & {v.name})) for v in others),
    )
    events = logged(
        ("PROMOTED", "OLD", WEEK.shift(-90)),
        ("PROMOTED", "BEFORE", WEEK.shift(-80)),
        ("PROMOTED", "CHAMPION", WEEK.shift(-51)),
        ("NOMINATED", "CHALLENGER", WEEK),
    )
    rule = RetentionRule(keep_versions=1, keep_champion_weeks=52, pinned=frozenset({"PINNED", "GONE"}))
    plan = plan_retention(ModelState("M", versions, events), rule, WEEK)
    assert plan.retired == ("OLD",)
    assert plan.kept == {
        "BEFORE": ("previous champion", "champion since 2025-03-10"),
        "CHAMPION": ("champion",),
        "CHALLENGER": ("challenger",),
        "BLUE": ("alias BLUE",),
        "PINNED": ("pinned",),
        "DEFAULT": ("default version",),
        "NEW": ("one of the newest 1",),
    }


@pytest.mark.parametrize(("weeks_ago", "stays"), [(3, True), (4, False), (90, False)])
def test_a_former_champion_stays_for_some_weeks_after_its_end_and_not_after_its_beginning(
    weeks_ago: int, stays: bool
) -> None:
    events = logged(
        ("PROMOTED", "LONG", WEEK.shift(-100)),
        ("PROMOTED", "NEXT", WEEK.shift(-weeks_ago)),
        ("PROMOTED", "LAST", WEEK.shift(-1)),
    )
    state = ModelState("M", made("LONG", "NEXT", "LAST"), events)
    plan = plan_retention(state, replace(NEWEST, keep_champion_weeks=4), WEEK)
    assert plan.retired == (() if stays else ("LONG",))


def test_the_champion_before_the_first_event_and_one_that_was_rolled_back_to_count_as_champions() -> None:
    events = (
        Event(1, EventKind.PROMOTED, "V1", "ADOPTED", WEEK.start),
        Event(2, EventKind.PROMOTED, "V2", "V1", WEEK.shift(2).start),
        Event(3, EventKind.ROLLED_BACK, "ADOPTED", "V2", WEEK.shift(1).start),
        Event(4, EventKind.REJECTED, "V3", "ADOPTED", WEEK.shift(9).start),
        Event(5, EventKind.PROMOTED, "V4", "ADOPTED", WEEK.shift(3).start),
    )
    assert champions_since(events[:1], WEEK.start) == {"ADOPTED", "V1"}
    assert champions_since(events, WEEK.shift(1).start) == {"V1", "V2", "ADOPTED", "V4"}
    # The rollback took effect after week 2, the last promotion after week 9, which had been decided about by then.
    assert champions_since(events, WEEK.shift(3).start) == {"ADOPTED", "V4"}
    assert champions_since(events, WEEK.shift(10).start) == {"V4"}


def test_there_is_one_to_go_back_to_after_any_retirement() -> None:
    events = logged(*(("PROMOTED", f"V{i}", WEEK.shift(i - 300)) for i in range(5)))
    state = ModelState("M", made("V0", "V1", "V2", "V3", "V4"), events)
    plan = plan_retention(state, NEWEST, WEEK)
    assert (tuple(plan.kept), plan.retired) == (("V3", "V4"), ("V0", "V1", "V2"))


def test_a_version_that_was_retired_is_not_retired_again_and_takes_no_place_of_the_newest() -> None:
    *others, dropped_next, default = made("V1", "V2", "V3", "V4")
    retired = Event(1, EventKind.RETIRED, "V3", None, WEEK.start, written_at=dropped_next.created_on)
    plan = plan_retention(
        ModelState("M", (*others, dropped_next, default), (retired,)), replace(NEWEST, keep_versions=2), WEEK
    )
    assert (tuple(plan.kept), plan.retired) == (("V2", "V4"), ("V1",))


@pytest.mark.parametrize("numbers", [(0, 52), (-1, 0), (1, -1)])
def test_a_rule_that_would_keep_nothing_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"keep_versions is .*at least 1|keep_champion_weeks is -1; write 0 or more"):
        RetentionRule(*numbers)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    told=st.lists(
        st.tuples(st.sampled_from(["PROMOTED", "ROLLED_BACK", "REJECTED"]), st.integers(0, 4), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    asked=st.integers(-2, 11),
    keep_champion_weeks=st.integers(0, 6),
)
def test_whoever_scored_a_week_of_the_last_ones_stays(
    told: list[tuple[str, int, int]], asked: int, keep_champion_weeks: int
) -> None:
    """Every version that the log resolves for such a week is kept, and every version is either kept or retired."""
    events = logged(*((kind, f"V{version}", WEEK.shift(week)) for kind, version, week in told))
    state = ModelState("M", made("V0", "V1", "V2", "V3", "V4"), events)
    rule = RetentionRule(keep_versions=1, keep_champion_weeks=keep_champion_weeks)
    plan = plan_retention(state, rule, WEEK.shift(asked))
    assert sorted([*plan.kept, *plan.retired]) == ["V0", "V1", "V2", "V3", "V4"]
    weeks = [WEEK.shift(week) for week in range(asked - keep_champion_weeks + 1, 25)]
    scored_by = {_champion_as_of(state, week) for week in weeks} - {None}
    assert scored_by <= plan.kept.keys()
    assert {v.name for v in (state.champion, state.previous, state.challenger) if v} <= plan.kept.keys()


def _champion_as_of(state: ModelState, week: Week) -> str | None:
    decided = [max(event.week_start for event in state.events[: i + 1]) for i in range(len(state.events))]
    in_effect = [
        event.version
        for event, day in zip(state.events, decided, strict=True)
        if day < week.start and event.kind is not EventKind.REJECTED
    ]
    return in_effect[-1] if in_effect else None
