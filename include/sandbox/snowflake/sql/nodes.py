"""The nodes of a statement by their type, found in one walk: a wide one has thousands, and many questions are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from sqlglot import exp

_Node = TypeVar("_Node", bound=exp.Expr)


class Nodes:
    """The nodes that a tree has now."""

    def __init__(self, expression: exp.Expr) -> None:
        by_class: dict[type[exp.Expr], list[exp.Expr]] = {}
        for node in expression.walk():
            by_class.setdefault(type(node), []).append(node)
        self.classes = frozenset(by_class)
        self._by_type: dict[type, list[list[exp.Expr]]] = {}
        for class_, nodes in by_class.items():
            for type_ in class_.__mro__:
                self._by_type.setdefault(type_, []).append(nodes)

    def of(self, type_: type[_Node]) -> Iterator[_Node]:
        """The nodes of a type."""
        for nodes in self._by_type.get(type_, ()):
            yield from nodes  # type: ignore[misc]

    def has(self, *types: type[exp.Expr]) -> bool:
        """True if there is a node of one of these types."""
        return any(type_ in self._by_type for type_ in types)
