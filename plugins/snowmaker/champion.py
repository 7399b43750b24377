"""Who is champion, challenger and the one before, and which version a name means. Pure.

The log of events tells; the registry's default version and aliases follow it, so what a reader is told by them may be
a moment old. Only a model that has no events yet is taken as the registry shows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from snowmaker.exceptions import ModelVersionError
from snowmaker.model_events import EventKind, Succession, champion_as_of, ever_champions, succession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from snowmaker.model_events import Event
    from snowmaker.week import Week

PRODUCTION, PREVIOUS, CHALLENGER = "PRODUCTION", "PREVIOUS", "CHALLENGER"
CHAMPION = "champion"
CHAMPION_AS_OF_WEEK = "champion_as_of_week"
_SYSTEM_ALIASES = {"DEFAULT", "FIRST", "LAST"}


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry.

    :param spec: the registry's description of it, the text of its model.yaml; ``model_inputs`` reads it
    """

    name: str
    is_default: bool = False
    aliases: frozenset[str] = frozenset()
    metrics: tuple[tuple[str, Any], ...] = ()
    comment: str = ""
    created_on: datetime | None = None
    spec: str = field(default="", repr=False)

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
            created_on=row.get("created_on"),
            spec=row.get("model_spec") or "",
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
class ModelState:
    """What events and registry say of a model at one moment.

    :param model: the model's full name, for messages
    :param versions: its versions in the registry; none if the model does not exist
    :param events: what was decided about them, the oldest first
    """

    model: str
    versions: tuple[ModelVersion, ...]
    events: tuple[Event, ...] = ()

    @cached_property
    def succession(self) -> Succession:
        """What the events come to."""
        return succession(self.events)

    @cached_property
    def retired(self) -> frozenset[str]:
        """The names of versions that were retired; one that was made again since is another."""
        ended = {event.version: event.written_at for event in self.events if event.kind is EventKind.RETIRED}
        made = {version.name: version.created_on for version in self.versions}
        return frozenset(
            name for name, at in ended.items() if at is None or (created := made.get(name)) is None or created <= at
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the versions that are in the registry and were not retired."""
        return tuple(version.name for version in self.versions if version.name not in self.retired)

    @property
    def champion_name(self) -> str | None:
        """The champion's name, also if the version is not in the registry any more; None if there is no champion.

        A model whose events tell of no champion has one if somebody put the PRODUCTION alias on the default version. As
        long as the newest promotion is one of the first releases, the default version is the champion: there it was how
        people went back by hand.

        :raises ModelVersionError: if somebody put it on another one: which is meant cannot be told then
        """
        default = next((version.name for version in self.versions if version.is_default), None)
        if told := self.succession.champion:
            return told if self.succession.is_certain else default or told
        holder = next((version.name for version in self.versions if PRODUCTION in version.aliases), None)
        if holder not in (None, default):
            raise ModelVersionError(
                f"model {self.model} has alias {PRODUCTION} on {holder}, but {default or 'none'} is its default "
                f"version, and no promotion is on record; make the champion the default: "
                f"ALTER MODEL {self.model} SET DEFAULT_VERSION = …"
            )
        return holder

    @property
    def champion(self) -> ModelVersion | None:
        """The champion, or None if there is none yet.

        :raises ModelVersionError: if it is not in the registry any more, or cannot be told
        """
        name = self.champion_name
        if name is None:
            return None
        if name not in self.names:
            raise ModelVersionError(
                f"the champion {name} of model {self.model} is not in the registry any more; roll back to one of "
                f"{', '.join(self.former_champions) or '(no earlier champion is left)'} with DAG rollback_model, or "
                f"log {name} again"
            )
        return self.version(name)

    @property
    def previous(self) -> ModelVersion | None:
        """The champion that a rollback goes back to; versions that no longer exist are passed over."""
        earlier = reversed(self.succession.champions[:-1])
        name = next((name for name in earlier if name in self.names and name != self.champion_name), None)
        return self.version(name) if name else None

    @property
    def challenger(self) -> ModelVersion | None:
        """The version that was nominated and not judged yet, if it is still there."""
        name = self.succession.challenger
        return self.version(name) if name in self.names and name != self.champion_name else None

    @property
    def former_champions(self) -> tuple[str, ...]:
        """The versions that were champion once, are not now, and are still there; the latest first."""
        return tuple(name for name in ever_champions(self.events) if name in self.names and name != self.champion_name)

    def version(self, name: str) -> ModelVersion:
        """Return the version of that exact name.

        :raises ModelVersionError: naming the versions there are
        """
        for version in self.versions:
            if version.name == name and name in self.names:
                return version
        found = f"retired its version {name!r}" if name in self.retired else f"has no version {name!r}"
        raise ModelVersionError(f"model {self.model} {found}; there are: {', '.join(self.names) or 'none'}")

    def event(self, event_id: str) -> Event | None:
        """Return the event of that id, if it was written."""
        return next((event for event in self.events if event.event_id == event_id), None)

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
            return self._champion_as_of(week)
        if asked in self.names or asked in self.retired:
            return self.version(asked)
        if self.events and asked.upper() in (PRODUCTION, PREVIOUS, CHALLENGER):
            return self._holder(asked.upper())
        for version in self.versions:
            if asked.upper() in {version.name, *version.aliases} and version.name in self.names:
                return version
        raise self._unknown(asked)

    def _holder(self, alias: str) -> ModelVersion:
        # The registry's own alias may be a moment behind the event.
        holder = {PRODUCTION: self.champion, PREVIOUS: self.previous, CHALLENGER: self.challenger}[alias]
        if holder is None:
            raise self._unknown(alias)
        return holder

    def _unknown(self, asked: str) -> ModelVersionError:
        names = ", ".join(
            version.name + (f" ({', '.join(sorted(version.aliases))})" if version.aliases else "")
            for version in self.versions
            if version.name in self.names
        )
        return ModelVersionError(f"model {self.model} has no version or alias {asked!r}; there are: {names or 'none'}")

    def _champion_as_of(self, week: Week) -> ModelVersion:
        name = champion_as_of(self.events, week)
        if name is None:
            raise ModelVersionError(
                f"model {self.model} had no champion as of week {week}; "
                f"take model 'champion' or a version, or a later week"
            )
        return self.version(name)
