"""Model registry statements: versions, aliases, the default version. All of them commit by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.statement import Statement
from snowmaker.snowflake.tables import NOW

if TYPE_CHECKING:
    from snowmaker.snowflake.identifiers import QualifiedName


def show_versions(model: QualifiedName) -> Statement:
    """List a model's versions with aliases, metadata and comment."""
    return Statement(f"SHOW VERSIONS IN MODEL {model}")


def show_functions(model: QualifiedName, version: str) -> Statement:
    """List the functions of a model's version."""
    return Statement(f"SHOW FUNCTIONS IN MODEL {model} VERSION {Identifier(version)}")


def set_default(model: QualifiedName, version: str) -> Statement:
    """Make a version the default: one atomic statement."""
    return Statement(f"ALTER MODEL {model} SET DEFAULT_VERSION = {Identifier(version)}")


def set_alias(model: QualifiedName, version: str, alias: str) -> Statement:
    """Give a version an alias that no version holds."""
    return Statement(f"ALTER MODEL {model} VERSION {Identifier(version)} SET ALIAS = {Identifier.parse(alias).name}")


def unset_alias(model: QualifiedName, version: str) -> Statement:
    """Take a version's alias away."""
    return Statement(f"ALTER MODEL {model} VERSION {Identifier(version)} UNSET ALIAS")


def insert_event(
    table: QualifiedName,
    *,
    event_id: str,
    event: str,
    model: str,
    version: str,
    previous: str | None,
    week: object,
    reason: str | None,
    gate: str | None,
    run_id: str,
) -> Statement:
    """Write a model event once, however often it is tried."""
    return Statement(
        f"INSERT INTO {table} (EVENT_ID, SEQUENCE, EVENT, MODEL_NAME, MODEL_VERSION, PREVIOUS_VERSION, WEEK_START, "
        f"REASON, GATE, RUN_ID, WRITTEN_AT) "
        f"SELECT %s, COALESCE((SELECT MAX(SEQUENCE) FROM {table} WHERE MODEL_NAME = %s), 0) + 1, "
        f"%s, %s, %s, %s, %s::DATE, %s, %s, %s, "
        f"{NOW} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE EVENT_ID = %s)",
        (event_id, model, event, model, version, previous, week, reason, gate, run_id, event_id),
    )


def promotions(table: QualifiedName, model: str) -> Statement:
    """List a model's promotions, the oldest first."""
    return Statement(
        f"SELECT MODEL_VERSION, WEEK_START, WRITTEN_AT FROM {table} "
        f"WHERE MODEL_NAME = %s AND EVENT = 'PROMOTED' ORDER BY WRITTEN_AT",
        (model,),
    )


def last_retraining(table: QualifiedName, model: str) -> Statement:
    """Tell the newest week as of which a model was retrained, whether its challenger won or not; NULL if none."""
    return Statement(
        f"SELECT MAX(WEEK_START) AS WEEK_START FROM {table} "
        f"WHERE MODEL_NAME = %s AND EVENT IN ('PROMOTED', 'REJECTED')",
        (model,),
    )
