from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.profile import Bins, Profile

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, max_size=12))
def test_bins_survive_their_table(quantiles: list[float]) -> None:
    bins = Bins.numeric(quantiles)
    assert Bins.from_json(bins.to_json()) == bins
    categories = Bins.categorical(["St. Louis County", 'quote "', "ü"])
    assert Bins.from_json(categories.to_json()) == categories


@given(st.lists(finite, max_size=12), st.booleans(), st.data())
def test_a_profile_survives_its_table(quantiles: list[float], date: bool, data: st.DataObject) -> None:
    bins = Bins.numeric(quantiles, kind="date" if date else "numeric")
    rows = st.integers(0, 10**12)
    means = data.draw(st.lists(st.none() | finite, min_size=bins.size - 1, max_size=bins.size - 1))
    profile = Profile(
        bins,
        tuple(data.draw(st.lists(rows, min_size=bins.size, max_size=bins.size))),
        mean=data.draw(st.none() | finite),
        stddev=data.draw(st.none() | finite),
        not_finite=data.draw(rows),
        bin_means=tuple(means),
        weeks=data.draw(st.integers(1, 52)),
    )
    assert Profile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    "profile",
    [
        Profile(Bins.categorical(["<b>", "ü", '"']), (1, 2, 3, 4, 0)),
        Profile(Bins.boolean(), (5, 4, 0, 1)),
        Profile.of_rows(1200, weeks=4),
    ],
    ids=["categorical", "boolean", "rows"],
)
def test_a_profile_of_any_kind_survives_its_table(profile: Profile) -> None:
    assert Profile.from_json(profile.to_json()) == profile


def test_what_overflowed_is_no_number_in_the_table() -> None:
    text = Profile(Bins.numeric([]), (3, 0), mean=math.inf, stddev=math.nan, bin_means=(math.inf,)).to_json()
    assert json.loads(text)["mean"] is None
    read = Profile.from_json(text)
    assert (read.mean, read.stddev, read.bin_means) == (None, None, (None,))


def test_every_row_is_counted_once() -> None:
    profile = Profile(Bins.numeric([1.0]), (6, 3, 2), not_finite=4)
    assert (profile.rows, profile.nulls, profile.missing) == (15, 2, 6)
    assert profile.values == (6, 3)
    assert sum(profile.every_row) == profile.rows


def test_a_value_of_many_rows_has_a_bin_of_its_own() -> None:
    constant = Bins.numeric([5.0] * 9)
    assert len(constant.edges) == 2
    below, value = constant.edges
    assert below < 5.0 == value
    assert math.nextafter(below, math.inf) == 5.0
    assert Bins.numeric([None, None]).edges == ()


@given(st.lists(finite, min_size=1, max_size=12))
def test_bins_are_never_more_than_quantiles_ask_for(quantiles: list[float]) -> None:
    edges = Bins.numeric(quantiles).edges
    assert len(edges) <= max(len(quantiles), 1)
    assert list(edges) == sorted(set(edges))
    assert all(map(math.isfinite, edges))


def test_counts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 counts do not fit 4 bins"):
        Profile(Bins.numeric([1.0, 2.0]), (1, 2, 3))


def test_a_boolean_that_was_taken_for_a_number_is_told_apart() -> None:
    taken = Profile(Bins(edges=(0.0, 0.3, 1.0)), (5, 0, 7, 0, 2), weeks=3)
    assert taken.as_boolean() == Profile(Bins.boolean(), (5, 7, 0, 2), weeks=3)


@pytest.mark.parametrize(
    "profile",
    [
        Profile(Bins(edges=(1.0,)), (12, 0, 2)),
        Profile(Bins(edges=(-1.0, 0.0, 1.0)), (0, 5, 7, 0, 2)),
        Profile(Bins(), (12, 2)),
        Profile(Bins.boolean(), (5, 7, 0, 2)),
        Profile(Bins.categorical(["0", "1"]), (5, 7, 0, 2)),
    ],
    ids=["both in one bin", "no boolean", "constant", "told apart already", "text"],
)
def test_what_cannot_be_told_apart_stays(profile: Profile) -> None:
    assert profile.as_boolean() is profile
