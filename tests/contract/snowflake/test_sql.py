"""Tables, queries, types, and the errors of a real account."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, refused


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """A cursor in a schema of the test's own."""
    schema = fresh("SQL")
    cursor = connection.cursor()
    cursor.execute(f"CREATE SCHEMA {schema}")
    yield cursor
    cursor.execute(f"DROP SCHEMA {schema}")


def test_values_come_back_in_their_types(cursor: SnowflakeCursor) -> None:
    cursor.execute(
        "CREATE TABLE t (n NUMBER, x FLOAT, m NUMBER(10,2), s VARCHAR, b BOOLEAN, d DATE, at TIMESTAMP_NTZ, v VARIANT)"
    )
    cursor.execute(
        "INSERT INTO t SELECT 1, 2.5, 3.25, 'ä', TRUE, '2024-02-29', '1969-12-31 23:59:59.5', PARSE_JSON('[1]')"
    )
    cursor.execute("INSERT INTO t (n) VALUES (NULL)")
    first, second = cursor.execute("SELECT * FROM t ORDER BY n NULLS LAST").fetchall()
    at = datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)  # noqa: DTZ001
    assert first == (1, 2.5, Decimal("3.25"), "ä", True, datetime.date(2024, 2, 29), at, "[1]")
    assert second == (None,) * 8


def test_bound_values_of_both_styles_arrive(cursor: SnowflakeCursor) -> None:
    assert cursor.execute("SELECT %s, %s, %s", (1, "it's $x", None)).fetchone() == (1, "it's $x", None)
    cursor.execute("CREATE TABLE t (a INT, b VARCHAR)")
    cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(1, "x"), (2, "y")])
    assert cursor.rowcount == 2


def test_functions_of_the_drift_and_performance_kind(cursor: SnowflakeCursor) -> None:
    row = cursor.execute(
        "SELECT COUNT_IF(c > 1), SUM(IFF(c > 1, 1, 0)), DIV0(1, 0), MEDIAN(c), APPROX_PERCENTILE(c, 0.5), "
        "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY c), MD5('a'), HASH('a') = HASH('a'), "
        "DATEDIFF('day', '2024-01-01'::DATE, DATEADD('week', 1, '2024-01-01'::DATE)), "
        "OBJECT_CONSTRUCT('k', MAX(c)):k::INT FROM (SELECT column1 AS c FROM VALUES (1), (2), (3))"
    ).fetchone()
    assert row == (2, 2, 0, 2, 2, 2, "0cc175b9c0f1b6a831c399e269772661", True, 7, 3)


def test_dates_stay_dates_and_whole_numbers_whole(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t AS SELECT '2024-01-31'::DATE AS d, '2024-01-31 10:00'::TIMESTAMP_NTZ AS at, 3 AS n")
    row = cursor.execute(
        "SELECT DATE_TRUNC('week', d), DATEADD('week', 1, d), DATEADD('month', 1, d), "
        "DATE_TRUNC('week', at), DATEADD('day', n, at), SUM(n), SUM(n) / 2 FROM t GROUP BY d, at, n"
    ).fetchone()
    assert row == (
        datetime.date(2024, 1, 29),
        datetime.date(2024, 2, 7),
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 1, 29),  # noqa: DTZ001
        datetime.datetime(2024, 2, 3, 10),  # noqa: DTZ001
        3,
        1.5,
    )
    assert [type(value) for value in row[:6]] == [datetime.date] * 3 + [datetime.datetime] * 2 + [int]


def test_qualify_keeps_the_first_of_each_group(cursor: SnowflakeCursor) -> None:
    cursor.execute(
        "SELECT column1, column2 FROM VALUES (1, 'old'), (1, 'new'), (2, 'only') "
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY column1 ORDER BY column2) = 1 ORDER BY 1"
    )
    assert cursor.fetchall() == [(1, "new"), (2, "only")]


def test_merge_counts_what_it_did(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t AS SELECT 1 AS id, 'a' AS v")
    merged = cursor.execute(
        "MERGE INTO t USING (SELECT 1 AS id, 'b' AS v UNION ALL SELECT 2, 'c') AS s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"
    )
    assert merged.fetchone() == (1, 1)
    assert cursor.execute("SELECT id, v FROM t ORDER BY id").fetchall() == [(1, "b"), (2, "c")]


def test_keys_are_recorded_and_not_enforced(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR NOT NULL)")
    cursor.execute("INSERT INTO t VALUES (1, 'a'), (1, 'a')")
    assert cursor.execute("SELECT COUNT(*) FROM t").fetchone() == (2,)
    with refused(100072, "NULL result in a non-nullable column"):
        cursor.execute("INSERT INTO t VALUES (2, NULL)")


@pytest.mark.parametrize("create", ["TEMP", "TEMPORARY", "SCOPED TEMPORARY", "LOCAL TEMP"])
def test_a_temporary_table_is_the_sessions_own(
    cursor: SnowflakeCursor, connection: SnowflakeConnection, create: str
) -> None:
    name = f"{connection.database}.{connection.schema}.scratch"
    cursor.execute(f"CREATE {create} TABLE {name} (a INT)")
    cursor.execute("INSERT INTO scratch VALUES (1)")
    assert cursor.execute(f"SELECT scratch.a FROM {name}").fetchall() == [(1,)]
    assert cursor.execute("DESC TABLE scratch").fetchone()[:2] == ("A", "NUMBER(38,0)")
    cursor.execute("DROP TABLE scratch")
    with refused(2003):
        cursor.execute(f"SELECT * FROM {name}")


def test_a_table_can_be_described_cloned_and_altered(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE t (a INT, b VARCHAR)")
    cursor.execute("ALTER TABLE t ADD COLUMN c FLOAT")
    cursor.execute("CREATE OR REPLACE TRANSIENT TABLE copied CLONE t")
    described = cursor.execute("DESCRIBE TABLE copied").fetchall()
    assert [row[:2] for row in described] == [("A", "NUMBER(38,0)"), ("B", "VARCHAR(16777216)"), ("C", "FLOAT")]
    columns = cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'T' "
        "AND table_schema = CURRENT_SCHEMA() ORDER BY ordinal_position"
    )
    assert columns.fetchall() == [("A", "NUMBER"), ("B", "TEXT"), ("C", "FLOAT")]


def test_an_earlier_result_can_be_queried(cursor: SnowflakeCursor) -> None:
    cursor.execute("CREATE TABLE first_one (a INT)")
    cursor.execute("CREATE TABLE second_one (a INT)")
    cursor.execute("SHOW TABLES")
    cursor.execute(f"SELECT \"name\" FROM TABLE(RESULT_SCAN('{cursor.sfqid}')) WHERE \"name\" ILIKE 'second%'")
    assert cursor.fetchall() == [("SECOND_ONE",)]


@pytest.mark.parametrize(
    ("sql", "code", "text"),
    [
        ("SELECT * FROM nowhere", 2003, "NOWHERE' does not exist or not authorized"),
        ("SELECT nothing FROM VALUES (1)", 904, "invalid identifier 'NOTHING'"),
        ("SELEC 1", 1003, "syntax error"),
        ("SELECT 1 FROM", 1003, "syntax error"),
        ("SELECT no_such_function(1)", 2140, "Unknown function"),
        ("SELECT 'abc'::INT", 100038, "'abc' is not recognized"),
        ("CREATE TABLE information_schema.x (a INT)", 2003, ""),
        ("DROP TABLE nowhere", 2003, "does not exist"),
        ("USE SCHEMA nowhere", 2043, "does not exist"),
    ],
)
def test_errors_are_snowflakes(cursor: SnowflakeCursor, sql: str, code: int, text: str) -> None:
    with refused(code, text):
        cursor.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS INT AS $$ 1 $$",
        "CREATE TABLE t (a GEOGRAPHY)",
        "SELECT ARRAY_SORT([2, 1])",
        "SELECT * FROM VALUES (1) MATCH_RECOGNIZE (ORDER BY column1 PATTERN (a) DEFINE a AS TRUE)",
        "SELECT SYSTEM$NOTHING()",
    ],
)
def test_what_is_not_implemented_is_refused_by_name(cursor: SnowflakeCursor, sql: str) -> None:
    with refused(2, "Unsupported feature"):
        cursor.execute(sql)


def test_two_statements_in_one_request_are_refused(cursor: SnowflakeCursor) -> None:
    with refused(8, "statement count 2"):
        cursor.execute("SELECT 1; SELECT 2")


def test_databases_and_schemas_come_and_go(connection: SnowflakeConnection) -> None:
    name = fresh("DB")
    cursor = connection.cursor()
    cursor.execute(f"CREATE DATABASE {name}")
    assert cursor.execute("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()").fetchone() == (name, "PUBLIC")
    cursor.execute("CREATE SCHEMA inside")
    cursor.execute("CREATE TABLE t (a INT)")
    cursor.execute("CREATE SCHEMA IF NOT EXISTS inside")
    with refused(2002, "already exists"):
        cursor.execute("CREATE SCHEMA inside")
    cursor.execute("USE SCHEMA PUBLIC")
    with refused(2003):
        cursor.execute("SELECT * FROM t")
    cursor.execute(f"DROP DATABASE {name}")
    assert cursor.execute(f"SHOW DATABASES LIKE '{name}'").fetchall() == []


@pytest.mark.parametrize(
    ("query", "names", "rows"),
    [
        ("SELECT * EXCLUDE a FROM t", ["B"], [("x",), ("y",), (None,)]),
        ("SELECT * RENAME a AS z FROM t", ["Z", "B"], [(1, "x"), (2, "y"), (3, None)]),
        ("SELECT * REPLACE (a + 1 AS a) FROM t", ["A", "B"], [(2, "x"), (3, "y"), (4, None)]),
        ("SELECT * ILIKE 'b%' FROM t", ["B"], [("x",), ("y",), (None,)]),
        ("SELECT b FROM t ORDER BY ALL DESC", ["B"], [(None,), ("y",), ("x",)]),
        ("SELECT b, SUM(a) AS s FROM t GROUP BY ALL ORDER BY s", ["B", "S"], [("x", 1), ("y", 2), (None, 3)]),
        ("SELECT TOP 1 a FROM t ORDER BY a DESC", ["A"], [(3,)]),
        ("SELECT $1 AS n FROM VALUES (7), (8) ORDER BY n", ["N"], [(7,), (8,)]),
        ("SELECT a AS n, n + 1 AS m FROM t WHERE n = 1", ["N", "M"], [(1, 2)]),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r ORDER BY n",
            ["N"],
            [(1,), (2,), (3,)],
        ),
        (
            "SELECT * FROM (SELECT 'e' AS id, 1 AS jan, 2 AS feb) UNPIVOT (v FOR m IN (jan, feb)) ORDER BY v",
            ["ID", "M", "V"],
            [("e", "JAN", 1), ("e", "FEB", 2)],
        ),
        (
            'SELECT f.value::VARCHAR AS v FROM (SELECT PARSE_JSON(\'["p", "q"]\') AS list), '
            "LATERAL FLATTEN(INPUT => list) f ORDER BY f.index",
            ["V"],
            [("p",), ("q",)],
        ),
        (
            "SELECT f.index, COUNT(*) AS n, MIN(f.value::INT) AS low, MAX(f.value::INT) AS high "
            "FROM (SELECT ARRAY_CONSTRUCT(SEQ4(), 100, 1000 + SEQ4()) AS list FROM TABLE(GENERATOR(ROWCOUNT => 200))) "
            "r, LATERAL FLATTEN(INPUT => r.list) f GROUP BY 1 ORDER BY 1",
            ["INDEX", "N", "LOW", "HIGH"],
            [(0, 200, 0, 199), (1, 200, 100, 100), (2, 200, 1000, 1199)],
        ),
        (
            "SELECT f.key, f.index, f.value::INT AS v FROM LATERAL FLATTEN("
            """INPUT => PARSE_JSON('{"$a": 1, "/b c": 2, "d": null}')) f ORDER BY f.key""",
            ["KEY", "INDEX", "V"],
            [("$a", None, 1), ("/b c", None, 2), ("d", None, None)],
        ),
        ("SELECT a FROM t MINUS SELECT 2 ORDER BY a", ["A"], [(1,), (3,)]),
        ("SELECT COUNT(*) AS n FROM (SELECT * FROM t SAMPLE (2 ROWS))", ["N"], [(2,)]),
    ],
)
def test_a_query_of_this_form(
    cursor: SnowflakeCursor, query: str, names: list[str], rows: list[tuple[object, ...]]
) -> None:
    cursor.execute("CREATE TABLE t AS SELECT column1 AS a, column2 AS b FROM VALUES (1, 'x'), (2, 'y'), (3, NULL)")
    found = cursor.execute(query).fetchall()
    assert [column.name for column in cursor.description] == names
    assert sorted(found, key=str) == sorted(rows, key=str)
    if "ORDER BY" in query:
        assert found == rows
