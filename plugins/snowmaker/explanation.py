"""What a version looks at: how much of its score each feature makes, and how much of the champion's. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALL_CLASSES = ""


@dataclass(frozen=True)
class Attribution:
    """How much a feature makes of a version's score, on a sample of rows.

    :param class_name: of which class's score; '': of all, or the only one
    :param mean_absolute: mean size of what it adds to a row's margin, in the margin's unit; of all classes their mean
    :param share: its part of the sum over all features, from 0 to 1; 0 where no feature adds anything
    :param place: 1 for the feature that adds most
    """

    feature: str
    class_name: str
    mean_absolute: float
    share: float
    place: int


def read_attributions(rows: Sequence[Mapping[str, Any]], features: Sequence[str]) -> tuple[Attribution, ...]:
    """Rank the rows of ``snowflake.attributions.mean_attributions``: those of all classes first, then class by class.

    :param features: the features' names, in their order

    >>> rows = [{"FEATURE": 0, "CLASS": "", "MEAN_ABSOLUTE": 0.5}, {"FEATURE": 1, "CLASS": "", "MEAN_ABSOLUTE": 1.5}]
    >>> [(one.feature, one.share, one.place) for one in read_attributions(rows, ["AGE", "INCOME"])]
    [('INCOME', 0.75, 1), ('AGE', 0.25, 2)]
    """
    by_class: dict[str, list[float]] = {}
    for row in rows:
        sizes = by_class.setdefault(str(row["CLASS"]), [0.0] * len(features))
        sizes[int(row["FEATURE"])] = float(row["MEAN_ABSOLUTE"] or 0.0)
    if by_class and ALL_CLASSES not in by_class:
        means = [sum(sizes) / len(by_class) for sizes in zip(*by_class.values(), strict=True)]
        by_class = {ALL_CLASSES: means, **by_class}
    return tuple(one for name, sizes in by_class.items() for one in _ranked(name, sizes, features))


def _ranked(class_name: str, sizes: Sequence[float], features: Sequence[str]) -> list[Attribution]:
    total = sum(sizes)
    order = sorted(range(len(sizes)), key=lambda number: -sizes[number])
    return [
        Attribution(features[number], class_name, sizes[number], sizes[number] / total if total else 0.0, place)
        for place, number in enumerate(order, start=1)
    ]


def shares_of(attributions: Sequence[Attribution]) -> dict[tuple[str, str], float]:
    """Return the shares by class and feature."""
    return {(one.class_name, one.feature): one.share for one in attributions}


def top_features(
    attributions: Sequence[Attribution], champion: Sequence[Attribution], most: int = 5
) -> list[dict[str, Any]]:
    """Tell the features that add most, with their share and how much larger it is than the champion's.

    :param champion: the champion's attributions on the same rows, or none: the change is None then

    >>> new = read_attributions([{"FEATURE": 0, "CLASS": "", "MEAN_ABSOLUTE": 2.0}], ["AGE"])
    >>> top_features(new, new), top_features(new, [])
    ([{'feature': 'AGE', 'share': 1.0, 'change': 0.0}], [{'feature': 'AGE', 'share': 1.0, 'change': None}])
    """
    before = shares_of(champion)
    return [
        {"feature": one.feature, "share": one.share, "change": one.share - before[ALL_CLASSES, one.feature]}
        if before
        else {"feature": one.feature, "share": one.share, "change": None}
        for one in attributions
        if one.class_name == ALL_CLASSES and one.place <= most
    ]
