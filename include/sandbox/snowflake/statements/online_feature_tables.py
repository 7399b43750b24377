"""Online feature tables, which the sandbox does not have: what asks for them finds none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import statement
from include.sandbox.snowflake.results import CREATED_ON, Result, dropped, rows, status

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(("name", "database_name", "schema_name", "owner", "target_lag", "warehouse"), pa.string()),
    **dict.fromkeys(("refresh_mode", "scheduling_state", "comment"), pa.string()),
}


@statement("SHOW ONLINE FEATURE TABLES {options:rest}")
def show_online_feature_tables(session: Session, options: str) -> Result:
    """List online feature tables: there are none."""
    shows.options(session, options)
    return rows([], _COLUMNS)


@statement("DROP ONLINE FEATURE TABLE [exists:IF EXISTS] {name:name}")
def drop_online_feature_table(session: Session, name: str, exists: str | None) -> Result:
    """With IF EXISTS this does nothing: there are none."""
    key = session.qualify(name)
    if not exists:
        raise not_found("Online feature table", ".".join(key))
    return status(dropped(key[2], done=False))
