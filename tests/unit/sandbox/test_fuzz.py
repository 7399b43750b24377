"""Statements made up from their own grammars, in all the spellings that SQL allows, are known for what they are."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.sandbox.snowflake import statements
from include.sandbox.snowflake.language import grammar
from include.sandbox.snowflake.language.grammar import Sequence, Sign, Statement, Value, Word

statements.load()

# No keyword begins so: a name is never read as one.
PREFIX = "zq"
ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
TRICKY = st.sampled_from(
    ["it's", 'say "x"', "-- no", "/* no */", "; DROP", "$$", "a.b", "//", "\\", "\n", "é✓", "TO FROM"]
)
INSIDE = ANYTHING | TRICKY
WORDS = st.text(string.ascii_letters + string.digits + "_$", max_size=6).map(PREFIX.__add__)


def quoted(text: str) -> str:
    return '"' + (text.replace('"', '""') or "x") + '"'


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def between_dollars(text: str) -> str:
    return f"$${text.replace('$', '')}$$"


IDENTIFIERS = WORDS | INSIDE.map(quoted)
NAMES = st.lists(IDENTIFIERS, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".", " . ", "\n."]).map(lambda dot: dot.join(parts))
)
TEXTS = INSIDE.map(literal) | INSIDE.map(between_dollars)
PLACES = (
    st.builds("@{}/{}".format, NAMES.filter(lambda n: " . " not in n and "\n." not in n), WORDS)
    | st.builds("@~/{}".format, WORDS)
    | INSIDE.map(lambda path: literal(f"@stage/{path}"))
    | st.builds("snow://model/{}/versions/V1/".format, WORDS)
    | st.builds("file:///tmp/{}".format, WORDS)
)
KINDS = {
    "ident": IDENTIFIERS,
    "name": NAMES,
    "text": TEXTS,
    "word": IDENTIFIERS | INSIDE.map(literal),
    "place": PLACES,
    "number": st.integers(0, 10**6).map(str),
    "assignments": st.dictionaries(WORDS, TEXTS | IDENTIFIERS | st.just("1.5"), min_size=1, max_size=3).map(
        lambda pairs: " ".join(f"{name}={value}" for name, value in pairs.items())
    ),
    "rest": st.lists(WORDS | INSIDE.map(literal) | INSIDE.map(quoted), min_size=2, max_size=3).map(" ".join),
}
LINE = INSIDE.map(lambda text: text.replace("\n", " ").replace("\r", " "))
COMMENTS = (
    INSIDE.map(lambda text: f"/*{text.replace('*', '')}*/")
    | LINE.map(lambda text: f"--{text}\n")
    | LINE.map(lambda text: f"//{text}\n")
)
SPACES = st.sampled_from([" ", "\n", "\t", "\r\n", "  "])
GAPS = st.lists(SPACES | COMMENTS, max_size=3).map(lambda parts: "".join([" ", *parts]))
NO_GAP = st.just("")


Spelled = tuple[str, dict[str, str], set[str]]


@st.composite
def spelled(draw: st.DrawFn, nodes: Sequence) -> Spelled:
    """A text of a grammar, the values in it, and the names of the options that it has."""
    text = ""
    values: dict[str, str] = {}
    options: set[str] = set()
    for node in nodes:
        if isinstance(node, Word):
            text += "".join(draw(st.sampled_from([c.upper(), c.lower()])) for c in node.text)
        elif isinstance(node, Sign):
            text += node.text
        elif isinstance(node, Value):
            values[node.name] = draw(KINDS[node.kind])
            text += values[node.name]
        elif not node.optional or draw(st.booleans()):
            inner, more, others = draw(spelled(draw(st.sampled_from(node.branches))))
            text, values, options = text + inner, values | more, options | others
            options |= {node.name} if node.name else set()
        text += draw(NO_GAP | GAPS if isinstance(node, Sign) else GAPS)
    return text, values, options


@pytest.mark.parametrize("statement", grammar.STATEMENTS, ids=[s.grammar[:60] for s in grammar.STATEMENTS])
def test_a_statement_is_known_however_it_is_spelled(statement: Statement) -> None:
    nodes = grammar.parse(statement.grammar)

    @settings(max_examples=6, deadline=None, database=None)
    @given(GAPS, spelled(nodes), st.sampled_from(["", ";", " ; ;\n-- the end"]))
    def check(before: str, drawn: Spelled, after: str) -> None:
        text, values, options = drawn
        found = grammar.match(before + text + after)
        assert found is not None, before + text + after
        assert found[0].run is statement.run, found[0].grammar
        matched = {name: value for name, value in found[1].items() if value is not None}
        assert matched.keys() == values.keys() | options
        assert {name: matched[name] for name in values} == values

    check()


@given(st.sampled_from(grammar.STATEMENTS).flatmap(lambda s: st.tuples(st.just(s), spelled(grammar.parse(s.grammar)))))
@settings(max_examples=60, deadline=None)
def test_a_statement_with_something_left_over_is_not_taken_for_a_shorter_one(
    drawn: tuple[Statement, Spelled],
) -> None:
    found = grammar.match(f"{drawn[1][0]} {PREFIX} ({PREFIX})")
    if found is not None:  # a grammar that ends with anything at all takes it whole
        assert any(str(value).endswith(f"({PREFIX})") for value in found[1].values())


@given(NAMES)
def test_a_name_has_the_parts_that_it_was_made_of(name: str) -> None:
    parts = grammar.split_name(name)
    assert 1 <= len(parts) <= 3
    again = ".".join(quoted(part) for part in parts)
    assert grammar.split_name(again) == parts


@given(INSIDE)
def test_a_text_is_what_was_written(text: str) -> None:
    assert grammar.unquote(literal(text)) == text
    assert grammar.unquote("'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'") == text


@given(
    st.lists(
        INSIDE.map(literal) | INSIDE.map(quoted) | COMMENTS | WORDS | st.sampled_from(list("->;()'\"$*/\n")), max_size=8
    )
)
def test_the_pieces_of_a_text_are_the_text(parts: list[str]) -> None:
    assert "".join(grammar.tokens("".join(parts))) == "".join(parts)


MEGABYTE = 1_000_000
LONG = {
    "insert": "INSERT INTO t VALUES " + "(1,'abc')," * (MEGABYTE // 10),
    "leading comment": "/*" + "x" * MEGABYTE + "*/ ALTER MODEL a DANCE",
    "gap": "ALTER" + " " * MEGABYTE + "MODEL a DANCE",
    "gap at the end": "ALTER MODEL a DANCE" + " \n" * (MEGABYTE // 2),
    "comments": "GRANT " + "/**/ " * (MEGABYTE // 5),
    "unclosed comments": "GRANT " + "/*" * (MEGABYTE // 2),
    "unclosed string": "GRANT '" + "\\'" * (MEGABYTE // 2),
    "backslashes": "GRANT " + "'\\" * (MEGABYTE // 2),
    "quotes": "GRANT " + "'" * (MEGABYTE + 1),
    "double quotes": "GRANT " + '"' * (MEGABYTE + 1),
    "dollars": "GRANT " + "$$ $" * (MEGABYTE // 4),
    "words": "GRANT " + "a b " * (MEGABYTE // 4),
    "keywords": "GRANT " + "TO " * (MEGABYTE // 3) + "'",
    "semicolons": "COMMIT " + ";" * MEGABYTE + "x",
    "names": "DROP MODEL " + "a." * (MEGABYTE // 2),
    "string": "COMMENT ON MODEL a IS '" + "''" * (MEGABYTE // 2),
    "assignments": "ALTER MODEL a SET " + "b = 'c' " * (MEGABYTE // 8) + "!",
}


@pytest.mark.parametrize("name", LONG)
def test_no_text_keeps_the_grammars_busy(name: str) -> None:
    begun = time.process_time()
    grammar.match(LONG[name])
    assert time.process_time() - begun < 3


def test_a_query_is_compared_with_no_grammar() -> None:
    assert not [s for s in grammar.STATEMENTS if s.may_open("SELECT", "A") or s.may_open("INSERT", "INTO")]
    models = [s for s in grammar.STATEMENTS if s.may_open("DROP", "MODEL")]
    assert len(models) < 5
