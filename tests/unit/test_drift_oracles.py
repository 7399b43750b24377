"""Drift metrics against evidently and nannyml; tests/unit/oracles has the data, their figures and how to redo them."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from snowmaker.drift_metrics import METRICS, hellinger, jensen_shannon
from snowmaker.profile import Bins, Profile

ORACLES = Path(__file__).parent / "oracles"
# Both tools know Jensen and Shannon's distance, evidently with natural logarithms.
TO_BASE_2 = 1 / math.sqrt(math.log(2))
NAMES = ("names", "names of equally many rows", "a new name")


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((ORACLES / f"{name}.json").read_text()))


DATA, EVIDENTLY, NANNYML = read("drift_data"), read("evidently_drift"), read("nannyml_drift")


def of_names(case: str) -> tuple[Profile, Profile]:
    before, after = (Counter(side) for side in DATA[case])
    bins = Bins.categorical(sorted(before))
    profiles = [
        Profile(bins, (*(side[name] for name in sorted(before)), sum(side.values()) - sum(side[n] for n in before), 0))
        for side in (before, after)
    ]
    return profiles[0], profiles[1]


def of_numbers(case: str, edges: list[float] | None = None) -> tuple[Profile, Profile]:
    """Profile both sides over the baseline's deciles, or over bins of which each has one value."""
    before, after = (np.array(side) for side in DATA[case])
    bins = Bins.numeric(edges or np.quantile(before, np.arange(1, 10) / 10).tolist())
    profiles = []
    for side in (before, after):
        places = np.searchsorted(bins.edges, side)
        counts = np.bincount(places, minlength=bins.size - 1)
        means = tuple(float(side[places == i].mean()) if n else None for i, n in enumerate(counts))
        profiles.append(Profile(bins, (*counts.tolist(), 0), float(side.mean()), float(side.std()), bin_means=means))
    return profiles[0], profiles[1]


def ours(name: str, profiles: tuple[Profile, Profile]) -> float:
    value = METRICS[name].measure(*profiles)
    assert value is not None
    return value


def same(value: float) -> Any:
    return pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("case", NAMES)
def test_names_give_what_evidently_gives(case: str) -> None:
    profiles, theirs = of_names(case), EVIDENTLY[case]
    assert ours("psi", profiles) == same(theirs["psi"])
    assert ours("hellinger", profiles) == same(theirs["hellinger"])
    assert ours("total_variation", profiles) == same(theirs["total_variation"])
    assert ours("jensen_shannon", profiles) == same(theirs["jensen_shannon"] * TO_BASE_2)


@pytest.mark.parametrize("case", NAMES)
def test_names_give_what_nannyml_gives(case: str) -> None:
    profiles, theirs = of_names(case), NANNYML[case]
    for name in ("jensen_shannon", "hellinger", "l_infinity"):
        assert ours(name, profiles) == same(theirs[name])


def test_cramers_v_is_the_root_of_nannymls_chi_squared_over_the_rows_if_both_sides_have_as_many() -> None:
    case = "names of equally many rows"
    assert ours("chi_squared", of_names(case)) == same(math.sqrt(NANNYML[case]["chi2"] / 500))


def test_values_that_have_a_bin_each_give_what_both_tools_give() -> None:
    case = "whole numbers"
    before, after = DATA[case]
    profiles = of_numbers(case, edges=[float(value) for value in sorted({*before, *after})])
    assert ours("psi", profiles) == same(EVIDENTLY[case]["psi"])
    assert ours("jensen_shannon", profiles) == same(EVIDENTLY[case]["jensen_shannon"] * TO_BASE_2)
    assert ours("kolmogorov_smirnov", profiles) == same(NANNYML[case]["kolmogorov_smirnov"])
    # Evidently's is in the baseline's deviations as ours, nannyml's is not. The baseline has no 12.
    assert ours("wasserstein", profiles) == same(EVIDENTLY[case]["wasserstein"])
    assert ours("wasserstein", profiles) == same(NANNYML[case]["wasserstein"] / np.std(before))


@pytest.mark.parametrize("case", ["numbers", "numbers with one outlier"])
def test_over_nannymls_bins_numbers_give_what_it_gives(case: str) -> None:
    inside = [np.histogram(side, NANNYML[case]["edges"])[0].tolist() for side in DATA[case]]
    before, after = ([*found, len(side) - sum(found)] for found, side in zip(inside, DATA[case], strict=True))
    assert jensen_shannon(before, after) == same(NANNYML[case]["jensen_shannon"])
    assert hellinger(before, after) == same(NANNYML[case]["hellinger"])


@pytest.mark.parametrize(
    ("name", "ours_is", "evidentlys", "nannymls"),
    [
        ("psi", 0.212, 0.272, None),
        ("jensen_shannon", 0.192, 0.201, 0.214),
        ("hellinger", 0.161, 0.178, 0.193),
        ("wasserstein", 0.320, 0.404, 0.412),
        ("kolmogorov_smirnov", 0.154, None, 0.166),
    ],
)
def test_other_bins_give_other_figures_and_the_docs_tell_which(
    name: str, ours_is: float, evidentlys: float | None, nannymls: float | None
) -> None:
    told = EVIDENTLY["numbers"].get(name), NANNYML["numbers"].get(name)
    factor = TO_BASE_2 if name == "jensen_shannon" else 1
    assert told[0] is None or told[0] * factor == pytest.approx(evidentlys, abs=5e-4)
    assert told[1] is None or told[1] == pytest.approx(nannymls, abs=5e-4)
    assert ours(name, of_numbers("numbers")) == pytest.approx(ours_is, abs=5e-4)


def test_one_outlier_moves_bins_that_are_made_anew_and_not_frozen_ones() -> None:
    calm, odd = of_numbers("numbers"), of_numbers("numbers with one outlier")
    assert EVIDENTLY["numbers"]["psi"] == pytest.approx(0.272, abs=5e-4)
    assert EVIDENTLY["numbers with one outlier"]["psi"] == pytest.approx(0.094, abs=5e-4)
    assert ours("psi", calm) == pytest.approx(0.212, abs=5e-4)
    assert ours("psi", odd) == pytest.approx(0.217, abs=5e-4)


def test_binned_distances_are_near_those_of_the_values() -> None:
    before, after = DATA["numbers"]
    exact = float(ks_2samp(before, after).statistic)
    assert NANNYML["numbers"]["kolmogorov_smirnov"] == same(exact)
    assert exact - 0.1 <= ours("kolmogorov_smirnov", of_numbers("numbers")) <= exact
    assert ours("wasserstein", of_numbers("numbers")) == pytest.approx(EVIDENTLY["numbers"]["wasserstein"], abs=0.12)
