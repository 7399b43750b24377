"""Transactions as Snowflake has them: READ COMMITTED, waiting writers, statements that fail alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from snowflake_support import fresh, refused

Connect = Callable[[], SnowflakeCursor]


@pytest.fixture
def table(connect: Connect) -> str:
    name = fresh("T")
    connect().execute(f"CREATE TABLE {name} AS SELECT 1 AS week, 0 AS run")
    return name


def rows(cursor: SnowflakeCursor, table: str) -> list[tuple[int, ...]]:
    return cursor.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def test_a_change_is_seen_by_others_when_committed(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    one.execute(f"UPDATE {table} SET run = 7")
    assert rows(other, table) == [(1, 0)]
    one.execute("COMMIT")
    assert rows(other, table) == [(1, 7)]


def test_an_open_transaction_reads_what_is_committed_meanwhile(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    assert rows(one, table) == [(1, 0)]
    other.execute(f"UPDATE {table} SET run = 7")
    assert rows(one, table) == [(1, 7)]


def test_a_transaction_that_has_changed_something_still_reads_what_is_committed(connect: Connect, table: str) -> None:
    log = fresh("LOG")
    one, other = connect(), connect()
    one.execute(f"CREATE TABLE {log} (n INT)")
    one.execute("BEGIN")
    one.execute(f"INSERT INTO {log} VALUES (1)")
    other.execute(f"UPDATE {table} SET run = 7")
    assert rows(one, table) == [(1, 7)]
    other.execute(f"INSERT INTO {table} VALUES (2, 2)")
    one.execute(f"INSERT INTO {log} SELECT COUNT(*) FROM {table}")
    assert one.execute(f"SELECT n FROM {log} ORDER BY n").fetchall() == [(1,), (2,)]
    other.execute(f"DELETE FROM {table}")
    # What was read once and written stays as it was, whatever the others do then.
    one.execute(f"SELECT * FROM {table}")
    one.execute("COMMIT")
    assert other.execute(f"SELECT n FROM {log} ORDER BY n").fetchall() == [(1,), (2,)]


def test_a_failed_statement_leaves_the_rest_of_its_transaction(connect: Connect, table: str) -> None:
    one = connect()
    one.execute("BEGIN")
    one.execute(f"INSERT INTO {table} VALUES (2, 2)")
    with refused(904):
        one.execute(f"UPDATE {table} SET nothing = 1")
    with refused(2003):
        one.execute("SELECT * FROM nowhere")
    one.execute("COMMIT")
    assert rows(one, table) == [(1, 0), (2, 2)]


def test_a_definition_commits_what_is_open(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    one.execute(f"UPDATE {table} SET run = 7")
    one.execute(f"CREATE TABLE {fresh('T')} (a INT)")
    one.execute("ROLLBACK")
    assert rows(other, table) == [(1, 7)]


def test_without_autocommit_a_change_waits_for_its_commit(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("ALTER SESSION SET AUTOCOMMIT = FALSE")
    one.execute(f"UPDATE {table} SET run = 7")
    assert rows(other, table) == [(1, 0)]
    one.execute("ROLLBACK")
    assert rows(one, table) == [(1, 0)]


def test_a_second_writer_waits_and_then_changes_what_was_committed(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    one.execute(f"UPDATE {table} SET run = run + 1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.execute, f"UPDATE {table} SET run = run + 10")
        one.execute("SELECT 1")
        assert not waiting.done()
        one.execute("COMMIT")
        waiting.result(10)
    assert rows(one, table) == [(1, 11)]


def test_a_writer_gives_up_after_the_lock_timeout(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    one.execute(f"DELETE FROM {table}")
    other.execute("ALTER SESSION SET LOCK_TIMEOUT = 0.2")
    with refused(625, "lock timeout"):
        other.execute(f"DELETE FROM {table}")


def test_inserts_do_not_wait_for_a_writer(connect: Connect, table: str) -> None:
    one, other = connect(), connect()
    one.execute("BEGIN")
    one.execute(f"UPDATE {table} SET run = 7")
    other.execute(f"INSERT INTO {table} VALUES (2, 2)")
    one.execute("COMMIT")
    assert rows(one, table) == [(1, 7), (2, 2)]


def test_of_two_transactions_that_wait_for_each_other_one_is_told(connect: Connect, table: str) -> None:
    tables = (table, fresh("T"))
    cursors = connect(), connect()
    cursors[0].execute(f"CREATE TABLE {tables[1]} AS SELECT 1 AS week, 0 AS run")
    for cursor, own in zip(cursors, tables, strict=True):
        cursor.execute("BEGIN")
        cursor.execute(f"UPDATE {own} SET run = 5")

    def change_the_others(mine: int) -> bool:
        try:
            cursors[mine].execute(f"UPDATE {tables[1 - mine]} SET run = 6")
        except ProgrammingError as error:
            if error.errno != 606:
                raise
            cursors[mine].execute("ROLLBACK")
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change_the_others, (0, 1))) == [False, True]


def test_side_by_side_replacements_leave_one_clean_result(connect: Connect, table: str) -> None:
    lock = fresh("LOCK")
    connect().execute(f"CREATE TABLE {lock} AS SELECT 0 AS n")
    barrier = threading.Barrier(4)

    def replace(run: int) -> None:
        cursor = connect()
        barrier.wait()
        for attempt in range(3):
            cursor.execute("BEGIN")
            cursor.execute(f"UPDATE {lock} SET n = n + 1")
            cursor.execute(f"DELETE FROM {table} WHERE week = 1")
            cursor.execute(f"INSERT INTO {table} SELECT 1, {run * 10 + attempt} FROM VALUES (1), (2), (3)")
            cursor.execute("COMMIT")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(replace, range(4)))
    cursor = connect()
    assert rows(cursor, lock) == [(12,)]
    assert cursor.execute(f"SELECT COUNT(*), COUNT(DISTINCT run) FROM {table}").fetchone() == (3, 1)


def test_the_locks_of_a_killed_client_are_released(account: dict[str, Any], connect: Connect, table: str) -> None:
    script = (
        "import json, snowflake.connector as s, sys, time\n"
        "cursor = s.connect(**json.loads(sys.stdin.readline())).cursor()\n"
        "cursor.execute('BEGIN')\n"
        f"cursor.execute('UPDATE {table} SET run = 99')\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    holder.stdin.write(json.dumps(account).encode() + b"\n")
    holder.stdin.close()
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    cursor = connect()
    cursor.execute(f"UPDATE {table} SET run = run + 1")
    assert rows(cursor, table) == [(1, 1)]
