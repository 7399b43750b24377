"""Statements whose values stand in their text: DDL such as CREATE VIEW or CREATE ALERT takes no bind parameters."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import literal
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from snowmaker.snowflake.identifiers import Identifier
    from snowmaker.snowflake.statement import Value

_BARE = re.compile(r"[A-Z_][A-Z0-9_$]*")
_PLACEHOLDER = re.compile(r"%([%s])")


def inlined(statement: Statement) -> Statement:
    """Put a statement's values into its text, as literals.

    :raises ValueError: if there are more or fewer values than placeholders, or one has no literal

    >>> print(inlined(Statement("SELECT %s, 5 %% 2, %s", ("it's 7 %", 0.5))).text)
    SELECT 'it''s 7 %%', 5 %% 2, 0.5
    """
    found = sum(match[1] == "s" for match in _PLACEHOLDER.finditer(statement.text))
    if found != len(statement.values):
        raise ValueError(f"statement has {found} placeholders and {len(statement.values)} values: {statement.summary}")
    values = iter(statement.values)
    return Statement(
        _PLACEHOLDER.sub(lambda match: value_literal(next(values)) if match[1] == "s" else match[0], statement.text)
    )


def value_literal(value: Value) -> str:
    """Write a value as SQL does.

    :raises ValueError: if it is no text, finite number, truth value, date or None

    >>> value_literal(None), value_literal(True), value_literal(date(2026, 3, 2)), value_literal(-0.5)
    ('NULL', 'TRUE', "'2026-03-02'::DATE", '-0.5')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, str):
        return literal(value)
    if type(value) is date:
        return f"'{value.isoformat()}'::DATE"
    raise ValueError(f"{value!r} has no literal; give a text, a finite number, a truth value or a date")


def name_text(name: Identifier) -> str:
    """Give a name as text that Snowflake reads as a name: in double quotes only if it needs them, as its client does.

    >>> from snowmaker.snowflake.identifiers import Identifier
    >>> print(name_text(Identifier("V1")), name_text(Identifier("debt ratio")))
    V1 "debt ratio"
    """
    return name.name if _BARE.fullmatch(name.name) else name.quoted


def name_literal(name: Identifier) -> str:
    """Write a name where SQL takes a text."""
    return literal(name_text(name))
