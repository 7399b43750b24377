"""One client's session: its names, parameters, temporary objects and transaction, and the way of a statement."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from include.sandbox.snowflake import definitions, describe, files, functions, grammar, inference, rewrite, tables
from include.sandbox.snowflake.engine import Engine, upper_case
from include.sandbox.snowflake.errors import SqlError, syntax_error, translate, unsupported
from include.sandbox.snowflake.locks import LockTable, Mode
from include.sandbox.snowflake.models import ModelStore
from include.sandbox.snowflake.results import DONE, Result, status
from include.sandbox.snowflake.transactions import Transaction

_KEPT_RESULTS = 16
_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
_CHANGES: dict[type[exp.Expression], Mode] = {
    exp.Insert: Mode.INSERT,
    exp.Copy: Mode.INSERT,
    exp.Update: Mode.CHANGE,
    exp.Delete: Mode.CHANGE,
    exp.Merge: Mode.CHANGE,
    exp.TruncateTable: Mode.CHANGE,
}
_SHOWS = {"TABLES", "VIEWS", "OBJECTS", "COLUMNS", "STAGES", "FILE FORMATS", "SEQUENCES", "USERS", "PROCEDURES"}

TableKey = tuple[str, str, str]


@dataclass
class Account:
    """What all sessions share."""

    name: str
    user: str
    role: str
    warehouse: str
    engine: Engine
    models: ModelStore
    locks: LockTable = field(default_factory=LockTable)
    packages: inference.PackageCache = field(default_factory=inference.PackageCache)


class Session:
    """A logged-in client. Its statements run one at a time."""

    def __init__(self, account: Account, session_id: int) -> None:
        self.account = account
        self.id = session_id
        self.cursor = account.engine.cursor()
        self.transaction = Transaction(self.cursor, account.locks, self)
        self.database: str | None = None
        self.schema: str | None = None
        self.role: str = account.role
        self.warehouse: str | None = account.warehouse
        self.autocommit = True
        self.parameters: dict[str, Any] = {
            "LOCK_TIMEOUT": 43200,
            "QUERY_TAG": "",
            "STATEMENT_TIMEOUT_IN_SECONDS": 172800,
        }
        self.variables: dict[str, str] = {}
        self.temporary_tables: dict[TableKey, str] = {}
        self.temporary_stages: list[Callable[[], None]] = []
        self.results: OrderedDict[str, Result] = OrderedDict()
        self.last_used = time.monotonic()
        self._busy = threading.Lock()
        self._registered = 0

    def use(self, database: str | None, schema: str | None) -> None:
        """Make these the current database and schema."""
        self.database, self.schema = database, schema
        self.cursor.use(database, schema)

    def execute(
        self,
        sql: str,
        params: Any = None,
        batch: list[tuple[Any, ...]] | None = None,
        *,
        query_id: str = "",
        describe_only: bool = False,
    ) -> Result:
        """Run one statement; whatever goes wrong is raised as an `SqlError`."""
        with self._busy:
            self.last_used = time.monotonic()
            try:
                result = self._execute(sql, params, batch, describe_only=describe_only)
            except Exception as error:
                raise translate(error) from error
            finally:
                self.last_used = time.monotonic()
            result.query_id = query_id or result.query_id
            if not describe_only:
                self.results[result.query_id] = result
            while len(self.results) > _KEPT_RESULTS:
                self.results.popitem(last=False)
            return result

    @property
    def is_busy(self) -> bool:
        """True while a statement runs."""
        return self._busy.locked()

    def cancel(self) -> None:
        """Stop the running statement, also where it waits for a lock."""
        self.account.locks.cancel(self)
        self.cursor.interrupt()

    def close(self) -> None:
        """End the session: roll back what is open, drop what is temporary."""
        self.cancel()
        with self._busy:
            self.transaction.rollback()
            for remove in self.temporary_stages:
                remove()
            self.cursor.close()

    def qualify(self, name: str | tuple[str, ...]) -> TableKey:
        """Complete a name with the current database and schema."""
        parts = grammar.split_name(name) if isinstance(name, str) else name
        missing = 3 - len(parts)
        if missing and not self.database:
            raise _no_current("database", 90105)
        if missing == 2 and not self.schema:
            raise _no_current("schema", 90106)
        return (*(self.database, self.schema)[:missing], *parts)  # type: ignore[return-value]

    def show_table(self, table: Any) -> str:
        """Register an arrow table for the statement under way; returns the name to read it by."""
        self._registered += 1
        name = f"_sandbox_{self._registered}"
        self.cursor.register(name, table)
        return name

    def _execute(self, sql: str, params: Any, batch: list[tuple[Any, ...]] | None, *, describe_only: bool) -> Result:
        if found := grammar.match(sql):
            return self._run_own(*found, params)
        expression = self._parse(substitute_variables(definitions.usual_spelling(sql), self.variables))
        params = list(params) if isinstance(params, tuple) else params
        expression = upper_case(rewrite.identifier_calls(expression, list(batch[0]) if batch else params))
        rewrite.check_supported(expression, sql)
        rewrite.column_positions(expression)
        expression = functions.translate_functions(expression, self)
        rewrite.qualify_tables(expression, self)
        if describe_only:
            return self._describe(expression, params)
        if params and expression.find(exp.ModelAttribute):
            expression, params = inference.inline_values(expression, params), None
        return self._dispatch(expression, params, batch)

    def _run_own(self, own: grammar.Statement, values: dict[str, Any], params: Any) -> Result:
        if own.takes_params:
            values = {**values, "params": params}
        if own.effect is grammar.Effect.DDL:
            self.transaction.commit()
            with self.account.engine.ddl:
                return own.carry_out(self, values)
        return own.carry_out(self, values)

    def _describe(self, expression: exp.Expression, params: Any) -> Result:
        """The columns of a query, without running it; other statements have nothing to tell."""
        if not isinstance(expression, _QUERIES):
            return status(DONE)
        for placeholder in list(expression.find_all(exp.Placeholder)):
            placeholder.replace(exp.null())
        with tables.Registered(self, without_rows=True) as registered:
            expression = rewrite.name_columns(expression)
            tables.virtual_tables(expression, registered, params)
            expression = inference.rewrite(expression, registered)
            empty = exp.select("*").from_(expression.subquery("_q")).limit(0)
            return self.transaction.query(lambda: self.cursor.run(empty, None))

    def _parse(self, sql: str) -> exp.Expression:
        try:
            expressions = [e for e in sqlglot.parse(sql, read="snowflake") if e and not isinstance(e, exp.Semicolon)]
        except SqlglotError as error:
            raise syntax_error(re.sub(r"\x1b\[\d+m", "", str(error))) from None
        if len(expressions) != 1:
            raise SqlError(
                8, "0A000", f"Actual statement count {len(expressions)} did not match the desired statement count 1."
            )
        return expressions[0]

    def _dispatch(self, expression: exp.Expression, params: Any, batch: list[tuple[Any, ...]] | None) -> Result:
        timeout = float(self.parameters["LOCK_TIMEOUT"])
        if mode := _CHANGES.get(type(expression)):
            if not self.autocommit:
                self.transaction.begin()
            table = rewrite.target_of(expression)
            return self.transaction.change(table, mode, lambda: self._change(expression.copy(), params, batch), timeout)
        if isinstance(expression, (*_QUERIES, exp.Describe)):
            return self.transaction.query(lambda: self._query(expression.copy(), params))
        if isinstance(expression, exp.Show):
            return self._show(expression)
        if isinstance(expression, exp.Create | exp.Alter | exp.Drop | exp.Comment):
            return self._define(expression, params, timeout)
        if isinstance(expression, exp.Set):
            return self._set_variable(expression)
        raise unsupported(grammar.head(expression.sql(dialect="snowflake")))

    def _query(self, expression: exp.Expression, params: Any) -> Result:
        with tables.Registered(self) as registered:
            expression = rewrite.name_columns(expression)
            tables.virtual_tables(expression, registered, params)
            expression = inference.rewrite(expression, registered)
            return self.cursor.run(expression, _copied(params))

    def _change(self, expression: exp.Expression, params: Any, batch: list[tuple[Any, ...]] | None) -> Result:
        if batch:
            return rewrite.count_result("inserted", self.cursor.run_batch(expression, batch))
        with tables.Registered(self) as registered:
            tables.virtual_tables(expression, registered, params)
            expression = inference.rewrite(expression, registered)
            if isinstance(expression, exp.Copy) and files.is_parquet(self, expression):
                return files.copy_parquet(self, expression, _copied(params))
            if isinstance(expression, exp.Merge):
                return rewrite.run_merge(self.cursor, expression, params)
            return self.cursor.run(expression, _copied(params))

    def _define(self, expression: exp.Expression, params: Any, timeout: float) -> Result:
        def run() -> Result:
            with tables.Registered(self) as registered:
                defined = definitions.definition(expression.copy(), self)
                tables.virtual_tables(defined, registered, params)
                defined = inference.rewrite(defined, registered)
                with self.account.engine.ddl:
                    result = self.cursor.run(defined, _copied(params))
                return definitions.after_definition(expression, self, result)

        return self.transaction.alter(rewrite.target_of(expression), run, timeout)

    def _show(self, expression: exp.Show) -> Result:
        if expression.name.upper() not in _SHOWS:
            raise unsupported(f"SHOW {expression.name.upper()}")
        result = self.cursor.run(expression.copy(), None)
        return describe.filter_show(result, expression)

    def _set_variable(self, expression: exp.Set) -> Result:
        for item in expression.expressions:
            if not isinstance(item, exp.SetItem) or not isinstance(item.this, exp.EQ):
                raise unsupported("SET")
            value = self.cursor.query(f"SELECT {self.cursor.to_duckdb(item.this.expression.copy())} AS v")
            literal = exp.convert(value.table.to_pylist()[0]["v"])
            self.variables[item.this.this.name.upper()] = literal.sql(dialect="snowflake")
        return status(DONE)


def _copied(params: Any) -> Any:
    """Fakesnow takes bound values out of the list as it goes, so it gets a list of its own."""
    return list(params) if isinstance(params, list) else params


def _no_current(kind: str, code: int) -> SqlError:
    return SqlError(
        code,
        "22000",
        f"Cannot perform operation. This session does not have a current {kind}. "
        f"Call 'USE {kind.upper()}', or use a qualified name.",
    )


_NOT_VARIABLES = r"'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|[\w$]*\w\$\w*"


def substitute_variables(sql: str, variables: dict[str, str]) -> str:
    """Replace `$name` by the session variable's value, but not inside strings, names and comments."""

    def value(found: re.Match[str]) -> str:
        if not (name := found["variable"]):
            return found[0]
        if name.upper() not in variables:
            raise SqlError(2211, "02000", f"SQL compilation error:\nSession variable '${name.upper()}' does not exist")
        return variables[name.upper()]

    return re.sub(rf"{_NOT_VARIABLES}|\$(?P<variable>[A-Za-z_]\w*)", value, sql, flags=re.DOTALL)
