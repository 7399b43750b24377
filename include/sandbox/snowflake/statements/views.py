"""The SQL about views that is neither a query nor a CREATE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from include.sandbox.snowflake.errors import not_found
from include.sandbox.snowflake.language import shows
from include.sandbox.snowflake.language.grammar import Effect, statement, unquote
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, rows, status
from include.sandbox.snowflake.sql import views

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(
        ("name", "reserved", "database_name", "schema_name", "owner", "comment", "text", "is_secure"), pa.string()
    ),
    **dict.fromkeys(("is_materialized", "owner_role_type", "change_tracking"), pa.string()),
}


@statement("SHOW VIEWS {options:rest}")
def show_views(session: Session, options: str) -> Result:
    """List views with their texts and comments: LIKE, IN, STARTS WITH, LIMIT."""
    wanted = shows.options(session, options)
    found = [
        view
        for view in views.views(session)
        if wanted.database in (None, view["database_name"]) and wanted.schema in (None, view["schema_name"])
    ]
    records = []
    for view in wanted.choose(found, lambda one: str(one["view_name"])):
        key = (view["database_name"], view["schema_name"], view["view_name"])
        entry = session.account.catalog.find(views.KIND, key)
        record = {
            "created_on": entry.created_on if entry else None,
            "name": key[2],
            "reserved": "",
            "database_name": key[0],
            "schema_name": key[1],
            "owner": session.account.role,
            "comment": view["comment"] or "",
            "text": entry.definition["text"] if entry else view["sql"],
            "is_secure": "false",
            "is_materialized": "false",
            "owner_role_type": "ROLE",
            "change_tracking": "OFF",
        }
        records.append(record)
    return rows(records, _COLUMNS)


@statement("ALTER VIEW [exists:IF EXISTS] {name:name} SET COMMENT = {text:text}", Effect.DDL)
def set_view_comment(session: Session, name: str, exists: str | None, text: str) -> Result:
    """Replace a view's comment."""
    return _comment(session, name, exists, unquote(text))


@statement("ALTER VIEW [exists:IF EXISTS] {name:name} UNSET COMMENT", Effect.DDL)
def unset_view_comment(session: Session, name: str, exists: str | None) -> Result:
    """Take a view's comment away."""
    return _comment(session, name, exists, None)


def _comment(session: Session, name: str, exists: str | None, comment: str | None) -> Result:
    key = session.qualify(name)
    if any((v["database_name"], v["schema_name"], v["view_name"]) == key for v in views.views(session)):
        views.comment_on(session, "VIEW", key, comment)
    elif not exists:
        raise not_found("View", ".".join(key))
    return status(DONE)


@statement("ALTER VIEW [exists:IF EXISTS] {name:name} RENAME TO {new:name}", Effect.DDL)
def rename_view(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a view another name."""
    views.rename(session, session.qualify(name), session.qualify(new), if_exists=bool(exists))
    return status(DONE)
