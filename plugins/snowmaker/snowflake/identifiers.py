"""Names that quote themselves: no text of a config or a parameter is ever pasted into SQL unquoted.

``str()`` of a name is its form in a statement's text. There a percent sign stands doubled, as the connector's
``%s`` placeholders want it; ``.quoted`` is the plain form for everywhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowmaker.exceptions import IdentifierError

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_QUOTED = re.compile(r'"(?:[^"]|"")+"')
_PART = re.compile(rf'{_QUOTED.pattern}|[^."]+')
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
        if _QUOTED.fullmatch(text) and len(text) <= _MAX_LENGTH:
            return cls(text[1:-1].replace('""', '"'))
        raise IdentifierError(
            f"{text!r} is not an identifier; write letters, digits, _ and $ (stored in upper case), "
            f"or the exact name in double quotes"
        )

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return '"' + self.name.replace('"', '""') + '"'

    def __str__(self) -> str:
        return self.quoted.replace("%", "%%")


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
    def parse(cls, text: str, *, database: str | None = None, schema: str | None = None) -> QualifiedName:
        """Read ``name``, ``schema.name`` or ``database.schema.name``; what is missing is filled in.

        :raises IdentifierError: if a part is missing or is not an identifier, or there are more than three
        """
        parts = _PART.findall(text)
        defaults = [name for name in (database, schema) if name]
        filled = defaults[: max(0, 3 - len(parts))] + parts
        if ".".join(parts) != text or len(filled) != 3:
            expected = "name, schema.name or database.schema.name" if defaults else "database.schema.name"
            raise IdentifierError(f"{text!r} is not a table or model name; write {expected}")
        return cls(*(Identifier.parse(part) for part in filled))

    def sibling(self, name: str) -> QualifiedName:
        """Return the object called ``name`` in the same schema."""
        return QualifiedName(self.database, self.schema, Identifier.parse(name))

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return f"{self.database.quoted}.{self.schema.quoted}.{self.object.quoted}"

    @property
    def in_schema(self) -> str:
        """The schema's name, for statements such as SHOW … IN SCHEMA."""
        return f"{self.database}.{self.schema}"

    def __str__(self) -> str:
        return f"{self.database}.{self.schema}.{self.object}"

    def __repr__(self) -> str:
        return f"QualifiedName({self.quoted})"


def literal(text: str) -> str:
    r"""Quote a text where Snowflake takes no bind parameter, as in SHOW … LIKE or SET COMMENT.

    >>> print(literal(r"it's a \ slash"))
    'it''s a \\ slash'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("%", "%%") + "'"
