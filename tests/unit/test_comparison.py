from __future__ import annotations

import pytest

from snowmaker.comparison import Comparison, Scored, choose
from snowmaker.exceptions import InputDataError
from snowmaker.measured import Measured

WHERE = 'week 2026-03-02 of "T"'
OWN, OWN_SHADOW, OTHER_SHADOW = Scored("V1", False, 9), Scored("V1", True, 9), Scored("V2", True, 8)


@pytest.mark.parametrize(
    ("scored", "asked", "expected"),
    [
        ([OWN, OTHER_SHADOW], ("V2", None), (OTHER_SHADOW, OWN)),
        ([OWN, OTHER_SHADOW], ("V2", "V1"), (OTHER_SHADOW, OWN)),
        ([OWN, OTHER_SHADOW], ("V1", "V2"), (OWN, OTHER_SHADOW)),
        # The version's shadow rows, the other one's that count.
        ([OWN, OWN_SHADOW], ("V1", None), (OWN_SHADOW, OWN)),
        ([OWN, OWN_SHADOW], ("V1", "V1"), (OWN_SHADOW, OWN)),
        ([OWN_SHADOW, OTHER_SHADOW], ("V2", "V1"), (OTHER_SHADOW, OWN_SHADOW)),
    ],
)
def test_which_rows_are_compared(
    scored: list[Scored], asked: tuple[str, str | None], expected: tuple[Scored, Scored]
) -> None:
    assert choose(scored, *asked, WHERE) == expected


@pytest.mark.parametrize(
    ("scored", "asked", "message"),
    [
        ([OWN], ("V2", None), r"has no predictions by version V2; there are: V1 \(9 rows\)\. Score .* shadow=True"),
        ([OTHER_SHADOW], ("V2", None), r"no predictions by the weekly run; there are: V2 in the shadow \(8 rows\)"),
        ([], ("V2", None), "there are: none"),
        ([OWN, OTHER_SHADOW], ("V1", None), "version V1 would be compared with itself"),
    ],
)
def test_what_is_not_there_is_told(scored: list[Scored], asked: tuple[str, str | None], message: str) -> None:
    with pytest.raises(InputDataError, match=message) as error:
        choose(scored, *asked, WHERE)
    assert str(error.value).startswith(WHERE)


def test_what_cannot_be_told_is_undefined() -> None:
    nothing = {"N": 0, "ONLY_VERSION": 3, "ONLY_AGAINST": 0, "EQUAL": 0, "DIFFERENCE": None, "CORRELATION": None}
    found = Comparison.of(nothing)
    assert (found.rows, found.only_version, found.equal_predictions, found.correlation) == (0, 3, None, None)
    constant = Comparison.of({**nothing, "N": 4, "EQUAL": 3, "DIFFERENCE": 0.25, "CORRELATION": float("nan")})
    assert (constant.equal_predictions, constant.mean_absolute_difference, constant.correlation) == (0.75, 0.25, None)
    assert "equal predictions 0.75, mean absolute difference of the scores 0.25, correlation undefined" in (
        constant.told("V2", "V1")
    )


def test_the_log_tells_classes_and_metrics_of_both() -> None:
    row = {"N": 4, "ONLY_VERSION": 0, "ONLY_AGAINST": 1, "EQUAL": 3, "DIFFERENCE": 0.25, "CORRELATION": 0.5}
    measured = {
        side: Measured(2, 0, 0, {"f1": value, "recall": None}) for side, value in (("version", 0.5), ("against", 1.0))
    }
    found = Comparison.of(row, [{"AGAINST": "1", "VERSION": "0", "N": 1}], measured)
    assert found.told("V2", "V1").splitlines() == [
        "V2 beside V1: 4 rows by both, 0 only by V2, 1 only by V1",
        "equal predictions 0.75, mean absolute difference of the scores 0.25, correlation 0.5",
        "1 by V1, 0 by V2: 1 rows",
        "of the 2 rows whose label has come:",
        "f1: 0.5 by V2, 1 by V1",
        "recall: undefined by V2, undefined by V1",
    ]
    assert found.to_dict()["metrics"] == {
        "f1": {"version": 0.5, "against": 1.0},
        "recall": {"version": None, "against": None},
    }
    assert found.to_dict()["classes"] == [{"against": "1", "version": "0", "rows": 1}]
