from __future__ import annotations

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.objects import parameters


def test_a_parameter_is_known_in_any_case_and_others_are_refused_by_name() -> None:
    assert parameters.find("query_tag").name == "QUERY_TAG"
    with pytest.raises(SqlError, match="parameter NO_SUCH_ONE"):
        parameters.find("no_such_one")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("AUTOCOMMIT", True, "true"),
        ("AUTOCOMMIT", "OFF", "false"),
        ("TIMEZONE", "utc", "utc"),
        ("LOCK_TIMEOUT", "0.2", "0.2"),
        ("QUERY_TAG", " as it is ", " as it is "),
        ("TIMESTAMP_NTZ_OUTPUT_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF3", "YYYY-MM-DD HH24:MI:SS.FF3"),
    ],
)
def test_a_value_that_works_is_kept(name: str, value: object, kept: str) -> None:
    assert parameters.find(name).parse(value) == kept


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("TIMEZONE", "Europe/Oslo", 2),
        ("TIMESTAMP_OUTPUT_FORMAT", "YYYY", 2),
        ("ROWS_PER_RESULTSET", "10", 2),
        ("QUERY_TAG", "x" * 2001, 2),
        ("QUOTED_IDENTIFIERS_IGNORE_CASE", "true", 2),
        ("LOCK_TIMEOUT", "soon", 1007),
        ("LOCK_TIMEOUT", "-1", 1007),
        ("AUTOCOMMIT", "perhaps", 1007),
    ],
)
def test_nonsense_and_what_would_have_no_effect_is_refused(name: str, value: str, code: int) -> None:
    with pytest.raises(SqlError) as caught:
        parameters.find(name).parse(value)
    assert caught.value.code == code
    assert name in caught.value.message


def test_every_default_is_a_value_that_works() -> None:
    for name, default in parameters.DEFAULTS.items():
        assert parameters.find(name).parse(default) == default
    assert {shown["name"] for shown in parameters.for_clients(parameters.DEFAULTS)} >= {"AUTOCOMMIT", "TIMEZONE"}
