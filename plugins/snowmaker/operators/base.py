"""What the operators that talk to Snowflake share."""

from __future__ import annotations

import logging
import subprocess
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from snowmaker.exceptions import InputDataError, WarehouseError
from snowmaker.hooks.locks import locked_transaction
from snowmaker.hooks.warehouse import LOCK_SECONDS, StatementError, WarehouseHook
from snowmaker.input_check import check_columns
from snowmaker.snowflake import tables
from snowmaker.snowflake.source_rows import describe_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.input_check import LabelRule
    from snowmaker.snowflake.identifiers import QualifiedName
    from snowmaker.snowflake.statement import Statement, Value
    from snowmaker.source import Source

# One line a statement of the clients drowns the task's own log.
for client in ("snowflake.connector", "snowflake.snowpark"):
    logging.getLogger(client).setLevel(logging.WARNING)


class WarehouseOperator(BaseOperator):
    """An operator with a Snowflake connection.

    :param snowflake_conn_id: Airflow connection of type Snowflake (default ``snowflake_default``)
    """

    def __init__(self, *, snowflake_conn_id: str = "snowflake_default", **kwargs: Any) -> None:
        # So that .output["week"] gives a field of the result.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.snowflake_conn_id = snowflake_conn_id

    @cached_property
    def hook(self) -> WarehouseHook:
        """The hook to Snowflake."""
        return WarehouseHook(snowflake_conn_id=self.snowflake_conn_id)


def run_label(context: Mapping[str, Any]) -> str:
    """Name the run as the tables keep it: DAG id and run id."""
    run = context["dag_run"]
    return f"{run.dag_id}/{run.run_id}"


def ensure_columns(
    session: WarehouseSession, source: Source, *, label_rule: LabelRule | None = None, version: str | None = None
) -> dict[str, str]:
    """Check table and columns, and return the columns' types.

    :param label_rule: what the label must be, if it is going to be looked at
    :param version: the model version whose features those of the source are; None: they are the pipeline file's
    :raises InputDataError: if the table or a column is missing, or of another type
    """
    try:
        described = session.rows(describe_columns(source.table))
    except StatementError as error:
        if not error.object_is_missing:
            raise
        raise InputDataError(
            f"table {source.table.quoted} does not exist, or the connection {session.conn_id!r}'s role may not see "
            f"it; mend source.table in the pipeline file, or grant SELECT on it"
        ) from None
    check_columns(source, described, label_rule=label_rule, version=version)
    return {str(row["name"]): str(row["type"]) for row in described}


def replace_rows(
    session: WarehouseSession,
    table: QualifiedName,
    *,
    lock: str,
    holder: str,
    statements: Sequence[Statement],
    expected: int | None = None,
) -> None:
    """Run statements in one transaction that nobody else's with the same lock can interleave with.

    :param lock: what only one may change at a time, e.g. a table's name
    :param holder: who changes it
    :param expected: how many rows the last statement must change
    :raises WarehouseError: if it changes another number, or somebody else's transaction does not end; nothing is
        written then
    """
    locks = table.sibling(tables.LOCKS)
    try:
        with locked_transaction(session, locks, lock, holder, wait_seconds=LOCK_SECONDS) as is_held:
            if not is_held:
                raise _busy(table)
            for statement in statements:
                changed = session.execute(statement)
            if expected is not None and changed != expected:
                raise WarehouseError(
                    f"{table.quoted}: {changed} rows were written where {expected} were expected; nothing is kept"
                )
    except StatementError as error:
        if not error.lock_timed_out:
            raise
        raise _busy(table) from None


def _busy(table: QualifiedName) -> WarehouseError:
    return WarehouseError(
        f"{table.quoted}: other transactions have held its rows for {LOCK_SECONDS} seconds; nothing was written, try "
        f"again. SHOW LOCKS tells which; of a client that died SELECT SYSTEM$ABORT_TRANSACTION(id) ends it"
    )


def rewrite_rows(
    session: WarehouseSession,
    table: QualifiedName,
    where: Mapping[str, Value],
    rows: Sequence[Mapping[str, Value]],
    run: str,
) -> None:
    """Replace all rows of one of Snowmaker's tables that have some values by others that have them, in one go.

    :param where: the values by column, MODEL_NAME among them
    :param rows: what each new row has besides these, by column
    :param run: who writes
    """
    replace_rows(
        session,
        table,
        lock=f"{table.quoted} {where['MODEL_NAME']}",
        holder=run,
        statements=tables.rewrite(table, where, rows, run),
    )


def code_commit(context: Mapping[str, Any]) -> str | None:
    """Return the commit of the bundle that the run's code comes from, if it is known."""
    bundle = getattr(context["ti"], "bundle_instance", None)
    if bundle is None:
        return None
    if bundle.version:
        return str(bundle.version)
    command = ["git", "-C", str(Path(bundle.path)), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
