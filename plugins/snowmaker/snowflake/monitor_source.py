"""What a model monitor looks at: a view of a version's predictions, rows and labels, and a table as its baseline.

A row's time is the first day of its week, so that a week is one window whatever day weeks start on. Snowmaker's columns
have a prefix; all others are features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.literals import inlined
from snowmaker.snowflake.predictions import SHADOW
from snowmaker.snowflake.scoring import scored_rows
from snowmaker.snowflake.source_rows import identified_rows_where, in_weeks, model_argument
from snowmaker.snowflake.statement import IS_FINITE, Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.scored_task import ScoredTaskType
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.scoring import ScoreMethod
    from snowmaker.source import Feature, Source
    from snowmaker.week import Week

TIME, ROW_ID, SCORE, PREDICTION, LABEL = (
    Identifier(f"SNOWMAKER_{name}") for name in ("WEEK", "ROW_ID", "SCORE", "PREDICTION", "LABEL")
)


@dataclass(frozen=True)
class Roles:
    """Which of Snowmaker's columns a task's monitor has, and as what; a column without a role would be a feature.

    :param label_type: the column type of the label
    :param columns: by option of CREATE MODEL MONITOR
    """

    label_type: str
    columns: Mapping[str, tuple[Identifier, ...]]

    @property
    def has_prediction(self) -> bool:
        """Whether the prediction is a column beside the score."""
        return any(PREDICTION in names for names in self.columns.values())


ROLES: dict[ScoredTaskType, Roles] = {
    "binary_classification": Roles(
        "NUMBER(38,0)",
        {
            "PREDICTION_SCORE_COLUMNS": (SCORE,),
            "PREDICTION_CLASS_COLUMNS": (PREDICTION,),
            "ACTUAL_CLASS_COLUMNS": (LABEL,),
        },
    ),
    # Of several classes a monitor takes no score; so it is a feature, and its drift is told.
    "multiclass_classification": Roles(
        "VARCHAR", {"PREDICTION_CLASS_COLUMNS": (PREDICTION,), "ACTUAL_CLASS_COLUMNS": (LABEL,)}
    ),
    "regression": Roles("FLOAT", {"PREDICTION_SCORE_COLUMNS": (SCORE,), "ACTUAL_SCORE_COLUMNS": (LABEL,)}),
}


def segment(column: Identifier) -> Identifier:
    """Name the copy of a column that segments are made of: a column may have one part only, and it is a feature too."""
    return Identifier(f"SNOWMAKER_SEGMENT_{column.name}")


def monitored_rows(
    predictions: QualifiedName,
    source: Source,
    model: QualifiedName,
    version: str,
    *,
    roles: Roles,
    segments: Sequence[Identifier],
) -> Statement:
    """Select a version's predictions with their rows and, as far as they have come, the labels."""
    rows = identified_rows_where(source, Statement(f"{source.week_column} IS NOT NULL"), also=(source.label,))
    shown = _shown(source, roles, segments, label=source.label)
    prediction = f"P.PREDICTION AS {PREDICTION}, " if roles.has_prediction else ""
    return Statement(
        f"SELECT P.WEEK_START::TIMESTAMP_NTZ AS {TIME}, P.WEEK_START::VARCHAR || ' ' || P.ROW_ID AS {ROW_ID}, "
        f"P.SCORE AS {SCORE}, {prediction}{listed(f'S.{name}' for name in shown)} FROM {predictions} P "
        f"JOIN (SELECT WEEK_START, ROW_ID, {_selected(shown)} FROM ({rows.text})) S "
        f"ON S.WEEK_START = P.WEEK_START AND S.ROW_ID = P.ROW_ID "
        f"WHERE NOT P.{SHADOW} AND P.MODEL_NAME = %s AND P.MODEL_VERSION = %s",
        (*rows.values, model.quoted, version),
    )


def baseline_rows(
    training_table: QualifiedName,
    source: Source,
    weeks: tuple[Week, Week],
    *,
    model: QualifiedName,
    version: str,
    method: ScoreMethod,
    features: tuple[Feature, ...],
    outputs: Mapping[str, Statement],
    prediction: Statement,
    roles: Roles,
    segments: Sequence[Identifier],
) -> Statement:
    """Select some weeks of a training set, scored by the version, in the columns of ``monitored_rows``.

    :param features: what the version's function takes
    """
    condition = in_weeks(source.week_column, *weeks)
    carried = tuple(dict.fromkeys([*(feature.column for feature in source.features), *segments]))
    rows = Statement(
        f"SELECT {listed(carried)}, {source.label} AS {LABEL} FROM {training_table} WHERE {condition.text}",
        condition.values,
    )
    scored = scored_rows(
        rows, (*carried, LABEL), model=model, version=version, method=method, features=features, outputs=outputs
    )
    shown = _selected(_shown(source, roles, segments, label=LABEL))
    predicted = f"{prediction.text} AS {PREDICTION}, " if roles.has_prediction else ""
    values = prediction.values if roles.has_prediction else ()
    return Statement(f"SELECT SCORE AS {SCORE}, {predicted}{shown} FROM ({scored.text})", (*values, *scored.values))


def create_view(view: QualifiedName, rows: Statement) -> Statement:
    """Create or replace a view."""
    return Statement(f"CREATE OR REPLACE VIEW {view} AS {inlined(rows).text}")


def create_table(table: QualifiedName, rows: Statement) -> Statement:
    """Create or replace a table of rows."""
    return Statement(f"CREATE OR REPLACE TABLE {table} AS {rows.text}", rows.values)


def count_rows(table: QualifiedName) -> Statement:
    """Count a table's rows."""
    return Statement(f"SELECT COUNT(*) AS N FROM {table}")


def _shown(source: Source, roles: Roles, segments: Sequence[Identifier], *, label: Identifier) -> dict[Identifier, str]:
    """Give the expressions of label, features and segments by the names that they have."""
    cast = f"{label}::{roles.label_type}"
    return {
        **{feature.column: _feature(feature) for feature in source.features},
        **{segment(column): f"{column}::VARCHAR" for column in segments},
        LABEL: _finite(cast) if roles.label_type == "FLOAT" else cast,
    }


def _selected(expressions: Mapping[Identifier, str]) -> str:
    return listed(f"{expression} AS {name}" for name, expression in expressions.items())


def _feature(feature: Feature) -> str:
    value = model_argument(feature)
    return value if feature.kind == "categorical" else _finite(value)


def _finite(number: str) -> str:
    # A number that is NaN or infinite makes a monitor's refresh fail.
    return f"IFF({IS_FINITE.format(number)}, {number}, NULL)"
