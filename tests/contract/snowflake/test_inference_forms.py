"""Where a method call may stand, and how it may be written: views, changes, nested calls, names, aliases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh, refused
from xgboost import XGBRegressor

RNG = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {"ID": range(50), "A": RNG.normal(size=50), "B": RNG.normal(size=50), "CITY": ["Bern", "Oslo"] * 25}
)
MODEL = XGBRegressor(n_estimators=5, max_depth=2).fit(FRAME[["A", "B"]], FRAME["A"] + FRAME["B"])
OTHER = XGBRegressor(n_estimators=3, max_depth=2).fit(FRAME[["A", "B"]], FRAME["A"] - FRAME["B"])
NAME, TABLE, QUOTED = fresh("SCORER"), fresh("POINTS"), f'{fresh("o")} "dd"'
AS_SQL = '"' + QUOTED.replace('"', '""') + '"'
OUT = "output_feature_0::FLOAT"
CALL = f"MODEL({NAME}, V1)!PREDICT(A, B):{OUT}"


def predicted(frame: pd.DataFrame, model: XGBRegressor = MODEL) -> list[float]:
    return [float(v) for v in model.predict(frame[["A", "B"]])]


EXPECTED = predicted(FRAME)


@pytest.fixture(scope="module")
def logged(registry: Registry, session: Session) -> None:
    """Two versions of a model, one model with a quoted name, and a table."""
    for model, version in ((MODEL, "V1"), (OTHER, "V2")):
        registry.log_model(
            model,
            model_name=NAME,
            version_name=version,
            sample_input_data=FRAME[["A", "B"]],
            target_platforms=["WAREHOUSE"],
        )
    session.sql(f'CREATE MODEL {AS_SQL} WITH VERSION "v 1" FROM MODEL {NAME} VERSION V2').collect()
    session.sql(f"ALTER MODEL {NAME} VERSION V2 SET ALIAS = challenger").collect()
    session.write_pandas(FRAME, TABLE, auto_create_table=True)


@pytest.fixture
def cursor(logged: None, connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


def column(cursor: SnowflakeCursor, query: str) -> list[float]:
    """The last column by the first."""
    return [row[-1] for row in sorted(cursor.execute(query).fetchall())]


@pytest.mark.parametrize(
    ("call", "model"),
    [
        (f"WITH mv AS MODEL {NAME} VERSION V1 SELECT id, mv!predict(a, b):{OUT} FROM {TABLE}", MODEL),
        (
            f"WITH t AS (SELECT * FROM {TABLE}), mv AS MODEL {NAME} VERSION challenger,\n"
            f"u AS (SELECT 'mv!predict(1)' x) "
            f"SELECT id, /* mv!predict */ x, MV!PREDICT(a, b):{OUT} FROM t, u",
            OTHER,
        ),
        (f"SELECT id, {NAME}!predict(a, b):{OUT} FROM {TABLE}", MODEL),
        (f"SELECT id, MODEL({NAME}, LAST)!predict(a, b):{OUT} FROM {TABLE}", OTHER),
        (f"SELECT id, MODEL({NAME}, FIRST)!predict(a, b):{OUT} FROM {TABLE}", MODEL),
        (f"SELECT id, MODEL({NAME}, DEFAULT)!predict(a, b):{OUT} FROM {TABLE}", MODEL),
        (f"SELECT id, MODEL({NAME}, 'v2')!predict(a, b):{OUT} FROM {TABLE}", OTHER),
        (f"SELECT id, MODEL({NAME}, V1)!predict(b => b, a => a):{OUT} FROM {TABLE}", MODEL),
        (f'SELECT id, MODEL({AS_SQL}, "v 1")!predict(a, b):{OUT} FROM {TABLE}', OTHER),
        (f"SELECT id, {AS_SQL}!predict(a, b):{OUT} FROM {TABLE};", OTHER),
    ],
    ids=[
        "WITH",
        "WITH alias",
        "name alone",
        "LAST",
        "FIRST",
        "DEFAULT",
        "alias as text",
        "named arguments",
        "quoted version",
        "quoted name",
    ],
)
def test_every_spelling_of_a_call(cursor: SnowflakeCursor, call: str, model: XGBRegressor) -> None:
    assert column(cursor, call) == predicted(FRAME, model)


def test_a_fully_qualified_name(cursor: SnowflakeCursor, connection: SnowflakeConnection) -> None:
    full = f"{connection.database}.{connection.schema}.{NAME}"
    assert column(cursor, f"SELECT id, MODEL({full}, V1)!predict(a, b):{OUT} FROM {TABLE}") == EXPECTED


def test_a_view_scores_what_its_table_has_when_it_is_read(cursor: SnowflakeCursor) -> None:
    view, over, table = fresh("SCORED"), fresh("OVER_IT"), fresh("T")
    cursor.execute(f"CREATE TABLE {table} AS SELECT * FROM {TABLE} WHERE id < 10")
    cursor.execute(f"CREATE VIEW {view} (n, s) AS SELECT id, {CALL} FROM {table}")
    cursor.execute(f"CREATE OR REPLACE VIEW {over} AS SELECT v.n, v.s * 2 AS d FROM {view} v WHERE v.n > 2")
    assert column(cursor, f"SELECT * FROM {view}") == EXPECTED[:10]
    cursor.execute(f"INSERT INTO {table} SELECT * FROM {TABLE} WHERE id BETWEEN 10 AND 19")
    assert column(cursor, f"SELECT n, s FROM {view}") == EXPECTED[:20]
    assert column(cursor, f"SELECT * FROM {over}") == [2 * v for v in EXPECTED[3:20]]
    query = f"SELECT t.id, v.s FROM {table} t JOIN {view} v ON v.n = t.id WHERE t.id < %s"
    assert [row[1] for row in sorted(cursor.execute(query, (5,)).fetchall())] == EXPECTED[:5]
    described = cursor.execute(f"DESC VIEW {view}").fetchall()
    assert [(row[0], row[1]) for row in described] == [("N", "NUMBER(38,0)"), ("S", "FLOAT")]
    cursor.execute(f"DROP VIEW {over}")
    cursor.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT id, a FROM {table}")
    assert column(cursor, f"SELECT * FROM {view}") == list(FRAME["A"][:20])


def test_rows_are_updated_and_deleted_by_their_scores(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} AS SELECT *, 0::FLOAT AS score FROM {TABLE}")
    assert cursor.execute(f"UPDATE {table} SET score = {CALL}, city = 'x' WHERE id < 30").rowcount == 30
    assert column(cursor, f"SELECT id, score FROM {table}") == EXPECTED[:30] + [0.0] * 20
    assert cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE city = 'x'").fetchone() == (30,)
    high = sum(v > 0 for v in EXPECTED)
    assert cursor.execute(f"DELETE FROM {table} WHERE {CALL} > 0").rowcount == high
    assert column(cursor, f"SELECT id, id FROM {table}") == [i for i, v in enumerate(EXPECTED) if v <= 0]


def test_aggregates_and_calls_are_arguments(cursor: SnowflakeCursor) -> None:
    means = FRAME.groupby("CITY")[["A", "B"]].mean()
    query = f"SELECT city, COUNT(*) n, MODEL({NAME}, V1)!PREDICT(AVG(a), AVG(b)):{OUT} AS s FROM {TABLE}"
    rows = cursor.execute(f"{query} GROUP BY 1 ORDER BY s").fetchall()
    expected = dict(zip(means.index, predicted(means), strict=True))
    assert {(c, s) for c, n, s in rows if n == 25} == set(expected.items())
    assert [row[2] for row in rows] == sorted(expected.values())
    inner = f"MODEL({NAME}, V2)!PREDICT(a, b):{OUT}"
    nested = FRAME.assign(A=predicted(FRAME, OTHER))
    query = f"SELECT *, MODEL({NAME}, V1)!PREDICT({inner}, b):{OUT} AS s FROM {TABLE} WHERE id >= 10"
    assert column(cursor, query) == predicted(nested)[10:]
    assert [d.name for d in cursor.description] == ["ID", "A", "B", "CITY", "S"]


def test_calls_order_rank_and_group(cursor: SnowflakeCursor) -> None:
    best = [int(i) for i in np.argsort([-v for v in EXPECTED], kind="stable")[:3]]
    query = f"SELECT id FROM {TABLE} ORDER BY {CALL} DESC, id LIMIT 3"
    assert [row[0] for row in cursor.execute(query).fetchall()] == best
    query = f"SELECT id FROM {TABLE} QUALIFY ROW_NUMBER() OVER (ORDER BY {CALL} DESC, id) <= 3"
    assert {row[0] for row in cursor.execute(query).fetchall()} == set(best)
    query = f"SELECT {CALL} > 0 AS high, COUNT(*) FROM {TABLE} GROUP BY 1"
    assert dict(cursor.execute(query).fetchall()) == {
        True: sum(v > 0 for v in EXPECTED),
        False: sum(v <= 0 for v in EXPECTED),
    }
    maxima = FRAME.assign(S=EXPECTED).groupby("CITY")["S"].max()
    query = f"SELECT city FROM {TABLE} GROUP BY city HAVING MAX({CALL}) >= {maxima.max()}"
    assert {row[0] for row in cursor.execute(query).fetchall()} == set(maxima[maxima == maxima.max()].index)


def test_calls_in_joins_unions_and_sub_queries(cursor: SnowflakeCursor) -> None:
    two = f"SELECT id, {CALL} AS s FROM {TABLE} WHERE id < 5 UNION ALL SELECT id, -1 FROM {TABLE} WHERE id = 49"
    assert column(cursor, two) == [*EXPECTED[:5], -1]
    joined = f"SELECT l.id, l.s, r.s FROM (SELECT id, {CALL} s FROM {TABLE}) l LEFT JOIN "
    joined += f"(SELECT id, {CALL.replace('V1', 'V2')} s FROM {TABLE} WHERE id < 3) r USING (id)"
    rows = sorted(cursor.execute(joined).fetchall())
    assert [row[1] for row in rows] == EXPECTED
    assert [row[2] for row in rows] == predicted(FRAME, OTHER)[:3] + [None] * 47
    query = f"SELECT id FROM {TABLE} t WHERE {CALL} = (SELECT MAX({CALL}) FROM {TABLE}) ORDER BY id"
    assert [row[0] for row in cursor.execute(query).fetchall()] == [
        i for i, v in enumerate(EXPECTED) if v == max(EXPECTED)
    ]
    query = f"SELECT t.id, (SELECT COUNT(*) FROM {TABLE} u WHERE u.city = t.city), {CALL} FROM {TABLE} t"
    assert column(cursor, query) == EXPECTED


def test_what_goes_along_keeps_its_type_and_its_case(cursor: SnowflakeCursor) -> None:
    table = fresh("T")
    cursor.execute(f'CREATE TABLE {table} AS SELECT 1 AS id, PARSE_JSON(\'{{"a": 1.5, "A": -2}}\') AS v')
    upper, lower = (f"MODEL({NAME}, V1)!PREDICT(v:{key}::FLOAT, 0):{OUT}" for key in "Aa")
    found = cursor.execute(f"SELECT *, v:a::FLOAT, {upper}, {lower} FROM {table}").fetchone()
    assert found[2:] == (1.5, *predicted(pd.DataFrame({"A": [-2, 1.5], "B": [0.0, 0.0]})))
    cursor.execute(f"CREATE TABLE {table}_2 AS SELECT *, {upper} AS s FROM {table}")
    assert [row[1] for row in cursor.execute(f"DESC TABLE {table}_2").fetchall()][1:] == ["VARIANT", "FLOAT"]


def test_a_limit_is_enough(cursor: SnowflakeCursor) -> None:
    assert len(cursor.execute(f"SELECT * FROM (SELECT *, {CALL} FROM {TABLE}) LIMIT 4").fetchall()) == 4
    assert len(cursor.execute(f"SELECT id, {CALL} FROM {TABLE} LIMIT 3 OFFSET 48").fetchall()) == 2
    assert cursor.execute(f"SELECT COUNT({CALL}) FROM {TABLE} LIMIT 1").fetchone() == (50,)


def test_a_call_where_no_rows_are_selected_is_refused(cursor: SnowflakeCursor) -> None:
    with refused(2):
        cursor.execute(f"SELECT * FROM {TABLE} t JOIN {TABLE} u ON MODEL({NAME}, V1)!PREDICT(t.a, u.b):{OUT} > 0")
    with refused(1044):
        cursor.execute(f"SELECT MODEL({NAME}, V1)!PREDICT(a, b, a) FROM {TABLE}")
