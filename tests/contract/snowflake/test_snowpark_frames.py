"""Data frames: written and read by the connector and by Snowpark, in every mode."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.pandas_tools import write_pandas
from snowflake.snowpark import DataFrame, Row, Session, Window
from snowflake.snowpark import functions as f
from snowflake.snowpark import types as t
from snowflake.snowpark.exceptions import SnowparkSQLException
from snowflake_support import fresh, moment


@pytest.fixture(scope="module")
def letters(session: Session) -> DataFrame:
    return session.create_dataframe([[1, "a"], [2, "b"], [3, None]], schema=["N", "S"])


def every_type() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "BIG": [2**62, -5, 0],
            "FLOAT": [1.5, None, -0.0],
            "TEXT": ["a", None, 'ü"x'],
            "DAY": [date(2024, 1, 1), None, date(1969, 12, 31)],
            "AT": pd.to_datetime(["2024-01-01 12:00:00.123456", None, "1960-01-01 00:00:00.000001"]),
            "ZONED": pd.to_datetime(["2024-01-01 12:00", None, "2024-06-01 00:00"]).tz_localize("Europe/Berlin"),
            "EXACT": [Decimal("1.50"), None, Decimal("-99999999999999999999.25")],
            "BYTES": [b"ab", None, b""],
            "FLAG": [True, None, False],
            "CLOCK": [time(12, 1, 2), None, time(0)],
        }
    )


def test_every_type_of_a_frame_comes_back(connection: SnowflakeConnection) -> None:
    name, frame = fresh("TYPES"), every_type()
    write_pandas(connection, frame, name, auto_create_table=True, use_logical_type=True)
    found = connection.cursor().execute(f"SELECT * FROM {name} ORDER BY big DESC").fetchall()
    at = [moment(2024, 1, 1, 12, 0, 0, 123456), None, moment(1960, 1, 1, microsecond=1)]
    zoned = [datetime(2024, 1, 1, 11, tzinfo=UTC), None, datetime(2024, 5, 31, 22, tzinfo=UTC)]
    expected = list(frame.assign(AT=at, ZONED=zoned).astype(object).itertuples(index=False, name=None))
    expected = [tuple(None if v is None or v is pd.NaT or v != v else v for v in row) for row in expected]
    assert found == [expected[0], expected[2], expected[1]]


def test_lists_and_dicts_become_semi_structured(connection: SnowflakeConnection) -> None:
    name = fresh("NESTED")
    frame = pd.DataFrame({"N": [1, 2], "L": [[1, 2], []], "D": [{"a": 1}, {"a": None}]})
    write_pandas(connection, frame, name, auto_create_table=True)
    found = connection.cursor().execute(f"SELECT l[1]::INT, d:a::INT, ARRAY_SIZE(l) FROM {name} ORDER BY n").fetchall()
    assert found == [(2, 1, 2), (None, None, 0)]


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 2},
        {"chunk_size": 2, "bulk_upload_chunks": True},
        {"compression": "snappy"},
        {"on_error": "CONTINUE"},
        {"on_error": "SKIP_FILE"},
        {"table_type": "temporary"},
        {"table_type": "transient"},
        {"parallel": 1},
    ],
    ids=str,
)
def test_a_frame_is_written_with_every_option(connection: SnowflakeConnection, options: dict[str, Any]) -> None:
    name = fresh("OPTIONS")
    frame = pd.DataFrame({"N": [1, 2, 3], "S": ["a", None, "c"]})
    done, chunks, count, _ = write_pandas(connection, frame, name, auto_create_table=True, **options)
    assert (done, chunks, count) == (True, 2 if "chunk_size" in options else 1, 3)
    found = connection.cursor().execute(f"SELECT * FROM {name} ORDER BY n").fetchall()
    assert found == [(1, "a"), (2, None), (3, "c")]


def test_a_frame_replaces_or_adds_to_a_table(connection: SnowflakeConnection) -> None:
    name, cursor = fresh("OVERWRITTEN"), connection.cursor()
    frame = pd.DataFrame({"N": [1, 2]})
    write_pandas(connection, frame, name, auto_create_table=True)
    write_pandas(connection, pd.DataFrame({"S": ["x"]}), name, auto_create_table=True, overwrite=True)
    assert cursor.execute(f"SELECT * FROM {name}").fetchall() == [("x",)]
    write_pandas(connection, pd.DataFrame({"S": ["y"]}), name)
    assert cursor.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() == [("x",), ("y",)]
    write_pandas(connection, pd.DataFrame({"S": ["z"]}), name, overwrite=True)
    assert cursor.execute(f"SELECT * FROM {name}").fetchall() == [("z",)]
    write_pandas(connection, pd.DataFrame({"S": pd.Series([], dtype="object")}), name)
    assert cursor.execute(f"SELECT COUNT(*) FROM {name}").fetchone() == (1,)
    write_pandas(
        connection,
        frame.rename(columns=str.lower),
        f"{name}_2".lower(),
        auto_create_table=True,
        quote_identifiers=False,
    )
    assert cursor.execute(f"SELECT n FROM {name}_2 ORDER BY n").fetchall() == [(1,), (2,)]


def test_rows_of_bound_values_are_inserted(connect: Callable[[], SnowflakeCursor], account: dict[str, Any]) -> None:
    name, cursor = fresh("BOUND"), connect()
    cursor.execute(f"CREATE TABLE {name} (n INT, s VARCHAR, at TIMESTAMP_NTZ, f FLOAT, day DATE, flag BOOLEAN)")
    cursor.connection._paramstyle = "qmark"
    rows = [(i, f"it's {i}", moment(2024, 1, 1, i), i / 2, date(2024, 1, 1), i % 2 == 0) for i in range(20)]
    cursor.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, ?)", [*rows, (None,) * 6])
    assert cursor.rowcount == 21
    assert cursor.execute(f"SELECT * FROM {name} ORDER BY n NULLS LAST").fetchall() == [*rows, (None,) * 6]
    many = [(i, str(i)) for i in range(20_000)]
    cursor.executemany(f"INSERT INTO {name} (n, s) VALUES (?, UPPER(?))", many)
    assert cursor.execute(f"SELECT COUNT(*), MAX(n) FROM {name}").fetchone() == (20_021, 19_999)


def test_a_large_result_can_be_read_in_every_way(session: Session, connection: SnowflakeConnection) -> None:
    query = (
        "SELECT SEQ4() AS n, n / 2 AS x, 'a longer text of ' || n AS s, "
        "DATEADD(second, n, '2024-01-01'::TIMESTAMP_NTZ) AS at FROM TABLE(GENERATOR(ROWCOUNT => 300000))"
    )
    cursor = connection.cursor()
    frame = cursor.execute(query).fetch_pandas_all()
    assert len(frame) == 300_000
    assert frame["N"].sum() == 300_000 * 299_999 // 2
    assert frame["AT"].max() == pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=299_999)
    batches = cursor.execute(query).get_result_batches()
    assert batches is not None
    assert len([batch for batch in batches if batch.rowcount]) > 1
    assert sum(len(batch.to_pandas()) for batch in batches) == 300_000
    assert sum(1 for _ in cursor.execute(query)) == 300_000
    assert cursor.execute(query).fetch_arrow_all().num_rows == 300_000
    assert sum(len(part) for part in session.sql(query).to_pandas_batches()) == 300_000
    assert session.sql(query).to_arrow().num_rows == 300_000


def test_an_empty_result_has_its_columns(connection: SnowflakeConnection) -> None:
    cursor = connection.cursor().execute("SELECT 1 AS n, 'x' AS s WHERE FALSE")
    assert list(cursor.fetch_pandas_all().columns) == ["N", "S"]


def test_a_frame_of_lists_has_its_schema(session: Session) -> None:
    schema = t.StructType(
        [
            t.StructField("A", t.LongType()),
            t.StructField("V", t.VariantType()),
            t.StructField("L", t.ArrayType()),
            t.StructField("M", t.MapType()),
            t.StructField("D", t.DecimalType(10, 2)),
        ]
    )
    made = session.create_dataframe([[1, {"a": 1}, [1, 2], {"k": "v"}, Decimal("1.25")], [None] * 5], schema=schema)
    picked = made.select("A", f.col("V")["a"].cast("int"), f.array_size("L"), f.col("M")["k"].cast("string"), "D")
    found = [tuple(row) for row in picked.sort(f.col("A").asc_nulls_last()).collect()]
    assert found == [(1, 1, 2, "v", Decimal("1.25")), (None,) * 5]
    assert session.create_dataframe([Row(A=1, B="x")]).collect() == [Row(A=1, B="x")]
    assert session.create_dataframe([[i, str(i)] for i in range(3000)], schema=["A", "B"]).count() == 3000


def test_a_frame_is_saved_in_every_mode(session: Session, letters: DataFrame) -> None:
    name = fresh("SAVED")
    letters.write.mode("errorifexists").save_as_table(name)
    for mode, count in (("append", 6), ("ignore", 6), ("overwrite", 3), ("append", 6), ("truncate", 3)):
        letters.write.mode(mode).save_as_table(name)
        assert (mode, session.table(name).count()) == (mode, count)
    with pytest.raises(SnowparkSQLException, match="already exists"):
        letters.write.mode("errorifexists").save_as_table(name)
    turned = session.create_dataframe([["z", 9]], schema=["S", "N"])
    turned.write.mode("append").save_as_table(name, column_order="name")
    assert session.table(name).filter(f.col("N") == 9).collect() == [Row(N=9, S="z")]
    letters.write.insert_into(name)
    assert session.table(name).count() == 7
    for kind in ("temp", "temporary", "transient"):
        letters.write.mode("overwrite").save_as_table(f"{name}_{kind}", table_type=kind, comment="mine")
        assert session.table(f"{name}_{kind}").count() == 3


def test_views_and_cached_results_of_a_frame(session: Session, letters: DataFrame) -> None:
    name = fresh("VIEW")
    letters.create_or_replace_view(name)
    letters.create_or_replace_temp_view(f"{name}_T")
    assert session.table(name).count() == session.table(f"{name}_T").count() == letters.cache_result().count() == 3


def test_rows_of_a_table_are_changed(session: Session, letters: DataFrame) -> None:
    name = fresh("CHANGED")
    letters.write.save_as_table(name)
    table = session.table(name)
    assert table.update({"S": f.lit("u")}, table["N"] == 1).rows_updated == 1
    assert table.delete(table["N"] == 3).rows_deleted == 1
    merged = table.merge(
        letters,
        table["N"] == letters["N"],
        [
            f.when_matched().update({"S": f.lit("m")}),
            f.when_not_matched().insert({"N": letters["N"], "S": f.lit("new")}),
        ],
    )
    assert (merged.rows_inserted, merged.rows_updated) == (1, 2)
    assert table.sort("N").collect() == [Row(N=1, S="m"), Row(N=2, S="m"), Row(N=3, S="new")]
    table.drop_table()


def test_frames_are_combined(session: Session, letters: DataFrame) -> None:
    right = letters.select(f.col("N"), f.col("S").alias("S2"))
    joined = letters.join(right, "N", "left").sort("N").collect()
    assert joined == [Row(N=1, S="a", S2="a"), Row(N=2, S="b", S2="b"), Row(N=3, S=None, S2=None)]
    summed = letters.group_by("S").agg(f.sum("N").alias("X"), f.count("N").alias("C")).sort(f.col("S").asc_nulls_last())
    assert [tuple(row) for row in summed.collect()] == [("a", 1, 1), ("b", 2, 1), (None, 3, 1)]
    ranked = letters.select("N", f.lag("N").over(Window.order_by("N")).alias("B")).sort("N").collect()
    assert [row["B"] for row in ranked] == [None, 1, 2]
    sales = session.create_dataframe([[1, "a", 5], [1, "b", 6]], schema=["K", "P", "V"])
    assert [tuple(row) for row in sales.pivot("P", ["a", "b"]).sum("V").collect()] == [(1, 5, 6)]
    assert letters.union_all(letters).count() == 6
    assert letters.na.fill("z", subset=["S"]).filter(f.col("S") == "z").count() == 1
    assert session.sql("SELECT ? AS a, ? AS b", params=[1, "x"]).collect() == [Row(A=1, B="x")]
    assert sum(1 for _ in letters.to_local_iterator()) == 3
    assert [row["ID"] for row in session.range(1, 10, 3).sort("ID").collect()] == [1, 4, 7]


def test_samples_are_about_as_large_as_asked(session: Session) -> None:
    name = fresh("SAMPLED")
    session.write_pandas(pd.DataFrame({"N": np.arange(20_000)}), name, auto_create_table=True)
    table = session.table(name)
    assert table.sample(n=10).count() == 10
    assert 1_500 < table.sample(frac=0.1).count() < 2_500
    assert sum(part.count() for part in table.random_split([0.8, 0.2], seed=1)) == 20_000


@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_a_frame_is_written_to_files_and_read(session: Session, letters: DataFrame, kind: str) -> None:
    stage = fresh("STAGE")
    session.sql(f"CREATE STAGE {stage}").collect()
    if kind == "json":
        objects = letters.select(f.object_construct(f.lit("N"), f.col("N"), f.lit("S"), f.col("S")))
        objects.write.json(f"@{stage}/out/")
        read = session.read.option("infer_schema", True).json(f"@{stage}/out/")
    elif kind == "csv":
        letters.write.csv(f"@{stage}/out/", header=True)
        schema = t.StructType([t.StructField("N", t.LongType()), t.StructField("S", t.StringType())])
        read = session.read.schema(schema).option("skip_header", 1).csv(f"@{stage}/out/")
    else:
        letters.write.parquet(f"@{stage}/out/", header=True)
        read = session.read.parquet(f"@{stage}/out/")
    found = sorted(tuple(row) for row in read.filter(f.col("N") < 3).collect())
    assert found == [(1, "a"), (2, "b")]
    if kind != "json":
        read.copy_into_table(f"{stage}_TABLE")
        assert session.table(f"{stage}_TABLE").count() == 3
