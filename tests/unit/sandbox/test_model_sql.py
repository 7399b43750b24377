"""The spellings of model calls that are put into other words before the parser sees them."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from include.sandbox.snowflake.scoring import model_sql


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("WITH mv AS MODEL m VERSION v SELECT mv!p(a)", " SELECT MODEL(m, v)!p(a)"),
        ("WITH mv AS MODEL m SELECT MV!p(a)", " SELECT MODEL(m)!p(a)"),
        ('WITH "m v" AS MODEL d.s."m ""x" VERSION "v 1" SELECT "m v"!p(a)', ' SELECT MODEL(d.s."m ""x", "v 1")!p(a)'),
        ("WITH a AS MODEL m, b AS MODEL n VERSION LAST SELECT a!p(b!q(1))", " SELECT MODEL(m)!p(MODEL(n, LAST)!q(1))"),
        ("WITH a AS MODEL m, c AS (SELECT 1) SELECT a!p(1)", "WITH  c AS (SELECT 1) SELECT MODEL(m)!p(1)"),
        ("WITH c AS (SELECT 1), a AS MODEL m SELECT a!p(1)", "WITH c AS (SELECT 1) SELECT MODEL(m)!p(1)"),
        ("WITH RECURSIVE a AS MODEL m SELECT a!p(1)", " SELECT MODEL(m)!p(1)"),
        ("WITH a AS MODEL m VERSION v SELECT 'a!p(1)', x.a!p(2)", " SELECT 'a!p(1)', x.a!p(2)"),
        (
            "WITH a AS MODEL m SELECT a!p(\"it's\"), -- it's\n 'a!p(1)' /* it's */ FROM t",
            " SELECT MODEL(m)!p(\"it's\"), -- it's\n 'a!p(1)' /* it's */ FROM t",
        ),
        ("SELECT MODEL(m)!transform(a)", 'SELECT MODEL(m)!"_method:TRANSFORM"(a)'),
    ],
)
def test_a_spelling_is_put_into_other_words(written: str, plain: str) -> None:
    assert model_sql.plain(written) == plain


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a != 1 FROM t -- WITH mv AS MODEL m VERSION v",
        "SELECT 'WITH mv AS MODEL m VERSION v SELECT mv!p(1)'",
        "SELECT 1 AS model, version FROM t WHERE a != b",
        "SELECT MODEL(m, v)!predict(a) FROM t",
        "SELECT 'never closed, m!p(1)",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert model_sql.plain(text) == text


@pytest.mark.parametrize(
    ("method", "name"), [("transform", "TRANSFORM"), ("hash", "HASH"), ("predict", "PREDICT"), ('"Do it"', "Do it")]
)
def test_a_method_keeps_its_name(method: str, name: str) -> None:
    parsed = model_sql.named(sqlglot.parse_one(model_sql.plain(f"SELECT MODEL(m, v)!{method}(a, 1)"), read="snowflake"))
    call = parsed.find(exp.ModelAttribute)
    assert call is not None
    assert model_sql.method_name(call.expression) == name
    assert [a.sql() for a in call.expression.expressions] == ["a", "1"]
