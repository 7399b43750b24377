"""Who is champion, which version a name means, and the steps of a promotion. Pure.

The champion is the model's *default version*, once there has been a promotion: the registry switches it in
one atomic statement, so a reader sees exactly one at every instant. The PRODUCTION alias follows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from snowmaker.exceptions import ConcurrentChangeError, ModelVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from snowmaker.week import Week

PRODUCTION = "PRODUCTION"
CHAMPION = "champion"
CHAMPION_AS_OF_WEEK = "champion_as_of_week"
_SYSTEM_ALIASES = {"DEFAULT", "FIRST", "LAST"}


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry."""

    name: str
    is_default: bool = False
    aliases: frozenset[str] = frozenset()
    metrics: tuple[tuple[str, Any], ...] = ()
    comment: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> ModelVersion:
        """Read a row of SHOW VERSIONS; the aliases every model has by itself are left out."""
        aliases = frozenset(str(alias).upper() for alias in json.loads(row["aliases"] or "[]"))
        metadata = json.loads(row["metadata"] or "{}")
        return cls(
            name=row["name"],
            is_default=str(row["is_default_version"]).lower() == "true",
            aliases=aliases - _SYSTEM_ALIASES,
            metrics=tuple(sorted(metadata.get("metrics", {}).items())),
            comment=row["comment"] or "",
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What the comment tells of the version's making; empty if a person wrote the comment."""
        try:
            content = json.loads(self.comment)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes it tells apart, in the order of its outputs; none unless there are several."""
        return tuple(self.provenance.get("classes") or ())


@dataclass(frozen=True)
class Promotion:
    """A promotion that happened: the version, and the week as of which it was made."""

    version: str
    week_start: date


@dataclass(frozen=True)
class ModelState:
    """What registry and events say of a model at one moment.

    :param model: the model's full name, for messages
    :param versions: its versions; none if the model does not exist
    :param promotions: its promotions, the oldest first
    """

    model: str
    versions: tuple[ModelVersion, ...]
    promotions: tuple[Promotion, ...] = ()

    @property
    def champion(self) -> ModelVersion | None:
        """The default version, if there has been a promotion; else None.

        :raises ModelVersionError: if somebody else put the PRODUCTION alias on another version: which is meant
            cannot be told then
        """
        default = next((version for version in self.versions if version.is_default), None)
        if self.promotions:
            return default
        holder = next((version for version in self.versions if PRODUCTION in version.aliases), None)
        if holder and not holder.is_default:
            raise ModelVersionError(
                f"model {self.model} has alias {PRODUCTION} on {holder.name}, but {default.name if default else 'none'}"
                f" is its default version, and no promotion is on record; make the champion the default: "
                f"ALTER MODEL {self.model} SET DEFAULT_VERSION = …"
            )
        return holder

    def version(self, name: str) -> ModelVersion:
        """Return the version of that exact name.

        :raises ModelVersionError: naming the versions there are
        """
        for version in self.versions:
            if version.name == name:
                return version
        there_are = ", ".join(version.name for version in self.versions) or "none"
        raise ModelVersionError(f"model {self.model} has no version {name!r}; there are: {there_are}")

    def resolve(self, asked: str, week: Week) -> ModelVersion:
        """Return the version that ``asked`` means for a week.

        :param asked: ``champion``, ``champion_as_of_week``, an alias, or a version's name
        :param week: the week to score
        :raises ModelVersionError: if there is no such version, alias or champion
        """
        if asked.lower() == CHAMPION:
            if self.champion is None:
                raise ModelVersionError(
                    f"model {self.model} has no champion yet; run its retraining DAG, or name a version"
                )
            return self.champion
        if asked.lower() == CHAMPION_AS_OF_WEEK:
            return self.version(self._champion_as_of(week))
        for version in self.versions:
            if asked == version.name or asked.upper() in version.aliases:
                return version
        for version in self.versions:
            if asked.upper() == version.name:
                return version
        names = ", ".join(
            version.name + (f" ({', '.join(sorted(version.aliases))})" if version.aliases else "")
            for version in self.versions
        )
        raise ModelVersionError(f"model {self.model} has no version or alias {asked!r}; there are: {names or 'none'}")

    def _champion_as_of(self, week: Week) -> str:
        # A version promoted as of week W has seen W; W+1 is the first week it scores.
        earlier = [promotion for promotion in self.promotions if promotion.week_start < week.start]
        if not earlier:
            raise ModelVersionError(
                f"model {self.model} had no champion as of week {week}; "
                f"take model 'champion' or a version, or a later week"
            )
        return earlier[-1].version


@dataclass(frozen=True)
class Step:
    """One registry statement of a promotion."""

    action: Literal["set_default", "unset_alias", "set_alias"]
    version: str


def plan_promotion(state: ModelState, challenger: str, expected: str | None) -> Sequence[Step]:
    """Return the statements that are still to do; none if the promotion is complete.

    The default version moves first, for that is the switch; the alias after it. So a promotion that died
    half-way is finished by the same call again. It does not depend on SET ALIAS taking an alias from its
    holder, nor on a version holding more than one.

    :param state: registry and events as they are now
    :param challenger: the version to promote
    :param expected: the champion that the gate judged against, None if there was none
    :raises ModelVersionError: if the challenger does not exist
    :raises ConcurrentChangeError: if the champion is neither that nor the challenger
    """
    version = state.version(challenger)
    champion = state.champion.name if state.champion else None
    if champion not in (expected, challenger):
        raise ConcurrentChangeError(
            f"model {state.model}: {challenger} was judged against champion {expected or '(none)'}, but the "
            f"champion is {champion or '(none)'} now; evaluate it again"
        )
    steps = [] if version.is_default else [Step("set_default", challenger)]
    if version.aliases == {PRODUCTION}:
        return steps
    holders = [other.name for other in state.versions if PRODUCTION in other.aliases]
    steps += [Step("unset_alias", name) for name in holders if name != challenger]
    if version.aliases:
        steps.append(Step("unset_alias", challenger))
    return [*steps, Step("set_alias", challenger)]
