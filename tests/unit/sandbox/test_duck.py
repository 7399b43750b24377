"""What the connections to the engine know of its catalog: as if each asked it anew."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from include.sandbox.snowflake import duck
from include.sandbox.snowflake.duck import Definitions, Duck

_COLUMNS = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"


@pytest.fixture
def one() -> Duck:
    """A connection to an account with a table of one column."""
    connection = Duck(duckdb.connect(":memory:"), Definitions())
    connection.execute("CREATE TABLE t (a INT)")
    return connection


@pytest.fixture
def other(one: Duck) -> Duck:
    return one.cursor()


def columns(connection: Duck, table: str = "t") -> list[Any]:
    return [name for (name,) in connection.catalog(_COLUMNS, [table])]


def test_an_answer_is_kept_until_a_definition_changes(one: Duck, other: Duck) -> None:
    first = one.catalog(_COLUMNS, ["t"])
    one.execute("INSERT INTO t VALUES (1)")
    assert other.catalog(_COLUMNS, ["t"]) is first
    other.execute("  alter table t ADD COLUMN b INT")
    assert columns(one) == ["a", "b"]


@pytest.mark.parametrize("change", ["ALTER TABLE t RENAME a TO b", "DROP TABLE t; CREATE TABLE t (b INT)"])
def test_a_change_is_noticed_in_whatever_words(one: Duck, other: Duck, change: str) -> None:
    columns(other)
    one.execute(f"/* of a client */ {change}")
    assert columns(other) == ["b"]


def test_a_change_that_fails_leaves_what_is_known(one: Duck, other: Duck) -> None:
    columns(other)
    with pytest.raises(duckdb.Error):
        one.execute("ALTER TABLE t DROP COLUMN nothing")
    assert columns(other) == ["a"]


def test_until_it_is_committed_a_change_is_known_to_its_transaction_only(one: Duck, other: Duck) -> None:
    one.execute("BEGIN")
    one.execute("ALTER TABLE t ADD COLUMN b INT")
    assert (columns(one), columns(other), columns(one)) == (["a", "b"], ["a"], ["a", "b"])
    one.execute("COMMIT")
    assert (columns(other), columns(one)) == (["a", "b"], ["a", "b"])


def test_a_change_that_is_rolled_back_never_was(one: Duck, other: Duck) -> None:
    one.execute("BEGIN")
    one.execute("CREATE TABLE u (a INT)")
    assert columns(one, "u") == ["a"]
    one.execute("ROLLBACK")
    assert (columns(one, "u"), columns(other, "u")) == ([], [])


def test_a_transaction_keeps_to_the_definitions_that_it_began_with(one: Duck, other: Duck) -> None:
    other.execute("BEGIN")
    assert columns(other) == ["a"]
    one.execute("ALTER TABLE t ADD COLUMN b INT")
    assert (columns(other), columns(one), columns(other)) == (["a"], ["a", "b"], ["a"])
    other.execute("COMMIT")
    assert columns(other) == ["a", "b"]


def test_temporary_tables_are_those_of_the_connection(one: Duck, other: Duck) -> None:
    query = "SELECT column_name FROM duckdb_columns() WHERE (database_name, table_name) = (?, ?)"
    known = one.catalog(_COLUMNS, ["t"])
    for connection, column in ((one, "mine"), (other, "yours")):
        connection.execute(f'CREATE OR REPLACE TEMPORARY TABLE "temp"."main"."x" ({column} INT)')
    assert one.catalog(query, ["temp", "x"]) == [("mine",)]
    assert other.catalog(query, ["temp", "x"]) == [("yours",)]
    assert one.catalog(_COLUMNS, ["t"]) is known


def test_only_so_much_is_kept(one: Duck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "_MOST_ROWS", 3)
    answers = [one.catalog(_COLUMNS, [table]) for table in ("t", "u", "v", "w")]
    assert one.catalog(_COLUMNS, ["w"]) is answers[-1]
    assert one.catalog(_COLUMNS, ["t"]) is not answers[0]
