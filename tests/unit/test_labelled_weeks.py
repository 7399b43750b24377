from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from snowmaker.labelled_weeks import LabelledWeek, changed_weeks
from snowmaker.week import Week

FIRST = Week(date(2026, 3, 2))


def week(*, are_due: bool = True, before: LabelledWeek | None = None, settings: str = "f1", **row: Any) -> LabelledWeek:
    told = {"N": 10, "PREDICTED": "123", "LABELLED": 4, "TRUTH": "-45", **row}
    return LabelledWeek.of(told, settings, are_due=are_due, before=before)


@pytest.mark.parametrize(
    "change",
    [{"N": 11}, {"PREDICTED": "124"}, {"LABELLED": 5}, {"TRUTH": "45"}, {"settings": "accuracy"}, {"are_due": False}],
)
def test_all_that_metrics_depend_on_makes_a_week_another(change: dict[str, Any]) -> None:
    assert week() == week()
    assert week(**change) != week()


def test_a_week_is_measured_by_labels_that_are_due_and_there() -> None:
    assert week().by_labels
    assert not week(are_due=False).by_labels
    assert not week(LABELLED=0).by_labels
    # An older run is repeated; and then its labels are taken back.
    assert week(are_due=False, before=week()).by_labels
    assert not week(are_due=False, before=week(), LABELLED=0).by_labels
    assert not week(are_due=False, before=week(are_due=False)).by_labels


def test_weeks_that_changed_came_or_went_are_told_in_the_order_of_time() -> None:
    weeks = [FIRST.shift(i) for i in range(4)]
    before = {weeks[0]: week(), weeks[1]: week(), weeks[3]: week()}
    now = {weeks[2]: week(), weeks[1]: week(), weeks[0]: week(TRUTH="0")}
    assert changed_weeks(now, before) == [weeks[0], weeks[2], weeks[3]]
    assert changed_weeks(now, now) == []
