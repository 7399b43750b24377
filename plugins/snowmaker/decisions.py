"""What may be decided about a model's versions, given what was decided before. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snowmaker.champion import ModelState

PREVIOUS_CHAMPION = "previous"


def check_promotion(state: ModelState, challenger: str, expected: str | None) -> None:
    """Check that a challenger may become champion: it exists, and the champion is the one it was judged against.

    If it is champion already, that is confirmed.

    :param expected: the champion that the gate judged against, None if there was none
    :raises ModelVersionError: if the challenger does not exist
    :raises ConcurrentChangeError: if the champion is another one by now
    """
    state.version(challenger)
    champion = state.champion_name
    if champion not in (expected, challenger):
        raise ConcurrentChangeError(
            f"model {state.model}: {challenger} was judged against champion {expected or '(none)'}, but the "
            f"champion is {champion or '(none)'} now; evaluate it again"
        )


def rollback_target(state: ModelState, target: str) -> str:
    """Return the version that a rollback makes champion.

    :param target: ``previous``, or the name of a version that was champion
    :raises ModelVersionError: if there is no earlier champion, or this one never was champion, is champion now, or is
        gone; the earlier champions are listed
    """
    there_are = f"earlier champions: {', '.join(state.former_champions) or 'none'}"
    if target.lower() == PREVIOUS_CHAMPION:
        if state.previous is None:
            raise ModelVersionError(
                f"model {state.model} has no champion before {state.champion_name or '(none)'} to go back to; "
                f"{there_are}"
            )
        return state.previous.name
    target = target if target in state.names else target.upper()
    if target == state.champion_name:
        raise ModelVersionError(f"{target} is the champion of model {state.model} already; {there_are}")
    if target not in state.former_champions:
        why = "was retired" if target in state.retired else "was never champion, or is not in the registry any more"
        raise ModelVersionError(f"model {state.model} cannot go back to {target!r}: it {why}; {there_are}")
    return target


def check_retirement(state: ModelState, versions: Iterable[str]) -> None:
    """Check that versions may be retired: they exist, and hold no place that a reader may rely on.

    :raises ModelVersionError: naming the first that may not
    """
    places = {
        "champion": state.champion_name,
        "previous champion": state.previous and state.previous.name,
        "challenger": state.challenger and state.challenger.name,
        "default version": next((version.name for version in state.versions if version.is_default), None),
        **{f"alias {alias}": version.name for version in state.versions for alias in version.aliases},
    }
    for name in versions:
        state.version(name)
        held = next((place for place, holder in places.items() if holder == name), None)
        if held:
            raise ModelVersionError(f"{name} of model {state.model} cannot be retired: it holds the place {held!r}")
