"""MODEL(...)!METHOD(...) in every place of a statement, equal to the model in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.pandas_tools import write_pandas
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import FEATURES, classifier, fresh, people, refused

FRAME = people().assign(ID=range(400))
MODEL = classifier(FRAME)
EXPECTED = MODEL.predict_proba(FRAME[FEATURES])[:, 1]
NAME, TABLE = fresh("SCORER"), fresh("PEOPLE")
CALL = f"MODEL({NAME}, V1)!PREDICT_PROBA({', '.join(FEATURES)})"
QUOTED = f'"{NAME}", "V1"'
SCORE = f"{CALL}:output_feature_1::FLOAT"


@pytest.fixture(scope="module")
def logged(registry: Registry, session: Session) -> None:
    """The model and its input."""
    registry.log_model(
        MODEL,
        model_name=NAME,
        version_name="V1",
        sample_input_data=FRAME[FEATURES].head(50),
        target_platforms=["WAREHOUSE"],
    ).set_alias("PRODUCTION")
    session.write_pandas(FRAME, TABLE, auto_create_table=True)


@pytest.fixture
def cursor(logged: None, connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


def scores(cursor: SnowflakeCursor, query: str) -> np.ndarray:
    """The second column by the first."""
    return np.array([row[1] for row in sorted(cursor.execute(query).fetchall())])


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT id, {SCORE} FROM {TABLE}",
        f"SELECT id, {CALL}['output_feature_1']::FLOAT FROM {TABLE}",
        f'SELECT p.id, {CALL}:"output_feature_1"::FLOAT AS score FROM {TABLE} AS p',
        f"WITH i AS (SELECT * FROM {TABLE}), scored AS (SELECT *, {SCORE} AS s FROM i) SELECT id, s FROM scored",
        f"SELECT id, r['output_feature_1']::FLOAT FROM (SELECT *, {CALL} AS r FROM {TABLE})",
        f"SELECT id, {SCORE.replace('V1', 'PRODUCTION')} FROM {TABLE}",
        f"SELECT id, {SCORE.replace(f'{NAME}, V1', QUOTED)} FROM {TABLE}",
        f"SELECT id, {SCORE.replace(', V1', '')} FROM {TABLE}",
        f"SELECT a.id, MAX({SCORE.replace('CITY', 'a.CITY')}) FROM {TABLE} a "
        f"JOIN (SELECT DISTINCT city FROM {TABLE}) b ON a.city = b.city GROUP BY a.id ORDER BY 2 DESC",
    ],
)
def test_a_query_scores_as_the_model_does(cursor: SnowflakeCursor, query: str) -> None:
    np.testing.assert_array_equal(scores(cursor, query), EXPECTED)


def test_rows_are_replaced_in_one_transaction(cursor: SnowflakeCursor) -> None:
    target = fresh("SCORES")
    cursor.execute(f"CREATE TABLE {target} (id INT, score FLOAT, version VARCHAR)")
    for _ in range(2):
        cursor.execute("BEGIN")
        cursor.execute(f"DELETE FROM {target}")
        cursor.execute(f"INSERT INTO {target} SELECT id, {SCORE}, %s FROM {TABLE} WHERE id >= %s", ("V1", 100))
        assert cursor.rowcount == 300
        cursor.execute("COMMIT")
    np.testing.assert_array_equal(scores(cursor, f"SELECT id, score FROM {target}"), EXPECTED[100:])


def test_a_table_is_created_and_merged_from_scores(cursor: SnowflakeCursor) -> None:
    target = fresh("SCORES")
    cursor.execute(f"CREATE TABLE {target} AS SELECT id, {SCORE} AS score FROM {TABLE} WHERE id < 10")
    cursor.execute(f"UPDATE {target} SET score = -1")
    cursor.execute(
        f"MERGE INTO {target} t USING (SELECT id, {SCORE} AS score FROM {TABLE}) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET score = s.score WHEN NOT MATCHED THEN INSERT (id, score) VALUES (s.id, s.score)"
    )
    np.testing.assert_array_equal(scores(cursor, f"SELECT id, score FROM {target}"), EXPECTED)


def test_scores_can_be_filtered_and_aggregated(cursor: SnowflakeCursor) -> None:
    high = EXPECTED > 0.5
    counted = cursor.execute(f"SELECT COUNT(*), AVG({SCORE}) AS mean FROM {TABLE} WHERE {SCORE} > 0.5").fetchone()
    assert counted[0] == high.sum()
    assert counted[1] == pytest.approx(EXPECTED[high].mean())


def test_missing_values_and_unseen_texts_are_scored(cursor: SnowflakeCursor) -> None:
    query = f"SELECT 1, MODEL({NAME}, V1)!PREDICT_PROBA('Lima', NULL, 40, NULL):output_feature_1::FLOAT"
    row = pd.DataFrame({"CITY": ["Lima"], "PLAN": [None], "AGE": [40.0], "INCOME": [np.nan]})
    assert cursor.execute(query).fetchone()[1] == pytest.approx(MODEL.predict_proba(row)[0, 1])


def test_no_rows_give_no_scores_in_the_right_type(cursor: SnowflakeCursor) -> None:
    cursor.execute(f"SELECT id, {SCORE} AS score FROM {TABLE} WHERE id < 0")
    assert cursor.fetch_pandas_all().empty
    assert cursor.description[1].name == "SCORE"


def test_the_result_is_an_object_of_named_outputs(cursor: SnowflakeCursor) -> None:
    first = cursor.execute(f"SELECT {CALL} FROM {TABLE} WHERE id = 0").fetchone()[0]
    assert '"output_feature_0"' in first
    assert '"output_feature_1"' in first


@pytest.mark.parametrize("as_snowpark", [True, False])
def test_the_client_runs_a_method(logged: None, registry: Registry, session: Session, as_snowpark: bool) -> None:
    version = registry.get_model(NAME).version("V1")
    given = session.table(TABLE).sort("ID") if as_snowpark else FRAME[FEATURES]
    scored = version.run(given, function_name="predict_proba")
    scored = scored.to_pandas().sort_values("ID") if as_snowpark else scored
    np.testing.assert_allclose(scored["output_feature_1"], EXPECTED, rtol=1e-7)


def test_values_bound_by_the_server_reach_the_model(logged: None, account: dict[str, Any]) -> None:
    import snowflake.connector

    with snowflake.connector.connect(**account, paramstyle="qmark") as connection:
        cursor = connection.cursor()
        query = f"SELECT id, {SCORE} FROM {TABLE} WHERE id < ? AND city <> ?"
        assert len(cursor.execute(query, (10, "nowhere")).fetchall()) == 10


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (f"MODEL(NOBODY, V1)!PREDICT({', '.join(FEATURES)})", 2003, r"Model '.*\.NOBODY' does not exist"),
        (f"MODEL({NAME}, V9)!PREDICT({', '.join(FEATURES)})", 2003, "Version 'V9' does not exist"),
        (f"MODEL({NAME}, V1)!DREAM({', '.join(FEATURES)})", 2141, "Unknown function DREAM"),
        (f"MODEL({NAME}, V1)!PREDICT(CITY, PLAN)", 1044, "Invalid argument types"),
        (f"MODEL({NAME}, V1)!PREDICT(CITY, PLAN, CITY, INCOME)", 1044, "VARCHAR"),
        (f"MODEL({NAME}, V1)!PREDICT(CITY, PLAN, NOTHING, INCOME)", 904, "invalid identifier 'NOTHING'"),
    ],
    ids=["model", "version", "function", "too few", "type", "column"],
)
def test_wrong_calls_are_told(cursor: SnowflakeCursor, call: str, code: int, text: str) -> None:
    with refused(code, text):
        cursor.execute(f"SELECT {call} FROM {TABLE}")


def test_write_pandas_input_with_integers_for_floats_is_scored(cursor: SnowflakeCursor) -> None:
    name = fresh("WHOLE")
    whole = FRAME.assign(AGE=FRAME["AGE"].round().astype(int)).head(5)
    write_pandas(cursor.connection, whole, name, auto_create_table=True)
    expected = MODEL.predict_proba(whole[FEATURES].astype({"AGE": float}))[:, 1]
    np.testing.assert_array_equal(scores(cursor, f"SELECT id, {SCORE} FROM {name}"), expected)


def test_a_query_around_one_with_all_columns_reads_what_it_names(cursor: SnowflakeCursor) -> None:
    inner = f"SELECT *, {CALL} AS r FROM {TABLE}"
    fields = "r['output_feature_1']::FLOAT"
    np.testing.assert_array_equal(scores(cursor, f"SELECT id, {fields} FROM ({inner})"), EXPECTED)
    grouped = f"SELECT plan, COUNT(*), MIN(city) FROM ({inner} WHERE {SCORE} >= 0) WHERE income > 0 GROUP BY plan"
    known = FRAME[FRAME["INCOME"] > 0].groupby("PLAN")["CITY"]
    expected = [(plan, len(cities), cities.min()) for plan, cities in known]
    assert sorted(cursor.execute(grouped).fetchall()) == expected
    assert len(cursor.execute(f"SELECT * FROM ({inner}) LIMIT 1").description) == len(FRAME.columns) + 1
