"""Batch inference in the warehouse: the expressions that call a model, and the statement that scores a week."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.exceptions import IdentifierError
from snowmaker.snowflake.identifiers import Identifier, literal
from snowmaker.snowflake.source_rows import identified_rows, model_argument
from snowmaker.snowflake.statement import Statement, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.source import Feature, Source
    from snowmaker.week import Week

# What a model's function returns for a row: an object, under a name that no column has.
RESULT = "SNOWMAKER_RESULT"
_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ScoreMethod:
    """Which of a model's functions gives the score, and in which field of its result.

    :param method: the model's function, e.g. ``PREDICT_PROBA``
    :param field: the output feature that is the score: for a binary classifier the probability of class 1; of several
        classes with ``{}`` where a class's number stands
    """

    method: str = "PREDICT_PROBA"
    field: str = "output_feature_1"

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise IdentifierError(f"model method {self.method!r} is not a function's name; write e.g. PREDICT")


def call(model: QualifiedName, version: str, method: ScoreMethod, features: tuple[Feature, ...]) -> str:
    """Give the expression of what a function of one model version returns for a row."""
    arguments = listed(model_argument(feature) for feature in features)
    return f"MODEL({model}, {Identifier(version)})!{method.method.upper()}({arguments})"


def score(model: QualifiedName, version: str, method: ScoreMethod, features: tuple[Feature, ...]) -> str:
    """Give the expression of a row's score by one model version."""
    return f"{call(model, version, method, features)}[{literal(method.field)}]::FLOAT"


def field(name: str) -> str:
    """Give the expression of a number among what the model returned for a row."""
    return f"{RESULT}[{literal(name)}]::FLOAT"


def scored_rows(
    rows: Statement,
    carried: Sequence[object],
    *,
    model: QualifiedName,
    version: str,
    method: ScoreMethod,
    features: tuple[Feature, ...],
    outputs: Mapping[str, Statement],
) -> Statement:
    """Select some columns of rows and what a model version makes of them; the model is called once a row.

    :param carried: columns of ``rows`` to select too
    :param outputs: by column the expressions over the model's result, made with ``field``
    """
    kept = "".join(f"{column}, " for column in carried)
    called = f"SELECT {kept}{call(model, version, method, features)} AS {RESULT} FROM ({rows.text})"
    return _opened(kept, outputs, Statement(called, rows.values))


def _opened(kept: str, outputs: Mapping[str, Statement], called: Statement) -> Statement:
    made = listed(f"{expression.text} AS {column}" for column, expression in outputs.items())
    values = (value for expression in outputs.values() for value in expression.values)
    return Statement(f"SELECT {kept}{made} FROM ({called.text})", (*values, *called.values))


def score_week(
    staging: QualifiedName,
    source: Source,
    week: Week,
    *,
    model: QualifiedName,
    version: str,
    method: ScoreMethod,
    features: tuple[Feature, ...],
    outputs: Mapping[str, Statement],
) -> Statement:
    """Score a week's rows into a temporary table: outside of any transaction, for it may take long.

    :param source: as the version takes it, with all that any of its functions takes
    :param features: what the function takes
    """
    scored = scored_rows(
        identified_rows(source, week, week),
        ("ROW_ID", *source.key),
        model=model,
        version=version,
        method=method,
        features=features,
        outputs=outputs,
    )
    return Statement(f"CREATE OR REPLACE TEMPORARY TABLE {staging} AS {scored.text}", scored.values)


def count_scores(staging: QualifiedName, is_good: str) -> Statement:
    """Count the rows SCORED, the GOOD scores and the MISSING ones.

    :param is_good: the condition that SCORE is good
    """
    return Statement(
        f"SELECT COUNT(*) AS SCORED, COUNT_IF({is_good}) AS GOOD, COUNT_IF(SCORE IS NULL) AS MISSING FROM {staging}"
    )
