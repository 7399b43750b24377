from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.datasets.weekly_table import (
    LoadError,
    LoadPlan,
    StoredWeek,
    last_complete_week,
    plan_load,
)

FIRST = date(2025, 1, 6)


def monday(number: int) -> date:
    return FIRST + timedelta(weeks=number - 1)


def stored(*numbers: int, labelled_up_to: int) -> list[StoredWeek]:
    return [StoredWeek(monday(n), 10, 10 if n <= labelled_up_to else 0, 1234) for n in numbers]


def plan(found: list[StoredWeek], *, weeks: int, last: int) -> LoadPlan:
    return plan_load(found, weeks=weeks, last_week=monday(last), labels_after_weeks=2)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2025, 1, 12), date(2024, 12, 30)),  # a Sunday: its own week is not over
        (date(2025, 1, 13), date(2025, 1, 6)),
        (date(2025, 1, 15), date(2025, 1, 6)),
    ],
)
def test_the_last_complete_week_ended_before_today(today: date, expected: date) -> None:
    assert last_complete_week(today) == expected


def test_an_empty_table_gets_weeks_that_end_with_the_last_one() -> None:
    found = plan([], weeks=5, last=7)

    assert found.first_week == monday(3)
    assert found.missing == (1, 2, 3, 4, 5)
    assert found.last_labelled == 3
    assert not found.due


def test_a_second_load_has_nothing_to_do() -> None:
    found = plan(stored(1, 2, 3, 4, 5, labelled_up_to=3), weeks=5, last=5)

    assert (found.missing, dict(found.due)) == ((), {})


def test_a_hole_is_filled_and_the_first_week_stays() -> None:
    found = plan(stored(1, 2, 5, labelled_up_to=3), weeks=5, last=5)

    assert found.first_week == FIRST
    assert found.missing == (3, 4)


def test_labels_arrive_two_weeks_late() -> None:
    weeks = stored(1, 2, 3, 4, 5, labelled_up_to=3)

    assert list(plan(weeks, weeks=5, last=6).due) == [4]
    assert list(plan(weeks, weeks=5, last=9).due) == [4, 5]


def test_labels_that_arrived_stay_when_an_earlier_last_week_is_named() -> None:
    assert not plan(stored(1, 2, 3, labelled_up_to=3), weeks=3, last=3).due


def test_a_week_that_is_not_over_is_not_loaded() -> None:
    assert plan(stored(1, 2, labelled_up_to=0), weeks=10, last=4).missing == (3, 4)


def test_a_last_week_that_is_no_monday_is_refused() -> None:
    with pytest.raises(LoadError, match="2025-01-07 is a Tuesday"):
        plan_load([], weeks=1, last_week=date(2025, 1, 7), labels_after_weeks=2)


def test_a_table_of_other_weeks_is_refused() -> None:
    with pytest.raises(LoadError, match=r"2025-01-08, a Wednesday.*choose another --table"):
        plan_load([StoredWeek(date(2025, 1, 8), 10, 10, 1)], weeks=1, last_week=FIRST, labels_after_weeks=2)
