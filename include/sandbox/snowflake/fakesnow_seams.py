"""The one place that imports fakesnow, which is pinned exactly: what the sandbox takes from it, and what it changes.

A new release of fakesnow is a change to this file.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from string import Template
from typing import Any

import fakesnow.cursor
import fakesnow.fakes
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.rowtype
import fakesnow.transforms.stage
from fakesnow import statement_type, transforms
from fakesnow.arrow import to_ipc, to_sf
from fakesnow.converter import from_binding
from fakesnow.params import index_of_placeholder
from fakesnow.rowtype import ColumnInfo, describe_as_rowtype
from fakesnow.statement_type import statement_type_id
from fakesnow.transforms import SERVER_VERSION, show
from sqlglot import exp

from include.sandbox.snowflake.duck import Duck
from include.sandbox.snowflake.fakesnow_passes import Passes

__all__ = [
    "SERVER_VERSION",
    "ColumnInfo",
    "Statements",
    "account_sql",
    "database_sql",
    "describe_as_rowtype",
    "from_binding",
    "index_of_placeholder",
    "keep_files_in",
    "statement_type",
    "statement_type_id",
    "to_ipc",
    "to_sf",
    "upper_case",
]

# DuckDB names of types that fakesnow's table of them lacks.
fakesnow.rowtype.duckdb_to_sf_type.update(
    {
        "FLOAT": "real",
        "TINYINT": "fixed",
        "SMALLINT": "fixed",
        "UTINYINT": "fixed",
        "USMALLINT": "fixed",
        "UINTEGER": "fixed",
        "UHUGEINT": "fixed",
        "TIMESTAMP_S": "timestamp_ntz",
        "TIMESTAMP_MS": "timestamp_ntz",
        "UUID": "text",
    }
)


def _unchanged(expression: exp.Expression) -> exp.Expression:
    return expression


# It turns the sum of whole numbers into a float, for the sake of sums of text, which are refused instead.
transforms.numeric_agg_implicit_cast = _unchanged
# It keeps comments and lengths of texts in another file than the tables; `facts` keeps them with the tables.
fakesnow.info_schema.insert_table_comment_sql = lambda *_: "SELECT 1"
fakesnow.info_schema.insert_text_lengths_sql = lambda *_: "SELECT 1"
# Its own numbers the elements of all rows together, so INDEX is another element's; and it takes a key for a path.
fakesnow.macros.FS_FLATTEN = Template(
    """CREATE OR REPLACE MACRO ${catalog}._fs_flatten(input) AS TABLE
    SELECT hash(to_json(input))::UBIGINT AS SEQ, e.k AS KEY, coalesce(e.k, '[' || e.i || ']') AS PATH,
        CASE WHEN e.k IS NULL THEN e.i END AS INDEX, e.v AS VALUE, to_json(input) AS THIS
    FROM (SELECT unnest(CASE WHEN json_type(to_json(input)) = 'OBJECT'
        THEN list_transform(map_entries(CAST(to_json(input) AS MAP(VARCHAR, JSON))),
            lambda x: struct_pack(k := x.key, i := 0::BIGINT, v := coalesce(x.value, 'null'::JSON)))
        ELSE list_transform(CAST(to_json(input) AS JSON[]),
            lambda x, i: struct_pack(k := NULL::VARCHAR, i := i - 1, v := x))
        END, recursive := true)) AS e(k, i, v)"""
)
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
# Importing it makes a folder in the temporary directory, which is not used here.
with contextlib.suppress(OSError):
    Path(fakesnow.transforms.stage.LOCAL_BUCKET_PATH).rmdir()


def keep_files_in(folder: Path) -> None:
    """Let it read staged files below a folder."""
    fakesnow.transforms.stage.LOCAL_BUCKET_PATH = str(folder)


def account_sql() -> list[str]:
    """What makes the tables and views that span all databases."""
    return [fakesnow.info_schema.fs_global_creation_sql(), show.fs_global_creation_sql()]


def database_sql(name: str) -> list[str]:
    """What makes a database's information schema and macros."""
    views = fakesnow.info_schema.per_db_creation_sql(f'"{name}"').replace(f"'\"{name}\"'", f"'{name}'")
    # The engine only estimates the number of rows; nothing is better than something wrong.
    views = views.replace("tables.estimated_size AS", "NULL::BIGINT AS")
    return [views, fakesnow.macros.creation_sql(f'"{name}"')]


def upper_case(expression: exp.Expression) -> exp.Expression:
    """Put unquoted identifiers in capitals."""
    for identifier in expression.find_all(exp.Identifier):
        identifier.meta.clear()  # where it stood in the text, which every copy would carry on
        if not identifier.quoted and isinstance(identifier.this, str):
            identifier.set("this", identifier.this.upper())
    return expression


class _WithoutLoadHistory:
    """The engine as its cursor sees it: it forgets a new table's loads by a name without quotes, and none are there."""

    def __init__(self, duck: Duck) -> None:
        self._duck = duck

    def __getattr__(self, name: str) -> Any:
        return getattr(self._duck, name)

    def execute(self, query: Any, *parameters: Any) -> Any:
        """Run a statement, unless it is that one."""
        if isinstance(query, str) and query.startswith("DELETE FROM") and "._fs_load_history WHERE" in query:
            return self._duck
        return self._duck.execute(query, *parameters)


class Statements:
    """Its cursor: Snowflake statements, parsed, put into DuckDB's terms and run."""

    def __init__(self, duck: Any) -> None:
        self._results: dict[str, tuple[Any, ...]] = {}
        self._connection = fakesnow.fakes.FakeSnowflakeConnection(
            duck, self._results, create_database=False, create_schema=False
        )
        self._cursor = fakesnow.cursor.FakeSnowflakeCursor(self._connection, _WithoutLoadHistory(duck))

    def use(self, database: str | None, schema: str | None) -> str | None:
        """Make these the current database and schema; returns the name that the schema has in the engine."""
        connection = self._connection
        connection.database, connection.database_set = database, database is not None
        connection._schema, connection.schema_set = schema, schema is not None
        if schema == "INFORMATION_SCHEMA":
            connection._schema = "_FS_INFORMATION_SCHEMA"
        return connection._schema

    def parts(self, expression: exp.Expression) -> list[exp.Expression]:
        """The statements that one is carried out by."""
        return list(self._cursor._transform_explode(expression))

    def transform(self, expression: exp.Expression, params: Any) -> exp.Expression:
        """A statement in DuckDB's terms."""
        passes: Any = Passes(expression)
        return self._cursor._transform(passes, params).expression

    def execute(self, transformed: exp.Expression, params: Any) -> tuple[Any, int | None]:
        """Run a statement that is in DuckDB's terms: its rows, and how many it changed or gave."""
        self._cursor._execute(transformed, params)
        self._results.clear()
        return self._cursor._arrow_table, self._cursor._rowcount
