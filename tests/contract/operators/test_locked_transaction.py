"""Transactions that only one at a time may be in, from a lock's first use on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from snowmaker.hooks.locks import locked_transaction
from snowmaker.hooks.warehouse import WarehouseHook, WarehouseSession
from snowmaker.snowflake import tables
from snowmaker.snowflake.identifiers import QualifiedName
from snowmaker.snowflake.statement import Statement

from .lab import Lab, fresh

AT_ONCE = 6


def test_nobody_interleaves_when_a_lock_is_used_for_the_first_time(lab: Lab) -> None:
    table, name = lab.name(fresh("counter %")).replace("%", "%%"), fresh("lock")
    locks = QualifiedName.parse(lab.name(tables.LOCKS))

    def count_up(holder: int) -> None:
        with (
            WarehouseHook().session() as session,
            locked_transaction(session, locks, name, str(holder), wait_seconds=60) as is_held,
        ):
            assert is_held
            last = session.row(Statement(f"SELECT COALESCE(MAX(N), 0) AS N FROM {table}"))["N"]
            session.execute(Statement(f"INSERT INTO {table} SELECT {last} + 1"))

    with WarehouseHook().session() as session:
        session.execute(Statement(f"CREATE TABLE {table} (N NUMBER)"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(count_up, range(AT_ONCE)))
    assert lab.rows(f"SELECT N FROM {table.replace('%%', '%')} ORDER BY N") == [(n,) for n in range(1, AT_ONCE + 1)]


def test_a_lock_that_is_there_is_not_looked_for(lab: Lab) -> None:
    locks, name, sent = QualifiedName.parse(lab.name(tables.LOCKS)), fresh("lock"), []
    run = WarehouseSession._run

    def note(session: WarehouseSession, statement: Statement) -> Any:
        sent.append(statement.text.split()[0])
        return run(session, statement)

    with WarehouseHook().session() as session, mock.patch.object(WarehouseSession, "_run", note):
        for holder in ("first", "second"):
            with locked_transaction(session, locks, name, holder, wait_seconds=60):
                pass
    assert sent[-3:] == ["BEGIN", "UPDATE", "COMMIT"]
    assert sent.count("INSERT") == 1
    assert lab.rows(f"SELECT HOLDER FROM {lab.name(tables.LOCKS)} WHERE NAME = %s", name) == [("second",)]


def test_what_fails_leaves_nothing_also_on_first_use(lab: Lab) -> None:
    locks, name = QualifiedName.parse(lab.name(tables.LOCKS)), fresh("lock")
    table = lab.name(fresh("counter"))
    lab.rows(f"CREATE TABLE {table} (N NUMBER)")
    with WarehouseHook().session() as session:
        try:
            with locked_transaction(session, locks, name, "one", wait_seconds=60):
                session.execute(Statement(f"INSERT INTO {table} SELECT 1"))
                raise KeyError("the task died")
        except KeyError:
            pass
        with locked_transaction(session, locks, name, "two", wait_seconds=60) as is_held:
            assert is_held
    assert lab.rows(f"SELECT N FROM {table}") == []
