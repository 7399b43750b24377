"""The statements that make a model's registry follow its events. Pure.

Each registry statement commits by itself, so whoever carries them out may die between any two: the plan is made anew
from what is there, and is empty when the registry says what the events say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from snowmaker.champion import CHALLENGER, PREVIOUS, PRODUCTION
from snowmaker.exceptions import ModelVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.champion import ModelState

# A version holds at most one: the first that it is due.
ALIASES = (PRODUCTION, PREVIOUS, CHALLENGER)


@dataclass(frozen=True)
class Step:
    """One registry statement.

    :param alias: the alias that is set, or those that are unset, to be told
    """

    action: Literal["set_default", "unset_alias", "set_alias", "drop_version"]
    version: str
    alias: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.action.replace("_", " "), self.version, self.alias) if part)


def plan(state: ModelState) -> Sequence[Step]:
    """Return the statements that are still to do; none if the registry says what the events say.

    The default version moves first, in one atomic statement: whoever asks the registry for it finds exactly one
    champion at every instant. The aliases follow; one that somebody else gave to another version is left alone, one on
    a version that is due another gives way. Last, retired versions go.

    A champion that is not in the registry any more leaves default version and PRODUCTION where they are.

    >>> from datetime import date
    >>> from snowmaker.champion import ModelState, ModelVersion
    >>> from snowmaker.model_events import Event, EventKind
    >>> versions = (ModelVersion("V1", True, frozenset({"PRODUCTION"})), ModelVersion("V2"))
    >>> promoted = Event(1, EventKind.PROMOTED, "V2", "V1", date(2026, 3, 2))
    >>> for step in plan(ModelState("M", versions, (promoted,))):
    ...     print(step)
    set default V2
    set alias V2 PRODUCTION
    set alias V1 PREVIOUS
    """
    if not state.events:
        return []
    champion = state.champion_name
    default = next((version.name for version in state.versions if version.is_default), None)
    steps = []
    if champion in state.names and champion != default:
        steps.append(Step("set_default", str(champion)))
        default = champion
    steps += _alias_steps(state)
    steps += [
        Step("drop_version", version.name)
        for version in state.versions
        if version.name in state.retired and version.name != default
    ]
    return steps


def told_lag(state: ModelState) -> str:
    """Tell what the registry does not say yet of what the events say; empty if they agree."""
    try:
        steps = plan(state)
    except ModelVersionError as error:
        return str(error)
    if not steps:
        return ""
    return (
        f"the registry of model {state.model} is behind its events; the next decision about it puts that right "
        f"({'; '.join(str(step) for step in steps)})"
    )


def _alias_steps(state: ModelState) -> list[Step]:
    held = {version.name: set(version.aliases) for version in state.versions}
    due = _due(state)
    steps = []
    for alias, name in due.items():
        if alias in held[name]:
            continue
        if held[name]:
            steps.append(Step("unset_alias", name, ", ".join(sorted(held[name]))))
            held[name].clear()
        steps.append(Step("set_alias", name, alias))
        for aliases in held.values():
            aliases.discard(alias)
        held[name].add(alias)
    champion_is_gone = bool(state.champion_name) and PRODUCTION not in due
    for name, aliases in held.items():
        undue = {alias for alias in aliases if alias in ALIASES and due.get(alias) != name}
        if undue - ({PRODUCTION} if champion_is_gone else set()):
            steps.append(Step("unset_alias", name, ", ".join(sorted(undue))))
    return steps


def _due(state: ModelState) -> dict[str, str]:
    due: dict[str, str] = {}
    champion = state.champion_name
    wanted = (
        champion if champion in state.names else None,
        state.previous.name if state.previous else None,
        state.challenger.name if state.challenger else None,
    )
    for alias, name in zip(ALIASES, wanted, strict=True):
        if name and name not in due.values():
            due[alias] = name
    return due
