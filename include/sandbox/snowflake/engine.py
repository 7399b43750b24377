"""The engine: the account's databases in DuckDB files, and each session's way into them.

The rest of the sandbox sees `Engine` and `Cursor` only; what they take from fakesnow is in `fakesnow_seams`.
"""

from __future__ import annotations

import shutil
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake import fakesnow_seams
from include.sandbox.snowflake.duck import Definitions, Duck
from include.sandbox.snowflake.errors import already_exists, not_found, unsupported
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.sql import history
from include.sandbox.snowflake.sql.macros import MACROS

# What COPY has loaded into a database's tables: there, so that it is written with the rows or not at all.
LOADS = "_fs_information_schema._sandbox_loaded_files"
LOADS_COLUMNS = (
    "table_id VARCHAR, file VARCHAR, content_key VARCHAR, loaded_at TIMESTAMP, "
    "status VARCHAR, rows_parsed BIGINT, rows_loaded BIGINT, errors_seen BIGINT"
)
_GLOBAL = "_fs_global"
_MADE = "_fs_information_schema._sandbox_made"
_INTERNAL = {"memory", "system", "temp", _GLOBAL}


class Engine:
    """The account's databases: one DuckDB file each, and one for what spans them."""

    def __init__(self, folder: Path) -> None:
        self._databases = folder / "databases"
        self._databases.mkdir(parents=True, exist_ok=True)
        self.stages = folder / "stages"
        self.stages.mkdir(exist_ok=True)
        fakesnow_seams.keep_files_in(self.stages)
        self.ddl = threading.RLock()
        self._duck = Duck(duckdb.connect(":memory:", config={"lambda_syntax": "ENABLE_SINGLE_ARROW"}), Definitions())
        words = self._duck.catalog("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'")
        # These two are parsed as names where they are not: ORDER BY ALL, VALUES (DEFAULT).
        self._reserved = frozenset(word for (word,) in words) - {"all", "default"}
        self._duck.execute("SET GLOBAL TimeZone = 'UTC'")
        # For few rows an ASOF join takes pairs one by one; where the engine only thinks they are few, that never ends.
        self._duck.execute("SET GLOBAL asof_loop_join_threshold = 0")
        shutil.rmtree(folder / "spill", ignore_errors=True)  # what a server that was killed has left
        self._duck.execute(f"SET temp_directory = '{folder / 'spill'}'")
        self._duck.execute(f"ATTACH '{folder / 'account.db'}' AS {_GLOBAL}")
        for sql in [*fakesnow_seams.account_sql(), *MACROS]:
            self._duck.execute(sql)
        for file in list(self._databases.iterdir()):
            is_orphan = file.name.endswith(".db.wal") and not file.with_suffix("").exists()
            if is_orphan or file.name.endswith((".new", ".new.wal", ".dropped")):
                file.unlink()  # what a crash has left of a CREATE or DROP
        for file in sorted(self._databases.glob("*.db")):
            self._attach(file.stem)

    def _attach(self, name: str, suffix: str = "db") -> None:
        path = str(self._databases / f"{name}.{suffix}").replace("'", "''")
        self._duck.execute(f"ATTACH '{path}' AS \"{name}\"")
        for sql in fakesnow_seams.database_sql(name):
            self._duck.execute(sql)
        history.prepare(self._duck, name)
        self._duck.execute(f'CREATE TABLE IF NOT EXISTS "{name}".{_MADE} (name VARCHAR, made_on TIMESTAMPTZ)')
        self._duck.execute(f'CREATE TABLE IF NOT EXISTS "{name}".{LOADS} ({LOADS_COLUMNS})')

    def databases(self) -> list[str]:
        """The databases that clients have created, by name."""
        found = self._duck.cursor().catalog("SELECT database_name FROM duckdb_databases()")
        return sorted(name for (name,) in found if name not in _INTERNAL)

    def schemas(self, database: str) -> list[str]:
        """The schemas of a database, without the engine's own."""
        found = self._duck.cursor().catalog(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal", [database]
        )
        return sorted(n for (n,) in found if n not in {"main", "_fs_information_schema"})

    def has_schema(self, database: str | None, schema: str | None) -> bool:
        """True if the database has this schema; INFORMATION_SCHEMA is always there."""
        if database not in self.databases():
            return False
        return schema == "INFORMATION_SCHEMA" or schema in self.schemas(str(database))

    def create_database(self, name: str, *, if_not_exists: bool) -> bool:
        """Create a database with its schema PUBLIC; False if it was there already."""
        if set(name) & set("'\"/\\\0"):
            raise unsupported("quotes and slashes in the name of a database")
        with self.ddl:
            if name in self.databases():
                if if_not_exists:
                    return False
                raise already_exists(name)
            self._attach(name, "new")
            self._duck.execute(f"INSERT INTO \"{name}\".{_MADE} VALUES ('', now())")
            self._make_schema(name, "PUBLIC")
            # It has its name when it is whole: the process may die on the way.
            self._duck.execute(f'FORCE CHECKPOINT "{name}"')
            self._duck.execute(f'DETACH "{name}"')
            (self._databases / f"{name}.new").rename(self._databases / f"{name}.db")
            self._attach(name)
            return True

    def _make_schema(self, database: str, schema: str) -> None:
        self._duck.execute("BEGIN")
        try:
            self._duck.execute(f'CREATE SCHEMA "{database}"."{schema}"')
            self._duck.execute(f'DELETE FROM "{database}".{_MADE} WHERE name = ?', [schema])
            self._duck.execute(f'INSERT INTO "{database}".{_MADE} VALUES (?, now())', [schema])
            self._duck.execute("COMMIT")
        except BaseException:
            self._duck.execute("ROLLBACK")
            raise

    def made_on(self, database: str) -> dict[str, datetime]:
        """When a database (under an empty name) and its schemas were made."""
        found = self._duck.cursor().execute(f'SELECT name, max(made_on) FROM "{database}".{_MADE} GROUP BY name')
        return dict(found.fetchall())

    def drop_database(self, name: str, *, if_exists: bool) -> bool:
        """Drop a database and its file; False if there was none."""
        with self.ddl:
            if name not in self.databases():
                if if_exists:
                    return False
                raise not_found("Database", name)
            self._duck.execute(f'DETACH "{name}"')
            dropped = (self._databases / f"{name}.db").rename(self._databases / f"{name}.dropped")
            (self._databases / f"{name}.db.wal").unlink(missing_ok=True)
            dropped.unlink()
            self._forget("database_name = ?", [name])
            return True

    def create_schema(self, database: str, schema: str, *, if_not_exists: bool) -> bool:
        """Create a schema; False if it was there already."""
        with self.ddl:
            if schema in self.schemas(database):
                if if_not_exists:
                    return False
                raise already_exists(schema)
            self._make_schema(database, schema)
            return True

    def drop_schema(self, database: str, schema: str, *, if_exists: bool) -> bool:
        """Drop a schema with everything in it; False if there was none."""
        with self.ddl:
            if schema not in self.schemas(database):
                if if_exists:
                    return False
                raise not_found("Schema", f"{database}.{schema}")
            self._duck.execute(f'DROP SCHEMA "{database}"."{schema}" CASCADE')
            self._forget("schema_name = ? AND database_name = ?", [schema, database])
            return True

    def _forget(self, where: str, values: list[str]) -> None:
        for table in ("_fs_stages", "_fs_file_formats"):
            self._duck.execute(f"DELETE FROM {_GLOBAL}._fs_information_schema.{table} WHERE {where}", values)

    def cursor(self) -> Cursor:
        """A new way into the engine, with a transaction and temporary tables of its own."""
        return Cursor(self._duck.cursor(), self._reserved)

    def close(self) -> None:
        """Write everything to the files."""
        self._duck.execute("FORCE CHECKPOINT")
        self._duck.close()


class Cursor:
    """One session's way into the engine: runs parsed Snowflake statements and plain DuckDB SQL."""

    def __init__(self, duck: Duck, reserved: frozenset[str]) -> None:
        self.duck = duck
        self._statements = fakesnow_seams.Statements(duck)
        self._reserved = reserved

    def use(self, database: str | None, schema: str | None) -> None:
        """Make these the current database and schema; the caller has checked that they exist."""
        name = self._statements.use(database, schema)
        if database is None:
            self.duck.execute("SET schema = 'memory.main'")
        else:
            self.duck.execute(f'SET schema = \'"{database}"."{name or "main"}"\'')

    def run(self, expression: exp.Expression, params: list[Any] | dict[str, Any] | None) -> Result:
        """Run one Snowflake statement through fakesnow's transforms."""
        type_id = fakesnow_seams.statement_type_id(expression)
        table, rowcount = None, None
        for part in self._statements.parts(expression):
            transformed = self._transform(part, params)
            bound = params if transformed.find(exp.Placeholder) else None
            if _is_plain_query(transformed):
                table = self.query(transformed.sql(dialect="duckdb", copy=False), bound).table
                rowcount = table.num_rows
            else:
                table, rowcount = self._statements.execute(transformed, bound)
        types = [str(column[1]) for column in self.duck.description]
        return Result(table, types, type_id, rowcount)

    def _transform(self, expression: exp.Expression, params: Any) -> exp.Expression:
        """A statement in the engine's terms, with the names quoted that are free in Snowflake and taken here."""
        if expression.find(exp.ModelAttribute):
            raise unsupported("MODEL(...)!METHOD(...) in this place")  # fakesnow would drop it
        transformed = self._statements.transform(expression, params)
        for identifier in transformed.find_all(exp.Identifier):
            if identifier.name.lower() in self._reserved:
                identifier.set("quoted", True)
        return transformed

    def run_batch(self, expression: exp.Expression, batch: list[tuple[Any, ...]]) -> int:
        """Run one statement without a result for each row of bound values; returns the rows changed."""
        transformed = self._transform(expression, list(batch[0]))
        sql = transformed.sql(dialect="duckdb")
        return sum(self.duck.execute(sql, row).fetchall()[0][0] for row in batch)

    def to_duckdb(self, expression: exp.Expression, params: list[Any] | None = None) -> str:
        """The DuckDB text of a Snowflake query."""
        return str(self._transform(expression, params).sql(dialect="duckdb"))

    def query(self, sql: str, params: list[Any] | None = None) -> Result:
        """Run DuckDB's own SQL and keep its rows."""
        self.duck.execute(sql, params)
        types = [str(column[1]) for column in self.duck.description]
        return Result(self.duck.to_arrow_table(), types)

    def types(self, sql: str) -> dict[str, str]:
        """The types of the columns that a query of DuckDB's own SQL has."""
        found = self.duck.sql(sql)
        return {name: str(type_) for name, type_ in zip(found.columns, found.types, strict=True)}

    def stream(self, sql: str, rows: int) -> pa.RecordBatchReader:
        """Run DuckDB's own SQL and read its rows in batches as they come; no other statement may run meanwhile."""
        return self.duck.sql(sql).to_arrow_reader(rows)

    def register(self, name: str, table: pa.Table) -> None:
        """Let statements of this session read an arrow table under a name."""
        self.duck.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget a registered table."""
        self.duck.unregister(name)

    def interrupt(self) -> None:
        """Stop the statement that is running."""
        self.duck.interrupt()

    def close(self) -> None:
        """Give up the connection; an open transaction is rolled back."""
        self.duck.close()


def _is_plain_query(transformed: exp.Expression) -> bool:
    """True for a query that fakesnow has noted nothing of, to be done besides: a seed, an earlier result."""
    return isinstance(transformed, exp.Query) and transformed.args.keys() <= type(transformed).arg_types.keys()
