"""A pipeline's predictions: the table, the readers' view of it, and how one week of it is replaced.

Rows with IS_SHADOW are a version's answers beside the ones that count. Every statement that reads predictions says
which of the two it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.exceptions import IdentifierError
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.snowflake.tables import NOW, delete_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snowmaker.source import Source
    from snowmaker.week import Week

SHADOW = "IS_SHADOW"
NOT_SHADOW = f"NOT {SHADOW}"
"""The condition that a prediction counts."""

OWN_COLUMNS = (
    "WEEK_START",
    "ROW_ID",
    "MODEL_NAME",
    "MODEL_VERSION",
    "SCORE",
    "PREDICTION",
    "RUN_ID",
    "SCORED_AT",
    SHADOW,
)


def create_predictions(
    table: QualifiedName, source: Source, prediction_type: str, own_columns: Mapping[str, str]
) -> Statement:
    """Create a pipeline's predictions table as the first release did; snowflake/migrations.py adds what came since.

    It has Snowmaker's columns, and the key's in the source's types.

    :param prediction_type: column type of the predictions
    :param own_columns: columns that the predictions of this task have besides, with their types
    :raises IdentifierError: if a key column has the name of one of Snowmaker's
    """
    taken = [column.name for column in source.key if column.name in (*OWN_COLUMNS, *own_columns)]
    if taken:
        raise IdentifierError(
            f"key column {taken[0]} of {source.table.quoted} has the name of a column that every predictions "
            f"table has; rename it in a view and use that as the source"
        )
    own = "".join(f"NULL::{kind} AS {column}, " for column, kind in own_columns.items())
    return Statement(
        f"CREATE TABLE IF NOT EXISTS {table} AS SELECT NULL::DATE AS WEEK_START, NULL::VARCHAR AS ROW_ID, "
        f"{''.join(f'{column}, ' for column in source.key)}NULL::VARCHAR AS MODEL_NAME, "
        f"NULL::VARCHAR AS MODEL_VERSION, NULL::FLOAT AS SCORE, NULL::{prediction_type} AS PREDICTION, {own}"
        f"NULL::VARCHAR AS RUN_ID, NULL::TIMESTAMP_NTZ AS SCORED_AT FROM {source.table} WHERE 1 = 0"
    )


def current_view(table: QualifiedName) -> QualifiedName:
    """Name the view of the predictions that count.

    >>> current_view(QualifiedName.parse("ml.churn.churn_predictions"))
    QualifiedName("ML"."CHURN"."CHURN_PREDICTIONS_CURRENT")
    """
    return QualifiedName(table.database, table.schema, Identifier(f"{table.object.name}_CURRENT"))


def current_columns(source: Source, own_columns: Iterable[str]) -> list[str]:
    """Name the columns of that view: all that a prediction has, but IS_SHADOW."""
    key = (column.name for column in source.key)
    return ["WEEK_START", "ROW_ID", *key, "MODEL_NAME", "MODEL_VERSION", "SCORE", "PREDICTION", *own_columns,
            "RUN_ID", "SCORED_AT"]  # fmt: skip


def create_current(table: QualifiedName, columns: Iterable[str]) -> Statement:
    """Create the view with one row a row of the source, or make it anew.

    Its columns are named: a view of ``*`` breaks when its table gets another column.
    """
    return Statement(
        f"CREATE OR REPLACE VIEW {current_view(table)} COPY GRANTS AS "
        f"SELECT {listed(map(Identifier, columns))} FROM {table} WHERE {NOT_SHADOW}"
    )


def describe_view(view: QualifiedName) -> Statement:
    """List a view's columns."""
    return Statement(f"DESCRIBE VIEW {view}")


def delete_week(table: QualifiedName, week: Week, *, shadow_of: tuple[QualifiedName, str] | None = None) -> Statement:
    """Delete what a run is about to insert anew, and nothing else.

    :param shadow_of: model and version whose shadow rows of the week go; None: the week's rows that count go
    """
    if shadow_of is None:
        return delete_rows(table, WEEK_START=week.start, IS_SHADOW=False)
    model, version = shadow_of
    return delete_rows(table, WEEK_START=week.start, IS_SHADOW=True, MODEL_NAME=model.quoted, MODEL_VERSION=version)


def insert_week(
    table: QualifiedName,
    staging: QualifiedName,
    source: Source,
    week: Week,
    *,
    model: QualifiedName,
    version: str,
    prediction: Statement,
    own_columns: Iterable[str],
    run_id: str,
    shadow: bool,
) -> Statement:
    """Insert a scored week into the predictions.

    :param prediction: the expression of the prediction over what was scored
    :param own_columns: columns that the predictions of this task have besides
    :param shadow: whether the rows stand beside those that count
    """
    key, own = ("".join(f"{column}, " for column in columns) for columns in (source.key, own_columns))
    return Statement(
        f"INSERT INTO {table} (WEEK_START, ROW_ID, {key}MODEL_NAME, MODEL_VERSION, SCORE, PREDICTION, {own}"
        f"RUN_ID, SCORED_AT, {SHADOW}) SELECT %s::DATE, ROW_ID, {key}%s, %s, SCORE, {prediction.text}, {own}%s, "
        f"{NOW}, %s FROM {staging}",
        (week.start, model.quoted, version, *prediction.values, run_id, shadow),
    )
