"""Files in stages, and frames that go through them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError
from snowflake.connector.pandas_tools import write_pandas
from snowflake.snowpark import Session
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


def test_a_file_that_is_there_is_skipped(connection: SnowflakeConnection, tmp_path: Path) -> None:
    stage, cursor = fresh("STAGE"), connection.cursor()
    cursor.execute(f"CREATE STAGE {stage}")
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(name)
    put = f"PUT file://{tmp_path}/*.csv @{stage}/in"
    assert [row[6] for row in cursor.execute(put).fetchall()] == ["UPLOADED", "UPLOADED"]
    assert [row[6] for row in cursor.execute(put).fetchall()] == ["SKIPPED", "SKIPPED"]
    (tmp_path / "a.csv").write_text("changed")
    cursor.execute(f"PUT file://{tmp_path}/a.csv @{stage}/in AUTO_COMPRESS = FALSE")
    cursor.execute(f"PUT file://{tmp_path}/a.csv @{stage}/in AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
    listed = cursor.execute(f"LIST @{stage} PATTERN = '.*a[.]csv.*'").fetchall()
    assert [
        (row[0].split("/")[-1], row[2] == hashlib.md5(b"changed", usedforsecurity=False).hexdigest()) for row in listed
    ] == [
        ("a.csv", True),
        ("a.csv.gz", False),
    ]
    removed = cursor.execute(f"REMOVE @{stage} PATTERN = '.*gz'").fetchall()
    assert [row[1] for row in removed] == ["removed", "removed"]
    assert [row[0] for row in cursor.execute(f"LIST @{stage}").fetchall()] == [f"{stage.lower()}/in/a.csv"]


def test_users_and_tables_have_stages(connection: SnowflakeConnection, tmp_path: Path) -> None:
    table, cursor = fresh("T"), connection.cursor()
    (tmp_path / "a.csv").write_text("1\n")
    cursor.execute(f"PUT file://{tmp_path}/a.csv @~/{table} AUTO_COMPRESS = FALSE")
    assert [row[0] for row in cursor.execute(f"LIST @~/{table}").fetchall()] == [f"{table}/a.csv"]
    cursor.execute(f"REMOVE @~/{table}")
    with refused(2003, "does not exist"):
        cursor.execute(f"LIST @%{table}")
    cursor.execute(f"CREATE TABLE {table} (n INT)")
    cursor.execute(f"PUT file://{tmp_path}/a.csv @%{table}")
    cursor.execute(f"COPY INTO {table} FROM @%{table}")
    assert cursor.execute(f"SELECT n FROM {table}").fetchall() == [(1,)]
    cursor.execute(f"CREATE OR REPLACE TABLE {table} (n INT)")
    assert cursor.execute(f"LIST @%{table}").fetchall() == []


def test_names_of_stages_and_files_may_need_quotes(connection: SnowflakeConnection, tmp_path: Path) -> None:
    stage, cursor = f"{fresh('Stage')} of mine", connection.cursor()
    cursor.execute(f"CREATE STAGE \"{stage}\" COMMENT = 'it''s'")
    (tmp_path / "a b#1.txt").write_text("x")
    cursor.execute(f"PUT 'file://{tmp_path}/a b#1.txt' '@\"{stage}\"/in here' AUTO_COMPRESS = FALSE")
    assert [row[0].split("/", 1)[1] for row in cursor.execute(f'LIST @"{stage}"').fetchall()] == ["in here/a b#1.txt"]
    cursor.execute(f"GET '@\"{stage}\"/in here' 'file://{tmp_path}'")
    shown = cursor.execute(f"SHOW STAGES LIKE '{stage}'").fetchall()
    assert [row[1] for row in shown] == [stage]
    assert "it's" in shown[0]


def test_a_temporary_stage_is_its_sessions(connect: Callable[[], SnowflakeCursor]) -> None:
    one, other, stage = connect(), connect(), fresh("STAGE")
    one.execute(f"CREATE TEMPORARY STAGE {stage}")
    assert one.execute(f"LIST @{stage}").fetchall() == []
    with refused(2003, "does not exist"):
        other.execute(f"LIST @{stage}")


def test_streams_go_to_a_stage_and_back(session: Session) -> None:
    stage = fresh("STAGE")
    session.sql(f"CREATE STAGE {stage}").collect()
    put = session.file.put_stream(io.BytesIO(b"hello"), f"@{stage}/in/a.txt", auto_compress=False)
    assert (put.status, put.target_size) == ("UPLOADED", 5)
    with session.file.get_stream(f"@{stage}/in/a.txt") as stream:
        assert stream.read() == b"hello"
    session.sql(f"COPY FILES INTO @{stage}/copy/ FROM @{stage}/in/").collect()
    listed = session.sql(f"LIST @{stage}/copy").collect()
    assert [row["name"] for row in listed] == [f"{stage.lower()}/copy/a.txt"]


def test_file_formats_are_kept_and_shown(connection: SnowflakeConnection) -> None:
    name, cursor = fresh("FORMAT"), connection.cursor()
    cursor.execute(f"CREATE FILE FORMAT {name} TYPE = CSV FIELD_DELIMITER = '|' NULL_IF = ('', 'x') COMMENT = 'mine'")
    with refused(2002, "already exists"):
        cursor.execute(f"CREATE FILE FORMAT {name} TYPE = JSON")
    cursor.execute(f"ALTER FILE FORMAT {name} SET SKIP_HEADER = 1")
    described = {row[0]: row[2] for row in cursor.execute(f"DESC FILE FORMAT {name}").fetchall()}
    assert (described["FIELD_DELIMITER"], described["SKIP_HEADER"], described["TRIM_SPACE"]) == ("|", "1", "false")
    shown = cursor.execute(f"SHOW FILE FORMATS LIKE '{name}'").fetchall()
    assert [(row[1], row[4], row[6]) for row in shown] == [(name, "CSV", "mine")]
    for wrong in ("TYPE = TEXT", "TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = 'ab'", "TYPE = CSV TRIM_SPACE = maybe"):
        with pytest.raises(ProgrammingError):
            cursor.execute(f"CREATE FILE FORMAT {name}_2 {wrong}")
    cursor.execute(f"DROP FILE FORMAT {name}")
    with refused(2003, "does not exist"):
        cursor.execute(f"DESC FILE FORMAT {name}")
