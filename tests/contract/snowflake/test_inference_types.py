"""What a model's code is given and gives, by type; wide models; and a Booster."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.model import custom_model
from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh, refused
from xgboost import Booster, DMatrix, train

ECHO, WIDE, TABLE = fresh("ECHO"), fresh("WIDE"), fresh("TYPES")
KINDS = {
    "N": DataType.INT64,
    "S": DataType.INT8,
    "F": DataType.DOUBLE,
    "B": DataType.BOOL,
    "T": DataType.STRING,
    "Y": DataType.BYTES,
    "W": DataType.TIMESTAMP_NTZ,
}


class Echo(custom_model.CustomModel):
    """Gives back what it got, and says how the values came."""

    @custom_model.inference_api
    def echo(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The same values in columns named OUT_..., and the pandas types."""
        types = ",".join(str(t) for t in rows.dtypes)
        return rows.rename(columns=lambda name: f"OUT_{name}").assign(TYPES=types)

    @custom_model.inference_api
    async def slow(self, rows: pd.DataFrame) -> pd.DataFrame:
        """A coroutine that changes what it is given."""
        rows["F"] = rows["F"] + 1
        return pd.DataFrame({"OUT_F": rows["F"]})

    @custom_model.inference_api
    def broken(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Always fails."""
        raise RuntimeError(f"out of order: {len(rows)}")


@pytest.fixture(scope="module")
def logged(registry: Registry, session: Session) -> None:
    """The echoing model and a table with a row of values and a row of NULLs."""
    inputs = [FeatureSpec(name, kind) for name, kind in KINDS.items()]
    outputs = [FeatureSpec(f"OUT_{name}", kind) for name, kind in KINDS.items()]
    one = ModelSignature(inputs=inputs, outputs=[FeatureSpec("OUT_F", DataType.DOUBLE)])
    registry.log_model(
        Echo(custom_model.ModelContext()),
        model_name=ECHO,
        version_name="V1",
        signatures={
            "echo": ModelSignature(inputs=inputs, outputs=[*outputs, FeatureSpec("TYPES", DataType.STRING)]),
            "slow": one,
            "broken": one,
        },
        options={"method_options": {"slow": {"max_batch_size": 1}, "broken": {"case_sensitive": True}}},
        target_platforms=["WAREHOUSE"],
    )
    session.sql(
        f"CREATE TABLE {TABLE} (id INT, n INT, s INT, f FLOAT, b BOOLEAN, t VARCHAR, y BINARY, w TIMESTAMP_NTZ)"
    ).collect()
    session.sql(
        f"INSERT INTO {TABLE} SELECT 1, 9007199254740993, -7, 1.5, TRUE, 'ä''\"', X'00FF', "
        "'2024-02-29 12:34:56.789' UNION ALL SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    ).collect()


@pytest.fixture
def cursor(logged: None, connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


ARGUMENTS = "n, s, f, b, t, y, w"


def field(name: str, type_: str) -> str:
    return f"MODEL({ECHO}, V1)!ECHO({ARGUMENTS}):OUT_{name}::{type_}"


def test_values_come_and_go_as_they_are(cursor: SnowflakeCursor) -> None:
    fields = [field("N", "INT"), field("S", "INT"), field("F", "FLOAT"), field("B", "BOOLEAN"), field("T", "VARCHAR")]
    cursor.execute(f"SELECT {', '.join(fields)} FROM {TABLE} ORDER BY id")
    assert cursor.fetchall() == [(9007199254740993, -7, 1.5, True, "ä'\""), (None,) * 5]


def test_the_code_sees_the_types_of_the_signature(cursor: SnowflakeCursor) -> None:
    query = f"SELECT DISTINCT MODEL({ECHO}, V1)!ECHO({ARGUMENTS}):TYPES::VARCHAR FROM {TABLE}"
    types = cursor.execute(query).fetchone()[0].split(",")
    assert types[:4] == ["Int64", "Int8", "Float64", "boolean"]
    assert types[4].startswith("string")
    assert types[6] == "datetime64[ns]"


def test_dates_and_variants_are_cast(cursor: SnowflakeCursor) -> None:
    call = f"MODEL({ECHO}, V1)!ECHO(PARSE_JSON('12'), 1, 2.50, b, PARSE_JSON('\"x\"'), y, DATE '2024-01-02')"
    fields = [f"{call}:OUT_{name}" for name in ("N::INT", "F::FLOAT", "T::VARCHAR", "W::TIMESTAMP_NTZ")]
    found = cursor.execute(f"SELECT {', '.join(fields)} FROM {TABLE} WHERE id = 1").fetchone()
    assert found[:3] == (12, 2.5, "x")
    assert str(found[3]) == "2024-01-02 00:00:00"


def test_a_coroutine_runs_in_batches_of_its_size(cursor: SnowflakeCursor) -> None:
    query = f"SELECT MODEL({ECHO}, V1)!SLOW({ARGUMENTS}):OUT_F::FLOAT FROM {TABLE} ORDER BY id"
    assert cursor.execute(query).fetchall() == [(2.5,), (None,)]
    assert cursor.execute(f"SELECT f FROM {TABLE} ORDER BY id").fetchall() == [(1.5,), (None,)]


def test_a_fault_of_the_models_code_is_told_and_undoes_the_statement(cursor: SnowflakeCursor) -> None:
    target = fresh("T")
    cursor.execute(f"CREATE TABLE {target} (f FLOAT)")
    with refused(100357, "out of order"):
        cursor.execute(f'INSERT INTO {target} SELECT MODEL({ECHO}, V1)!"broken"({ARGUMENTS}):OUT_F::FLOAT FROM {TABLE}')
    assert cursor.execute(f"SELECT COUNT(*) FROM {target}").fetchone() == (0,)
    with refused(2141, "BROKEN"):
        cursor.execute(f"SELECT MODEL({ECHO}, V1)!BROKEN({ARGUMENTS}) FROM {TABLE}")


def test_a_booster_scores_as_in_memory(registry: Registry) -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"A": rng.normal(size=100), "B": rng.normal(size=100)})
    booster: Booster = train({"max_depth": 2}, DMatrix(frame, label=frame["A"] - frame["B"]), 5)
    logged = registry.log_model(
        booster, model_name=fresh("BOOSTER"), version_name="V1", sample_input_data=frame, target_platforms=["WAREHOUSE"]
    )
    scored = logged.run(frame, function_name="predict")
    np.testing.assert_array_equal(scored.iloc[:, 0].astype("float32"), booster.predict(DMatrix(frame)))


def test_more_inputs_than_a_function_takes_come_as_one_object(registry: Registry, session: Session) -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(size=(20, 502)), columns=[f"C{i}" for i in range(502)])
    model = LinearRegression().fit(frame, frame["C0"])
    registry.log_model(
        model, model_name=WIDE, version_name="V1", sample_input_data=frame, target_platforms=["WAREHOUSE"]
    )
    values = ", ".join(f"'C{i}', {float(frame.iloc[3, i])!r}::FLOAT" for i in range(502))
    query = f"SELECT MODEL({WIDE}, V1)!PREDICT(object_construct_keep_null({values})):output_feature_0::FLOAT"
    assert session.sql(query).collect()[0][0] == pytest.approx(model.predict(frame)[3])
