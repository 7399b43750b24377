"""One statement with many rows of bound values, as `executemany` sends it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.sql import rewrite
from include.sandbox.snowflake.sql.tables import Registered
from include.sandbox.snowflake.staging import conversions, formats
from include.sandbox.snowflake.staging.files import identifier

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_MOMENTS = ("TIMESTAMP", "DATE", "TIME")


def run(session: Session, expression: exp.Expression, batch: list[tuple[Any, ...]]) -> Result:
    """Run a statement for each row of values: an INSERT of them as one, any other one after the other."""
    values = expression.expression if isinstance(expression, exp.Insert) else None
    if not isinstance(expression, exp.Insert) or not isinstance(values, exp.Values) or len(values.expressions) != 1:
        verb = {exp.Update: "updated", exp.Delete: "deleted"}.get(type(expression), "inserted")
        return rewrite.count_result(verb, session.cursor.run_batch(expression, batch))
    columns = [_array(list(column)) for column in zip(*batch, strict=True)]
    with Registered(session) as registered:
        table = registered.add(pa.table(columns, names=[f"c{i}" for i in range(len(columns))]))
        types = _types_of_target(session, expression)
        taken = iter(range(len(columns)))
        projections = [
            _projection(value, type_, columns, taken)
            for value, type_ in zip(values.expressions[0].expressions, types, strict=False)
        ]
        if len(projections) == len(values.expressions[0].expressions):
            expression.set("expression", exp.select(*projections).from_(table))
            return rewrite.count_result("inserted", int(session.cursor.run(expression, None).rowcount or 0))
    return rewrite.count_result("inserted", session.cursor.run_batch(expression, batch))


def _array(values: list[Any]) -> pa.Array:
    """A column of bound values; where their types differ they are texts, which the engine reads again."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _text(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _types_of_target(session: Session, insert: exp.Insert) -> list[str]:
    target = insert.this
    names = [c.name for c in target.expressions] if isinstance(target, exp.Schema) else None
    table = target.this if isinstance(target, exp.Schema) else target
    chosen = ", ".join(map(identifier, names)) if names else "*"
    return session.cursor.query(f"SELECT {chosen} FROM {table.sql(dialect='duckdb')} LIMIT 0").types


def _projection(value: exp.Expression, type_: str, columns: list[pa.Array], taken: Any) -> exp.Expression:
    """An element of VALUES with the rows' columns in the place of its marks."""
    if isinstance(value, exp.Placeholder):
        number = next(taken)
        column = f"c{number}"
        if pa.types.is_string(columns[number].type) and type_.startswith(_MOMENTS):
            # Snowflake finds out what a text means: a date, or seconds, milliseconds ... since 1970.
            read = conversions.read(column, type_, formats.checked({}))
            return exp.Var(this=f"coalesce({read}, CASE WHEN {column} IS NOT NULL THEN {column}::{type_} END)")
        if pa.types.is_string(columns[number].type) and type_ == "BLOB":
            return exp.Var(this=f"unhex({column})")  # texts for a binary column are hexadecimal
        return exp.column(column, quoted=True)
    for mark in list(value.find_all(exp.Placeholder, bfs=False)):
        mark.replace(exp.column(f"c{next(taken)}", quoted=True))
    return value.copy()
