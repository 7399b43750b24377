"""Types as clients see them: Python values, and what the cursor says of a column."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector.constants import FIELD_ID_TO_NAME
from snowflake.connector.cursor import SnowflakeCursor

UTC = datetime.UTC
VALUES: list[tuple[str, str, Any]] = [
    ("12::NUMBER(5, 0)", "FIXED", 12),
    ("1.25::NUMBER(10, 2)", "FIXED", Decimal("1.25")),
    ("123456789012345678::NUMBER(38, 0)", "FIXED", 123456789012345678),
    ("1.5::FLOAT", "REAL", 1.5),
    ("'inf'::FLOAT", "REAL", math.inf),
    ("'ä'::VARCHAR", "TEXT", "ä"),
    ("TRUE", "BOOLEAN", True),
    ("'2024-02-29'::DATE", "DATE", datetime.date(2024, 2, 29)),
    ("'12:34:56'::TIME", "TIME", datetime.time(12, 34, 56)),
    ("'1969-12-31 23:59:59.5'::TIMESTAMP_NTZ", "TIMESTAMP_NTZ", datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)),  # noqa: DTZ001
    ("'2024-01-01 12:00:00 +00:00'::TIMESTAMP_TZ", "TIMESTAMP_TZ", datetime.datetime(2024, 1, 1, 12, tzinfo=UTC)),
    ("X'6162'", "BINARY", bytearray(b"ab")),
    ("NULL::INT", "FIXED", None),
]


@pytest.fixture(scope="module")
def cursor(session: Any) -> Iterator[SnowflakeCursor]:
    """One cursor for all of them."""
    with session.connection.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize(("expression", "kind", "expected"), VALUES, ids=str)
def test_a_value_comes_in_its_type(cursor: SnowflakeCursor, expression: str, kind: str, expected: Any) -> None:
    value = cursor.execute(f"SELECT {expression} AS v").fetchone()[0]
    assert value == expected
    assert type(value) is type(expected)
    assert FIELD_ID_TO_NAME[cursor.description[0].type_code] == kind


def test_nan_is_a_number_that_is_none(cursor: SnowflakeCursor) -> None:
    assert math.isnan(cursor.execute("SELECT 'nan'::FLOAT").fetchone()[0])


def test_a_number_tells_its_precision_and_scale(cursor: SnowflakeCursor) -> None:
    cursor.execute("SELECT 1.25::NUMBER(10, 2) AS a")
    assert (cursor.description[0].precision, cursor.description[0].scale) == (10, 2)


@pytest.mark.parametrize(
    "expression", ["PARSE_JSON('{\"a\": [1, null]}')", "OBJECT_CONSTRUCT_KEEP_NULL('a', [1, NULL])"]
)
def test_semi_structured_values_come_as_json(cursor: SnowflakeCursor, expression: str) -> None:
    assert json.loads(cursor.execute(f"SELECT {expression}").fetchone()[0]) == {"a": [1, None]}
