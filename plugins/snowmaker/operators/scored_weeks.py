"""Which weeks were scored, and the source as each version that scored them takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.model_inputs import source_of
from snowmaker.operators.performance_record import week_of
from snowmaker.snowflake import labelled_rows

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from snowmaker.champion import ModelState
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Source
    from snowmaker.week import Week


@dataclass(frozen=True)
class ScoredWeeks:
    """What was scored between two weeks.

    :param sources: by version the source as it takes it, with which its rows are found again
    :param lost: by week why its rows are not found again: the source has no more what the version was given
    """

    sources: Mapping[str, Source]
    lost: Mapping[Week, str]


def read_scored_weeks(
    session: WarehouseSession,
    predictions: QualifiedName,
    source: Source,
    state: ModelState,
    model: QualifiedName,
    weeks: tuple[Week, Week],
    columns: Container[str],
) -> ScoredWeeks:
    """Read which versions scored the weeks between two, both included.

    :param source: for versions that are not in the registry any more
    :param columns: the names of those that the source's table has
    """
    scored = session.rows(labelled_rows.scored_by(predictions, model.quoted, *weeks))
    sources, gone = {}, {}
    for version in sorted({row["MODEL_VERSION"] for row in scored}):
        own = source_of(source, state, model, version)
        if missing := [column.name for column in own.columns if column.name not in columns]:
            gone[version] = f"{version} was given {', '.join(missing)}, which {source.table.quoted} has no more"
        else:
            sources[version] = own
    lost = {week_of(row): gone[row["MODEL_VERSION"]] for row in scored if row["MODEL_VERSION"] in gone}
    return ScoredWeeks(sources, lost)
