"""What the tables keep of frozen baselines: written once for a version, read by every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.calibration import CALIBRATION, CalibrationMap
from snowmaker.drift import ALL_ROWS
from snowmaker.hooks.own_tables import ensure_table, read_table
from snowmaker.operators.base import replace_rows
from snowmaker.profile import Profile
from snowmaker.snowflake import tables
from snowmaker.snowflake.profiles import OTHER, Segments
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.operators.profiling import Profiles
    from snowmaker.snowflake.identifiers import Identifier, QualifiedName


def segments_of(
    baseline: Mapping[str, Mapping[str, Profile]], columns: Sequence[Identifier]
) -> tuple[list[Segments], list[Identifier]]:
    """Return the segments that a baseline tells apart of each column, and the columns that it does not know."""
    known, unknown = [], []
    for column in columns:
        prefix = f"{column.name}="
        values = [label.removeprefix(prefix) for label in baseline if label.startswith(prefix)]
        if values:
            known.append(Segments(column, tuple(value for value in values if value != OTHER)))
        else:
            unknown.append(column)
    return known, unknown


def read_baseline(session: WarehouseSession, model: QualifiedName, version: str) -> Profiles:
    """Read a version's frozen baseline, by segment and feature; empty if there is none."""
    table = model.sibling(tables.BASELINES)
    rows = read_table(
        session,
        table,
        Statement(
            f"SELECT SEGMENT, FEATURE, PROFILE FROM {table} WHERE MODEL_NAME = %s AND MODEL_VERSION = %s "
            f"AND FEATURE <> %s ORDER BY SEGMENT, FEATURE",
            (model.quoted, version, CALIBRATION),
        ),
    )
    found: Profiles = {}
    for row in rows:
        found.setdefault(row["SEGMENT"], {})[row["FEATURE"]] = Profile.from_json(row["PROFILE"])
    return found


def freeze(
    session: WarehouseSession,
    model: QualifiedName,
    version: str,
    source_table: str,
    profiles: Mapping[str, Mapping[str, Profile]],
    run: str,
) -> None:
    """Write a version's baseline. Of two that freeze at once the second overwrites equal rows: of the same data.

    :param source_table: the table of which it was made
    :param run: who writes
    """
    rows = [
        {"SEGMENT": segment, "FEATURE": feature, "PROFILE": profile.to_json(), "SOURCE_TABLE": source_table}
        for segment, features in profiles.items()
        for feature, profile in features.items()
    ]
    _replace(session, model, {"MODEL_VERSION": version}, rows, run, keep={"FEATURE": CALIBRATION})


def freeze_calibration(
    session: WarehouseSession,
    model: QualifiedName,
    version: str,
    source_table: str,
    calibration: CalibrationMap,
    run: str,
) -> None:
    """Write how likely class 1 is at a score of a version."""
    row = {"SEGMENT": ALL_ROWS, "PROFILE": calibration.to_json(), "SOURCE_TABLE": source_table}
    _replace(session, model, {"MODEL_VERSION": version, "FEATURE": CALIBRATION}, [row], run)


def _replace(
    session: WarehouseSession,
    model: QualifiedName,
    where: Mapping[str, str],
    rows: Sequence[Mapping[str, str]],
    run: str,
    keep: Mapping[str, str] | None = None,
) -> None:
    table = model.sibling(tables.BASELINES)
    ensure_table(session, table)
    statements = tables.rewrite(table, {"MODEL_NAME": model.quoted, **where}, rows, run, keep)
    replace_rows(session, table, lock=f"{table.quoted} {model.quoted}", holder=run, statements=statements)
