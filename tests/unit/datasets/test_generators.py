"""What holds of every dataset: its weeks are whole, repeatable, and shift when the scenario says so."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from include.datasets.churn import CHURN
from include.datasets.generator import Generator
from include.datasets.house_values import HOUSE_VALUES
from include.datasets.maintenance import MAINTENANCE
from include.datasets.mortgage import MORTGAGE
from include.datasets.tickets import TICKETS

FIRST_WEEK = date(2025, 1, 6)
GENERATORS = {
    "mortgage": MORTGAGE,
    "churn": CHURN,
    "house_values": HOUSE_VALUES,
    "maintenance": MAINTENANCE,
    "tickets": TICKETS,
}
# The shift of which no feature tells.
CONCEPT_SHIFTS = {
    "mortgage": "concept_shift_week",
    "churn": "competitor_week",
    "house_values": "boom_week",
    "maintenance": "bearing_shift_week",
    "tickets": "reorganisation_week",
}


@pytest.fixture(params=GENERATORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def generator(name: str) -> Generator[Any]:
    return GENERATORS[name]


def week(generator: Generator[Any], index: int, rows: int = 300, **options: Any) -> pd.DataFrame:
    return generator.week(index, first_week=FIRST_WEEK, rows=rows, **{"seed": 7, **options})


def scenario(generator: Generator[Any], **weeks: int) -> Any:
    """Nothing happens but what is said."""
    return generator.scenario(**{**{field.name: None for field in fields(generator.scenario)}, **weeks})


@pytest.mark.parametrize("index", [1, 60])
def test_a_week_has_the_columns_of_the_table_and_the_rows_asked_for(generator: Generator[Any], index: int) -> None:
    frame = week(generator, index, rows=123)

    assert list(frame.columns) == list(generator.columns)
    assert len(frame) == 123
    assert set(pd.to_datetime(frame[generator.week_column]).dt.date) == {FIRST_WEEK + timedelta(weeks=index - 1)}


def test_a_week_is_the_same_whatever_was_made_before_it(generator: Generator[Any]) -> None:
    alone = week(generator, 14)
    week(generator, 3)

    pd.testing.assert_frame_equal(week(generator, 14), alone)


def test_seeds_and_weeks_differ(generator: Generator[Any]) -> None:
    fingerprints = [
        int(week(generator, index, seed=seed)[generator.fingerprint].sum())
        for index, seed in ((5, 7), (5, 8), (6, 7), (6, 8))
    ]

    assert len(set(fingerprints)) == len(fingerprints)


def test_every_label_is_known(generator: Generator[Any]) -> None:
    assert not week(generator, 14)[generator.label].isna().any()


def test_a_scenario_changes_nothing_before_it_begins(generator: Generator[Any]) -> None:
    shifts = {field.name: 12 for field in fields(generator.scenario)}
    none, both = scenario(generator), scenario(generator, **shifts)

    pd.testing.assert_frame_equal(week(generator, 11, scenario=none), week(generator, 11, scenario=both))
    assert not week(generator, 12, scenario=none).equals(week(generator, 12, scenario=both))


def test_the_concept_shift_moves_labels_and_no_feature(name: str, generator: Generator[Any]) -> None:
    before = week(generator, 25, rows=2000, scenario=scenario(generator))
    after = week(generator, 25, rows=2000, scenario=scenario(generator, **{CONCEPT_SHIFTS[name]: 22}))

    pd.testing.assert_frame_equal(before.drop(columns=generator.label), after.drop(columns=generator.label))
    assert (before[generator.label] != after[generator.label]).mean() > 0.03


def test_the_other_shift_moves_features(name: str, generator: Generator[Any]) -> None:
    (other,) = {field.name for field in fields(generator.scenario)} - {CONCEPT_SHIFTS[name]}
    before = week(generator, 25, rows=2000, scenario=scenario(generator))
    after = week(generator, 25, rows=2000, scenario=scenario(generator, **{other: 22}))

    assert not before.drop(columns=generator.label).equals(after.drop(columns=generator.label))


def test_a_first_week_that_begins_on_another_day_is_refused(generator: Generator[Any]) -> None:
    with pytest.raises(ValueError, match="2025-01-07 is a Tuesday"):
        generator.week(1, first_week=date(2025, 1, 7))


@pytest.mark.parametrize(("index", "rows"), [(0, 10), (1, 0)])
def test_weeks_and_rows_below_one_are_refused(generator: Generator[Any], index: int, rows: int) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        week(generator, index, rows=rows)
