from __future__ import annotations

import pytest

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.monitors import options

KINDS = {
    "MODEL": options.a_name,
    "VERSION": options.an_identifier,
    "COMMENT": options.text,
    "ID_COLUMNS": options.identifiers,
}


def parse(text: str) -> dict[str, object]:
    return options.parse(text, KINDS, {"GATEWAY"})


def test_a_name_may_be_quoted_in_part_and_in_whole() -> None:
    assert parse('MODEL = db."my schema".m') == {"MODEL": ("DB", "my schema", "M")}
    assert parse("MODEL='db.\"my schema\".m'") == {"MODEL": ("DB", "my schema", "M")}
    assert parse('MODEL = "a.b"') == {"MODEL": ("a.b",)}
    assert parse('MODEL = db . s . "say ""hi"""') == {"MODEL": ("DB", "S", 'say "hi"')}
    assert parse("MODEL = '\"it''s\"'") == {"MODEL": ("it's",)}


def test_options_follow_one_another_without_commas() -> None:
    text = "id_columns = ('a', \"b\" , C) -- these\n version='v1'/* that */COMMENT = $$it's$$"
    assert parse(text) == {"ID_COLUMNS": ["A", "b", "C"], "VERSION": "V1", "COMMENT": "it's"}
    assert parse("ID_COLUMNS=() VERSION=v") == {"ID_COLUMNS": [], "VERSION": "V"}
    assert parse("ID_COLUMNS=['A']") == {"ID_COLUMNS": ["A"]}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NAME = x", 1420),
        ("GATEWAY = x", 2),
        ("VERSION = a VERSION = b", 1405),
        ("VERSION", 1003),
        ("VERSION =", 1003),
        ("VERSION a", 1003),
        ("= a", 1003),
        ("VERSION = a, MODEL = b", 1003),
        ("VERSION = a.b MODEL = m", 1003),
        ("VERSION = 'a.b'", 1008),
        ("VERSION = 'two words'", 1008),
        ("VERSION = ''", 1008),
        ("VERSION = 1", 1008),
        ("MODEL = a.b.c.d", 1008),
        ("MODEL = 'a..b'", 1008),
        ("COMMENT = a", 1008),
        ("ID_COLUMNS = 'A'", 1008),
        ("ID_COLUMNS = ('A'", 1008),
        ("ID_COLUMNS = ('A']", 1008),
        ("ID_COLUMNS = ('A' 'B')", 1003),
        ("ID_COLUMNS = ('A',)", 1003),
        ("ID_COLUMNS = (,'A')", 1003),
        ("ID_COLUMNS = (('A'))", 1003),
        ("ID_COLUMNS = (1)", 1008),
    ],
)
def test_what_is_not_well_formed_is_refused(text: str, code: int) -> None:
    with pytest.raises(SqlError) as caught:
        parse(text)
    assert caught.value.code == code
