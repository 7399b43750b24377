"""The typed description of a table of weekly rows, shared by all operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.week import Weekday

Kind = Literal["categorical", "numeric"]
TaskType = Literal["binary_classification", "multiclass_classification", "regression"]


@dataclass(frozen=True)
class Feature:
    """One input column of the model: text categories, or numbers (booleans count as 0 and 1)."""

    column: Identifier
    kind: Kind


@dataclass(frozen=True)
class Source:
    """A table of weekly rows.

    :param table: full name of the table or view
    :param week_column: date or timestamp (UTC) that tells a row's week
    :param features: the model's inputs; categorical ones first, as the model takes them
    :param label: the column to predict, NULL until the truth is known
    :param key: columns copied to the predictions; they need not be unique
    :param starts_on: the day on which weeks start

    >>> source = Source.of(
    ...     "ml.loans.applications", week_column="applied_on", label="approved",
    ...     categorical=["county"], numeric=["income"], key=["loan_id"],
    ... )
    >>> [feature.column.name for feature in source.features]
    ['COUNTY', 'INCOME']
    """

    table: QualifiedName
    week_column: Identifier
    features: tuple[Feature, ...]
    label: Identifier
    key: tuple[Identifier, ...] = ()
    starts_on: Weekday = "monday"

    @classmethod
    def of(
        cls,
        table: str,
        *,
        week_column: str,
        label: str,
        categorical: list[str] | None = None,
        numeric: list[str] | None = None,
        key: list[str] | None = None,
        starts_on: Weekday = "monday",
    ) -> Source:
        """Build a source from plain names; ``table`` is written database.schema.name.

        :raises IdentifierError: if a name is not an identifier
        """
        return cls(
            table=QualifiedName.parse(table),
            week_column=Identifier.parse(week_column),
            features=(
                *(Feature(Identifier.parse(name), "categorical") for name in categorical or ()),
                *(Feature(Identifier.parse(name), "numeric") for name in numeric or ()),
            ),
            label=Identifier.parse(label),
            key=tuple(Identifier.parse(name) for name in key or ()),
            starts_on=starts_on,
        )

    @property
    def columns(self) -> tuple[Identifier, ...]:
        """Every column that must be in the table."""
        named = (self.week_column, *self.key, *(feature.column for feature in self.features), self.label)
        return tuple(dict.fromkeys(named))

    @property
    def features_for_training(self) -> list[dict[str, str]]:
        """The features as the training job takes them."""
        return [{"name": feature.column.name, "kind": feature.kind} for feature in self.features]
