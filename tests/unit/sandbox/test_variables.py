from __future__ import annotations

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.language.variables import Variable, substitute_variables
from include.sandbox.snowflake.sql.rewrite import check_supported


def test_a_variable_is_replaced_where_it_is_one() -> None:
    known = {"WEEK": Variable.of("2024-01-01", None)}
    assert substitute_variables("SELECT $week + $Week", known) == "SELECT '2024-01-01' + '2024-01-01'"


@pytest.mark.parametrize(
    "sql",
    ["SELECT '$week'", "SELECT $$ $week $$", 'SELECT "$week"', "SELECT 1 -- $week", "SELECT a$week", "SELECT $1"],
)
def test_what_only_looks_like_a_variable_stays(sql: str) -> None:
    assert substitute_variables(sql, {"WEEK": Variable.of(1, None)}) == sql


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(SqlError, match=r"'\$NOWHERE' does not exist"):
        substitute_variables("SELECT $nowhere", {})


def test_check_supported_is_what_stands_between_a_command_and_the_engine() -> None:
    import sqlglot

    with pytest.raises(SqlError, match="CALL P"):
        check_supported(sqlglot.parse_one("CALL p()", read="snowflake"), "CALL p()")
