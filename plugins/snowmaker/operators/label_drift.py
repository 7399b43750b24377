"""How far a week's labels are from those of the baseline, measured once they have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.drift import ALL_ROWS, DriftRules, compare
from snowmaker.operators import drift_record
from snowmaker.operators.baseline_record import read_baseline
from snowmaker.operators.profiling import measure_label
from snowmaker.profile import LABEL
from snowmaker.snowflake.drift import week_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.profile import Profile
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source
    from snowmaker.week import Week


def measure_label_drift(
    session: WarehouseSession, source: Source, model: QualifiedName, versions: Mapping[Week, str], run: str
) -> None:
    """Measure the label's drift in some weeks and write it; shown, not judged.

    :param versions: by week the version that predicted it; one whose baseline has no label is left out
    :param run: who writes
    """
    baselines: dict[str, Mapping[str, Profile]] = {}
    for week, version in versions.items():
        if version not in baselines:
            baselines[version] = read_baseline(session, model, version).get(ALL_ROWS, {})
        baseline = baselines[version]
        if LABEL not in baseline:
            continue
        profile = measure_label(session, source, week_labels(source, week), baseline)
        drifts = compare({LABEL: baseline[LABEL]}, {LABEL: profile}, DriftRules())
        drift_record.write_label(session, drift_record.Key(model, version, week), drifts, profile, run)
