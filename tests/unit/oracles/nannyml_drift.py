"""Writes nannyml_drift.json: what nannyml 0.13.1 makes of the drift in drift_data.json.

In an environment of its own, for it needs other libraries than Snowmaker does:
``pip install nannyml==0.13.1 'pandas<3' statsmodels``, then ``python nannyml_drift.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from nannyml.drift.univariate import FeatureType
from nannyml.drift.univariate.methods import MethodFactory
from nannyml.thresholds import ConstantThreshold

METHODS = {
    FeatureType.CATEGORICAL: ("jensen_shannon", "hellinger", "l_infinity", "chi2"),
    FeatureType.CONTINUOUS: ("jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein"),
}


def measured(sides: tuple[list, list]) -> dict[str, object]:
    kind = FeatureType.CATEGORICAL if isinstance(sides[0][0], str) else FeatureType.CONTINUOUS
    found: dict[str, object] = {}
    for name in METHODS[kind]:
        method = MethodFactory.create(key=name, feature_type=kind, chunker=None, threshold=ConstantThreshold())
        method._fit(pd.Series(sides[0]))
        found[name] = float(method._calculate(pd.Series(sides[1])))
        if name == "jensen_shannon" and kind == FeatureType.CONTINUOUS:
            found["edges"] = method._bins.tolist()
    return found


def main() -> None:
    cases = json.loads(Path(__file__).with_name("drift_data.json").read_text())
    found = {name: measured(sides) for name, sides in cases.items()}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
