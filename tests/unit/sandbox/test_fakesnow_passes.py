"""Leaving a pass of fakesnow's out changes nothing: each statement here comes out as it does with all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
import sqlglot

from include.sandbox.snowflake import fakesnow_passes, fakesnow_seams
from include.sandbox.snowflake.sql.nodes import Nodes

_NOW = re.compile(r"2\d{3}-\d\d-\d\dT[\d:.]+\+00:00")  # in what fakesnow writes of a stage
STANDARD = "standard"
# By what it is for; each pass is needed by one of them at least.
STATEMENTS = {
    "identifier": "SELECT * FROM IDENTIFIER('a.b')",
    "bound identifier": "SELECT * FROM IDENTIFIER(?) WHERE x = ?",
    "names": 'SELECT name, "Name", t.x AS y FROM t JOIN "u" AS u ON t.id = u.id',
    "session": "ALTER SESSION SET AUTOCOMMIT = true",
    "variable": "SET v = 3",
    "no variable": "UNSET v",
    "version": "SELECT CURRENT_VERSION()",
    "schema": "USE SCHEMA s",
    "role": "USE ROLE r",
    "database": "CREATE DATABASE d",
    "comment of a new table": "CREATE TABLE t (a INT, b VARCHAR(3)) COMMENT = 'c'",
    "comment": "COMMENT ON TABLE t IS 'c'",
    "comment of a column": "ALTER TABLE t ALTER COLUMN a COMMENT 'c'",
    "information schema": "SELECT * FROM INFORMATION_SCHEMA.COLUMNS, d.INFORMATION_SCHEMA.DATABASES",
    "drop schema": "DROP SCHEMA s",
    "tag": "ALTER TABLE t SET TAG k = 'v'",
    "semi-structured": "CREATE TABLE t (o OBJECT, a ARRAY, v VARIANT)",
    "json": "SELECT TRY_PARSE_JSON(x), v['a'], v[0]::VARCHAR, UPPER(v:b), v:c::VARCHAR, v:d = 1 FROM t",
    "text": "SELECT SPLIT(a, ','), TRIM(a), REGEXP_REPLACE(a, 'x'), REGEXP_SUBSTR(a, 'x\\\\d') FROM t",
    "flatten": "SELECT f.value::VARCHAR FROM t, LATERAL FLATTEN(INPUT => v) f",
    "result scan": "SELECT * FROM TABLE(RESULT_SCAN('id'))",
    "sequence": "SELECT s.NEXTVAL",
    "values": "SELECT column1 FROM VALUES (1, 2), (3, 4)",
    "dates": "SELECT TO_DATE(a), TO_TIMESTAMP(b), a::TIMESTAMP_NTZ, '2026-01-01 10:00:00 +09:00'::TIMESTAMP_TZ FROM t",
    "unix time": "SELECT TO_TIMESTAMP(1), TO_TIMESTAMP(1, 3)",
    "numbers": "SELECT TO_NUMBER(a), TO_DECIMAL(a, 10, 2), a::FLOAT, a::INT, a::NUMBER, a::NUMBER(38, 0) FROM t",
    "variant": "SELECT TO_VARIANT(a), OBJECT_CONSTRUCT('k', a), OBJECT_CONSTRUCT_KEEP_NULL('k', a) FROM t",
    "objects in a condition": "SELECT OBJECT_CONSTRUCT('k', a) AS o FROM t WHERE o IS NOT NULL",
    "all of a row": "SELECT OBJECT_CONSTRUCT(*) FROM t",
    "timestamps": "CREATE TABLE t (a TIMESTAMP_NTZ, b TIMESTAMP, c DATE)",
    "sample": "SELECT * FROM t SAMPLE (10)",
    "random": "SELECT RANDOM(3), RANDOM() FROM t",
    "arrays": "SELECT ARRAY_SIZE(a), ARRAY_AGG(b), ARRAY_CONSTRUCT(1, 2), ARRAY_CAT(a, a), OBJECT_AGG(k, v) FROM t",
    "ordered array": "SELECT ARRAY_AGG(b) WITHIN GROUP (ORDER BY c), ARRAY_AGG(b) OVER (PARTITION BY c) FROM t",
    "moved dates": "SELECT DATEADD(DAY, 3, '2026-01-01'::DATE), DATEADD(HOUR, 3, '2026-01-01')",
    "date difference": "SELECT DATEDIFF(DAY, '2026-01-01', '2026-02-01')",
    **{
        f"show {kind.lower()}": f"SHOW {kind}"
        for kind in (
            *("DATABASES", "FUNCTIONS", "PROCEDURES", "PARAMETERS", "WAREHOUSES", "SCHEMAS", "TABLES", "VIEWS"),
            *("COLUMNS", "STAGES", "SEQUENCES", "PRIMARY KEYS", "UNIQUE KEYS", "IMPORTED KEYS", "USERS"),
        )
    },
    "user": "CREATE USER u",
    "haversine": "SELECT HAVERSINE(1, 2, 3, 4)",
    "binary": "SELECT X'61', SHA2('a'), SHA2_HEX('a', 256), SHA2_BINARY('a')",
    "clone": "CREATE TABLE t CLONE u",
    "alias in a join": "SELECT a.x + 1 AS y FROM a JOIN b ON y = b.id",
    "clustering": "ALTER TABLE t CLUSTER BY (a)",
    "no clustering": "ALTER TABLE t SUSPEND RECLUSTER",
    "stage": "CREATE STAGE s",
    "file format": "CREATE FILE FORMAT f TYPE = CSV",
    "list": "LIST @s",
    "put": "PUT file:///tmp/a.csv @s",
    "table of a query": "CREATE TABLE t (a INT, b FLOAT) AS SELECT 1, 2",
    "insert": "INSERT INTO t (a, b) SELECT a, MAX(b) FROM u GROUP BY a HAVING COUNT(*) > 1",
    "update": "UPDATE t SET a = a + 1 WHERE b IN (SELECT b FROM u)",
    "delete": "DELETE FROM t WHERE a IS NULL",
    "wide": "SELECT COUNT(*), " + ", ".join(f"COUNT_IF(CAST(f{i} AS FLOAT) <= {i}.5) AS c{i}" for i in range(3)),
    # Snowflake's own reader leaves none of these as they stand here.
    STANDARD: "SELECT TO_DATE(a), TRY_PARSE_JSON(x), CAST(a AS FLOAT) FROM t TABLESAMPLE (10 PERCENT)",
    "windows": "WITH w AS (SELECT a, ROW_NUMBER() OVER (ORDER BY b) AS r FROM t) SELECT * FROM w QUALIFY r = 1",
}


class All(fakesnow_passes.Passes):
    """Runs every pass; one that would be left out must give the tree back as it was."""

    names: set[str]
    needed: set[str]

    def transform(self, change: Callable[..., Any], *arguments: Any, copy: bool, **options: Any) -> All:
        name = fakesnow_passes.name_of(change)
        is_for = self._is_for(name)
        before = self.__dict__.pop("shown", None) or repr(self.expression)
        self.expression = self.expression.transform(change, *arguments, copy=copy, **options)
        self._nodes = Nodes(self.expression)
        self.names.add(name)
        self.shown = repr(self.expression)
        if self.shown != before:
            self.needed.add(name)
            if not is_for:
                pytest.fail(f"{name} is left out of {before}, and would make it {self.expression!r}")
        return self


def test_what_is_left_out_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(All, "names", set(), raising=False)
    monkeypatch.setattr(All, "needed", set(), raising=False)
    given = {about: _translated(about, sql) for about, sql in STATEMENTS.items()}
    monkeypatch.setattr(fakesnow_seams, "Passes", All)
    assert given == {about: _translated(about, sql) for about, sql in STATEMENTS.items()}
    assert All.names == fakesnow_passes._ACTS_ON.keys(), "a pass that is not known is run always; say what it acts on"
    assert All.names - All.needed == {"_unchanged"}, "no statement here shows that they are not left out"


def _translated(about: str, sql: str) -> tuple[str, dict[str, str]]:
    """The statement in DuckDB's terms, and what is noted of it besides; or why it is refused."""
    statements = fakesnow_seams.Statements(duckdb.connect())
    statements.use("D", "S")
    try:
        expression = sqlglot.parse_one(sql, read=None if about == STANDARD else "snowflake")
        translated = statements.transform(expression, ["named", 1])
    except Exception as error:
        return f"{type(error).__name__}: {error}", {}
    notes = {name: str(value) for name, value in translated.args.items() if name not in type(translated).arg_types}
    return _NOW.sub("now", translated.sql(dialect="duckdb")), notes
