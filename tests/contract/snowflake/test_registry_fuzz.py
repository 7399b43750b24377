"""Models of made-up names, in statements of made-up spelling: each is found again under the name that it was given."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_support import log
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.registry import Registry
from snowflake_support import fresh

TRICKY = ["it's", 'say "x"', "-- no", "/* no */", "; DROP", "$$", "a.b", "//", "\\", "é✓", "MODEL", "%s", "?", "->>"]
QUOTED = st.text(st.characters(exclude_characters="\0\x01\x02\r", exclude_categories=["Cs"]), min_size=1, max_size=10)
PLAIN = st.text(string.ascii_letters + string.digits + "_$", max_size=8)


@pytest.fixture(scope="module")
def source(registry: Registry) -> str:
    """A model to copy from."""
    name = fresh("FUZZ_SOURCE")
    log(registry, name)
    return name


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor of the test's own."""
    with connection.cursor() as opened:
        yield opened


def identifier(text: str, *, quoted: bool) -> tuple[str, str]:
    """How a name is written, and what it is."""
    return ('"' + text.replace('"', '""') + '"', text) if quoted else (text, text.upper())


def respelled(sql: str, seed: int) -> str:
    """The statement with other gaps, comments and cases, its names and texts as they are."""
    rng = random.Random(seed)  # noqa: S311

    def gap() -> str:
        return rng.choice([" ", "\n", " \t ", " /* it's; \"x */ ", " -- DROP 'x\n", " // $$ \n", "\r\n/**/"])

    parts = re.findall(r'\x01[^\x02]*\x02|\s+|[^\s"\'\x01]+', sql)
    changed = [
        part[1:-1] if part[0] == "\x01" else gap() if part.isspace() else rng.choice([part.lower(), part.upper()])
        for part in parts
    ]
    return gap() + "".join(changed) + rng.choice(["", ";", gap() + ";" + gap()])


@settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.tuples(st.booleans(), QUOTED | st.sampled_from(TRICKY), PLAIN), min_size=3, max_size=3),
    comment=QUOTED | st.sampled_from(TRICKY),
    seed=st.integers(0, 10**6),
)
def test_a_model_is_known_by_the_name_that_it_was_given(
    cursor: SnowflakeCursor, source: str, names: list[tuple[bool, str, str]], comment: str, seed: int
) -> None:
    (model, name), (version, version_name), (new, new_name) = (
        identifier(text if quoted else fresh("Fz") + plain, quoted=quoted) for quoted, text, plain in names
    )
    text = "'" + comment.replace("\\", "\\\\").replace("'", "''") + "'"
    cursor.execute(f"DROP MODEL IF EXISTS {model}")
    cursor.execute(f"DROP MODEL IF EXISTS {new}")
    statements = [
        f"CREATE MODEL \x01{model}\x02 WITH VERSION \x01{version}\x02 FROM MODEL {source}",
        f"ALTER MODEL \x01{model}\x02 VERSION \x01{version}\x02 SET ALIAS = Blue",
        f"COMMENT ON MODEL \x01{model}\x02 IS \x01{text}\x02",
        f"ALTER MODEL IF EXISTS \x01{model}\x02 MODIFY VERSION blue SET COMMENT = \x01{text}\x02",
    ]
    for number, statement in enumerate(statements):
        cursor.execute(respelled(statement, seed + number))
    cursor.execute('SHOW MODELS ->> SELECT "default_version_name", "comment" FROM $1 WHERE "name" = %s', (name,))
    assert cursor.fetchall() == [(version_name, comment)]
    if new != model:
        cursor.execute(respelled(f"ALTER MODEL \x01{model}\x02 RENAME TO \x01{new}\x02", seed))
    shown = cursor.execute(respelled(f"SHOW VERSIONS IN MODEL \x01{new}\x02", seed)).fetchall()
    assert [(row[1], row[3], row[6]) for row in shown] == [(version_name, comment, new_name)]
    assert '"BLUE"' in shown[0][2]
    called = cursor.execute(f"SELECT MODEL({new}, {version})!PREDICT(4.0, 1.0):output_feature_0::INT").fetchall()
    assert called == [(1,)]
    cursor.execute(respelled(f"DROP MODEL \x01{new}\x02", seed))
    cursor.execute('SHOW MODELS ->> SELECT COUNT(*) FROM $1 WHERE "name" = %s', (new_name,))
    assert cursor.fetchall() == [(0,)]
