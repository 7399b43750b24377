"""The rows that challenger and champion are judged on: scored once by each, measured, and resampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snowmaker import bootstrap
from snowmaker.exceptions import InputDataError, ScoringError
from snowmaker.gate import FEWEST_ROWS
from snowmaker.hooks.model_registry import calling
from snowmaker.input_check import check_labels
from snowmaker.snowflake import evaluation
from snowmaker.snowflake.profiles import OTHER, Segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.bootstrap import Replicates
    from snowmaker.champion import ModelVersion
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.measured import Measured
    from snowmaker.scored_task_base import ScoredTask
    from snowmaker.snowflake.identifiers import Identifier, QualifiedName
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Source
    from snowmaker.week import Week

_MOST_VALUES = 20
"""How many of a column's values are segments by themselves; the others, and missing ones, are one together."""


@dataclass(frozen=True)
class JudgedRows:
    """Labelled rows of some weeks of a training set, in tables that end with the session.

    :param versions: by name
    :param sources: by version the source as it takes it
    :param staging: the tables' name, without its ending
    """

    session: WarehouseSession
    model: QualifiedName
    source: Source
    training_table: QualifiedName
    weeks: tuple[Week, ...]
    versions: Mapping[str, ModelVersion]
    sources: Mapping[str, Source]
    task: ScoredTask
    method: ScoreMethod
    staging: str
    segments: tuple[Segments, ...] = field(default=())

    def split(self, columns: Sequence[Identifier]) -> tuple[Segments, ...]:
        """Return the segments of some columns: each value that has enough rows, and the others."""
        found = []
        for column in columns:
            frequent = evaluation.frequent_values(
                self.training_table, self.source, column, self.weeks, rows=FEWEST_ROWS, most=_MOST_VALUES
            )
            values = (row["VALUE"] for row in self.session.rows(frequent))
            # A value of that very name is one of the others, or nobody could tell the two apart.
            found.append(Segments(column, tuple(value for value in values if value != OTHER)))
        return tuple(found)

    @property
    def columns_by_segment(self) -> dict[str, Identifier]:
        """The column of each segment, by the segment's name."""
        return {one.label(place): one.column for one in self.segments for place in range(len(one.values) + 1)}

    def copy(self) -> None:
        """Copy the rows, with a random group each."""
        classes = max(max(len(version.classes), 1) for version in self.versions.values())
        parts = 1 + sum(len(one.values) + 1 for one in self.segments)
        groups = bootstrap.group_count(len(self.versions) * classes * parts)
        self.session.execute(
            evaluation.judged_rows(
                self._table("ROWS"),
                self.training_table,
                self.source,
                self.weeks,
                features=[feature for source in self.sources.values() for feature in source.features],
                groups=groups,
                segments=self.segments,
            )
        )

    def score(self, version: str) -> None:
        """Score the copied rows by a version."""
        outputs = self.task.outputs(self.method, self.versions[version])
        with calling(self.session, self.model, [version], self.method.method):
            self.session.execute(
                evaluation.score_judged_rows(
                    self._scored[version],
                    self._table("ROWS"),
                    self.sources[version].features,
                    model=self.model,
                    version=version,
                    method=self.method,
                    outputs=outputs,
                    segments=len(self.segments),
                )
            )

    def measure(self) -> dict[tuple[str, str], Measured]:
        """Measure the versions on all rows (segment '') and on each segment's, by version and segment.

        :raises InputDataError: if there are no rows, or labels that the task does not know
        :raises ScoringError: if a row has no score, or one that cannot be
        """
        weeks = f"{self.weeks[0]} to {self.weeks[-1]}"
        found = self.task.read_all(self.session.rows(self.task.measure(self._relation, len(self.segments))))
        labels = evaluation.segment_labels(self.segments) | {"": ""}
        measured = {(version, labels[segment]): sums for (_, version, segment), sums in found.items()}
        for sums in measured.values():
            check_labels(self.task.label, self.source, self.training_table.quoted, sums.wrong, f"the holdout {weeks}")
            if sums.bad:
                raise ScoringError(
                    f"model {self.model.quoted} gives {sums.bad} of {sums.rows} rows of the holdout {weeks} no "
                    f"score, or one {self.task.bad_score}; check method {self.method.method} and field "
                    f"{self.method.field}"
                )
        if not measured:
            raise InputDataError(
                f"training set {self.training_table.quoted} has no labelled row from {weeks} to judge "
                f"{', '.join(self.versions)} by"
            )
        return measured

    def resample(self) -> dict[tuple[str, str], Replicates]:
        """Resample the metrics that ``measure`` gives, in the same resamples for all versions and segments."""
        labels = evaluation.segment_labels(self.segments) | {"": ""}
        sums: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in self.session.rows(self.task.add_up_groups(self._relation, len(self.segments))):
            sums.setdefault((row["MODEL_VERSION"], labels[row["SEGMENT"]]), []).append(row)
        groups = sorted({int(row["ROW_GROUP"]) for rows in sums.values() for row in rows})
        draws = bootstrap.draw(len(groups))
        return {key: self.task.resample(rows, groups, draws) for key, rows in sums.items()}

    @property
    def _relation(self) -> Any:
        return evaluation.judged(self._scored, self.task.columns, self.weeks[0], self.segments)

    @property
    def _scored(self) -> dict[str, QualifiedName]:
        return {version: self._table(f"SCORED_{place}") for place, version in enumerate(self.versions)}

    def _table(self, ending: str) -> QualifiedName:
        return self.model.sibling(f"{self.staging}_{ending}")
