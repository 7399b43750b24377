from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.degradation import Degraded

MOVED = Degraded("2024-03-25", "V1", "drift", "INCOME", "psi", 0.4123, 0.25, "2024-03-04", 3, 4)


@pytest.mark.parametrize(
    ("degraded", "told"),
    [
        (MOVED, "PSI of INCOME is 0.412 (breach from 0.25), 3 of the last 4 weeks breached, since 2024-03-04"),
        (
            replace(MOVED, metric="mean_difference", value=-0.75, bound=0.5, breaches=1, of_weeks=1),
            "Difference of means of INCOME is -0.75 (breach from 0.5), 1 of the last 1 weeks breached, "
            "since 2024-03-04",
        ),
        (
            replace(MOVED, cause="performance", what="f1", metric="f1", value=0.61, bound=0.7),
            "f1 is 0.61 (breach from 0.7 down), 3 of the last 4 weeks breached, since 2024-03-04",
        ),
        (
            replace(MOVED, cause="performance", what="rmse", metric="rmse", value=130.0, bound=125.0),
            "rmse is 130 (breach from 125), 3 of the last 4 weeks breached, since 2024-03-04",
        ),
        (
            replace(MOVED, cause="performance", what="roc_auc", metric="roc_auc", value=None, bound=0.7),
            "roc_auc is undefined (breach from 0.7 down), 3 of the last 4 weeks breached, since 2024-03-04",
        ),
    ],
    ids=["drift", "signed", "metric", "error", "undefined"],
)
def test_people_are_told_what_how_bad_and_since_when(degraded: Degraded, told: str) -> None:
    assert degraded.sentence == told


@given(st.none() | st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=50))
def test_an_event_carries_all_of_it(value: float | None, what: str) -> None:
    degraded = replace(MOVED, value=value, what=what)
    extra = degraded.to_extra()
    assert extra["detail"] == degraded.sentence
    assert Degraded.from_extra(json.loads(json.dumps(extra))) == degraded
    assert len(json.dumps(MOVED.to_extra())) < 500


def test_another_event_is_none_of_a_degraded_model() -> None:
    with pytest.raises(KeyError, match="model_version"):
        Degraded.from_extra({"week": "2024-03-25"})
