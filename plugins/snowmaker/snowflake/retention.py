"""What belongs to a model's retired versions: the statements that find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from snowmaker.snowflake.identifiers import QualifiedName


def retirements(table: QualifiedName, model: str) -> Statement:
    """List a model's retired versions with what led to it, the oldest first.

    :param table: the model events
    """
    return Statement(
        f"SELECT MODEL_VERSION, GATE FROM {table} WHERE MODEL_NAME = %s AND EVENT = 'RETIRED' ORDER BY SEQUENCE",
        (model,),
    )
