"""The SQL about tables and views that is neither a query nor a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.snowflake import describe
from include.sandbox.snowflake.grammar import statement
from include.sandbox.snowflake.results import Result

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session


@statement("(DESC|DESCRIBE) (TABLE|VIEW) {name:name} [TYPE = COLUMNS]")
def describe_table(session: Session, name: str) -> Result:
    """The columns of a table or view."""
    return describe.describe_table(session, name)
