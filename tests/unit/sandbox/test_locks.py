from __future__ import annotations

import threading

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.locks import LockTable, Mode


@pytest.mark.parametrize(
    ("held", "wanted", "granted"),
    [
        (Mode.INSERT, Mode.INSERT, True),
        (Mode.INSERT, Mode.CHANGE, True),
        (Mode.CHANGE, Mode.INSERT, True),
        (Mode.CHANGE, Mode.CHANGE, False),
        (Mode.INSERT, Mode.ALTER, False),
        (Mode.ALTER, Mode.INSERT, False),
        (Mode.CHANGE, Mode.ALTER, False),
    ],
)
def test_which_statements_go_along_with_which(held: Mode, wanted: Mode, granted: bool) -> None:
    locks = LockTable()
    locks.acquire("one", "t", held, 0)
    if granted:
        assert locks.acquire("other", "t", wanted, 0)
    else:
        with pytest.raises(SqlError, match="lock timeout"):
            locks.acquire("other", "t", wanted, 0)
    assert locks.acquire("other", "another table", wanted, 0)


def test_an_owner_has_a_lock_once_and_gives_up_all_at_the_end() -> None:
    locks = LockTable()
    assert locks.acquire("one", "t", Mode.CHANGE, 0)
    assert not locks.acquire("one", "t", Mode.CHANGE, 0)
    locks.acquire("one", "u", Mode.ALTER, 0)
    locks.release("one")
    assert locks.acquire("other", "t", Mode.CHANGE, 0)
    assert locks.acquire("other", "u", Mode.ALTER, 0)


def test_a_circle_of_waiting_is_noticed_at_once() -> None:
    locks = LockTable()
    locks.acquire("one", "t", Mode.CHANGE, 0)
    locks.acquire("other", "u", Mode.CHANGE, 0)
    waiting = threading.Thread(target=locks.acquire, args=("one", "u", Mode.CHANGE, 10))
    waiting.start()
    while not locks.waiters_of("other"):
        pass
    with pytest.raises(SqlError, match="Deadlock"):
        locks.acquire("other", "t", Mode.CHANGE, 10)
    locks.release("other")
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_wait_can_be_cancelled() -> None:
    locks = LockTable()
    locks.acquire("one", "t", Mode.CHANGE, 0)
    raised: list[SqlError] = []

    def wait() -> None:
        try:
            locks.acquire("other", "t", Mode.CHANGE, 10)
        except SqlError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not locks.waiters_of("one"):
        pass
    locks.cancel("other")
    waiting.join(10)
    assert raised[0].code == 604


def test_who_has_changed_which_table_since_is_known() -> None:
    locks = LockTable()
    locks.committed(["t"])
    assert locks.changed_since("t", 0)
    assert not locks.changed_since("t", locks.commits)
    assert not locks.changed_since("u", 0)
    locks.committed(f"t{number}" for number in range(20_000))
    assert locks.changed_since("u", 1)  # too many to remember: it may have been
    assert not locks.changed_since("u", locks.commits)
