from __future__ import annotations

import json
from datetime import date

import pytest

from snowmaker.champion import ModelVersion
from snowmaker.exceptions import InputDataError
from snowmaker.unseen_weeks import UnseenWeeks, unseen_weeks
from snowmaker.week import Week

WEEKS = [Week(date(2026, 3, 2)).shift(i) for i in range(4)]


def version(name: str, **told: object) -> ModelVersion:
    return ModelVersion(name, comment=json.dumps(told) if told else "")


def unseen(champion: ModelVersion, challenger: ModelVersion) -> UnseenWeeks:
    return unseen_weeks(WEEKS, {"champion": champion, "challenger": challenger})


OLD = version("V1", trained_up_to="2026-02-16")


def test_weeks_that_neither_has_seen_are_all_kept() -> None:
    assert unseen(OLD, version("V2", trained_up_to="2026-02-23")) == UnseenWeeks(tuple(WEEKS))


def test_two_versions_of_one_run_are_compared_on_its_whole_holdout() -> None:
    same = {"trained_up_to": "2026-02-23", "training_table": "T"}
    assert unseen(version("V2", **same), version("V3", **same)).weeks == tuple(WEEKS)


def test_a_champion_newer_than_the_challenger_leaves_it_the_newest_weeks_only() -> None:
    found = unseen(version("V3", trained_up_to="2026-03-16"), version("V2", trained_up_to="2026-02-23"))
    assert found.weeks == (WEEKS[3],)
    told = "2026-03-02 to 2026-03-16 left out: champion V3 was trained on weeks up to 2026-03-16"
    assert found.notes == (told,)


def test_weeks_before_a_window_that_is_told_are_unseen() -> None:
    newer = version("V3", trained_up_to="2026-03-16", trained_from="2026-03-09")
    assert unseen(newer, OLD).weeks == (WEEKS[0], WEEKS[3])


def test_what_both_have_seen_is_left_out_once_with_each_ones_part() -> None:
    found = unseen(version("V3", trained_up_to="2026-03-02"), version("V2", trained_up_to="2026-03-09"))
    assert found.weeks == tuple(WEEKS[2:])
    assert found.notes == (
        "2026-03-02 left out: champion V3 was trained on weeks up to 2026-03-02",
        "2026-03-09 left out: challenger V2 was trained on weeks up to 2026-03-09",
    )


@pytest.mark.parametrize("comment", ["", "made by hand", "[1]", '{"trained_up_to": null}', '{"trained_up_to": "May"}'])
def test_a_version_that_does_not_tell_is_taken_for_older_and_that_is_said(comment: str) -> None:
    found = unseen(OLD, ModelVersion("V9", comment=comment))
    assert found.weeks == tuple(WEEKS)
    assert found.notes == ("challenger V9 does not tell its training weeks: taken for earlier ones",)


def test_if_no_week_is_left_it_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        InputDataError, match=r"champion V3 was trained on weeks up to 2026-03-23, .* later week"
    ) as told:
        unseen(version("V3", trained_up_to="2026-03-23"), OLD)
    assert "holdout from 2026-03-02 to 2026-03-23" in str(told.value)
