from __future__ import annotations

import pytest

from snowmaker.explanation import read_attributions, top_features

FEATURES = ["AGE", "INCOME", "COUNTY"]


def rows(sizes: dict[str, list[float | None]]) -> list[dict[str, object]]:
    return [
        {"FEATURE": number, "CLASS": name, "MEAN_ABSOLUTE": size}
        for name, values in sizes.items()
        for number, size in enumerate(values)
    ]


def test_equal_features_stay_in_their_order_and_shares_add_up_to_one() -> None:
    found = read_attributions(rows({"": [1.0, 2.0, 1.0]}), FEATURES)
    assert [(one.feature, one.place, one.share) for one in found] == [
        ("INCOME", 1, 0.5),
        ("AGE", 2, 0.25),
        ("COUNTY", 3, 0.25),
    ]


def test_all_classes_are_the_mean_of_each() -> None:
    found = read_attributions(rows({"a": [1.0, 0.0, 3.0], "b": [5.0, 0.0, 1.0]}), FEATURES)
    assert [(one.class_name, one.feature, one.mean_absolute, one.share) for one in found] == [
        ("", "AGE", 3.0, 0.6),
        ("", "COUNTY", 2.0, 0.4),
        ("", "INCOME", 0.0, 0.0),
        ("a", "COUNTY", 3.0, 0.75),
        ("a", "AGE", 1.0, 0.25),
        ("a", "INCOME", 0.0, 0.0),
        ("b", "AGE", 5.0, pytest.approx(5 / 6)),
        ("b", "COUNTY", 1.0, pytest.approx(1 / 6)),
        ("b", "INCOME", 0.0, 0.0),
    ]


def test_a_model_that_looks_at_nothing_has_shares_of_zero() -> None:
    found = read_attributions(rows({"": [0.0, None, 0.0]}), FEATURES)
    assert [(one.feature, one.share, one.place) for one in found] == [("AGE", 0, 1), ("INCOME", 0, 2), ("COUNTY", 0, 3)]


def test_the_change_is_against_the_champions_share_of_all_classes() -> None:
    new = read_attributions(rows({"a": [1.0, 0.0, 3.0], "b": [3.0, 0.0, 1.0]}), FEATURES)
    old = read_attributions(rows({"a": [3.0, 0.0, 1.0], "b": [3.0, 0.0, 1.0]}), FEATURES)
    assert top_features(new, old, most=2) == [
        {"feature": "AGE", "share": 0.5, "change": -0.25},
        {"feature": "COUNTY", "share": 0.5, "change": 0.25},
    ]
    assert [one["change"] for one in top_features(new, [])] == [None, None, None]
