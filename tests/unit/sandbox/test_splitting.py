from __future__ import annotations

import pytest

from include.sandbox.snowflake.language.splitting import count_marks, statements_of


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1;"]),
        ("SELECT 1; SELECT 2 ;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT \";\"", ["SELECT ';'", 'SELECT ";"']),
        ("SELECT 'it''s;', '\\';'; SELECT 2", ["SELECT 'it''s;', '\\';'", "SELECT 2"]),
        ("SELECT $$a;b$$; SELECT 2", ["SELECT $$a;b$$", "SELECT 2"]),
        ("SELECT 1 -- a; b\n; /* c; */ SELECT 2", ["SELECT 1 -- a; b", "/* c; */ SELECT 2"]),
        ("; ;; -- nothing;\n", []),
        ("BEGIN; SELECT 1; COMMIT", ["BEGIN", "SELECT 1", "COMMIT"]),
        ("BEGIN TRANSACTION; COMMIT", ["BEGIN TRANSACTION", "COMMIT"]),
        (
            "SELECT 1; BEGIN SELECT 2; SELECT 3; END; SELECT 4",
            ["SELECT 1", "BEGIN SELECT 2; SELECT 3; END", "SELECT 4"],
        ),
        (
            "BEGIN SELECT CASE WHEN a THEN 1 END FROM t; SELECT 2; END; SELECT 3",
            ["BEGIN SELECT CASE WHEN a THEN 1 END FROM t; SELECT 2; END", "SELECT 3"],
        ),
    ],
)
def test_a_text_is_split_where_statements_end(sql: str, parts: list[str]) -> None:
    assert statements_of(sql) == parts


def test_only_marks_that_are_one_count() -> None:
    assert count_marks("SELECT ?, '?', \"?\", $$?$$ -- ?\n, ? /* ? */") == 2
