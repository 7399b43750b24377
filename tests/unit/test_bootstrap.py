"""Intervals from random groups of rows: what must hold exactly, and how often they hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.bootstrap import GROUPS, Interval, draw, gain_intervals, gains, interval
from snowmaker.metrics import gain
from snowmaker.scored_task import BinaryClassification, Regression

TASK = BinaryClassification()


def sums_of(label: np.ndarray, score: np.ndarray, group: np.ndarray) -> list[dict[str, float]]:
    """What the warehouse sends of some rows without ties, but for the tenths of the scores' range."""
    positive = label == 1
    order = np.argsort(score)
    n, p = len(label), positive.sum()
    above = np.empty(n)
    below = np.empty(n)
    below[order] = np.cumsum(~positive[order]) - ~positive[order]
    above[order] = p - np.cumsum(positive[order])
    loss = -np.log(np.where(positive, score, 1 - score))
    by_group = {
        "N": np.ones(n),
        "POSITIVES": positive,
        "TP": positive & (score >= 0.5),
        "FP": ~positive & (score >= 0.5),
        "WINS": positive * below / max(n - p, 1),
        "LOSSES": ~positive * above / max(p, 1),
        "LOG_LOSS": loss,
        "SQUARED": (score - label) ** 2,
    }
    sums = {name: np.bincount(group, values.astype(float), minlength=GROUPS) for name, values in by_group.items()}
    nothing = dict.fromkeys(("PRECISIONS", "RECALLED", *(f"GAP_{i}" for i in range(10))), 0.0)
    return [{"ROW_GROUP": g, **{name: values[g] for name, values in sums.items()}, **nothing} for g in range(GROUPS)]


def scored(rng: np.random.Generator, rows: int, noise: float, truth: np.ndarray | None = None) -> Any:
    return 1 / (1 + np.exp(-((rng.normal(0, 1.5, rows) if truth is None else truth) + rng.normal(0, noise, rows))))


DRAWS = draw(GROUPS)


def coverage(times: int, rows: int, seed: int) -> dict[str, float]:
    """How often the 90 % interval of a gain holds the true gain, by metric."""
    rng = np.random.default_rng(seed)

    def drawn(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        truth = rng.normal(-0.5, 1.5, size)
        label = (rng.random(size) < 1 / (1 + np.exp(-truth))).astype(int)
        return label, scored(rng, size, 1.0, truth), scored(rng, size, 0.4, truth)

    def resampled(size: int, draws: np.ndarray) -> tuple[Any, Any]:
        label, old, new = drawn(size)
        group = rng.integers(0, GROUPS, size)
        return tuple(TASK.resample(sums_of(label, score, group), range(GROUPS), draws) for score in (new, old))  # type: ignore[return-value]

    names = ("f1", "accuracy", "roc_auc", "brier", "log_loss")
    new, old = resampled(400_000, np.ones((1, GROUPS)))
    true = {name: float(gains(name, new[name], old[name])[0]) for name in names}
    held = dict.fromkeys(names, 0)
    for _ in range(times):
        new, old = resampled(rows, DRAWS[:1000])
        found = gain_intervals(new, old, 0.9)
        for name in names:
            held[name] += found[name].low <= true[name] <= found[name].high  # type: ignore[operator]
    return {name: count / times for name, count in held.items()}


def test_intervals_hold_the_true_gain_about_as_often_as_they_say() -> None:
    # In 90 trials the standard error of 0.9 is 0.032.
    assert all(share == pytest.approx(0.9, abs=0.11) for share in coverage(90, 500, 21).values())


@pytest.mark.slow
@pytest.mark.parametrize("rows", [200, 2000])
def test_of_a_thousand_intervals_nine_hundred_hold_the_true_gain(rows: int) -> None:
    found = coverage(1000, rows, rows)
    print(found)
    assert all(share == pytest.approx(0.9, abs=0.03) for share in found.values())


def test_a_version_compared_with_itself_gains_exactly_nothing() -> None:
    rng = np.random.default_rng(1)
    label, score = rng.integers(0, 2, 300), rng.random(300)
    sums = sums_of(label, score, rng.integers(0, GROUPS, 300))
    one, other = (TASK.resample(sums, range(GROUPS), draw(GROUPS)) for _ in range(2))
    assert set(gain_intervals(one, other, 0.95).values()) <= {Interval(0, 0), Interval()}


def test_with_the_roles_swapped_the_interval_of_a_difference_is_mirrored() -> None:
    rng = np.random.default_rng(2)
    label, group = rng.integers(0, 2, 300), rng.integers(0, GROUPS, 300)
    one, other = (
        TASK.resample(sums_of(label, scored(rng, 300, noise), group), range(GROUPS), DRAWS) for noise in (1, 2)
    )
    there, back = gain_intervals(one, other, 0.95), gain_intervals(other, one, 0.95)
    for metric in ("f1", "accuracy", "roc_auc", "precision", "recall"):
        assert (back[metric].low, back[metric].high) == pytest.approx((-there[metric].high, -there[metric].low))  # type: ignore[operator]


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.just(0.0) | st.floats(0.01, 10)), min_size=1),
    st.sampled_from(["rmse", "f1", "brier"]),
)
def test_gains_of_resamples_are_those_of_values(pairs: list[tuple[float, float]], metric: str) -> None:
    values, references = (np.array(side) for side in zip(*pairs, strict=True))
    expected = [gain(metric, own, other) for own, other in zip(values, references, strict=True)]
    found = gains(metric, values, references).tolist()
    assert [None if np.isnan(one) else one for one in found] == pytest.approx(expected)


def test_an_interval_that_most_resamples_do_not_define_is_none() -> None:
    values = np.array([0.1, 0.2, np.nan, 0.3])
    assert interval(values, 0.5) == Interval(0.15, 0.25)
    assert interval(np.array([0.1, np.nan, np.nan]), 0.5) == Interval()


def test_labels_far_from_0_lose_no_digit() -> None:
    rng = np.random.default_rng(3)
    label = 1e9 + rng.normal(0, 1, 400)
    found = label + rng.normal(0, 0.5, 400)
    rows = [
        {
            "ROW_GROUP": i, "N": 1.0, "SQUARED": (y - s) ** 2, "ABSOLUTE": abs(y - s), "SHARES": abs(y - s) / y,
            "FROM_MEAN": y - label.mean(), "SPREAD": (y - label.mean()) ** 2,
        }
        for i, (y, s) in enumerate(zip(label, found, strict=True))
    ]  # fmt: skip
    draws = draw(400)[:5]
    r2 = Regression().resample(rows, range(400), draws)["r2"]
    for place, times in enumerate(draws.astype(int)):
        y, s = np.repeat(label, times), np.repeat(found, times)
        assert r2[place] == pytest.approx(1 - ((y - s) ** 2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-6)
