"""The gate: rules a challenger must meet before it is promoted. Pure; rules are data."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from snowmaker import gate_text
from snowmaker.bootstrap import Interval
from snowmaker.metrics import gain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEWEST_ROWS = 30
"""A segment with fewer rows is not judged by itself: its interval would be far too narrow to be one."""
# An XCom stays under 10 KB.
_MOST_CHARACTERS = 8500
_LONGEST_NAME, _LONGEST_NOTE, _MOST_NOTES = 80, 300, 8


@dataclass(frozen=True)
class Rule:
    """One rule's outcome: what was measured, against which bound.

    :param at_most: whether the value may not be above the bound, else it may not be below
    :param metric: what the rule is about, if it is a metric
    :param segment: the rows it is about, ``COLUMN=value``; '': all. Of a segment the interval is judged, not the value
    :param low: lower end of the value's interval, if it has one
    :param high: upper end
    :param note: what else is to be said, e.g. why it was not met
    :param is_judged: whether it could be; one that could not counts as met, and is told of
    """

    rule: str
    value: float | None
    bound: float
    passed: bool
    at_most: bool = False
    metric: str = ""
    segment: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""
    is_judged: bool = True

    @property
    def needs(self) -> str:
        """What it takes to meet it."""
        if self.segment:
            return f"interval up to {self.bound:g} or more"
        return f"at most {self.bound:g}" if self.at_most else f"{self.bound:g}"

    @property
    def outcome(self) -> str:
        """How it came out, for people."""
        if not self.is_judged:
            return "not judged"
        return "pass" if self.passed else "FAIL"

    def to_dict(self) -> dict[str, Any]:
        """Give the rule as an XCom holds it; what is as usual is left out."""
        values = ((one, getattr(self, one.name)) for one in fields(self))
        return {one.name: value for one, value in values if one.default is MISSING or value != one.default}


@dataclass(frozen=True)
class SegmentGain:
    """A challenger's gain over the champion on the rows of a segment.

    :param segment: ``COLUMN=value``
    :param value: the gain; None if it is not defined there
    :param margin: the loss that is borne
    """

    segment: str
    metric: str
    rows: int
    value: float | None
    interval: Interval
    margin: float

    def judge(self) -> Rule:
        """Fail the challenger if it is worse by more than the margin, as far as its interval goes."""
        rule, low, high = f"{self.metric} not worse", self.interval.low, self.interval.high
        note = ""
        if self.rows < FEWEST_ROWS:
            note = f"{self.rows} rows, and fewer than {FEWEST_ROWS} say nothing"
        elif self.value is None or high is None:
            note = f"the gain is not defined on its {self.rows} rows"
        return Rule(
            rule,
            self.value,
            -self.margin,
            passed=bool(note) or high is None or high >= -self.margin,
            metric=self.metric,
            segment=clipped(self.segment, _LONGEST_NAME),
            low=low,
            high=high,
            note=note,
            is_judged=not note,
        )


@dataclass(frozen=True)
class GateVerdict:
    """What the gate said of a challenger, and on which champion it was judged.

    :param champion: the champion's version, or None where there was none
    :param rows: labelled rows that both were judged on
    :param metrics: by version and metric
    :param intervals: likewise, the lower and upper end
    :param gains: by metric the gain over the champion, and its interval's lower and upper end
    :param weeks: the weeks of these rows, by their first days
    :param confidence: of the intervals
    :param notes: what else is to be said, e.g. which weeks were left out, and what was assumed
    :param left_out: how many rules are not among ``rules``: those that matter least
    """

    challenger: str
    champion: str | None
    rows: int
    rules: tuple[Rule, ...]
    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    gains: dict[str, list[float | None]] = field(default_factory=dict)
    weeks: tuple[str, ...] = ()
    confidence: float | None = None
    notes: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def passed(self) -> bool:
        """Whether every rule is met."""
        return all(rule.passed for rule in self.rules)

    @property
    def is_compared(self) -> bool:
        """Whether the champion was judged on the same rows; one that cannot score them is not."""
        return self.champion in self.metrics

    @property
    def summary(self) -> str:
        """One line for people: every rule with value, bound and outcome; of segments those that fail."""
        return gate_text.summary(self)

    @property
    def markdown(self) -> str:
        """The whole verdict as a table, for where Markdown is shown."""
        return gate_text.markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Give the verdict as an XCom holds it: of a great many segments the worst."""
        content: dict[str, Any] = {
            "challenger": self.challenger,
            "champion": self.champion,
            "rows": self.rows,
            "rules": [],
            "metrics": self.metrics,
            "intervals": self.intervals,
            "gains": self.gains,
            "weeks": list(self.weeks),
            "confidence": self.confidence,
            "notes": [clipped(note, _LONGEST_NOTE) for note in self.notes[:_MOST_NOTES]],
            "left_out": self.left_out,
            "passed": self.passed,
        }
        kept = self._fitting(_MOST_CHARACTERS - len(json.dumps(content)))
        content["rules"] = [rule.to_dict() for place, rule in enumerate(self.rules) if place in kept]
        content["left_out"] = self.left_out + len(self.rules) - len(kept)
        return content

    def _fitting(self, room: int) -> set[int]:
        """Return the places of the rules that matter most, as many as there is room for."""

        def weight(place: int) -> tuple[bool, bool, bool, float]:
            rule = self.rules[place]
            reached = rule.high if rule.segment else rule.value
            return bool(rule.segment), rule.passed, not rule.is_judged, (reached or 0) - rule.bound

        places = sorted(range(len(self.rules)), key=weight)
        # One that is not met comes first: without it the verdict would read as another.
        unmet = next((place for place in places if not self.rules[place].passed), None)
        places.sort(key=lambda place: place != unmet)
        kept: set[int] = set()
        for place in places:
            room -= len(json.dumps(self.rules[place].to_dict())) + 2
            if room < 0 and kept:
                break
            kept.add(place)
        return kept

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> GateVerdict:
        """Read what ``to_dict`` wrote."""
        return cls(
            challenger=content["challenger"],
            champion=content["champion"],
            rows=content["rows"],
            rules=tuple(Rule(**rule) for rule in content["rules"]),
            metrics=dict(content["metrics"]),
            intervals=dict(content.get("intervals") or {}),
            gains=dict(content.get("gains") or {}),
            weeks=tuple(content.get("weeks") or ()),
            confidence=content.get("confidence"),
            notes=tuple(content.get("notes") or ()),
            left_out=content.get("left_out") or 0,
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
    intervals: Mapping[str, Mapping[str, Interval]] | None = None,
    gain_intervals: Mapping[str, Interval] | None = None,
    segments: Sequence[SegmentGain] = (),
    more: Sequence[Rule] = (),
    weeks: Sequence[object] = (),
    confidence: float | None = None,
    notes: Sequence[str] = (),
) -> GateVerdict:
    """Hold a challenger against the floors and ceilings and, where there is a champion with metrics, against it.

    The gain is the difference, and of an error the share by which it is smaller. Values are held against the bounds,
    and their intervals shown; only in segments, where there are few rows, must the whole interval be below the bound
    for the challenger to fail. A metric that is not defined meets no rule.

    :param intervals: by version and metric
    :param gain_intervals: of the gain over the champion, by metric
    :param segments: the gains that may not be losses
    :param more: rules about other things than metrics

    >>> verdict = judge("V2", "V1", {"V1": {"f1": 0.7}, "V2": {"f1": 0.8}}, rows=100,
    ...                 floors={"f1": 0.75}, min_gain={"f1": 0.05})
    >>> verdict.passed, [rule.rule for rule in verdict.rules]
    (True, ['f1', 'f1 gain'])
    """
    own, around = metrics[challenger], (intervals or {}).get(challenger, {})
    rules = [at_least(name, own[name], bound, name, around.get(name)) for name, bound in floors.items()]
    rules += [at_most(name, own[name], bound, name, around.get(name)) for name, bound in (ceilings or {}).items()]
    gains: dict[str, list[float | None]] = {}
    if champion is not None and champion in metrics:
        around = gain_intervals or {}
        found = {name: gain(name, value, metrics[champion].get(name)) for name, value in own.items()}
        for name, bound in min_gain.items():
            rules.append(at_least(f"{name} gain", found[name], bound, name, around.get(name)))
        rules += [segment.judge() for segment in segments]
        gains = {name: [found[name], one.low, one.high] for name, one in around.items()}
    return GateVerdict(
        challenger,
        champion,
        rows,
        (*rules, *more),
        {name: dict(values) for name, values in metrics.items()},
        {version: {name: [one.low, one.high] for name, one in of.items()} for version, of in (intervals or {}).items()},
        gains,
        tuple(map(str, weeks)),
        confidence,
        tuple(notes),
    )


def at_least(
    rule: str, value: float | None, bound: float, metric: str = "", interval: Interval | None = None, note: str = ""
) -> Rule:
    """Make a rule that is met by a value from the bound on."""
    around, passed = interval or Interval(), value is not None and value >= bound
    return Rule(rule, value, bound, passed, metric=metric, low=around.low, high=around.high, note=note)


def at_most(
    rule: str, value: float | None, bound: float, metric: str = "", interval: Interval | None = None, note: str = ""
) -> Rule:
    """Make a rule that is met by a value up to the bound."""
    around, passed = interval or Interval(), value is not None and value <= bound
    return Rule(rule, value, bound, passed, at_most=True, metric=metric, low=around.low, high=around.high, note=note)


def clipped(text: str, most: int) -> str:
    """Shorten a text that is too long to keep.

    >>> clipped("COUNTY=Hennepin", 9)
    'COUNTY=H…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"
