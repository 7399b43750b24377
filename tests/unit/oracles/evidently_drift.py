"""Writes evidently_drift.json: what evidently 0.7.23 makes of the drift in drift_data.json.

In an environment of its own, for it needs other libraries than Snowmaker does:
``pip install evidently==0.7.23 'pandas<3'``, then ``python evidently_drift.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from evidently.legacy.calculations.stattests import (
    hellinger_stat_test,
    jensenshannon_stat_test,
    psi_stat_test,
    wasserstein_stat_test,
)
from evidently.legacy.calculations.stattests.tvd_stattest import _total_variation_distance
from evidently.legacy.core import ColumnType

OF_ALL = {"psi": psi_stat_test, "jensen_shannon": jensenshannon_stat_test, "hellinger": hellinger_stat_test}


def measured(sides: tuple[list, list]) -> dict[str, float]:
    kind = ColumnType.Categorical if isinstance(sides[0][0], str) else ColumnType.Numerical
    found = {}
    tests = OF_ALL if kind == ColumnType.Categorical else {**OF_ALL, "wasserstein": wasserstein_stat_test}
    for name, test in tests.items():
        baseline, week = (pd.Series(side) for side in sides)
        found[name] = float(test(baseline, week, kind, None).drift_score)
    if kind == ColumnType.Categorical:
        # Its test gives a p-value of this number.
        found["total_variation"] = float(_total_variation_distance(*(pd.Series(side) for side in sides)))
    return found


def main() -> None:
    cases = json.loads(Path(__file__).with_name("drift_data.json").read_text())
    found = {name: measured(sides) for name, sides in cases.items()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
