"""The gate: rules a challenger must meet before it is promoted. Pure; rules are data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from snowmaker.metrics import gain

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Rule:
    """One rule's outcome: what was measured, against which bound.

    :param at_most: whether the value may not be above the bound, else it may not be below
    """

    rule: str
    value: float | None
    bound: float
    passed: bool
    at_most: bool = False


@dataclass(frozen=True)
class GateVerdict:
    """What the gate said of a challenger, and on which champion it was judged.

    :param champion: the champion's version, or None where there was none
    :param rows: labelled rows that both were judged on
    """

    challenger: str
    champion: str | None
    rows: int
    rules: tuple[Rule, ...]
    metrics: dict[str, dict[str, float | None]]

    @property
    def passed(self) -> bool:
        """Whether every rule is met."""
        return all(rule.passed for rule in self.rules)

    @property
    def summary(self) -> str:
        """One line for people: every rule with value, bound and outcome."""
        rules = "; ".join(
            f"{rule.rule} {_number(rule.value)} (needs {'at most ' if rule.at_most else ''}{rule.bound:g}): "
            f"{'pass' if rule.passed else 'FAIL'}"
            for rule in self.rules
        )
        against = f"against {self.champion}" if self.champion else "with no champion yet"
        return f"{self.challenger} {against}, {self.rows} rows: {rules or 'no rules'}"

    def to_dict(self) -> dict[str, Any]:
        """Give the verdict as an XCom holds it."""
        return {**asdict(self), "rules": [asdict(rule) for rule in self.rules], "passed": self.passed}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> GateVerdict:
        """Read what ``to_dict`` wrote."""
        return cls(
            challenger=content["challenger"],
            champion=content["champion"],
            rows=content["rows"],
            rules=tuple(Rule(**rule) for rule in content["rules"]),
            metrics=dict(content["metrics"]),
        )


def judge(
    challenger: str,
    champion: str | None,
    metrics: Mapping[str, Mapping[str, float | None]],
    *,
    rows: int,
    floors: Mapping[str, float],
    min_gain: Mapping[str, float],
    ceilings: Mapping[str, float] | None = None,
) -> GateVerdict:
    """Hold a challenger against the floors and ceilings and, where there is a champion, against it.

    The gain is the difference, and of an error the share by which it is smaller. A metric that is not defined
    meets no rule.

    >>> verdict = judge("V2", "V1", {"V1": {"f1": 0.7}, "V2": {"f1": 0.8}}, rows=100,
    ...                 floors={"f1": 0.75}, min_gain={"f1": 0.05})
    >>> verdict.passed, [rule.rule for rule in verdict.rules]
    (True, ['f1', 'f1 gain'])
    """
    own = metrics[challenger]
    rules = [Rule(name, own[name], bound, _at_least(own[name], bound)) for name, bound in floors.items()]
    for name, bound in (ceilings or {}).items():
        value = own[name]
        rules.append(Rule(name, value, bound, value is not None and value <= bound, at_most=True))
    if champion is not None:
        for name, bound in min_gain.items():
            found = gain(name, own[name], metrics[champion][name])
            rules.append(Rule(f"{name} gain", found, bound, _at_least(found, bound)))
    return GateVerdict(
        challenger, champion, rows, tuple(rules), {name: dict(values) for name, values in metrics.items()}
    )


def _at_least(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
