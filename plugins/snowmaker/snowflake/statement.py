"""A statement: its text with ``%s`` placeholders, and the values bound to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# NaN is greater than any number to Snowflake.
IS_FINITE = "ABS({}) < 'inf'::FLOAT"

Value = Any  # str | int | float | bool | date | datetime | None: what the connector binds


@dataclass(frozen=True)
class Statement:
    """SQL text in the connector's ``pyformat`` style, and its values in order."""

    text: str
    values: tuple[Value, ...] = ()

    @property
    def summary(self) -> str:
        """The first words, for error messages; no value stands in it."""
        words = " ".join(self.text.replace("%%", "%").split())
        return words if len(words) <= 120 else words[:117] + "..."


def listed(items: Iterable[object]) -> str:
    """Join names or expressions with commas."""
    return ", ".join(str(item) for item in items)
