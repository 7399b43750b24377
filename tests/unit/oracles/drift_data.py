"""Writes drift_data.json, of which evidently_drift.py and nannyml_drift.py tell the drift."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")


def main() -> None:
    rng = np.random.default_rng(2024)
    names = np.array(["car", "debt", "house", "medical", "other"])

    def drawn(rows: int, shares: list[float]) -> list[str]:
        return rng.choice(names, rows, p=shares).tolist()

    def distinct(mean: float, stddev: float, rows: int) -> list[float]:
        return np.unique(rng.normal(mean, stddev, rows).round(3)).tolist()

    before, after = distinct(0, 1, 600), distinct(0.4, 1.2, 250)
    cases = {
        "names": (drawn(400, [0.1, 0.4, 0.2, 0.05, 0.25]), drawn(200, [0.2, 0.3, 0.1, 0.15, 0.25])),
        "names of equally many rows": (
            drawn(250, [0.1, 0.4, 0.2, 0.05, 0.25]),
            drawn(250, [0.15, 0.35, 0.2, 0.1, 0.2]),
        ),
        "a new name": (drawn(400, [0.1, 0.5, 0.3, 0.1, 0]), drawn(200, [0.1, 0.5, 0.2, 0.1, 0.1])),
        "whole numbers": (rng.binomial(12, 0.4, 900).tolist(), rng.binomial(12, 0.5, 350).tolist()),
        "numbers": (before, after),
        "numbers with one outlier": (before, [*after, 60.0]),
    }
    FILE.write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
