"""COPY INTO, both ways, and the rows of staged files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake_support import fresh, moment, refused

Put = Callable[..., str]


@pytest.fixture
def cursor(connection: SnowflakeConnection) -> SnowflakeCursor:
    return connection.cursor()


@pytest.fixture
def stage(cursor: SnowflakeCursor) -> str:
    name = fresh("STAGE")
    cursor.execute(f"CREATE STAGE {name}")
    return name


@pytest.fixture
def put(cursor: SnowflakeCursor, stage: str, tmp_path: Path) -> Put:
    """Put a file of this content; returns its place."""

    def put_one(name: str, content: str | bytes, **options: str) -> str:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        given = " ".join(f"{key} = {value}" for key, value in ({"AUTO_COMPRESS": "FALSE"} | options).items())
        cursor.execute(f"PUT 'file://{tmp_path}/{name}' @{stage} {given}")
        return f"@{stage}/{name}"

    return put_one


def rows(cursor: SnowflakeCursor, sql: str) -> list[Any]:
    return cursor.execute(sql).fetchall()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("1,a\n2,b\n", "", [("1", "a"), ("2", "b")]),
        ("n,s\n1,a\n", "SKIP_HEADER = 1", [("1", "a")]),
        ("1|a|2|b", "FIELD_DELIMITER = '|' ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE", [("1", "a")]),
        ("1;;a\n2;;b\n", "FIELD_DELIMITER = ';;'", [("1", "a"), ("2", "b")]),
        ("1,\n2,\\N\n", "", [("1", None), ("2", None)]),
        ("1,\n", "EMPTY_FIELD_AS_NULL = FALSE", [("1", "")]),
        ('1,"a,""b"""\n', "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", [("1", 'a,"b"')]),
        ('1,"two\nlines"\n', "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", [("1", "two\nlines")]),
        ('1,""\n2,\n', "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", [("1", ""), ("2", None)]),
        ('1,"C:\\temp"\n', "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", [("1", "C:\\temp")]),
        ("1,a\\,b\n", "", [("1", "a,b")]),
        ("1,a\\tb\n", "ESCAPE_UNENCLOSED_FIELD = NONE", [("1", "a\\tb")]),
        ("1, a \n", "TRIM_SPACE = TRUE", [("1", "a")]),
        ("1,none\nnone,x\n", "NULL_IF = ('none')", [("1", None), (None, "x")]),
        ("1,a\n\n2,b\n", "SKIP_BLANK_LINES = TRUE", [("1", "a"), ("2", "b")]),
        ("1,ü\n".encode("latin-1"), "ENCODING = 'ISO88591'", [("1", "ü")]),
        (gzip.compress(b"1,a\n", mtime=0), "", [("1", "a")]),
        ("\ufeff1,a\r\n2,b\r\n", "", [("1", "a"), ("2", "b")]),
    ],
)
def test_a_csv_file_is_read_by_its_format(
    cursor: SnowflakeCursor, put: Put, content: str | bytes, options: str, expected: list[Any]
) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n VARCHAR, s VARCHAR)")
    cursor.execute(f"COPY INTO {table} FROM {put('a.csv', content)} FILE_FORMAT = (TYPE = CSV {options})")
    assert rows(cursor, f"SELECT * FROM {table}") == expected


def test_texts_become_the_columns_types(cursor: SnowflakeCursor, put: Put) -> None:
    table = fresh("T")
    cursor.execute(
        f"CREATE TABLE {table} (i INT, d NUMBER(10, 2), f FLOAT, b BOOLEAN, day DATE, at TIMESTAMP_NTZ, v VARIANT)"
    )
    place = put("a.csv", '7|1.25|1e3|yes|31/12/2024|2024-01-02 03:04:05.5|{"a": 1}\n')
    form = "TYPE = CSV FIELD_DELIMITER = '|' DATE_FORMAT = 'DD/MM/YYYY'"
    cursor.execute(f"COPY INTO {table} FROM {place} FILE_FORMAT = ({form})")
    found = rows(cursor, f"SELECT i, d::FLOAT, f, b, day, at, v:a::INT FROM {table}")
    assert found == [(7, 1.25, 1000.0, True, date(2024, 12, 31), moment(2024, 1, 2, 3, 4, 5, 500000), 1)]


def test_a_file_is_loaded_once(cursor: SnowflakeCursor, put: Put) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT)")
    place = put("a.csv", "1\n2\n")
    first = rows(cursor, f"COPY INTO {table} FROM {place}")
    assert [row[1:4] for row in first] == [("LOADED", 2, 2)]
    assert rows(cursor, f"COPY INTO {table} FROM {place}") == [("Copy executed with 0 files processed.",)]
    cursor.execute(f"COPY INTO {table} FROM {place} FORCE = TRUE")
    put("a.csv", "3\n", OVERWRITE="TRUE")
    cursor.execute(f"COPY INTO {table} FROM {place}")
    assert rows(cursor, f"SELECT n FROM {table} ORDER BY n") == [(1,), (1,), (2,), (2,), (3,)]
    cursor.execute(f"TRUNCATE TABLE {table}")
    cursor.execute(f"COPY INTO {table} FROM {place}")
    assert rows(cursor, f"SELECT n FROM {table}") == [(3,)]


def test_what_was_loaded_goes_with_the_table(cursor: SnowflakeCursor, put: Put) -> None:
    table, nothing = fresh("T"), [("Copy executed with 0 files processed.",)]
    cursor.execute(f"CREATE TABLE {table} (n INT)")
    place = put("a.csv", "1\n")
    cursor.execute(f"COPY INTO {table} FROM {place}")
    cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_2")
    assert rows(cursor, f"COPY INTO {table}_2 FROM {place}") == nothing
    for make in (f"CREATE TABLE {table} (n INT)", f"CREATE OR REPLACE TEMPORARY TABLE {table} (n INT)"):
        cursor.execute(make)
        cursor.execute(f"COPY INTO {table} FROM {place}")
        assert rows(cursor, f"COPY INTO {table} FROM {place}") == nothing
        assert rows(cursor, f"SELECT n FROM {table}") == [(1,)]


def test_a_load_that_is_rolled_back_is_not_remembered(cursor: SnowflakeCursor, put: Put) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT)")
    place = put("a.csv", "1\n")
    cursor.execute("BEGIN")
    cursor.execute(f"COPY INTO {table} FROM {place}")
    cursor.execute("ROLLBACK")
    cursor.execute(f"COPY INTO {table} FROM {place} PURGE = TRUE")
    assert rows(cursor, f"SELECT n FROM {table}") == [(1,)]
    assert rows(cursor, f"LIST {place}") == []


_BAD = "1,2024-01-01\nzz,2024-01-01\n3\n4,never\n5,2024-05-05\n"


def test_a_bad_row_stops_the_load(cursor: SnowflakeCursor, put: Put) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT, d DATE)")
    place = put("a.csv", _BAD)
    with refused(100038, "Numeric value 'zz' is not recognized"):
        cursor.execute(f"COPY INTO {table} FROM {place}")
    assert rows(cursor, f"SELECT * FROM {table}") == []
    with refused(100080, "Number of columns in file"):
        cursor.execute(f"COPY INTO {table} FROM {put('b.csv', '1')}")


@pytest.mark.parametrize(
    ("on_error", "status", "loaded"),
    [
        ("CONTINUE", "PARTIALLY_LOADED", [1, 5]),
        ("SKIP_FILE", "LOAD_FAILED", []),
        ("SKIP_FILE_4", "PARTIALLY_LOADED", [1, 5]),
        ("'SKIP_FILE_50%'", "LOAD_FAILED", []),
    ],
)
def test_bad_rows_may_be_left_out(
    cursor: SnowflakeCursor, put: Put, on_error: str, status: str, loaded: list[int]
) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT, d DATE)")
    done = rows(cursor, f"COPY INTO {table} FROM {put('a.csv', _BAD)} ON_ERROR = {on_error}")
    assert [(row[1], row[2], row[5]) for row in done] == [(status, 5, 3)]
    assert rows(cursor, f"SELECT n FROM {table} ORDER BY n") == [(n,) for n in loaded]


def test_a_text_that_is_too_long_is_a_bad_value(cursor: SnowflakeCursor, put: Put) -> None:
    table, place = fresh("T"), put("a.csv", "1,abcd\n2,ab\n")
    cursor.execute(f"CREATE TABLE {table} (n INT, s VARCHAR(3))")
    with refused(100078, "too long"):
        cursor.execute(f"COPY INTO {table} FROM {place}")
    cursor.execute(f"COPY INTO {table} FROM {place} ON_ERROR = CONTINUE")
    assert rows(cursor, f"SELECT * FROM {table}") == [(2, "ab")]


def test_a_transformation_chooses_columns(cursor: SnowflakeCursor, put: Put, stage: str) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT, s VARCHAR DEFAULT 'none', f VARCHAR)")
    put("a.csv", "1,a\n2,b\n")
    cursor.execute(f"COPY INTO {table} (f, n) FROM (SELECT METADATA$FILENAME, t.$1::INT * 10 FROM @{stage} t)")
    assert rows(cursor, f"SELECT * FROM {table} ORDER BY n") == [(10, "none", "a.csv"), (20, "none", "a.csv")]
    cursor.execute(f"CREATE TABLE {table}_2 (n INT NOT NULL)")
    put("b.csv", "1\nx\n")
    select = f"(SELECT $1::INT FROM @{stage}/b.csv)"
    with refused(100038, "'x' is not recognized"):
        cursor.execute(f"COPY INTO {table}_2 FROM {select}")
    cursor.execute(f"COPY INTO {table}_2 FROM {select} ON_ERROR = CONTINUE")
    assert rows(cursor, f"SELECT n FROM {table}_2") == [(1,)]


def test_parquet_files_are_objects_of_typed_columns(cursor: SnowflakeCursor, put: Put, tmp_path: Path) -> None:
    table, form = fresh("T"), fresh("FORMAT")
    content = pa.table({"n": [1, 2], "s": ["a", None], "at": pa.array([moment(2024, 1, 1)] * 2, pa.timestamp("us"))})
    pq.write_table(content, tmp_path / "made.parquet")
    place = put("a.parquet", (tmp_path / "made.parquet").read_bytes())
    cursor.execute(f"CREATE FILE FORMAT {form} TYPE = PARQUET USE_LOGICAL_TYPE = TRUE")
    read = f"FROM {place} (FILE_FORMAT => '{form}')"
    assert rows(cursor, f"SELECT $1:n::INT, $1:s::VARCHAR, $1:at::TIMESTAMP_NTZ, $1:no {read} ORDER BY 1") == [
        (1, "a", moment(2024, 1, 1), None),
        (2, None, moment(2024, 1, 1), None),
    ]
    cursor.execute(f"CREATE TABLE {table} (N INT, S VARCHAR, MORE INT)")
    with refused(2019, "only one column of type variant"):
        cursor.execute(f"COPY INTO {table} FROM {place} FILE_FORMAT = (FORMAT_NAME = {form})")
    match = "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    cursor.execute(f"COPY INTO {table} FROM {place} FILE_FORMAT = (FORMAT_NAME = {form}) {match}")
    assert rows(cursor, f"SELECT * FROM {table} ORDER BY n") == [(1, "a", None), (2, None, None)]


def test_json_files_are_values(cursor: SnowflakeCursor, put: Put) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (v VARIANT)")
    lines = put("a.json", '{"a": {"b": 1}}\n{"a": {"b": 2}}\n')
    array = put("b.json", '[{"a": {"b": 3}},\n {"a": null}]')
    cursor.execute(f"COPY INTO {table} FROM {lines} FILE_FORMAT = (TYPE = JSON)")
    cursor.execute(f"COPY INTO {table} FROM {array} FILE_FORMAT = (TYPE = JSON STRIP_OUTER_ARRAY = TRUE)")
    assert rows(cursor, f"SELECT v:a.b::INT AS b FROM {table} ORDER BY b") == [(1,), (2,), (3,), (None,)]


def test_the_columns_of_files_are_inferred(cursor: SnowflakeCursor, put: Put) -> None:
    form = fresh("FORMAT")
    cursor.execute(f"CREATE FILE FORMAT {form} TYPE = CSV PARSE_HEADER = TRUE")
    place = put("a.csv", "id,price,day,flag,name\n1,1.25,2024-01-01,true,x\n22,,2024-01-02,false,\n")
    found = rows(
        cursor,
        f"SELECT column_name, type FROM TABLE(INFER_SCHEMA(LOCATION => '{place}', FILE_FORMAT => '{form}')) "
        "ORDER BY order_id",
    )
    types = ["NUMBER(2, 0)", "NUMBER(3, 2)", "DATE", "BOOLEAN", "TEXT"]
    assert found == list(zip(["id", "price", "day", "flag", "name"], types, strict=True))


@pytest.mark.parametrize("form", ["TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", "TYPE = CSV", "TYPE = PARQUET"])
def test_what_is_unloaded_can_be_loaded(cursor: SnowflakeCursor, stage: str, form: str) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT, s VARCHAR, f FLOAT, at TIMESTAMP_NTZ, b BOOLEAN)")
    cursor.execute(f"INSERT INTO {table} VALUES (1, 'a,\"b\\\\\\nc', 1.5, '2024-01-01 12:00:00', TRUE)")
    cursor.execute(f"INSERT INTO {table} (n) VALUES (2)")
    is_parquet = "PARQUET" in form
    done = rows(cursor, f"COPY INTO @{stage}/out/ FROM {table} FILE_FORMAT = ({form}) HEADER = {is_parquet}")
    assert done[0][0] == 2
    name = "data_0_0_0.snappy.parquet" if is_parquet else "data_0_0_0.csv.gz"
    assert [row[0].split("/", 1)[1] for row in rows(cursor, f"LIST @{stage}")] == [f"out/{name}"]
    with refused(1030, "Files already existing"):
        cursor.execute(f"COPY INTO @{stage}/out/ FROM {table} FILE_FORMAT = ({form})")
    cursor.execute(f"CREATE TABLE {table}_2 LIKE {table}")
    more = "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE" if is_parquet else ""
    logical = " USE_LOGICAL_TYPE = TRUE" if is_parquet else ""
    cursor.execute(f"COPY INTO {table}_2 FROM @{stage}/out FILE_FORMAT = ({form}{logical}) {more}")
    assert rows(cursor, f"SELECT * FROM {table}_2 ORDER BY n") == rows(cursor, f"SELECT * FROM {table} ORDER BY n")


def test_a_query_is_unloaded_into_one_file_or_by_partition(cursor: SnowflakeCursor, stage: str, tmp_path: Path) -> None:
    query = "(SELECT column1 AS k, column2 AS n FROM VALUES ('a', 1), ('b', 2), ('a', 3) ORDER BY 2)"
    plain = "FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE)"
    cursor.execute(f"COPY INTO @{stage}/one.csv FROM {query} {plain} SINGLE = TRUE HEADER = TRUE")
    cursor.execute(f"GET @{stage}/one.csv file://{tmp_path}")
    assert (tmp_path / "one.csv").read_text() == "K,N\na,1\nb,2\na,3\n"
    cursor.execute(f"COPY INTO @{stage}/parts FROM {query} PARTITION BY ('k=' || k) {plain}")
    folders = {row[0].split("/")[2] for row in rows(cursor, f"LIST @{stage}/parts")}
    assert folders == {"k=a", "k=b"}
    assert rows(cursor, f"SELECT count(*), sum($2::INT) FROM @{stage}/parts/k=a") == [(2, 4)]


def test_options_that_there_are_not_are_refused(cursor: SnowflakeCursor, stage: str) -> None:
    table = fresh("T")
    cursor.execute(f"CREATE TABLE {table} (n INT)")
    with refused(1420, "BLA"):
        cursor.execute(f"COPY INTO {table} FROM @{stage} BLA = 1")
    with refused(1008, "SKIP_HEADER"):
        cursor.execute(f"COPY INTO {table} FROM @{stage} FILE_FORMAT = (TYPE = CSV SKIP_HEADER = many)")
    with refused(2003, "does not exist"):
        cursor.execute(f"COPY INTO {table} FROM @{stage} FILE_FORMAT = (FORMAT_NAME = no_format)")
    with refused(2003, "does not exist"):
        cursor.execute(f"COPY INTO {table} FROM @no_stage")
