"""The variables of a session, `SET name = value` and `$name`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError

_NO_VARIABLES = r"'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|[\w$]*\w\$\w*"


@dataclass(frozen=True)
class Variable:
    """A variable's value, and since when it has it."""

    value: Any
    created_on: datetime
    updated_on: datetime

    @classmethod
    def of(cls, value: Any, before: Variable | None) -> Variable:
        """A new value, of a new variable or of one that there is."""
        now = datetime.now(UTC)
        return cls(value, before.created_on if before else now, now)

    @property
    def literal(self) -> str:
        """The value as SQL."""
        return exp.convert(self.value).sql(dialect="snowflake")

    @property
    def text(self) -> str | None:
        """The value as text."""
        if self.value is None:
            return None
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)

    @property
    def type(self) -> str:
        """The value's type as SHOW VARIABLES names it."""
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, int | Decimal):
            return "fixed"
        return "real" if isinstance(self.value, float) else "text"


def substitute_variables(sql: str, variables: Mapping[str, Variable]) -> str:
    """Replace `$name` by the session variable's value, but not inside strings, names and comments."""
    if "$" not in sql:
        return sql

    def value(found: re.Match[str]) -> str:
        if not (name := found["variable"]):
            return found[0]
        if name.upper() not in variables:
            raise SqlError(2211, "02000", f"{COMPILATION}Session variable '${name.upper()}' does not exist")
        return variables[name.upper()].literal

    return re.sub(rf"{_NO_VARIABLES}|\$(?P<variable>[A-Za-z_]\w*)", value, sql, flags=re.DOTALL)
