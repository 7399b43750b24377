"""A gate's verdict in words: one line for logs and messages, a table where Markdown is shown. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.gate import GateVerdict, Rule

_MOST_SEGMENTS = 5


def summary(verdict: GateVerdict) -> str:
    """Write the verdict in one line."""
    of_all = [rule for rule in verdict.rules if not rule.segment]
    of_segments = [rule for rule in verdict.rules if rule.segment]
    parts = [_told(rule) for rule in of_all]
    failed = [rule for rule in of_segments if not rule.passed]
    parts += [_told(rule) for rule in failed[:_MOST_SEGMENTS]]
    if len(failed) > _MOST_SEGMENTS:
        parts.append(f"{len(failed) - _MOST_SEGMENTS} more segments: FAIL")
    held = sum(rule.passed and rule.is_judged for rule in of_segments)
    if held:
        parts.append(f"{held} {'segment' if held == 1 else 'segments'} not worse: pass")
    open_ones = sum(not rule.is_judged for rule in of_segments)
    if open_ones:
        parts.append(f"{open_ones} {'segment' if open_ones == 1 else 'segments'} with too few rows: not judged")
    if verdict.left_out:
        parts.append(f"{verdict.left_out} more in SNOWMAKER_VERDICTS")
    against = f"{_relation(verdict)} {verdict.champion}" if verdict.champion else "with no champion yet"
    return f"{verdict.challenger} {against}, {verdict.rows} rows: {'; '.join(parts) or 'no rules'}"


def markdown(verdict: GateVerdict) -> str:
    """Write the verdict as a table, with the rules that are not met first.

    Names come from the data: they stand as code, so that nothing in them is taken for Markdown or a link.
    """
    champion = f"{_relation(verdict)} champion {_code(verdict.champion)}" if verdict.champion else ""
    against = champion or "with no champion yet"
    lines = [
        f"{_code(verdict.challenger)} {against}, on {verdict.rows:,} labelled rows{_weeks(verdict.weeks)}: "
        f"**{'passed' if verdict.passed else 'not passed'}**",
        "",
        "| Rule | Segment | Found | Interval | Needed | Outcome |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for rule in sorted(verdict.rules, key=lambda rule: rule.passed):
        outcome = rule.outcome if rule.passed else f"**{rule.outcome}**"
        cells = (
            rule.rule.replace("_", "\\_"),
            _code(rule.segment) if rule.segment else "all",
            number(rule.value),
            interval(rule),
            rule.needs,
            outcome + (f": {_code(rule.note)}" if rule.note else ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    told = list(map(_code, verdict.notes))
    if verdict.left_out:
        told.append(f"{verdict.left_out} more rules are in the table SNOWMAKER\\_VERDICTS.")
    if verdict.confidence and any(rule.low is not None for rule in verdict.rules):
        told.append(f"Intervals: paired bootstrap, {100 * verdict.confidence:g} %.")
    return "\n".join([*lines, *(["", *(f"- {one}" for one in told)] if told else [])])


def _relation(verdict: GateVerdict) -> str:
    return "against" if verdict.is_compared else "without a comparison with"


def number(value: float | None) -> str:
    """Write a value.

    >>> number(0.75), number(None)
    ('0.7500', 'undefined')
    """
    return "undefined" if value is None else f"{value:.4f}"


def interval(rule: Rule) -> str:
    """Write a rule's interval; empty if it has none."""
    return "" if rule.low is None or rule.high is None else f"{rule.low:.4f} to {rule.high:.4f}"


def _told(rule: Rule) -> str:
    where = f" in {rule.segment}" if rule.segment else ""
    around = f" [{rule.low:.4f}, {rule.high:.4f}]" if rule.low is not None and rule.high is not None else ""
    note = f" ({rule.note})" if rule.note else ""
    return f"{rule.rule}{where} {number(rule.value)}{around} (needs {rule.needs}): {rule.outcome}{note}"


def _weeks(weeks: Sequence[str]) -> str:
    if len(weeks) < 2:
        return f" of week {weeks[0]}" if weeks else ""
    return f" of {len(weeks)} weeks from {weeks[0]} to {weeks[-1]}"


def _code(text: str) -> str:
    """Write a name so that it is shown as it is: a code span in a table's cell."""
    plain = " ".join(text.replace("`", "'").split()).replace("|", "\\|")
    return f"`{plain or ' '}`"
