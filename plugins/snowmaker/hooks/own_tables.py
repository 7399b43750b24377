"""Snowmaker's own tables are made on first use, and those of an earlier release are brought up to date."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from snowmaker.exceptions import OwnTableError
from snowmaker.hooks.warehouse import StatementError
from snowmaker.snowflake import migrations, tables
from snowmaker.snowflake.source_rows import describe_columns

if TYPE_CHECKING:
    from typing import Any

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Statement

log = logging.getLogger(__name__)

_OWN_PREFIX = "SNOWMAKER_"
_NOT_ALLOWED = 3001


def ensure_table(session: WarehouseSession, table: QualifiedName) -> None:
    """Make one of Snowmaker's tables if it is not there; bring it up to date if an earlier release made it.

    All of a schema's are looked at in one statement, once a session.

    :raises OwnTableError: if a later release made it, or somebody else
    """
    if not _brought_up_to_date(session, table, table.object.name):
        session.execute(tables.create_table(table))
        session.own_tables[table] = tables.schema_comment(table.object.name)


def ensure_predictions(session: WarehouseSession, table: QualifiedName, create: Statement | None = None) -> None:
    """Do the same for a pipeline's predictions table.

    :param create: the statement that makes it as the first release did, what came since is added; None: if it is not
        there, it is not made
    """
    if not _brought_up_to_date(session, table, tables.PREDICTIONS) and create:
        session.execute(create)
        session.own_tables[table] = ""
        _brought_up_to_date(session, table, tables.PREDICTIONS)


def bring_up_to_date(session: WarehouseSession, *own: QualifiedName) -> None:
    """Bring those of Snowmaker's tables up to date that are there; none is made.

    :raises OwnTableError: if a later release made one, or somebody else
    """
    for table in own:
        _brought_up_to_date(session, table, table.object.name)


def read_table(session: WarehouseSession, table: QualifiedName, statement: Statement) -> list[dict[str, Any]]:
    """Read one of Snowmaker's tables, brought up to date; no rows if it is not there.

    :raises OwnTableError: if a later release made it, or somebody else
    """
    return session.rows(statement) if _brought_up_to_date(session, table, table.object.name) else []


def _brought_up_to_date(session: WarehouseSession, table: QualifiedName, kind: str) -> bool:
    """Bring a table up to date if it is there, and tell whether it is."""
    if table not in session.own_tables:
        session.own_tables |= _look(session, table, kind)
    comment = session.own_tables[table]
    if comment is None:
        return False
    found, current = tables.schema_of(comment), tables.current_schema(kind)
    if found > current:
        raise OwnTableError(
            f"table {table.quoted} was made by a newer release of Snowmaker (its schema version is {found}, this "
            f"release knows {current}); upgrade Snowmaker here, too"
        )
    if found < current:
        _migrate(session, table, kind, comment)
        session.own_tables[table] = tables.schema_comment(kind, comment)
    return True


def _look(session: WarehouseSession, table: QualifiedName, kind: str) -> dict[QualifiedName, str | None]:
    is_own = kind in tables.COLUMNS
    shown = session.rows(tables.show_tables(table, _OWN_PREFIX if is_own else table.object.name))
    found = {row["name"]: row["comment"] or "" for row in shown}
    wanted = [table.sibling(name) for name in tables.COLUMNS] if is_own else [table]
    return {one: found.get(one.object.name) for one in wanted}


def _migrate(session: WarehouseSession, table: QualifiedName, kind: str, comment: str) -> None:
    log.info("Table %s is brought to schema version %d", table.quoted, tables.current_schema(kind))
    failed: list[Statement] = []
    while True:
        statements = _outstanding(session, table, kind, comment)
        try:
            for statement in statements:
                log.info("%s", statement.summary)
                session.execute(statement)
            return
        except StatementError as error:
            # Of two that migrate at once one comes too late; there is less to do then.
            if error.errno == _NOT_ALLOWED:
                raise _not_allowed(session, table, error) from None
            if failed == statements:
                raise
            failed = statements


def _outstanding(session: WarehouseSession, table: QualifiedName, kind: str, comment: str) -> list[Statement]:
    return migrations.outstanding(table, kind, comment, session.rows(describe_columns(table)))


def _not_allowed(session: WarehouseSession, table: QualifiedName, error: StatementError) -> OwnTableError:
    return OwnTableError(
        f"table {table.quoted} was made by an earlier release of Snowmaker, and the role of connection "
        f"{session.conn_id!r} may not alter it; run a task once with the role that owns it, or grant OWNERSHIP: {error}"
    )
