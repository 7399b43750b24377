"""CSV files as Snowflake reads them, by the exact reader."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.sandbox.snowflake.staging.csv_files import ENCLOSED_EMPTY, Parser, is_plain
from include.sandbox.snowflake.staging.formats import checked

_ENCLOSED = {"FIELD_OPTIONALLY_ENCLOSED_BY": '"', "ESCAPE_UNENCLOSED_FIELD": "NONE"}


def parsed(text: str, **options: Any) -> Parser:
    parser = Parser(checked(options))
    parser.parse(text, 0)
    return parser


@given(st.lists(st.lists(st.text(alphabet='ab,"\n \\é', min_size=1), min_size=2, max_size=3), min_size=1))
def test_what_a_csv_writer_encloses_is_read_as_it_was(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    parser = parsed(out.getvalue(), **_ENCLOSED)
    assert (parser.records, parser.bad) == (rows, [])
    assert is_plain(out.getvalue().encode(), "NONE", checked(_ENCLOSED))


def test_an_empty_field_is_told_from_an_enclosed_empty_one() -> None:
    assert parsed('"",\n', **_ENCLOSED).records == [[ENCLOSED_EMPTY, ""]]


@pytest.mark.parametrize("text", ['1,"a"b\n2,c\n', '1,"a\n2,c\n'])
def test_a_record_that_is_not_well_formed_is_reported_and_left_out(text: str) -> None:
    parser = parsed(text, **_ENCLOSED)
    assert parser.records[-1:] == [["2", "c"]]
    assert [(bad.record, bad.line) for bad in parser.bad] == [(1, 1)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1,a\\,b\n", {}),
        ("1,a\n\n2,b\n", {}),
        ('1,""\n', _ENCLOSED),
        ('1,a"b\n', _ENCLOSED),
        ('1, "a"\n', _ENCLOSED),
        ("1;a", {"RECORD_DELIMITER": ";"}),
        ("1,a\n", {"ENCODING": "UTF16"}),
        ("1,a\r2,b\r", {}),
    ],
)
def test_what_the_engine_would_read_otherwise_is_not_plain(text: str, options: dict[str, Any]) -> None:
    assert not is_plain(text.encode(), "NONE", checked(options))
    assert is_plain(b"1,a\n2,b\n", "NONE", checked({}))
