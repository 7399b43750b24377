"""Reading and changing a model's state in the registry, through an open warehouse session."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from snowmaker.champion import PRODUCTION, ModelState, ModelVersion, Promotion
from snowmaker.exceptions import ModelVersionError
from snowmaker.hooks.warehouse import StatementError
from snowmaker.snowflake import registry, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snowmaker.champion import Step
    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName


def read_state(session: WarehouseSession, model: QualifiedName) -> ModelState:
    """Read a model's versions and promotions; a model that does not exist has none."""
    versions = session.rows_if_any(registry.show_versions(model))
    events = registry.promotions(model.sibling(tables.MODEL_EVENTS), model.quoted)
    promotions = [
        Promotion(row["MODEL_VERSION"], date.fromisoformat(str(row["WEEK_START"])[:10]))
        for row in session.rows_if_any(events)
    ]
    return ModelState(model.quoted, tuple(ModelVersion.from_row(row) for row in versions), tuple(promotions))


def carry_out(session: WarehouseSession, model: QualifiedName, step: Step) -> None:
    """Send one step of a promotion."""
    match step.action:
        case "set_default":
            session.execute(registry.set_default(model, step.version))
        case "unset_alias":
            session.execute(registry.unset_alias(model, step.version))
        case "set_alias":
            session.execute(registry.set_alias(model, step.version, PRODUCTION))


@contextmanager
def calling(session: WarehouseSession, model: QualifiedName, versions: Sequence[str], method: str) -> Iterator[None]:
    """Run statements that call a model's method; if one fails because there is no such method, say so.

    :param versions: the versions that are called
    :raises ModelVersionError: naming the methods there are
    """
    try:
        yield
    except StatementError:
        for version in versions:
            rows = session.rows_if_any(registry.show_functions(model, version))
            there_are = [str(row["name"]).upper() for row in rows]
            if there_are and method.upper() not in there_are:
                raise ModelVersionError(
                    f"version {version} of model {model.quoted} has no method {method.upper()}; "
                    f"there are: {', '.join(there_are)}"
                ) from None
        raise
