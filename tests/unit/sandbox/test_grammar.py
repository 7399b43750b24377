from __future__ import annotations

import pytest

from include.sandbox.snowflake import reference
from include.sandbox.snowflake.language import grammar


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


@pytest.mark.parametrize(
    "sql",
    [
        "DROP THING /* x */ a b /* y */",
        "DROP THING /* x */ IF a */ b",
        "DROP THING 'a'",
        'DROP THING "a',
        "DROP THING a /* open",
        "DROP\u017fHING a",
    ],
)
def test_nothing_is_read_past_its_end_to_make_a_statement_fit(sql: str) -> None:
    assert matched("DROP THING [IF EXISTS] {name:name}", sql) is None


@pytest.mark.parametrize(
    ("sql", "privileges", "grantee"),
    [
        ("GRANT 'TO' x TO y", "'TO' x", "y"),
        ("GRANT INTO TO y", "INTO", "y"),
        ('GRANT "a TO b" /* TO z */ TO y -- TO w', '"a TO b"', "y"),
        ("GRANT $$ TO $$ TO 'y;' ;", "$$ TO $$", "'y;'"),
    ],
)
def test_a_keyword_in_a_text_a_name_a_comment_or_a_word_is_none(sql: str, privileges: str, grantee: str) -> None:
    found = matched("GRANT {privileges:rest} TO {grantee:rest}", sql)
    assert found == {"privileges": privileges, "grantee": grantee}


@pytest.mark.parametrize(
    ("place", "rest"),
    [
        ('@db."schema with space"."a ""b"" "/path', ""),
        ("'@s/it''s \\\\ here'", ""),
        ('snow://model/"my model"/versions/V1/', ""),
        ("@~/x", " DEEPLY"),
        ("@%table/x", ""),
    ],
)
def test_a_place_ends_where_its_name_does(place: str, rest: str) -> None:
    found = matched("LIST {place:place} [deep:DEEPLY]", f"LIST {place}{rest};")
    assert found
    assert (found["place"], bool(found["deep"])) == (place, bool(rest))


def test_assignments_stand_in_any_order_with_or_without_commas() -> None:
    found = matched(
        "SET {values:assignments} [more:NOW]", "SET a = 'x y' B=$$it's = $$,\n c = \"q\" -- d=1\n d=1.5 NOW"
    )
    assert found
    assert found["more"]
    assert grammar.assigned(str(found["values"])) == {"A": "'x y'", "B": "$$it's = $$", "C": '"q"', "D": "1.5"}
    assert grammar.assigned("a = 1 A = 2") is None
    assert matched("SET {values:assignments}", "SET TAG a = 'x'") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"'it''s'", "it's"),
        (r"'a\n\t\'\\ \x41\u00e9\101\q'", "a\n\t'\\ A\u00e9Aq"),
        (r"'\\''x'", "\\'x"),
        ("$$a\\n''b$$", "a\\n''b"),
        ("$$costs 5 $$$", "costs 5 $"),
    ],
)
def test_a_text_is_written_with_escapes_or_as_it_is_between_dollars(written: str, meant: str) -> None:
    assert grammar.unquote(written) == meant


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("A_B", "'a_b'", True),
        ("AXB", "'a_b'", True),
        ("AXB", r"'a\\_b'", False),
        ("A_B", r"'a\\_b'", True),
        ("A%", r"'a\\%'", True),
        ("AB", r"'a\\%'", False),
        ("it's [x]*", "'IT''S [X]%'", True),
        ("a\nb", "'a%b'", True),
        ("AB", "'A'", False),
    ],
)
def test_a_like_has_wildcards_that_can_be_escaped(name: str, pattern: str, fits: bool) -> None:
    assert grammar.matches(name, pattern) is fits


def test_a_choice_without_parentheses_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="parentheses"):
        grammar.compile_grammar("LIST|LS {place:place}")


@pytest.mark.parametrize(
    ("pattern", "openings"),
    [
        ("CREATE [OR REPLACE] MODEL {name:name}", {("CREATE", "OR"), ("CREATE", "MODEL")}),
        ("(LIST|LS) {place:place}", {("LIST", None), ("LS", None)}),
        ("COMMIT [WORK]", {("COMMIT",), ("COMMIT", "WORK")}),
        ("[EXPLAIN] {name:ident} = {text:text}", {("EXPLAIN", None), (None, None)}),
    ],
)
def test_a_grammar_tells_with_which_words_its_statements_begin(
    pattern: str, openings: set[tuple[str | None, ...]]
) -> None:
    known = grammar.Statement(pattern, grammar.compile_grammar(pattern), print, grammar.Effect.NONE)
    assert known.openings == openings


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
    written = reference.README.read_text()
    assert reference.markdown() in written, "run `python -m include.sandbox.snowflake.reference`"
