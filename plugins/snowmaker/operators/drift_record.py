"""What the tables keep of drift: a week's profiles and metrics, written in one transaction, and earlier verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from snowmaker.drift import ALL_ROWS
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.operators.base import replace_rows
from snowmaker.profile import LABEL
from snowmaker.snowflake import drift as drift_sql
from snowmaker.snowflake import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from snowmaker.drift import FeatureDrift
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.profile import Profile
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Statement
    from snowmaker.verdicts import Verdict
    from snowmaker.week import Week

_VERDICTS: tuple[Verdict, ...] = ("ok", "warn", "breach")


@dataclass(frozen=True)
class Key:
    """Of what the rows are: a model's version, and the week that was checked."""

    model: QualifiedName
    version: str
    week: Week

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that all tables have of it."""
        return {"WEEK_START": self.week.start, "MODEL_NAME": self.model.quoted, "MODEL_VERSION": self.version}


def write(
    session: WarehouseSession,
    key: Key,
    drifts: Sequence[FeatureDrift],
    profiles: Mapping[str, Mapping[str, Profile]],
    run: str,
) -> None:
    """Replace what is kept of a week; the label's drift stays, for that is checked when labels come.

    :param drifts: of segments only those that were judged are kept
    """
    kept = [drift for drift in drifts if drift.segment == ALL_ROWS or drift.verdict]
    rows = {
        tables.PROFILES: [
            {"SEGMENT": segment, "FEATURE": feature, "PROFILE": profile.to_json(), "ROW_COUNT": profile.rows}
            for segment, features in profiles.items()
            for feature, profile in features.items()
        ],
        tables.DRIFT: [_drift_row(drift, profiles) for drift in kept],
    }
    where = {tables.PROFILES: key.columns, tables.DRIFT: {**key.columns, "ENGINE": tables.SNOWMAKER_ENGINE}}
    _replace(session, key, {name: (where[name], found) for name, found in rows.items()}, run, keep={"FEATURE": LABEL})


def write_label(
    session: WarehouseSession, key: Key, drifts: Sequence[FeatureDrift], profile: Profile, run: str
) -> None:
    """Replace what is kept of the label's drift in a week."""
    of_label = {**key.columns, "FEATURE": LABEL}
    rows = {
        tables.PROFILES: (of_label, [{"SEGMENT": ALL_ROWS, "PROFILE": profile.to_json(), "ROW_COUNT": profile.rows}]),
        tables.DRIFT: (
            {**of_label, "ENGINE": tables.SNOWMAKER_ENGINE},
            [_drift_row(drift, {ALL_ROWS: {LABEL: profile}}) for drift in drifts],
        ),
    }
    _replace(session, key, rows, run)


def recent_verdicts(
    session: WarehouseSession, key: Key, weeks: int, engine: str = tables.SNOWMAKER_ENGINE
) -> dict[str, Verdict | None]:
    """Read an engine's worst verdict of each of so many weeks up to the week; None where nothing was judged.

    Weeks before the first one that was checked are left out.
    """
    statement = drift_sql.recent_verdicts(
        key.model.sibling(tables.DRIFT), key.model.quoted, key.version, key.week, weeks, engine
    )
    found = {str(row["WEEK_START"])[:10]: row["WORST"] for row in session.rows(statement)}
    there_are = (str(key.week.shift(-i)) for i in range(weeks))
    return {
        week: None if found.get(week) is None else _VERDICTS[int(found[week])]
        for week in takewhile(lambda week: week >= min(found), there_are)
    }


def _drift_row(drift: FeatureDrift, profiles: Mapping[str, Mapping[str, Profile]]) -> dict[str, Any]:
    return {
        "SEGMENT": drift.segment,
        "FEATURE": drift.feature,
        "METRIC": drift.metric,
        "VALUE": drift.value,
        "P_VALUE": drift.p_value,
        "WARN": drift.threshold.warn if drift.threshold else None,
        "BREACH": drift.threshold.breach if drift.threshold else None,
        "VERDICT": drift.verdict,
        "ROW_COUNT": profiles[drift.segment][drift.feature].rows,
        "ENGINE": tables.SNOWMAKER_ENGINE,
    }


def _replace(
    session: WarehouseSession,
    key: Key,
    rows: Mapping[str, tuple[Mapping[str, Any], list[dict[str, Any]]]],
    run: str,
    keep: Mapping[str, Any] | None = None,
) -> None:
    statements: list[Statement] = []
    for name, (where, found) in rows.items():
        table = key.model.sibling(name)
        ensure_table(session, table)
        plain = [{column: value for column, value in row.items() if column not in where} for row in found]
        statements += tables.rewrite(table, where, plain, run, keep)
    lock = f"{key.model.sibling(tables.DRIFT).quoted} {key.model.quoted}"
    replace_rows(session, key.model.sibling(tables.DRIFT), lock=lock, holder=run, statements=statements)
