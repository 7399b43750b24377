"""Writes nannyml_estimates.json: what nannyml 0.13.1 estimates of a few scores without labels.

In an environment of its own, for it needs other libraries than Snowmaker does:
``pip install nannyml==0.13.1 'pandas<3' statsmodels``, then ``python nannyml_estimates.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from nannyml.performance_estimation.confidence_based import metrics
from sklearn.isotonic import IsotonicRegression

THRESHOLD = 0.4
ROWS = 300


def main() -> None:
    rng = np.random.default_rng(29)
    # All different, for nannyml ranks equal scores by chance.
    scores = np.unique(np.round(rng.beta(1.2, 2.2, ROWS), 6))
    rng.shuffle(scores)
    # A map of few steps, as one that is frozen.
    edges = [0.1, 0.25, 0.45, 0.7]
    rates = [0.03, 0.2, 0.31, 0.64, 0.9]
    chances = np.array(rates)[np.searchsorted(edges, scores)]
    chosen = (scores >= THRESHOLD).astype(int)
    # Its calibrator on bins of a reference with as many rows each, class 1 rarer in the middle than below it.
    uppers, weights = [0.2, 0.4, 0.6, 0.8, 1.0], [40, 30, 30, 20, 80]
    positives = [4, 9, 6, 4, 72]
    isotonic = IsotonicRegression(out_of_bounds="clip", increasing=True)
    fitted = isotonic.fit_transform(uppers, np.divide(positives, weights), sample_weight=weights)
    content = {
        "threshold": THRESHOLD,
        "scores": scores.tolist(),
        "edges": edges,
        "rates": rates,
        "estimated": {
            "accuracy": float(metrics.estimate_accuracy(chosen, chances)),
            "precision": float(metrics.estimate_precision(chosen, chances)),
            "recall": float(metrics.estimate_recall(chosen, chances)),
            "f1": float(metrics.estimate_f1(chosen, chances)),
            "roc_auc": float(metrics.estimate_roc_auc(chances, scores)),
            "pr_auc": float(metrics.estimate_ap(chances, scores)),
        },
        "isotonic": {"uppers": uppers, "rows": weights, "positives": positives, "fitted": fitted.tolist()},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=None) + "\n")


if __name__ == "__main__":
    main()
