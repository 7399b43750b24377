"""One measured figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A value, and what it may be at most, or at least; no bound where it is only to be seen."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the bound is kept."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """What is printed of it."""
        side = "at least" if self.at_least else "at most"
        bound = "" if self.bound is None else f"  ({side} {self.bound:g})"
        return f"{self.name:34} {self.value:10.2f} {self.unit}{bound}{'' if self.ok else '  MISSED'}"

    def record(self) -> dict[str, object]:
        """What is written down of it."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "bound": self.bound, "ok": self.ok}
