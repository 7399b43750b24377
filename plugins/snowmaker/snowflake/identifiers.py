"""Names that quote themselves: no text of a config or a parameter is ever pasted into SQL unquoted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowmaker.exceptions import IdentifierError

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_PART = re.compile(r'"(?:[^"]|"")+"|[^."]+')
_MAX_LENGTH = 255


@dataclass(frozen=True, order=True)
class Identifier:
    """One name of a column, table, schema, version …, as Snowflake stores it.

    >>> Identifier.parse("county_name")
    Identifier(name='COUNTY_NAME')
    >>> str(Identifier.parse("county_name")), str(Identifier.parse('"Mixed ""case"'))
    ('"COUNTY_NAME"', '"Mixed ""case"')
    >>> Identifier.parse("1 OR 1=1")
    Traceback (most recent call last):
    ...
    snowmaker.exceptions.IdentifierError: '1 OR 1=1' is not an identifier; write letters, digits, _ and $ \
(stored in upper case), or the exact name in double quotes
    """

    name: str

    @classmethod
    def parse(cls, text: str) -> Identifier:
        """Read a name as Snowflake does: upper case unless it stands in double quotes.

        :raises IdentifierError: if it is neither a bare nor a quoted identifier
        """
        if _BARE.fullmatch(text) and len(text) <= _MAX_LENGTH:
            return cls(text.upper())
        if re.fullmatch(r'"(?:[^"]|"")+"', text) and len(text) <= _MAX_LENGTH:
            return cls(text[1:-1].replace('""', '"'))
        raise IdentifierError(
            f"{text!r} is not an identifier; write letters, digits, _ and $ (stored in upper case), "
            f"or the exact name in double quotes"
        )

    def __str__(self) -> str:
        return '"' + self.name.replace('"', '""') + '"'


@dataclass(frozen=True, order=True)
class QualifiedName:
    """A database object's full name: ``"DATABASE"."SCHEMA"."NAME"``.

    >>> QualifiedName.parse("applications", database="ml", schema='"Loans"')
    QualifiedName("ML"."Loans"."APPLICATIONS")
    >>> str(QualifiedName.parse("raw.public.t", database="ml", schema="x").sibling("t_baseline"))
    '"RAW"."PUBLIC"."T_BASELINE"'
    """

    database: Identifier
    schema: Identifier
    object: Identifier

    @classmethod
    def parse(cls, text: str, *, database: str, schema: str) -> QualifiedName:
        """Read ``name``, ``schema.name`` or ``database.schema.name``; what is missing is filled in.

        :raises IdentifierError: if a part is not an identifier, or there are more than three
        """
        parts = _PART.findall(text)
        if not 1 <= len(parts) <= 3 or ".".join(parts) != text:
            raise IdentifierError(f"{text!r} is not a table name; write name, schema.name or database.schema.name")
        filled = [database, schema][: 3 - len(parts)] + parts
        return cls(*(Identifier.parse(part) for part in filled))

    def sibling(self, name: str) -> QualifiedName:
        """Return the object called ``name`` in the same schema."""
        return QualifiedName(self.database, self.schema, Identifier.parse(name))

    @property
    def in_schema(self) -> str:
        """The schema's quoted name."""
        return f"{self.database}.{self.schema}"

    def __str__(self) -> str:
        return f"{self.database}.{self.schema}.{self.object}"

    def __repr__(self) -> str:
        return f"QualifiedName({self})"


def literal(text: str) -> str:
    """Quote a text where Snowflake takes no bind parameter, as in SHOW … LIKE or SET COMMENT.

    >>> print(literal("it's a \\\\ slash"))
    'it''s a \\\\\\\\ slash'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
