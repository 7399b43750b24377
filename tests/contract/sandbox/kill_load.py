"""A load of many kinds of statements on a sandbox that is about to be killed, and what must be true afterwards."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import snowflake.connector
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error


def prepare(cursor: SnowflakeCursor, schema: str) -> None:
    """Make what the load changes."""
    cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.execute("CREATE TABLE numbers (n INT)")
    cursor.execute("CREATE TABLE entries (n INT, amount INT)")
    cursor.execute("CREATE TABLE totals AS SELECT 0 AS amount")


@dataclass
class Ledger:
    """What has been asked for and what has been acknowledged, by kind of effect."""

    asked: dict[str, list[Any]] = field(default_factory=dict)
    done: dict[str, list[Any]] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    def write(self, kind: str, what: Any, act: Callable[[], object]) -> None:
        """Ask for an effect, and note when it is acknowledged."""
        self.asked.setdefault(kind, []).append(what)
        act()
        self.done.setdefault(kind, []).append(what)

    def open(self, kind: str) -> set[Any]:
        """What was asked for and never acknowledged."""
        return set(self.asked.get(kind, [])) - set(self.done.get(kind, []))


def steps_of(kind: str, cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> Iterator[None]:
    """The endless load of one client, its steps numbered from `number` on."""
    while True:
        number += 1
        _KINDS[kind](cursor, ledger, number, chance)
        yield


def _insert(cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> None:
    del chance
    ledger.write("number", number, lambda: cursor.execute(f"INSERT INTO numbers VALUES ({number})"))


def _transact(cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> None:
    amount = chance.randint(1, 100)
    cursor.execute("BEGIN")
    cursor.execute(f"INSERT INTO entries VALUES ({number}, {amount})")
    cursor.execute(f"UPDATE totals SET amount = amount + {amount}")
    if number % 5 == 0:
        cursor.execute("ROLLBACK")
    else:
        ledger.write("entry", (number, amount), lambda: cursor.execute("COMMIT"))


def _define(cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> None:
    del chance
    create = f"CREATE TABLE made_{number} AS SELECT {number} AS n"
    ledger.write("table", number, lambda: cursor.execute(create))
    if number % 3 == 0:
        ledger.write("dropped table", number - 1, lambda: cursor.execute(f"DROP TABLE made_{number - 1}"))


def _model(cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> None:
    del chance
    name = f"m{number}"
    create = f"CREATE MODEL {name} WITH VERSION v1 FROM MODEL sandbox.public.seed VERSION v1"
    ledger.write("version", (number, "V1"), lambda: cursor.execute(create))
    add = f"ALTER MODEL {name} ADD VERSION v2 FROM MODEL sandbox.public.seed VERSION v1"
    ledger.write("version", (number, "V2"), lambda: cursor.execute(add))
    alias = f"ALTER MODEL {name} VERSION v2 SET ALIAS = champion"
    ledger.write("alias", number, lambda: cursor.execute(alias))
    if number % 2 == 0:
        ledger.write("dropped model", number - 1, lambda: cursor.execute(f"DROP MODEL m{number - 1}"))


def _catalog(cursor: SnowflakeCursor, ledger: Ledger, number: int, chance: random.Random) -> None:
    del chance
    ledger.write("role", number, lambda: cursor.execute(f"CREATE ROLE r{number} COMMENT = 'it''s {number}'"))
    grant = f"GRANT USAGE ON SCHEMA {cursor.connection.schema} TO ROLE r{number}"
    ledger.write("grant", number, lambda: cursor.execute(grant))
    ledger.write("warehouse", number, lambda: cursor.execute(f"CREATE WAREHOUSE w{number} AUTO_SUSPEND = {number}"))
    if number % 3 == 0:
        ledger.write("dropped role", number - 1, lambda: cursor.execute(f"DROP ROLE r{number - 1}"))


_KINDS = {"insert": _insert, "transact": _transact, "define": _define, "model": _model, "catalog": _catalog}


class Load:
    """One client a kind, each in a thread of its own, until the sandbox is gone."""

    def __init__(self, options: dict[str, Any], seed: int, first: int) -> None:
        self.ledger = Ledger()
        self._first = first
        self._is_over = threading.Event()
        self._connections = [snowflake.connector.connect(**options, network_timeout=2) for _ in _KINDS]
        self._threads = [
            threading.Thread(target=self._run, args=[kind, connection, random.Random(f"{seed} {kind}")])  # noqa: S311
            for kind, connection in zip(_KINDS, self._connections, strict=True)
        ]

    def start(self) -> None:
        """Let the clients begin."""
        for thread in self._threads:
            thread.start()

    def _run(self, kind: str, connection: Any, chance: random.Random) -> None:
        try:
            for _ in steps_of(kind, connection.cursor(), self.ledger, self._first, chance):
                pass
        except Error as error:
            if not self._is_over.is_set():
                self.ledger.errors.append(error)

    def over(self) -> None:
        """The sandbox is about to be killed: from now on errors are expected."""
        self._is_over.set()

    def join(self) -> None:
        """Wait until the clients have noticed."""
        for thread in self._threads:
            thread.join(30)
        for connection in self._connections:
            with suppress(Error):
                connection.close()


# ---- what must be true ---------------------------------------------------------------------------


def check(cursor: SnowflakeCursor, ledger: Ledger, first: int) -> None:
    """Each acknowledged effect is there, and of what was not acknowledged all or nothing."""
    _check_rows(cursor, ledger)
    _check_tables(cursor, ledger)
    _check_models(cursor, ledger)
    _check_catalog(cursor, ledger, first)


def _between(found: set[Any], ledger: Ledger, kind: str, dropped: str | None = None) -> None:
    gone = set(ledger.done.get(dropped, [])) if dropped else set()
    maybe_gone = ledger.open(dropped) if dropped else set()
    must = set(ledger.done.get(kind, [])) - gone - maybe_gone
    may = set(ledger.asked.get(kind, [])) - gone
    assert must <= found <= may, (kind, must - found, found - may)


def _check_rows(cursor: SnowflakeCursor, ledger: Ledger) -> None:
    numbers = [n for (n,) in cursor.execute("SELECT n FROM numbers").fetchall()]
    assert len(numbers) == len(set(numbers)), "a statement was run twice"
    _between(set(numbers), ledger, "number")
    entries = cursor.execute("SELECT n, amount FROM entries").fetchall()
    _between(set(entries), ledger, "entry")
    assert cursor.execute("SELECT amount FROM totals").fetchall() == [(sum(amount for _, amount in entries),)]


def _check_tables(cursor: SnowflakeCursor, ledger: Ledger) -> None:
    listed = cursor.execute("SHOW TABLES LIKE 'MADE%'").fetchall()
    names = {row[1] for row in listed}
    found = {int(name.removeprefix("MADE_")) for name in names}
    _between(found, ledger, "table", "dropped table")
    for number in found:
        assert cursor.execute(f"SELECT n FROM made_{number}").fetchall() == [(number,)]


def _check_models(cursor: SnowflakeCursor, ledger: Ledger) -> None:
    gone, maybe = set(ledger.done.get("dropped model", [])), ledger.open("dropped model")
    names = {row[1] for row in cursor.execute("SHOW MODELS LIKE 'M%'").fetchall()}
    numbers = {int(name[1:]) for name in names}
    asked = {number for number, _ in ledger.asked.get("version", [])}
    must = {number for number, _ in ledger.done.get("version", [])} - gone - maybe
    assert must <= numbers <= asked - gone
    for number in numbers:
        shown = cursor.execute(f'SELECT "name", "aliases" FROM TABLE(RESULT_SCAN(\'{_versions(cursor, number)}\'))')
        versions = dict(shown.fetchall())
        expected = {v for n, v in ledger.done["version"] if n == number}
        assert expected <= set(versions) <= {v for n, v in ledger.asked["version"] if n == number}
        if number in ledger.done.get("alias", []):
            assert "CHAMPION" in str(versions["V2"])
        for version in versions:  # what is visible is whole: it can be run
            query = f"SELECT MODEL(m{number}, {version})!PREDICT(1.0::FLOAT, 2.0::FLOAT):output_feature_0::FLOAT"
            assert cursor.execute(query).fetchone() == (3.0,)


def _versions(cursor: SnowflakeCursor, number: int) -> str:
    return str(cursor.execute(f"SHOW VERSIONS IN MODEL m{number}").sfqid)


def _check_catalog(cursor: SnowflakeCursor, ledger: Ledger, first: int) -> None:
    roles = {int(row[1][1:]): row[-1] for row in cursor.execute("SHOW ROLES LIKE 'R%'").fetchall()}
    roles = {number: comment for number, comment in roles.items() if number >= first}
    _between(set(roles), ledger, "role", "dropped role")
    assert all(comment == f"it's {number}" for number, comment in roles.items())
    shown = cursor.execute(f"SHOW GRANTS ON SCHEMA {cursor.connection.schema}").fetchall()
    _between({int(row[5][1:]) for row in shown if row[1] == "USAGE"}, ledger, "grant", "dropped role")
    warehouses = {int(row[0][1:]): row[11] for row in cursor.execute("SHOW WAREHOUSES LIKE 'W%'").fetchall()}
    _between({number for number in warehouses if number >= first}, ledger, "warehouse")
    assert all(seconds == number for number, seconds in warehouses.items())
