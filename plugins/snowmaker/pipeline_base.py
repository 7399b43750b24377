"""What every section of a pipeline file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from snowmaker.snowflake.identifiers import Identifier, QualifiedName


def _check_identifier(text: str) -> str:
    Identifier.parse(text)
    return text


def _check_table(text: str) -> str:
    QualifiedName.parse(text, database="D", schema="S")
    return text


Column = Annotated[str, AfterValidator(_check_identifier)]
Table = Annotated[str, AfterValidator(_check_table)]


class Section(BaseModel):
    """Base of all sections: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
