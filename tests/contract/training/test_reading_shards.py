"""The training set read from the Snowflake sandbox: one moment, shards that make up the whole, plain columns."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from snowflake.connector import SnowflakeConnection

from include.sandbox.process import Sandbox
from include.training.trainer import reading
from include.training.trainer.failure import TrainingFailure
from include.training.trainer.job import Feature, Job
from include.training.trainer.reading import WEEK, Shard, Snapshot, read_shard, take_snapshot

SCHEMA = "READING"
ODD = '100% "odd"'
COLUMNS = f"""ID INT, CITY VARCHAR, INCOME NUMBER(12, 2), AREA FLOAT, MEMBER BOOLEAN, "{ODD.replace('"', '""')}" INT,
    BORN DATE, LABEL INT, AT TIMESTAMP_NTZ"""
ROWS = """
WITH numbered AS (SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 400)))
SELECT N, CASE MOD(N, 3) WHEN 0 THEN 'Bern' WHEN 1 THEN 'Zürich' END, IFF(MOD(N, 7) = 0, NULL, N / 4), SQRT(N),
    MOD(N, 2) = 0, N, DATEADD('day', N, '1990-01-01'::DATE), IFF(MOD(N, 50) = 0, NULL, MOD(N, 2)),
    DATEADD('hour', N, '2024-01-01'::TIMESTAMP_NTZ)
FROM numbered
"""
LABELLED = 392


@pytest.fixture
def source(connection: SnowflakeConnection) -> Iterator[Callable[..., None]]:
    """A table of 400 rows, 8 of them without a label; and a way to run further statements beside it."""

    def run(*statements: str) -> None:
        for statement in statements:
            connection.cursor().execute(statement)

    run(
        f"CREATE SCHEMA {SCHEMA}",
        f'CREATE TABLE "Its 100% rows" ({COLUMNS})',
        f'INSERT INTO "Its 100% rows" {ROWS}',
    )
    yield run
    run(f"DROP SCHEMA {SCHEMA}")


def make_job(table: str = "Its 100% rows", **changes: Any) -> Job:
    features = {"INCOME": "numeric", "CITY": "categorical", "AREA": "numeric", "MEMBER": "numeric", ODD: "numeric"}
    given = {
        "secret_id": "login",
        "table": f'"SANDBOX"."{SCHEMA}"."{table}"',
        "week_column": "AT",
        "features": tuple(Feature(*named) for named in features.items()),
        "label": "LABEL",
        "task": "binary_classification",
        "holdout_from": dt.date(2024, 1, 15),
        "seed": 1,
        **changes,
    }
    return Job(**given)


def read_all(connection: SnowflakeConnection, job: Job, count: int = 1) -> list[pa.Table]:
    snapshot = Snapshot.from_dict(take_snapshot(connection, job).as_dict())
    shards = [read_shard(connection, job, snapshot, Shard(rank, count)) for rank in range(count)]
    reading.check_rows(job, snapshot, sum(len(shard) for shard in shards))
    return shards


def sorted_rows(shards: list[pa.Table]) -> list[dict[str, Any]]:
    rows = pa.concat_tables(shards).to_pylist()
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def test_a_shard_has_the_features_in_order_the_label_and_the_week(
    source: Callable[..., None], connection: SnowflakeConnection
) -> None:
    (rows,) = read_all(connection, make_job(key=("ID",)))
    assert rows.schema == pa.schema(
        {
            "CITY": pa.dictionary(pa.int32(), pa.string()),
            "INCOME": pa.float64(),
            "AREA": pa.float64(),
            "MEMBER": pa.float64(),
            ODD: pa.float64(),
            "LABEL": pa.int64(),
            WEEK: pa.date32(),
        }
    )
    assert len(rows) == LABELLED
    assert rows.slice(0, 2).to_pylist() == [
        {"CITY": "Zürich", "INCOME": 0.25, "AREA": 1, "MEMBER": 0, ODD: 1, "LABEL": 1, WEEK: dt.date(2024, 1, 1)},
        {"CITY": None, "INCOME": 0.5, "AREA": 2**0.5, "MEMBER": 1, ODD: 2, "LABEL": 0, WEEK: dt.date(2024, 1, 1)},
    ]
    assert rows["INCOME"].null_count == 56


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("key", [(), ("ID",), ("CITY", "MEMBER"), (ODD, "ID")])
def test_shards_make_up_the_whole(
    source: Callable[..., None], connection: SnowflakeConnection, key: tuple[str, ...], count: int
) -> None:
    source(f'INSERT INTO "Its 100% rows" {ROWS}')  # every row twice: a row alone is no key any more
    job = make_job(key=key)
    shards = read_all(connection, job, count)
    assert sorted_rows(shards) == sorted_rows(read_all(connection, job))
    assert sum(len(shard) for shard in shards) == 2 * LABELLED
    assert min(len(shard) for shard in shards) > 2 * LABELLED / count / 2


@pytest.mark.parametrize(
    ("key", "by_key"),
    [(("ID",), True), (("MEMBER", "ID"), True), (("CITY", "ID"), False), (("MEMBER",), False), ((), False)],
)
def test_only_a_unique_key_without_nulls_cuts_the_shards(
    source: Callable[..., None], connection: SnowflakeConnection, key: tuple[str, ...], by_key: bool
) -> None:
    snapshot = take_snapshot(connection, make_job(key=key))
    assert (snapshot.by_key, snapshot.rows, snapshot.refusal) == (by_key, LABELLED, "")


def test_all_shards_are_of_the_snapshots_moment(source: Callable[..., None], connection: SnowflakeConnection) -> None:
    job = make_job(key=("ID",))
    before = sorted_rows(read_all(connection, job))
    snapshot = take_snapshot(connection, job)
    first = read_shard(connection, job, snapshot, Shard(0, 2))
    source(
        'DELETE FROM "Its 100% rows" WHERE ID < 100',
        """UPDATE "Its 100% rows" SET CITY = 'Basel', ID = ID + 1000""",
        f'INSERT INTO "Its 100% rows" {ROWS}',
    )
    second = read_shard(connection, job, snapshot, Shard(1, 2))
    assert sorted_rows([first, second]) == before


@pytest.mark.parametrize("key", [(), ("ID",)])
def test_the_order_of_rows_is_that_of_their_content(
    source: Callable[..., None], connection: SnowflakeConnection, key: tuple[str, ...]
) -> None:
    source(
        f"CREATE TABLE AGAIN ({COLUMNS})",
        'INSERT INTO AGAIN SELECT * FROM "Its 100% rows" WHERE ID >= 170 ORDER BY ID DESC',
        'INSERT INTO AGAIN SELECT * FROM "Its 100% rows" WHERE ID < 170',
    )
    for one, other in zip(
        read_all(connection, make_job(key=key), 2), read_all(connection, make_job("AGAIN", key=key), 2), strict=True
    ):
        assert one.to_pylist() == other.to_pylist()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("key", [(), ("ID",)])
def test_both_readers_give_the_same(
    source: Callable[..., None], connection: SnowflakeConnection, key: tuple[str, ...], count: int
) -> None:
    by_connector = read_all(connection, make_job(key=key), count)
    by_snowpark = read_all(connection, make_job(key=key, reader="snowpark"), count)
    assert [shard.to_pylist() for shard in by_snowpark] == [shard.to_pylist() for shard in by_connector]
    assert [shard.schema for shard in by_snowpark] == [shard.schema for shard in by_connector]


@pytest.mark.parametrize("reader", ["connector", "snowpark"])
def test_an_empty_shard_has_the_same_columns(
    source: Callable[..., None], connection: SnowflakeConnection, reader: str
) -> None:
    source('DELETE FROM "Its 100% rows" WHERE ID <> 7')
    shards = read_all(connection, make_job(reader=reader), 4)
    assert sorted(len(shard) for shard in shards) == [0, 0, 0, 1]
    assert len({str(shard.schema) for shard in shards}) == 1


def test_a_large_result_has_one_set_of_categories_over_all_its_batches(
    source: Callable[..., None], connection: SnowflakeConnection
) -> None:
    source("CREATE TABLE LARGE (ID INT, CITY VARCHAR, LABEL INT, AT DATE)")
    source(
        """INSERT INTO LARGE SELECT SEQ4(), 'city ' || FLOOR(SEQ4() / 100000), 1, '2024-01-01'::DATE
        FROM TABLE(GENERATOR(ROWCOUNT => 800000))"""
    )
    features = (Feature("CITY", "categorical"), Feature("ID", "numeric"))
    (rows,) = read_all(connection, make_job("LARGE", features=features, key=("ID",)))
    assert rows["ID"].num_chunks > 1
    assert {tuple(chunk.dictionary.to_pylist()) for chunk in rows["CITY"].chunks} == {
        tuple(f"city {number}" for number in range(8))
    }
    assert rows["CITY"].slice(799_999, 1).to_pylist() == ["city 7"]


@pytest.mark.parametrize(
    ("sql_type", "value", "label_type", "label"),
    [
        ("NUMBER(38, 0)", "3", pa.int64(), 3),
        ("NUMBER(5, 1)", "2.0", pa.float64(), 2.0),
        ("FLOAT", "0.5", pa.float64(), 0.5),
        ("BOOLEAN", "TRUE", pa.bool_(), True),
        ("VARCHAR", "'yes'", pa.string(), "yes"),
    ],
)
def test_a_labels_type_is_the_columns_whatever_it_holds(
    source: Callable[..., None],
    connection: SnowflakeConnection,
    sql_type: str,
    value: str,
    label_type: pa.DataType,
    label: Any,
) -> None:
    source(f"CREATE TABLE LABELS (N INT, Y {sql_type}, AT DATE)", f"INSERT INTO LABELS SELECT 1, {value}, '2024-01-01'")
    job = make_job("LABELS", features=(Feature("N", "numeric"),), label="Y", task="multiclass_classification")
    (rows,) = read_all(connection, job)
    assert rows.schema.field("Y").type == label_type
    assert rows["Y"].to_pylist() == [label]


def test_categories_are_the_warehouses_text(source: Callable[..., None], connection: SnowflakeConnection) -> None:
    kinds = {"INCOME": "0.25", "MEMBER": "false", ODD: "1", "BORN": "1990-01-02"}
    job = make_job(features=tuple(Feature(name, "categorical") for name in kinds), key=("ID",))
    (rows,) = read_all(connection, job)
    assert rows.slice(0, 1).select(list(kinds)).to_pylist() == [kinds]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"table": '"SANDBOX"."READING"."NONE"'}, 'table "SANDBOX"."READING"."NONE" does not exist'),
        (
            {"label": "ACCEPT", "key": ("NUMBER",)},
            f"has no column ACCEPT, NUMBER; it has ID, CITY, INCOME, AREA, MEMBER, {ODD}, BORN, LABEL, AT",
        ),
        ({"features": (Feature("CITY", "numeric"),)}, "column CITY of .* is TEXT, but a numeric feature must be"),
        ({"features": (Feature("BORN", "numeric"),)}, "column BORN of .* is DATE, but a numeric feature must be"),
        ({"label": "BORN"}, "column BORN of .* is DATE, but the label of a binary classification must be"),
        ({"label": "CITY", "task": "regression"}, "column CITY of .* is TEXT, but the label of a regression must be"),
        ({"week_column": "MEMBER"}, "column MEMBER of .* is BOOLEAN, but the week must be DATE or TEXT or"),
    ],
)
def test_columns_that_cannot_be_trained_on_are_told(
    source: Callable[..., None], connection: SnowflakeConnection, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TrainingFailure, match=reason):
        take_snapshot(connection, make_job(**changes) if "table" not in changes else make_job("NONE"))


def test_a_variant_is_no_category(source: Callable[..., None], connection: SnowflakeConnection) -> None:
    source("CREATE TABLE DOCUMENTS (V VARIANT, LABEL INT, AT DATE)")
    with pytest.raises(TrainingFailure, match=r"column V of .* is VARIANT, but a categorical feature must be"):
        take_snapshot(connection, make_job("DOCUMENTS", features=(Feature("V", "categorical"),)))


@pytest.mark.parametrize(
    ("value", "label", "reason"),
    [
        ("-inf", "LABEL", "column AREA of .* holds infinite numbers.*put NULL"),
        ("inf", "AREA", "column AREA of .* holds infinite numbers.*put NULL"),
        ("NaN", "AREA", "label AREA of .* holds NaN; put NULL in its place"),
    ],
)
def test_numbers_that_nothing_is_learned_from_are_told(
    source: Callable[..., None], connection: SnowflakeConnection, value: str, label: str, reason: str
) -> None:
    source(f"""UPDATE "Its 100% rows" SET AREA = '{value}'::FLOAT WHERE ID = 7""")
    feature = "ID" if label == "AREA" else "AREA"
    job = make_job(features=(Feature(feature, "numeric"),), label=label, task="regression")
    with pytest.raises(TrainingFailure, match=reason):
        read_all(connection, job)


def test_nan_is_a_feature_without_a_value(source: Callable[..., None], connection: SnowflakeConnection) -> None:
    source("""UPDATE "Its 100% rows" SET AREA = 'NaN'::FLOAT WHERE ID = 1""")
    (rows,) = read_all(connection, make_job(key=("ID",)))
    assert math.isnan(rows["AREA"][0].as_py())


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ('DELETE FROM "Its 100% rows"', "has no rows; check the training window"),
        ('UPDATE "Its 100% rows" SET LABEL = NULL', "none of its 400 rows has both LABEL and AT; wait for labels"),
    ],
)
def test_an_empty_table_is_told(
    source: Callable[..., None], connection: SnowflakeConnection, statement: str, reason: str
) -> None:
    source(statement)
    with pytest.raises(TrainingFailure, match=reason):
        take_snapshot(connection, make_job())


def test_a_view_is_read_by_one_host_as_it_is(
    source: Callable[..., None], connection: SnowflakeConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    source('CREATE VIEW V AS SELECT * FROM "Its 100% rows"')
    job = make_job("V")
    assert len(read_all(connection, job)[0]) == LABELLED
    assert '"V" is read as it is, not as of 20' in capsys.readouterr().out
    snapshot = take_snapshot(connection, job)
    with pytest.raises(TrainingFailure, match=r"2 hosts must read .*\"V\" at one moment.*train on one instance"):
        read_shard(connection, job, snapshot, Shard(0, 2))
    source('DELETE FROM "Its 100% rows" WHERE ID = 7')
    rows = len(read_shard(connection, job, snapshot, Shard()))
    with pytest.raises(TrainingFailure, match=r"the hosts read 391 rows of .*which had 392 .*it was written to"):
        reading.check_rows(job, snapshot, rows)


def test_a_table_that_was_replaced_meanwhile_is_told(
    source: Callable[..., None], connection: SnowflakeConnection
) -> None:
    job = make_job()
    snapshot = take_snapshot(connection, job)
    source(f'CREATE OR REPLACE TABLE "Its 100% rows" ({COLUMNS})')
    with pytest.raises(TrainingFailure, match=r"cannot be read any more as it was when the job began: .*train again"):
        read_shard(connection, job, snapshot, Shard(1, 2))


@pytest.mark.parametrize("reader", ["connector", "snowpark"])
def test_a_table_that_is_gone_is_told(
    source: Callable[..., None], connection: SnowflakeConnection, reader: str
) -> None:
    job = make_job(reader=reader)
    snapshot = take_snapshot(connection, job)
    source('DROP TABLE "Its 100% rows"')
    with pytest.raises(TrainingFailure, match="does not exist, or the secret's role may not see it"):
        read_shard(connection, job, snapshot, Shard())


def test_a_connection_that_breaks_is_told_without_its_host(
    source: Callable[..., None], connection: SnowflakeConnection, sandbox: Sandbox
) -> None:
    job = make_job()
    snapshot = take_snapshot(connection, job)
    with reading.connection(sandbox.settings.connection()) as opened:
        opened.close()
        with pytest.raises(TrainingFailure, match=r"reading .*rows\" broke off: .*train again") as caught:
            read_shard(opened, job, snapshot, Shard())
    assert "127.0.0.1" not in str(caught.value)
