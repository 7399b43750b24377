from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.sandbox.snowflake.query_history import QueryHistory, Record, redacted, type_of

NOW = round(datetime.now(UTC).timestamp() * 1_000_000)
RECORD = Record(
    "q", "SELECT 1", None, None, "SELECT", 1, "ME", "R", None, "", "SUCCESS", *[None] * 3, NOW, NOW, 1, False
)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE USER u PASSWORD = 'hidden'",
        "ALTER USER u SET password='it''s hidden'",
        "ALTER USER u SET PASSWORD = $$hidden$$",
        "CREATE STAGE s CREDENTIALS = (AWS_KEY_ID = 'hidden' AWS_SECRET_KEY = 'hidden' AWS_TOKEN='hidden')",
        "CREATE SECRET s SECRET_STRING = 'hidden'",
        "COPY INTO t FROM 'x' ENCRYPTION = (MASTER_KEY = 'hidden')",
        "ALTER USER u SET PASSWORD = 'hidden",
    ],
)
def test_what_is_secret_is_not_written_down(sql: str) -> None:
    assert "hidden" not in redacted(sql)
    assert redacted(sql).startswith(sql[:8])


def test_a_text_without_secrets_stays() -> None:
    assert redacted("SELECT password FROM t WHERE token_count > 3") == "SELECT password FROM t WHERE token_count > 3"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("-- why\n select 1", "SELECT"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "SELECT"),
        ("create or replace temporary table t as select 1", "CREATE_TABLE_AS_SELECT"),
        ("CREATE TABLE t (as_of DATE)", "CREATE_TABLE"),
        ("ALTER SESSION SET a = 1", "ALTER_SESSION"),
        ("MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE", "MERGE"),
        ("PUT file://x @s", "PUT_FILES"),
        ("gibberish", "UNKNOWN"),
    ],
)
def test_the_kind_of_a_statement_is_told_by_its_words(sql: str, kind: str) -> None:
    assert type_of(sql) == kind


def test_only_so_many_statements_are_kept(tmp_path: Path) -> None:
    history = QueryHistory(tmp_path, kept=100)
    for number in range(1_500):
        history.write(replace(RECORD, query_id=str(number), end_time=NOW + number))
    found = history.find({}, 0, NOW * 2, 10_000)
    assert [record.query_id for record in found[:2]] == ["1499", "1498"]
    assert 100 <= len(found) <= 600
    history.close()
    again = QueryHistory(tmp_path, kept=100)
    assert again.get("1499") == replace(RECORD, query_id="1499", end_time=NOW + 1499)
    assert again.get("0") is None
    again.close()


def test_big_texts_do_not_pile_up(tmp_path: Path) -> None:
    history = QueryHistory(tmp_path)
    for number in range(1_000):
        history.write(replace(RECORD, query_id=str(number), query_text="x" * 100_000))
    assert len(history.find({}, 0, NOW * 2, 10_000)) < 700
    history.close()
