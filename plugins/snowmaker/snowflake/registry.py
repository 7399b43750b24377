"""Model registry statements: versions, aliases, the default version. All of them commit by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowmaker.snowflake.identifiers import Identifier
from snowmaker.snowflake.statement import Statement, listed
from snowmaker.snowflake.tables import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Value

# The events that make a version champion.
CROWNING = "('PROMOTED', 'ROLLED_BACK')"


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
    """Give a version an alias."""
    return Statement(f"ALTER MODEL {model} VERSION {Identifier(version)} SET ALIAS = {Identifier.parse(alias).name}")


def unset_alias(model: QualifiedName, version: str) -> Statement:
    """Take a version's alias away."""
    return Statement(f"ALTER MODEL {model} VERSION {Identifier(version)} UNSET ALIAS")


def drop_version(model: QualifiedName, version: str) -> Statement:
    """Remove a version and its files; the default version is refused."""
    return Statement(f"ALTER MODEL {model} DROP VERSION {Identifier(version)}")


# ---- events --------------------------------------------------------------------------------------


def insert_event(
    events: QualifiedName, locks: QualifiedName, lock: str, holder: str, values: Mapping[str, Value]
) -> Statement:
    """Write a model event, provided that a lock is held in this very transaction.

    Otherwise no row is written: the service ends a transaction that stands still for long, and what its client sends
    after that would commit by itself.

    :param values: by column, without WRITTEN_AT
    """
    placeholders = listed("%s::DATE" if column == "WEEK_START" else "%s" for column in values)
    return Statement(
        f"INSERT INTO {events} ({listed(values)}, WRITTEN_AT) SELECT {placeholders}, {NOW} "
        f"WHERE EXISTS (SELECT 1 FROM {locks} WHERE NAME = %s AND HOLDER = %s)",
        (*values.values(), lock, holder),
    )


def events(table: QualifiedName, model: str) -> Statement:
    """List what was decided about a model's versions, the oldest first."""
    return Statement(
        f"SELECT SEQUENCE, EVENT, MODEL_VERSION, PREVIOUS_VERSION, WEEK_START, DECIDED_BY, EVENT_ID, RUN_ID, "
        f"WRITTEN_AT FROM {table} WHERE MODEL_NAME = %s ORDER BY SEQUENCE",
        (model,),
    )


def promotions(table: QualifiedName, model: str) -> Statement:
    """List when a model got another champion, by a promotion or a rollback, the oldest first."""
    return Statement(
        f"SELECT MODEL_VERSION, WEEK_START, WRITTEN_AT FROM {table} "
        f"WHERE MODEL_NAME = %s AND EVENT IN {CROWNING} ORDER BY SEQUENCE",
        (model,),
    )


def last_retraining(table: QualifiedName, model: str) -> Statement:
    """Tell the newest week as of which a model was retrained, whether its challenger won or not; NULL if none."""
    return Statement(
        f"SELECT MAX(WEEK_START) AS WEEK_START FROM {table} "
        f"WHERE MODEL_NAME = %s AND EVENT IN ('PROMOTED', 'REJECTED')",
        (model,),
    )
