"""Methods that give tables: partitioned ones, row by row ones, explanations; and custom models with several methods."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.ml.model import ModelVersion, custom_model
from snowflake.ml.model.model_signature import DataType, FeatureSpec, ModelSignature, ParamSpec
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake_support import fresh, refused
from xgboost import XGBClassifier

SHOP, EXPLAINED, SALES = fresh("SHOP"), fresh("EXPLAINED"), fresh("SALES")
FRAME = pd.DataFrame(
    {
        "ID": range(60),
        "STORE": [["Bern", "Oslo", None][i % 3] for i in range(60)],
        "DAY": [(i * 7) % 60 for i in range(60)],
        "AMOUNT": [float(i) for i in range(60)],
    }
)


class Shop(custom_model.CustomModel):
    """Sums by partition, twice the value by row, arrays, and a parameter."""

    @custom_model.partitioned_api
    def totals(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Two rows a partition: its sum, and its first value."""
        return pd.DataFrame({"KIND": ["sum", "first"], "VALUE": [rows["AMOUNT"].sum(), rows["AMOUNT"].iloc[0]]})

    @custom_model.inference_api
    def twice(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Row by row."""
        return pd.DataFrame({"DOUBLED": rows["AMOUNT"] * 2})

    @custom_model.inference_api
    def scaled(self, rows: pd.DataFrame, *, factor: float = 10.0) -> pd.DataFrame:
        """With a parameter."""
        return pd.DataFrame({"SCALED": rows["AMOUNT"] * factor})

    @custom_model.inference_api
    def vector(self, rows: pd.DataFrame) -> pd.DataFrame:
        """An array for each row."""
        return pd.DataFrame({"VECTOR": [[v, -v] for v in rows["AMOUNT"]]})

    @custom_model.inference_api
    def length(self, rows: pd.DataFrame) -> pd.DataFrame:
        """From an array for each row."""
        return pd.DataFrame({"LENGTH": [len(v) for v in rows["VECTOR"]]})


def signature(outputs: list[FeatureSpec], *, params: list[ParamSpec] | None = None) -> ModelSignature:
    return ModelSignature(inputs=[FeatureSpec("AMOUNT", DataType.DOUBLE)], outputs=outputs, params=params)


@pytest.fixture(scope="module")
def shop(registry: Registry, session: Session) -> ModelVersion:
    """The custom model and its table."""
    session.write_pandas(FRAME, SALES, auto_create_table=True)
    vector = FeatureSpec("VECTOR", DataType.DOUBLE, shape=(-1,))
    value = FeatureSpec("VALUE", DataType.DOUBLE)
    return registry.log_model(
        Shop(custom_model.ModelContext()),
        model_name=SHOP,
        version_name="V1",
        signatures={
            "totals": signature([FeatureSpec("KIND", DataType.STRING), value]),
            "twice": signature([FeatureSpec("DOUBLED", DataType.DOUBLE)]),
            "scaled": signature(
                [FeatureSpec("SCALED", DataType.DOUBLE)], params=[ParamSpec("factor", DataType.DOUBLE, 10.0)]
            ),
            "vector": signature([vector]),
            "length": ModelSignature(inputs=[vector], outputs=[FeatureSpec("LENGTH", DataType.INT64)]),
        },
        options={
            "method_options": {
                "totals": {"function_type": "TABLE_FUNCTION"},
                "twice": {"function_type": "TABLE_FUNCTION"},
            }
        },
        target_platforms=["WAREHOUSE"],
    )


@pytest.fixture
def cursor(shop: ModelVersion, connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


def totals(frame: pd.DataFrame, order: str = "ID") -> set[tuple[Any, ...]]:
    """What the partitioned method gives by store."""
    groups = frame.sort_values(order).groupby("STORE", dropna=False)["AMOUNT"]
    rows = [
        (None if pd.isna(store) else store, kind, float(v))
        for store, g in groups
        for kind, v in (("sum", g.sum()), ("first", g.iloc[0]))
    ]
    return set(rows)


@pytest.mark.parametrize("spelling", ["s, TABLE({}) t", "s, LATERAL TABLE({}) AS t", "s CROSS JOIN TABLE({}) t"])
def test_a_partition_is_one_call_in_its_order(cursor: SnowflakeCursor, spelling: str) -> None:
    call = f"MODEL({SHOP}, V1)!TOTALS(s.amount) OVER (PARTITION BY s.store ORDER BY s.day)"
    found = cursor.execute(f"SELECT s.store, t.kind, t.value FROM {SALES} {spelling.format(call)}").fetchall()
    assert len(found) == 6
    assert set(found) == totals(FRAME, "DAY")


def test_of_a_partition_only_its_own_columns_have_values(cursor: SnowflakeCursor) -> None:
    query = f"SELECT * FROM {SALES}, TABLE(MODEL({SHOP}, V1)!TOTALS(AMOUNT) OVER (PARTITION BY STORE ORDER BY ID));"
    found = cursor.execute(query).fetch_pandas_all()
    assert list(found.columns) == ["ID", "STORE", "DAY", "AMOUNT", "KIND", "VALUE"]
    assert found[["ID", "DAY", "AMOUNT"]].isna().all(axis=None)
    assert {tuple(r) for r in found[["STORE", "KIND", "VALUE"]].replace({np.nan: None}).to_numpy()} == totals(FRAME)


def test_a_condition_on_the_rows_comes_after_the_partitions(cursor: SnowflakeCursor) -> None:
    call = f"TABLE(MODEL({SHOP}, V1)!TOTALS(AMOUNT) OVER (PARTITION BY STORE ORDER BY ID))"
    assert cursor.execute(f"SELECT KIND FROM {SALES}, {call} WHERE AMOUNT > 10").fetchall() == []
    query = f"SELECT STORE, COUNT(*), MAX(VALUE) FROM (SELECT * FROM {SALES} WHERE AMOUNT > 10), {call} GROUP BY 1"
    expected = {(s, 2, v) for s, kind, v in totals(FRAME[FRAME["AMOUNT"] > 10]) if kind == "sum"}
    assert set(cursor.execute(query).fetchall()) == expected


def test_all_rows_are_one_partition_of_a_constant(cursor: SnowflakeCursor) -> None:
    query = (
        f"SELECT KIND, VALUE FROM {SALES}, TABLE(MODEL({SHOP})!TOTALS(AMOUNT) OVER (PARTITION BY 1)) WHERE KIND = 'sum'"
    )
    assert cursor.execute(query).fetchall() == [("sum", FRAME["AMOUNT"].sum())]


def test_row_by_row_the_table_goes_along(cursor: SnowflakeCursor) -> None:
    query = f"SELECT s.*, x.doubled FROM {SALES} s, TABLE(MODEL({SHOP}, V1)!TWICE(s.amount)) x"
    found = cursor.execute(f"{query} WHERE s.id < 5 AND doubled > 2 ORDER BY id").fetchall()
    assert [(row[0], row[-1]) for row in found] == [(2, 4.0), (3, 6.0), (4, 8.0)]
    query = f"SELECT * FROM TABLE(MODEL({SHOP}, V1)!TWICE(1.5::FLOAT)) AS t (d)"
    assert cursor.execute(query).fetchall() == [(3.0,)]
    assert cursor.description[0].name == "D"


def test_table_functions_and_functions_are_told_apart(cursor: SnowflakeCursor) -> None:
    with refused(1044, "TABLE"):
        cursor.execute(f"SELECT MODEL({SHOP}, V1)!TWICE(AMOUNT) FROM {SALES}")
    with refused(2141, "Unknown table function SCALED"):
        cursor.execute(f"SELECT * FROM {SALES}, TABLE(MODEL({SHOP}, V1)!SCALED(AMOUNT))")


def test_a_parameter_has_a_default_and_one_value(cursor: SnowflakeCursor) -> None:
    def scaled(arguments: str) -> list[Any]:
        query = f"SELECT id, MODEL({SHOP}, V1)!SCALED({arguments}):SCALED::FLOAT FROM {SALES} ORDER BY id"
        return [row[1] for row in cursor.execute(query).fetchall()]

    assert scaled("amount") == [10 * v for v in FRAME["AMOUNT"]]
    assert scaled("amount, NULL") == [10 * v for v in FRAME["AMOUNT"]]
    assert scaled("amount, 3") == [3 * v for v in FRAME["AMOUNT"]]
    assert scaled("factor => 2, amount => amount") == [2 * v for v in FRAME["AMOUNT"]]
    with refused(100357, "must be equal"):
        scaled("amount, id")
    assert scaled("amount, 3") == [3 * v for v in FRAME["AMOUNT"]]
    with refused(1044):
        scaled("amount, 1, 2")


def test_arrays_go_in_and_come_out(cursor: SnowflakeCursor) -> None:
    call = f"MODEL({SHOP}, V1)!VECTOR(amount):VECTOR"
    query = f"SELECT {call}, {call}::ARRAY FROM {SALES} WHERE id = 3"
    assert [json.loads(v) for v in cursor.execute(query).fetchone()] == [[3.0, -3.0]] * 2
    query = f"SELECT MODEL({SHOP}, V1)!LENGTH(ARRAY_CONSTRUCT(amount, 1, 2)):LENGTH::INT FROM {SALES} WHERE id = 3"
    assert cursor.execute(query).fetchone() == (3,)


@pytest.mark.parametrize("as_snowpark", [True, False])
def test_the_client_runs_every_method(shop: ModelVersion, session: Session, as_snowpark: bool) -> None:
    given = session.table(SALES) if as_snowpark else FRAME

    def run(method: str, **options: Any) -> pd.DataFrame:
        found = shop.run(given, function_name=method, **options)
        found = (
            found.to_pandas().sort_values("ID" if "ID" in found.columns else found.columns) if as_snowpark else found
        )
        return found.reset_index(drop=True)

    assert list(run("twice")["DOUBLED"]) == [2 * v for v in FRAME["AMOUNT"]]
    assert list(run("scaled", params={"factor": 0.5})["SCALED"]) == [v / 2 for v in FRAME["AMOUNT"]]
    vectors = run("vector")["VECTOR"]
    assert [json.loads(v) if isinstance(v, str) else list(v) for v in vectors] == [[v, -v] for v in FRAME["AMOUNT"]]
    found = run("totals", partition_column="STORE").replace({np.nan: None})
    sums = found[found["KIND"] == "sum"]
    assert set(sums[["STORE", "KIND", "VALUE"]].itertuples(index=False, name=None)) == {
        t for t in totals(FRAME) if t[1] == "sum"
    }


def test_explanations_are_those_of_the_packaged_model(
    registry: Registry, session: Session, connection: SnowflakeConnection
) -> None:
    shap = pytest.importorskip("shap")
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"A": rng.normal(size=200), "B": rng.normal(size=200)})
    model = XGBClassifier(n_estimators=5, max_depth=2).fit(frame, frame["A"] > frame["B"])
    logged = registry.log_model(
        model,
        model_name=EXPLAINED,
        version_name="V1",
        sample_input_data=frame,
        options={"enable_explainability": True},
        target_platforms=["WAREHOUSE"],
    )
    expected = shap.TreeExplainer(model).shap_values(frame)
    np.testing.assert_allclose(np.asarray(logged.run(frame, function_name="explain"), dtype=float), expected, rtol=1e-6)
    table = fresh("POINTS")
    session.write_pandas(frame.assign(ID=range(200)), table, auto_create_table=True)
    in_warehouse = logged.run(session.table(table), function_name="explain").sort("ID").to_pandas()
    np.testing.assert_allclose(
        np.asarray(in_warehouse[["A_explanation", "B_explanation"]], dtype=float), expected, rtol=1e-6
    )
    query = f"SELECT p.id, e.* FROM {table} p, TABLE(MODEL({EXPLAINED}, V1)!EXPLAIN(p.A, p.B)) e ORDER BY p.id;"
    rows = connection.cursor().execute(query).fetchall()
    np.testing.assert_allclose(np.asarray([row[1:] for row in rows], dtype=float), expected, rtol=1e-6)
