"""Blocks of plain statements, and what of scripting is refused."""

from __future__ import annotations

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.language import scanner, scripting


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("BEGIN SELECT 1; END", ["SELECT 1"]),
        ("begin select ';' as a; insert into t values (1);\nend;", ["select ';' as a", "insert into t values (1)"]),
        ("BEGIN SELECT 1 /* one; END */; SELECT 2; END", ["SELECT 1 /* one; END */", "SELECT 2"]),
        ("BEGIN BEGIN TRANSACTION; COMMIT; END", ["BEGIN TRANSACTION", "COMMIT"]),
        ("BEGIN SELECT CASE WHEN a THEN 1 END, $$;$$ FROM t; END", ["SELECT CASE WHEN a THEN 1 END, $$;$$ FROM t"]),
        ("BEGIN SELECT v:a.b, w:c::int, f(x):d FROM t WHERE v:a = 1; END", None),
    ],
)
def test_a_block_is_taken_apart_at_its_semicolons(sql: str, statements: list[str] | None) -> None:
    block = scripting.parse(sql)
    assert block == scripting.Block(statements or [sql.removeprefix("BEGIN ").removesuffix("; END")], returns=False)


def test_what_a_block_returns_is_a_query() -> None:
    block = scripting.parse("BEGIN INSERT INTO t VALUES (1); RETURN 'a' || 'b'; END;")
    assert block == scripting.Block(["INSERT INTO t VALUES (1)", "SELECT  'a' || 'b'"], returns=True)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("LET x := 1;", "LET"),
        ("x := 1;", "variables"),
        ("FOR i IN 1 TO 3 DO SELECT 1; END FOR;", "FOR"),
        ("IF (1 = 1) THEN SELECT 1; END IF;", "IF"),
        ("SELECT 1; EXCEPTION WHEN OTHER THEN SELECT 2;", "EXCEPTION"),
        ("RETURN 1; SELECT 2;", "RETURN"),
        ("SELECT :x;", "variables"),
        ("INSERT INTO t VALUES (1, :x);", "variables"),
        ("SELECT * FROM t WHERE a = :x;", "variables"),
        ("BEGIN SELECT 1; END;", "block inside a block"),
        ("NULL;", "NULL"),
    ],
)
def test_other_scripting_is_refused_by_name(body: str, what: str) -> None:
    with pytest.raises(SqlError, match=f"Snowflake Scripting: .*{what}") as caught:
        scripting.parse(f"BEGIN {body} END")
    assert caught.value.code == 2


def test_declared_variables_are_refused() -> None:
    assert scanner.is_block("DECLARE x INT; BEGIN SELECT 1; END")
    with pytest.raises(SqlError, match="DECLARE"):
        scripting.parse("DECLARE x INT; BEGIN SELECT 1; END")


@pytest.mark.parametrize("sql", ["BEGIN", "BEGIN;", "begin transaction", "BEGIN WORK", "BEGIN NAME t", "SELECT 1"])
def test_a_transaction_is_no_block(sql: str) -> None:
    assert not scanner.is_block(sql)


@pytest.mark.parametrize(
    ("sql", "holds"),
    [
        ("create or replace /* */ alert a ...", True),
        ("ALTER TASK t MODIFY AS SHOW TABLES ->> SELECT 1", True),
        ("BEGIN SHOW TABLES ->> SELECT 1; END", True),
        ("SHOW TASKS ->> SELECT 1 FROM $1", False),
        ("CREATE TABLE t AS SELECT 1 AS task", False),
    ],
)
def test_the_chains_in_an_alert_are_not_the_statements_own(sql: str, holds: bool) -> None:
    assert scanner.holds_statements(sql) is holds
