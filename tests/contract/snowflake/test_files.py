"""Data frames and files: write_pandas, Snowpark, stages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.pandas_tools import write_pandas
from snowflake.snowpark import Session
from snowflake.snowpark import functions as f
from snowflake_support import fresh, refused


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ID": [1, 2, 3],
            "NAME": ["a", None, "c"],
            "AMOUNT": [1.5, None, 3.0],
            "AT": pd.to_datetime(["2024-01-01 12:00", None, "2024-03-01 00:00"]),
            "FLAG": [True, False, True],
            "mixed Case": [1, 2, 3],
        }
    )


@pytest.mark.parametrize("auto_create", [True, False])
def test_a_frame_written_is_the_frame_read(
    connection: SnowflakeConnection, frame: pd.DataFrame, auto_create: bool
) -> None:
    name = fresh("FRAME")
    if not auto_create:
        connection.cursor().execute(
            f"CREATE TABLE {name} (id INT, name VARCHAR, amount FLOAT, at TIMESTAMP_NTZ, flag BOOLEAN, "
            '"mixed Case" INT)'
        )
    write_pandas(connection, frame, name, auto_create_table=auto_create, use_logical_type=True)
    read = connection.cursor().execute(f"SELECT * FROM {name} ORDER BY id").fetch_pandas_all()
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_a_large_result_comes_in_batches_with_its_types(connection: SnowflakeConnection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT SEQ4() AS n, n / 2 AS x FROM TABLE(GENERATOR(ROWCOUNT => 100000))")
    batches = list(cursor.fetch_arrow_batches())
    assert sum(batch.num_rows for batch in batches) == 100_000


def test_snowpark_writes_and_reads_tables(session: Session) -> None:
    name = fresh("SNOWPARK")
    made = session.create_dataframe([[1, "a"], [2, "b"]], schema=["N", "S"])
    for _ in range(2):
        made.write.mode("append").save_as_table(name)
    sums = session.table(name).group_by("S").agg(f.sum("N").alias("TOTAL")).sort("S").collect()
    assert [row["TOTAL"] for row in sums] == [2, 4]
    made.write.mode("overwrite").save_as_table(name)
    assert session.table(name).count() == 2
    assert made.cache_result().count() == 2


def test_a_query_runs_in_the_background(session: Session) -> None:
    assert session.sql("SELECT 42 AS ANSWER").collect_nowait().result()[0]["ANSWER"] == 42


def test_files_go_to_a_stage_and_back(session: Session, tmp_path: Path) -> None:
    stage = fresh("STAGE")
    (tmp_path / "letter.txt").write_text("hello")
    session.sql(f"CREATE STAGE {stage}").collect()
    session.file.put(f"file://{tmp_path}/letter.txt", f"@{stage}/deep/er", auto_compress=False)
    listed = session.sql(f"LIST @{stage}/deep").collect()
    assert [(row["name"], row["size"]) for row in listed] == [(f"{stage.lower()}/deep/er/letter.txt", 5)]
    session.file.get(f"@{stage}/deep/er/letter.txt", str(tmp_path / "back"))
    assert (tmp_path / "back" / "letter.txt").read_text() == "hello"
    session.sql(f"REMOVE @{stage}/deep").collect()
    assert session.sql(f"LIST @{stage}").collect() == []


def test_a_stage_path_cannot_leave_its_stage(connection: SnowflakeConnection) -> None:
    stage = fresh("STAGE")
    cursor = connection.cursor()
    cursor.execute(f"CREATE STAGE {stage}")
    with refused(1011, "invalid stage path"):
        cursor.execute(f"LIST @{stage}/../../..")
