"""Eight clients at once: no update is lost, no reader sees half of a transaction, nobody gets an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh

ACCOUNTS = 4
WRITERS = 6
READERS = 2


@pytest.fixture
def schema(account: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema with the tables that the clients work on."""
    name = fresh("BUSY")
    with snowflake.connector.connect(**account) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute("CREATE TABLE counter AS SELECT 0 AS n")
        values = ", ".join(f"({i}, 100)" for i in range(ACCOUNTS))
        cursor.execute(f"CREATE TABLE balances AS SELECT column1 AS id, column2 AS amount FROM VALUES {values}")
        cursor.execute("CREATE TABLE log (writer INT, step INT)")
        cursor.execute("CREATE TABLE latest (writer INT, step INT)")
        yield {**account, "schema": name}
        cursor.execute(f"DROP SCHEMA {name}")


def work(cursor: SnowflakeCursor, writer: int, step: int) -> None:
    """What a writer does in one step: single changes, a transaction, and tables of its own."""
    cursor.execute("UPDATE counter SET n = n + 1")
    give, take = sorted(((writer + step) % ACCOUNTS, (writer + step + 1) % ACCOUNTS))
    cursor.execute("BEGIN")
    cursor.execute(f"UPDATE balances SET amount = amount - 1 WHERE id = {give}")
    cursor.execute(f"INSERT INTO log VALUES ({writer}, {step})")
    cursor.execute(f"UPDATE balances SET amount = amount + 1 WHERE id = {take}")
    cursor.execute("ROLLBACK" if step % 7 == 6 else "COMMIT")
    cursor.execute(
        f"MERGE INTO latest USING (SELECT {writer} AS writer, {step} AS step) AS new ON latest.writer = new.writer "
        "WHEN MATCHED THEN UPDATE SET step = new.step "
        "WHEN NOT MATCHED THEN INSERT (writer, step) VALUES (new.writer, new.step)"
    )
    cursor.execute(f"CREATE OR REPLACE TABLE own_{writer} AS SELECT {step} AS step, * FROM balances")
    cursor.execute(f"CREATE TEMPORARY TABLE scratch_{step} AS SELECT * FROM own_{writer}")
    assert cursor.execute(f"SELECT COUNT(*), SUM(amount) FROM scratch_{step}").fetchone() == (ACCOUNTS, 100 * ACCOUNTS)
    cursor.execute(f"DROP TABLE scratch_{step}")


def watch(cursor: SnowflakeCursor, seen: list[int]) -> None:
    """What a reader checks: sums that no transaction changes, and a count that only grows."""
    assert cursor.execute("SELECT COUNT(*), SUM(amount) FROM balances").fetchone() == (ACCOUNTS, 100 * ACCOUNTS)
    count = cursor.execute("SELECT n FROM counter").fetchone()[0]
    assert not seen or count >= seen[-1]
    seen.append(count)
    assert cursor.execute("SELECT writer FROM latest GROUP BY writer HAVING COUNT(*) > 1").fetchall() == []


def run(options: dict[str, Any], seconds: float) -> tuple[list[int], int]:
    """All clients for a while; returns the steps that each writer did, and how often was read."""
    until = time.monotonic() + seconds
    barrier = threading.Barrier(WRITERS + READERS)

    def repeat(act: Callable[[SnowflakeCursor, int], None]) -> int:
        with snowflake.connector.connect(**options) as connection, connection.cursor() as cursor:
            barrier.wait(60)
            step = 0
            while time.monotonic() < until:
                act(cursor, step)
                step += 1
            return step

    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        writers = [pool.submit(repeat, lambda c, step, w=w: work(c, w, step)) for w in range(WRITERS)]
        readings: list[list[int]] = [[] for _ in range(READERS)]
        readers = [pool.submit(repeat, lambda c, _, seen=seen: watch(c, seen)) for seen in readings]
        return [writer.result() for writer in writers], sum(reader.result() for reader in readers)


def check(options: dict[str, Any], seconds: float) -> None:
    """Run the clients, and compare what is there with what they did."""
    steps, reads = run(options, seconds)
    assert min(steps) > 0
    assert reads > 0
    with snowflake.connector.connect(**options) as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT n FROM counter").fetchone() == (sum(steps),)
        expected = sorted((w, step) for w, count in enumerate(steps) for step in range(count) if step % 7 != 6)
        assert sorted(cursor.execute("SELECT writer, step FROM log").fetchall()) == expected
        latest = [(w, count - 1) for w, count in enumerate(steps)]
        assert cursor.execute("SELECT writer, step FROM latest ORDER BY 1").fetchall() == latest


def test_eight_clients_at_once_lose_nothing(schema: dict[str, Any]) -> None:
    check(schema, 4)


@pytest.mark.slow
def test_eight_clients_lose_nothing_in_a_minute(schema: dict[str, Any]) -> None:
    check(schema, 60)
