"""The training set of one retraining: a table made once, so that every reader sees the same rows."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from snowmaker.exceptions import IdentifierError
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.source_rows import in_weeks, week_start
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.snowflake.tables import show_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.source import Source
    from snowmaker.week import Week

_DIGEST = re.compile(r"[0-9A-F]{12}")


def training_set_of_run(model: QualifiedName, run: str) -> QualifiedName:
    """Name the training set of a run, beside the model."""
    digest = hashlib.sha256(run.encode()).hexdigest()[:12].upper()
    return QualifiedName(model.database, model.schema, Identifier(_prefix(model) + digest))


def parse_training_set(model: QualifiedName, text: str) -> QualifiedName | None:
    """Read the name of a training set; None if no run of this model can have made it.

    >>> model = QualifiedName.parse("ml.loans.approval")
    >>> parse_training_set(model, "ml.loans.approval_training_0a1b2c3d4e5f")
    QualifiedName("ML"."LOANS"."APPROVAL_TRAINING_0A1B2C3D4E5F")
    >>> parse_training_set(model, "ml.loans.applications"), parse_training_set(model, "by hand")
    (None, None)
    """
    try:
        table = QualifiedName.parse(text)
    except IdentifierError:
        return None
    name = table.object.name
    is_own = name.startswith(_prefix(model)) and _DIGEST.fullmatch(name.removeprefix(_prefix(model)))
    beside = QualifiedName(model.database, model.schema, table.object)
    return table if is_own and table == beside else None


def show_training_sets(model: QualifiedName) -> Statement:
    """List the tables that are named like a model's training sets."""
    return show_tables(model, _prefix(model))


def create_training_set(
    table: QualifiedName, source: Source, first: Week, last: Week, *, also: Sequence[Identifier] = ()
) -> Statement:
    """Copy the labelled rows of some weeks. A table that is there stays: it is this run's already.

    :param also: columns to copy besides those of the source
    """
    condition = in_weeks(source.week_column, first, last)
    columns = dict.fromkeys((*source.columns, *also))
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {table} AS SELECT {listed(columns)} "
        f"FROM {source.table} WHERE {condition.text} AND {source.label} IS NOT NULL",
        condition.values,
    )


def count_by_week(table: QualifiedName, source: Source) -> Statement:
    """Count a training set's rows, week by week."""
    return Statement(
        f"SELECT {week_start(source)}::DATE AS WEEK_START, COUNT(*) AS N FROM {table} GROUP BY 1 ORDER BY 1"
    )


def count_wrong_labels(table: QualifiedName, is_wrong: str) -> Statement:
    """Count the rows whose label is wrong.

    :param is_wrong: the condition of it
    """
    return Statement(f"SELECT COUNT_IF({is_wrong}) AS N FROM {table}")


def count_classes(table: QualifiedName, label: Identifier) -> Statement:
    """Count the different labels."""
    return Statement(f"SELECT COUNT(DISTINCT {label}) AS N FROM {table}")


def drop_training_set(table: QualifiedName) -> Statement:
    """Drop a training set that cannot be used."""
    return Statement(f"DROP TABLE IF EXISTS {table}")


def _prefix(model: QualifiedName) -> str:
    return f"{model.object.name}_TRAINING_"
