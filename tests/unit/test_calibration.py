from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from snowmaker.calibration import CalibrationMap

ORACLE = json.loads((Path(__file__).parent / "oracles" / "nannyml_estimates.json").read_text())
bins_of = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=30)


@given(bins_of)
def test_the_steps_are_isotonic_regression(pairs: list[tuple[int, int]]) -> None:
    rows = np.array([count for count, _ in pairs], dtype=float)
    positives = np.minimum(rows, [hits for _, hits in pairs])
    uppers = np.arange(1, len(pairs) + 1) / len(pairs)
    expected = IsotonicRegression().fit_transform(uppers, positives / rows, sample_weight=rows)
    found = CalibrationMap.fit(list(zip(uppers, rows, positives, strict=True)))
    assert [found.chance(upper) for upper in uppers] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
    assert all(low < high for low, high in zip(found.rates, found.rates[1:], strict=False))


def test_it_is_what_nannyml_fits() -> None:
    isotonic = ORACLE["isotonic"]
    found = CalibrationMap.fit(list(zip(isotonic["uppers"], isotonic["rows"], isotonic["positives"], strict=True)))
    assert [found.chance(upper) for upper in isotonic["uppers"]] == pytest.approx(isotonic["fitted"], rel=1e-9)
    assert found.edges == (0.2, 0.8)


def test_a_score_beyond_the_holdouts_has_the_chance_of_the_last_step() -> None:
    found = CalibrationMap.fit([(0.25, 10, 1), (0.5, 10, 8)])
    assert [found.chance(score) for score in (0, 0.25, 0.26, 0.5, 1)] == [0.1, 0.1, 0.8, 0.8, 0.8]
    assert CalibrationMap.fit([(0.5, 4, 1)]).chance(0.9) == 0.25
    assert CalibrationMap.from_json(found.to_json()) == found
