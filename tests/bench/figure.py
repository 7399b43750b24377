"""One measured figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A value, and what it may be at most; no bound where it is only to be seen."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the bound is kept."""
        return self.bound is None or self.value <= self.bound
