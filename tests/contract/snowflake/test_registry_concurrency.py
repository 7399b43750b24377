"""Several sessions at one model: one of those who want the same gets it, and nobody sees half of anything."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from registry_support import log
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh

SESSIONS = 5


@pytest.fixture(scope="module")
def source(registry: Registry) -> str:
    """A model to copy from."""
    name = fresh("RACE_SOURCE")
    log(registry, name)
    return name


def at_once(connect: Callable[[], SnowflakeCursor], statements: list[str]) -> list[int]:
    """Run each statement in a session of its own, all at once; their error numbers, 0 for success, in order."""
    cursors, start = [connect() for _ in statements], Barrier(len(statements))

    def run(cursor: SnowflakeCursor, statement: str) -> int:
        start.wait()
        try:
            cursor.execute(statement)
        except Error as error:
            return error.errno or -1
        return 0

    with ThreadPoolExecutor(len(statements)) as pool:
        return sorted(pool.map(run, cursors, statements))


def names(cursor: SnowflakeCursor, model: str) -> list[str]:
    return [row[1] for row in cursor.execute(f"SHOW VERSIONS IN MODEL {model}").fetchall()]


def test_one_of_many_creates_a_model_and_one_adds_a_version(
    connect: Callable[[], SnowflakeCursor], source: str
) -> None:
    name = fresh("RACED")
    create = [f"CREATE MODEL {name} WITH VERSION V{i} FROM MODEL {source}" for i in range(SESSIONS)]
    assert at_once(connect, create) == [0] + [100132] * (SESSIONS - 1)
    same = [f"ALTER MODEL {name} ADD VERSION SAME FROM MODEL {source}"] * SESSIONS
    assert at_once(connect, same) == [0] + [2002] * (SESSIONS - 1)
    own = [f"ALTER MODEL {name} ADD VERSION OWN{i} FROM MODEL {source}" for i in range(SESSIONS)]
    assert at_once(connect, own) == [0] * SESSIONS
    cursor = connect()
    assert len(names(cursor, name)) == 2 + SESSIONS
    alias = [f"ALTER MODEL {name} VERSION OWN{i} SET ALIAS = CHAMPION" for i in range(SESSIONS)]
    assert at_once(connect, alias) == [0] + [2002] * (SESSIONS - 1)
    cursor.execute(f"SHOW VERSIONS IN MODEL {name} ->> SELECT COUNT(*) FROM $1 WHERE \"aliases\" LIKE '%CHAMPION%'")
    assert cursor.fetchone() == (1,)


def test_sessions_that_log_the_first_version_of_one_model_all_succeed(account: dict[str, Any]) -> None:
    name, start = fresh("FIRST"), Barrier(3)

    def log_one(number: int) -> str:
        with Session.builder.configs(account).create() as session:
            registry = Registry(session, database_name=account["database"], schema_name=account["schema"])
            start.wait()
            return log(registry, name, f"V{number}").version_name

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(log_one, range(3))) == ["V0", "V1", "V2"]


def test_a_model_runs_to_the_end_while_others_replace_it(connect: Callable[[], SnowflakeCursor], source: str) -> None:
    name = fresh("REPLACED")
    connect().execute(f"CREATE MODEL {name} WITH VERSION V1 FROM MODEL {source}")
    start = Barrier(3)

    def replace() -> list[int]:
        cursor = connect()
        start.wait()
        for _ in range(8):
            cursor.execute(f"CREATE OR REPLACE MODEL {name} WITH VERSION V1 FROM MODEL {source}")
        return []

    def predict() -> list[int]:
        cursor, found = connect(), []
        start.wait()
        for _ in range(8):
            query = (
                f"SELECT SUM(MODEL({name}, V1)!PREDICT(x, 1.0):output_feature_0::INT) FROM VALUES (1.0), (4.0) v (x)"
            )
            found.append(cursor.execute(query).fetchall()[0][0])
        return found

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(run) for run in (replace, predict, predict)]
        assert [future.result() for future in running] == [[], [1] * 8, [1] * 8]


def test_a_model_is_never_seen_without_a_version(connect: Callable[[], SnowflakeCursor], source: str) -> None:
    name = fresh("BLINKING")
    changing, looking = connect(), connect()
    start = Barrier(2)

    def change() -> None:
        start.wait()
        for _ in range(6):
            changing.execute(f"CREATE MODEL {name} WITH VERSION V1 FROM MODEL {source}")
            changing.execute(f"DROP MODEL {name}")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(change)
        start.wait()
        seen = set()
        while not running.done():
            seen |= {row[8] for row in looking.execute(f"SHOW MODELS LIKE '{name}'").fetchall()}
        running.result()
    assert seen <= {'["V1"]'}
