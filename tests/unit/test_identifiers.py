from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowmaker.exceptions import IdentifierError
from snowmaker.snowflake.identifiers import Identifier, QualifiedName, literal


@given(st.text(min_size=1, max_size=40))
def test_a_quoted_name_is_read_back_as_it_was(name: str) -> None:
    assert Identifier.parse(Identifier(name).quoted) == Identifier(name)


@pytest.mark.parametrize("text", ["", "a b", "a;drop table t", "a--", '"a" or "b"', "1a", "a'", "naïve", "a.b"])
def test_sql_is_no_identifier(text: str) -> None:
    with pytest.raises(IdentifierError, match="is not an identifier"):
        Identifier.parse(text)


def test_percent_signs_are_doubled_in_statement_text_only() -> None:
    name = Identifier('rate "%"')
    assert str(name) == '"rate ""%%"""'
    assert name.quoted == '"rate ""%"""'
    assert literal("50%") == "'50%%'"


def test_dots_inside_quotes_do_not_separate() -> None:
    name = QualifiedName.parse('"my.db".public."t.1"')
    assert (name.database.name, name.schema.name, name.object.name) == ("my.db", "PUBLIC", "t.1")
    assert QualifiedName.parse(name.quoted) == name


@pytest.mark.parametrize("text", ["t", "s.t", "a.b.c.d", "a..t", "a.b.", '"a"b.c.d', "a.b.c d"])
def test_a_full_name_has_three_parts(text: str) -> None:
    with pytest.raises(IdentifierError):
        QualifiedName.parse(text)
