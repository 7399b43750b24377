from __future__ import annotations

from .lab import Lab
from .weekly_data import ROWS, WEEKS


def test_every_row_is_scored_once(lab: Lab) -> None:
    model = lab.model("good")
    result = model.score(WEEKS[6], model_version="GOOD")
    print(lab.artefacts["good"].metrics, lab.artefacts["weak"].metrics)
    assert result == {"week": str(WEEKS[6]), "model_version": "GOOD", "rows": ROWS}
    print(model.predicted().head())
