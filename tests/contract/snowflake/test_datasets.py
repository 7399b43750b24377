"""Datasets by snowflake.ml's own client: versions, their files, and the ways to read them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.ml import dataset
from snowflake.ml.dataset import Dataset
from snowflake.snowpark import DataFrame, Session
from snowflake_support import fresh, refused

ROWS = [(1, 1.5, "a", True, "2024-01-01"), (2, 2.25, "it's", False, "2024-01-02"), (3, None, None, None, None)]
COLUMNS = ["ID", "AMOUNT", "WORD", "FLAG", "DAY"]


@pytest.fixture(scope="module")
def frame(session: Session, account: dict[str, Any]) -> DataFrame:
    """Three rows with a NULL in every column but the first."""
    table = f"{account['database']}.{account['schema']}.{fresh('T')}"
    session.sql(
        f"CREATE TABLE {table} (id INT, amount NUMBER(10, 2), word VARCHAR, flag BOOLEAN, day VARCHAR)"
    ).collect()
    session.create_dataframe(ROWS, schema=COLUMNS).write.mode("append").save_as_table(table)
    return session.table(table)


@pytest.fixture(scope="module")
def made(session: Session, frame: DataFrame) -> Dataset:
    """A dataset with one version."""
    return dataset.create_from_dataframe(
        session, fresh("DS"), "v1", frame, label_cols=["FLAG"], exclude_cols=["DAY"], comment="it's the first"
    )


def test_a_version_knows_what_it_was_made_with(session: Session, made: Dataset) -> None:
    version = Dataset.load(session, made.fully_qualified_name).select_version("v1").selected_version
    assert (version.comment, version.label_cols, version.exclude_cols) == ("it's the first", ["FLAG"], ["DAY"])


def test_a_version_is_read_as_a_snowpark_frame(made: Dataset) -> None:
    read = made.read.to_snowpark_dataframe()
    found = read.order_by("ID").collect()
    assert [tuple(row) for row in found] == ROWS
    assert made.read.to_snowpark_dataframe(only_feature_cols=True).columns == ["ID", "AMOUNT", "WORD"]


def test_a_version_is_read_as_a_pandas_frame(made: Dataset) -> None:
    found = made.read.to_pandas().sort_values("ID")
    assert found["WORD"].tolist() == ["a", "it's", None]
    assert found["AMOUNT"].tolist()[:2] == [1.5, 2.25]
    assert pd.isna(found["AMOUNT"].tolist()[2])


def test_its_files_are_parquet_that_any_reader_can_open(made: Dataset) -> None:
    files = made.read.files()
    assert files
    assert all(file.startswith(f"snow://dataset/{made.fully_qualified_name}/versions/v1/") for file in files)
    table = pq.read_table(files, filesystem=made.read.filesystem())
    assert sorted(table.column("ID").to_pylist()) == [1, 2, 3]
    listed = made.selected_version.list_files()
    assert [row["name"].split("/")[:2] for row in listed] == [["versions", "v1"]] * len(files)


def test_versions_come_and_go(session: Session, frame: DataFrame) -> None:
    made = Dataset.create(session, fresh("DS"))
    assert made.list_versions() == []
    made.create_version("v1", frame)
    made.create_version("v2", frame.filter("ID > 1"), shuffle=True)
    assert made.list_versions() == ["v1", "v2"]
    assert sorted(made.select_version("v2").read.to_pandas()["ID"]) == [2, 3]
    made.delete_version("v1")
    assert made.list_versions() == ["v2"]
    made.delete()
    with pytest.raises(Exception, match="does not exist"):
        Dataset.load(session, made.fully_qualified_name)


def test_a_version_stays_as_it_was_made(session: Session, account: dict[str, Any]) -> None:
    table, name = (f"{account['database']}.{account['schema']}.{fresh(p)}" for p in ("T", "DS"))
    session.sql(f"CREATE TABLE {table} AS SELECT 1 AS a").collect()
    made = dataset.create_from_dataframe(session, name, "v1", session.table(table))
    session.sql(f"INSERT INTO {table} VALUES (2)").collect()
    assert made.read.to_snowpark_dataframe().count() == 1


def test_names_may_be_quoted(session: Session, account: dict[str, Any], frame: DataFrame) -> None:
    name = f'{account["database"]}.{account["schema"]}."{fresh("my Ds").lower()}"'
    made = dataset.create_from_dataframe(session, name, "1.0", frame)
    assert dataset.load_dataset(session, name, "1.0").read.to_snowpark_dataframe().count() == 3
    made.delete()


def test_what_exists_or_does_not_is_told_by_the_clients_own_errors(
    session: Session, frame: DataFrame, made: Dataset
) -> None:
    with pytest.raises(Exception, match="already exists"):
        Dataset.create(session, made.fully_qualified_name)
    assert Dataset.create(session, made.fully_qualified_name, exist_ok=True).list_versions() == ["v1"]
    with pytest.raises(Exception, match="version v1 already exists"):
        made.create_version("v1", frame)
    with pytest.raises(Exception, match="version 'V1' does not exist"):
        made.select_version("V1")
    with pytest.raises(Exception, match="v9"):
        made.delete_version("v9")
    gone = Dataset.create(session, fresh("DS"))
    gone.delete()
    with pytest.raises(Exception, match="does not exist"):
        gone.create_version("v1", frame)


def test_a_version_that_fails_is_not_there(connection: SnowflakeConnection) -> None:
    name = fresh("DS")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATASET {name}")
        with refused(904):
            cursor.execute(f"ALTER DATASET {name} ADD VERSION 'v1' FROM (SELECT nothing FROM VALUES (1) AS v (a))")
        cursor.execute(
            f"ALTER DATASET {name} ADD VERSION 'v1' FROM (SELECT a FROM VALUES (1) AS v (a)) METADATA = '{{}}'"
        )
        found = cursor.execute(f"SHOW VERSIONS IN DATASET {name}").fetchall()
        names = [column.name for column in cursor.description]
        assert [row[names.index("version")] for row in found] == ["v1"]
        with pytest.raises(Exception, match=r"(?i)version"):
            cursor.execute(f"REMOVE 'snow://dataset/{name}/versions/v1/'")


def test_a_partitioned_version_has_a_folder_for_each_value(connection: SnowflakeConnection) -> None:
    name = fresh("DS")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATASET {name}")
        query = "SELECT * FROM VALUES (1, 'x'), (2, 'y'), (3, 'x') AS v (a, b)"
        options = "PARTITION BY b COMMENT = 'by (b) COMMENT'"
        cursor.execute(f"ALTER DATASET {name} ADD VERSION 'v1' FROM ({query}) {options}")
        listed = cursor.execute(f"LIST 'snow://dataset/{name}/versions/v1/'").fetchall()
        assert sorted({row[0].split("/")[2] for row in listed}) == ["x", "y"]
