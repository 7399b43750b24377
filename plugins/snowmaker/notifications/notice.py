"""What a person is told of a model: one message, with everything needed to decide whether to look. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, get_args

from snowmaker.gate import GateVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping

Event = Literal["warn", "breach", "degraded", "approval", "promotion", "rejection", "rollback", "failure"]
EVENTS: tuple[Event, ...] = get_args(Event)
_TOLD = {"warn": "warning", "breach": "breach"}
_LONGEST_ERROR = 400
_WEEKS_SHOWN = 5


@dataclass(frozen=True)
class Notice:
    """One message about one model.

    :param events: what happened; who has asked for one of them gets the message
    :param headline: the same for people, a few words
    :param model: the model's name
    :param about: further facts of the first line, such as week and version
    :param details: what moved, by how much; a line each
    :param links: where to look, by what is found there
    """

    events: frozenset[Event]
    headline: str
    model: str
    about: Mapping[str, str]
    details: tuple[str, ...]
    links: Mapping[str, str]

    @property
    def subject(self) -> str:
        """The message in a line.

        >>> Notice(frozenset({"breach"}), "Drift breach", "ML.LOANS.M", {"week": "2026-03-02"}, (), {}).subject
        'Drift breach: ML.LOANS.M, week 2026-03-02'
        """
        week = self.about.get("week")
        return f"{self.headline}: {self.model}" + (f", week {week}" if week else "")

    @property
    def text(self) -> str:
        """The message in plain words.

        >>> about = {"version": "V2", "week": "2026-03-02"}
        >>> print(Notice(frozenset(), "Drift breach", "M", about, ("Moved: A",), {"Run": "http://x/r"}).text)
        Drift breach: model M, version V2, week 2026-03-02
        Moved: A
        Run: http://x/r
        """
        links = (f"{name}: {address}" for name, address in self.links.items())
        return "\n".join([self._first_line, *self.details, *links])

    @property
    def html(self) -> str:
        """The message for a mail; nothing in it is markup but what is made here."""
        links = (f'<a href="{escape(address)}">{escape(name)}</a>' for name, address in self.links.items())
        told = [f"<b>{escape(self._first_line)}</b>", *map(escape, self.details), " · ".join(links)]
        return "".join(f"<p>{line}</p>" for line in told if line)

    @property
    def slack(self) -> str:
        """The message as Slack reads it: its three characters escaped, the links behind their names."""
        links = (f"<{_for_slack(address)}|{_for_slack(name)}>" for name, address in self.links.items())
        told = [f"*{_for_slack(self._first_line)}*", *map(_for_slack, self.details), " · ".join(links)]
        return "\n".join(line for line in told if line)

    @property
    def fields(self) -> dict[str, Any]:
        """The message for a program: its text, and what it is made of."""
        return {
            "subject": self.subject,
            "text": self.text,
            "events": sorted(self.events),
            "model": self.model,
            **self.about,
            "details": list(self.details),
            "links": dict(self.links),
        }

    @property
    def _first_line(self) -> str:
        about = "".join(f", {name} {value}" for name, value in self.about.items())
        return f"{self.headline}: model {self.model}{about}"


def of_check(model: str, cause: str, result: Mapping[str, Any], links: Mapping[str, str]) -> Notice | None:
    """Tell of a weekly check that found something; None if all is well, or nothing new was measured.

    :param cause: drift or performance
    :param result: what the check returned
    """
    verdict, degraded = result.get("verdict"), bool(result.get("degraded"))
    happened: dict[Event, bool] = {"warn": verdict == "warn", "breach": verdict == "breach", "degraded": degraded}
    if not any(happened.values()) or result.get("weeks") == {}:
        return None
    since = f" since {result['since']}" if result.get("since") else ""
    return Notice(
        events=frozenset(event for event in happened if happened[event]),
        headline=f"Degraded by {cause}" if degraded else f"{cause.capitalize()} {_TOLD[str(verdict)]}",
        model=_plain(model),
        about={"version": str(result["model_version"]), "week": str(result["week"])},
        details=(*_moved(result), *([f"Degraded{since}"] if degraded else [])),
        links=links,
    )


def of_approval(model: str, verdict: Mapping[str, Any], links: Mapping[str, str]) -> Notice:
    """Tell of a challenger that waits for a person's answer.

    :param verdict: the gate's, as EvaluateChallengerOperator returns it
    """
    gate = GateVerdict.from_dict(verdict)
    return Notice(
        events=frozenset({"approval"}),
        headline="Waiting for approval",
        model=_plain(model),
        about={"version": gate.challenger},
        details=(f"To become champion in place of {gate.champion or 'none'}", gate.summary),
        links=links,
    )


def of_promotion(
    model: str,
    week: str,
    verdict: Mapping[str, Any],
    reason: str | None,
    links: Mapping[str, str],
    approval: Mapping[str, Any] | None = None,
) -> Notice:
    """Tell of a challenger that was promoted, or was rejected by its gate or a person.

    :param verdict: the gate's, as EvaluateChallengerOperator returns it
    :param approval: the person's, as ApproveChallengerOperator returns it; None where the gate decides
    """
    gate = GateVerdict.from_dict(verdict)
    asked = approval if gate.passed else None
    is_promoted = gate.passed and (asked is None or bool(asked["approved"]))
    before = f"before: {gate.champion}" if gate.champion else "the first champion"
    outcome = f"Champion: {gate.challenger} ({before})" if is_promoted else f"Champion unchanged: {gate.champion}"
    return Notice(
        events=frozenset({"promotion" if is_promoted else "rejection"}),
        headline="Promoted" if is_promoted else "Rejected",
        model=_plain(model),
        about={"version": gate.challenger, "week": week},
        details=(
            outcome,
            *([_decided(asked)] if asked else []),
            gate.summary,
            *([f"Trained because: {reason}"] if reason else []),
        ),
        links=links,
    )


def of_rollback(
    model: str, result: Mapping[str, Any], reason: str | None, who: str | None, links: Mapping[str, str]
) -> Notice:
    """Tell of a champion that gave way to an earlier one.

    :param result: what RollbackModelOperator returned
    :param who: the person who did it, if Airflow knows
    """
    return Notice(
        events=frozenset({"rollback"}),
        headline="Rolled back",
        model=_plain(model),
        about={"version": str(result["champion"])},
        details=(
            f"Champion: {result['champion']} (before: {result['previous']})",
            *([f"By {who}"] if who else []),
            *([f"Because: {reason}"] if reason else []),
        ),
        links=links,
    )


def of_failure(model: str, week: str, task: str, error: str, links: Mapping[str, str]) -> Notice:
    """Tell of a task that failed, and will not be tried again.

    :param task: the task's id
    :param error: what it failed of, without secrets; line breaks and what is too long go
    """
    told = " ".join(error.split()) or "Airflow tells no reason; see the task's log"
    return Notice(
        events=frozenset({"failure"}),
        headline=f"Task {task} failed",
        model=_plain(model),
        about={"week": week} if week else {},
        details=(told if len(told) <= _LONGEST_ERROR else f"{told[:_LONGEST_ERROR]}…",),
        links=links,
    )


def _moved(result: Mapping[str, Any]) -> list[str]:
    if moved := result.get("moved"):
        return [f"Moved: {'; '.join(map(str, moved))}"]
    if "worst_feature" in result:
        return [f"Moved: {result['worst_feature']} {_number(result.get('worst_value'))}"]
    told = []
    for key, title in (("weeks", "by week"), ("estimated", "estimated, before labels come")):
        newest = sorted((result.get(key) or {}).items())[-_WEEKS_SHOWN:]
        if newest:
            values = ", ".join(f"{week} {_number(value)}" for week, value in newest)
            told.append(f"{result.get('metric', 'Metric')} {title}: {values}")
    return told


def _decided(approval: Mapping[str, Any]) -> str:
    """Write who decided, and why.

    >>> _decided({"approved": False, "decided_by": "ada", "note": "too small a gain"})
    'Rejected by ada: too small a gain'
    """
    why = f": {approval['note']}" if approval["note"] else ""
    return f"{'Approved' if approval['approved'] else 'Rejected'} by {approval['decided_by']}{why}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"


def _plain(name: str) -> str:
    """Write a name as people say it.

    >>> _plain('"ML"."LOANS"."MORTGAGE"')
    'ML.LOANS.MORTGAGE'
    """
    return name.replace('"', "")


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
