"""How bins are named, and which of them are shown."""

from __future__ import annotations

from snowmaker.profile import Bins, Profile
from snowmaker.report.bins import MOST, bin_names, shares, shown_bins


def test_a_name_a_bin_whatever_the_column() -> None:
    for bins in (
        Bins.numeric([1.0, 2.0, 3.0]),
        Bins.numeric([0.0, 0.0, 5.0]),
        Bins.numeric([3.0, 3.0]),
        Bins.numeric([]),
        Bins.categorical(["a", "b"]),
        Bins.boolean(),
        Bins.numeric([20454.0, 20461.0], kind="date"),
    ):
        assert len(bin_names(bins)) == bins.size == len(set(bin_names(bins)))


def test_dates_are_written_as_days() -> None:
    assert bin_names(Bins.numeric([20454.0, 20461.0], kind="date")) == [
        "up to 2026-01-01",
        "2026-01-01 to 2026-01-08",
        "above 2026-01-08",
        "missing",
    ]


def test_shares_are_of_all_rows_and_what_is_not_finite_is_missing() -> None:
    profile = Profile(Bins.numeric([1.0]), (4, 2, 1), not_finite=1)
    assert shares(profile) == [0.5, 0.25, 0.25]


def test_of_many_categories_the_largest_are_shown_and_the_others_added_up() -> None:
    bins = Bins.categorical([f"c{i}" for i in range(100)])
    before = Profile(bins, (*range(100), 0, 0))
    now = Profile(bins, (*([0] * 99), 7, 0, 0))
    names, baseline, current = shown_bins(before, now)
    assert names == [*(f"c{i}" for i in range(81, 100)), "80 more"]
    assert len(names) == MOST
    assert abs(sum(baseline) - 1) < 1e-12
    assert current == [*([0.0] * 18), 1.0, 0.0]


def test_bins_without_rows_are_not_shown() -> None:
    before, now = Profile(Bins.boolean(), (5, 5, 0, 0)), Profile(Bins.boolean(), (1, 9, 0, 0))
    assert shown_bins(before, now) == (["false", "true"], [0.5, 0.5], [0.1, 0.9])
