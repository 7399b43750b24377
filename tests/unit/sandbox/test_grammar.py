from __future__ import annotations

from pathlib import Path

import pytest

from include.sandbox.snowflake import grammar, reference


def matched(pattern: str, sql: str) -> dict[str, str | None] | None:
    found = grammar.compile_grammar(pattern).match(sql)
    return found.groupdict() if found else None


@pytest.mark.parametrize(
    "sql",
    [
        "DROP THING a.b",
        "drop  thing\n a.b ;",
        "/* why */ DROP -- now\n THING IF EXISTS a . b",
        'DROP THING IF EXISTS "a"."x ""y"" z"',
    ],
)
def test_a_statement_is_known_in_all_its_spellings(sql: str) -> None:
    assert matched("DROP THING [exists:IF EXISTS] {name:name}", sql) is not None


@pytest.mark.parametrize("sql", ["DROP THINGS a", "DROP THING", "DROP THING a b", "DROPTHING a", "DROP THING a.b.c.d"])
def test_another_statement_is_not_taken_for_it(sql: str) -> None:
    assert matched("DROP THING [exists:IF EXISTS] {name:name}", sql) is None


def test_values_choices_and_options_are_handed_over() -> None:
    pattern = "(LIST|LS) {place:place} [deep:DEEPLY] [PATTERN = {pattern:text}]"
    assert matched(pattern, "ls '@s/a b' pattern='.*''x'") == {
        "place": "'@s/a b'",
        "deep": None,
        "pattern": "'.*''x'",
    }
    assert matched(pattern, "LIST @s/x DEEPLY") == {"place": "@s/x", "deep": "DEEPLY", "pattern": None}


def test_text_between_dollars_is_taken_as_it_is() -> None:
    found = matched("SET COMMENT = {text:text}", "SET COMMENT=$$it's\n a $5 'x'$$")
    assert found
    assert grammar.unquote(str(found["text"])) == "it's\n a $5 'x'"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a.b", ("A", "B")), ('"a"."b.c"', ("a", "b.c")), ('x."say ""hi"""', ("X", 'say "hi"')), ('"""x"""', ('"x"',))],
)
def test_names_are_resolved_as_snowflake_does(text: str, parts: tuple[str, ...]) -> None:
    assert grammar.split_name(text) == parts


def test_an_error_names_the_statement_by_its_first_words() -> None:
    assert grammar.head("  -- c\n create dynamic table x as select 1") == "CREATE DYNAMIC TABLE"


def test_the_readme_lists_the_statements_that_there_are() -> None:
    readme = Path(reference.__file__).parents[1] / "README.md"
    assert reference.markdown() in readme.read_text(), "paste `python -m include.sandbox.snowflake.reference` into it"
