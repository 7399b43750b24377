"""Reading and changing a model's state in the registry, through an open warehouse session."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from snowmaker.champion import ModelState, ModelVersion
from snowmaker.exceptions import ModelVersionError
from snowmaker.hooks.own_tables import bring_up_to_date
from snowmaker.hooks.warehouse import StatementError
from snowmaker.model_events import Event
from snowmaker.snowflake import registry, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.registry_plan import Step
    from snowmaker.snowflake.identifiers import QualifiedName


def read_state(session: WarehouseSession, model: QualifiedName) -> ModelState:
    """Read a model's events and versions; a model that does not exist has none.

    The events are read first: a version that they name was there before them. What contradicts them nevertheless came
    in between the two readings, or is so: a second look tells.

    :raises ModelVersionError: if the registry contradicts itself; see :attr:`ModelState.champion_name`
    """
    bring_up_to_date(session, model.sibling(tables.MODEL_EVENTS))
    state = _read(session, model)
    if state.succession.champion is None or not state.succession.is_certain:
        # Then the registry tells of one, unless an event has come in between.
        is_agreed = not state.versions or _read_events(session, model) == state.events
    else:
        is_agreed = state.succession.champion in state.names
    return state if is_agreed else _read(session, model)


def _read(session: WarehouseSession, model: QualifiedName) -> ModelState:
    events = _read_events(session, model)
    versions = session.rows_if_any(registry.show_versions(model))
    return ModelState(model.quoted, tuple(ModelVersion.from_row(row) for row in versions), events)


def _read_events(session: WarehouseSession, model: QualifiedName) -> tuple[Event, ...]:
    rows = session.rows_if_any(registry.events(model.sibling(tables.MODEL_EVENTS), model.quoted))
    return tuple(Event.from_row(row) for row in rows)


def carry_out(session: WarehouseSession, model: QualifiedName, step: Step) -> None:
    """Send one step of a plan."""
    match step.action:
        case "set_default":
            session.execute(registry.set_default(model, step.version))
        case "unset_alias":
            session.execute(registry.unset_alias(model, step.version))
        case "set_alias":
            _move_alias(session, model, step)
        case "drop_version":
            session.execute(registry.drop_version(model, step.version))


def _move_alias(session: WarehouseSession, model: QualifiedName, step: Step) -> None:
    # Whether a registry takes an alias from its holder is not documented. Where it does, no reader misses the alias.
    try:
        session.execute(registry.set_alias(model, step.version, step.alias))
    except StatementError:
        versions = [ModelVersion.from_row(row) for row in session.rows_if_any(registry.show_versions(model))]
        holders = [v.name for v in versions if step.alias in v.aliases and v.name != step.version]
        if not holders:
            raise
        for holder in holders:
            session.execute(registry.unset_alias(model, holder))
        session.execute(registry.set_alias(model, step.version, step.alias))


@contextmanager
def calling(session: WarehouseSession, model: QualifiedName, versions: Sequence[str], method: str) -> Iterator[None]:
    """Run statements that call a model's method; if one fails because it cannot be called so, say so.

    :param versions: the versions that are called
    :raises ModelVersionError: naming the methods there are, or that the version takes other arguments
    """
    try:
        yield
    except StatementError as error:
        for version in versions:
            rows = session.rows_if_any(registry.show_functions(model, version))
            there_are = [str(row["name"]).upper() for row in rows]
            if there_are and method.upper() not in there_are:
                raise ModelVersionError(
                    f"version {version} of model {model.quoted} has no method {method.upper()}; "
                    f"there are: {', '.join(there_are)}"
                ) from None
        if error.arguments_are_wrong:
            raise ModelVersionError(
                f"model {model.quoted}: {' or '.join(versions)} takes other arguments than the registry's description "
                f"of it tells (model_spec of SHOW VERSIONS); log it again. Snowflake says: {error}"
            ) from None
        raise
