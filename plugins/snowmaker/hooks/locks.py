"""Locks in one of Snowmaker's tables: for the length of a transaction, and leases, which outlast transactions."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from snowmaker.exceptions import WarehouseError
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import StatementError
from snowmaker.snowflake import tables
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snowmaker.hooks.warehouse import WarehouseSession
    from snowmaker.snowflake.identifiers import QualifiedName

# What Snowflake says to who has waited too long for a lock, and at once where twenty wait for it already.
_LOCK_NOT_HAD = 625


def ensure_lock(session: WarehouseSession, locks: QualifiedName, name: str, *, wait_seconds: int) -> None:
    """Make a lock if it is not there, and let no statement of the session wait for any longer than some seconds."""
    ensure_table(session, locks)
    session.execute(Statement(f"ALTER SESSION SET LOCK_TIMEOUT = {wait_seconds}"))
    session.execute(tables.add_lock(locks, name))


def take_lock(session: WarehouseSession, locks: QualifiedName, name: str, holder: str, *, wait_seconds: int) -> bool:
    """Hold a lock until the transaction ends; False if it was not to be had in time."""
    return _take_lock(session, locks, name, holder, wait_seconds=wait_seconds) is not None


def _take_lock(
    session: WarehouseSession, locks: QualifiedName, name: str, holder: str, *, wait_seconds: int
) -> int | None:
    """Take a lock and return how many rows it has; None if it was not to be had in time."""
    deadline = time.monotonic() + wait_seconds
    while (rows := _changed(session, tables.take_lock(locks, name, holder))) is None:
        if time.monotonic() > deadline:
            return None
        wait_a_moment()
    return rows


@contextmanager
def locked_transaction(
    session: WarehouseSession, locks: QualifiedName, name: str, holder: str, *, wait_seconds: int
) -> Iterator[bool]:
    """Run the block in a transaction that holds a lock, made if it is not there; False if it was not to be had."""
    ensure_table(session, locks)
    with ExitStack() as stack:
        stack.enter_context(session.transaction())
        held = _take_lock(session, locks, name, holder, wait_seconds=wait_seconds)
        if held == 0:
            # Only once there is no such row; looking for it first would be a statement every time.
            stack.close()
            session.execute(tables.add_lock(locks, name))
            stack.enter_context(session.transaction())
            held = _take_lock(session, locks, name, holder, wait_seconds=wait_seconds)
        yield bool(held)


@contextmanager
def lease(
    session: WarehouseSession, locks: QualifiedName, name: str, holder: str, *, seconds: int
) -> Iterator[Callable[[], bool]]:
    """Give a function that takes a lease, or takes it for longer; it returns False if another has it.

    :param holder: who takes it, by a name that nobody else has, nor an earlier attempt that may still be alive
    :param seconds: after which it ends by itself
    """
    try:
        yield lambda: bool(_changed(session, tables.take_lease(locks, name, holder, seconds)))
    finally:
        # It ends by itself where the connection is gone.
        with suppress(WarehouseError):
            session.execute(tables.release_lease(locks, name, holder))


def _changed(session: WarehouseSession, statement: Statement) -> int | None:
    """Return how many rows a statement changed; None if it did not get a lock that it needs."""
    try:
        return session.execute(statement)
    except StatementError as error:
        if error.errno != _LOCK_NOT_HAD:
            raise
        return None


def wait_a_moment() -> None:
    """Sleep before the next look; not all for the same time, so that not all look at once."""
    time.sleep(random.uniform(0.1, 0.3))  # noqa: S311
