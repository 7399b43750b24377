"""Running the calls of a SELECT over the rows of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import SqlError
from include.sandbox.snowflake.scoring.features import arrow_type
from include.sandbox.snowflake.scoring.packages import outputs
from include.sandbox.snowflake.scoring.predictions import Spool, through

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.sandbox.snowflake.objects.methods import Method
    from include.sandbox.snowflake.scoring.calls import Call
    from include.sandbox.snowflake.scoring.model_sources import Source
    from include.sandbox.snowflake.scoring.packages import Package
    from include.sandbox.snowflake.scoring.table_calls import TableCall

_BATCH_ROWS = 131_072
_BATCH_VALUES = 4_000_000
_PARTITION = "_partition"
_JSON = pa.json_()
_Reading = tuple[str, dict[str, str]]


def run(source: Source, kept: dict[str, exp.Expression], calls: list[Call], table: TableCall | None) -> Spool:
    """Read the columns that are kept and the arguments, and predict; gives rows of the kept ones and the results."""
    text, types = _reading(source, kept, calls, table)
    session = source.session
    load = session.account.packages.load
    packages = [] if source.registered.without_rows else [load(call.version.folder) for call in calls]
    width = len(kept) + sum(len(c.arguments) for c in calls)
    rows = max(2_048, min(_BATCH_ROWS, _BATCH_VALUES // max(width, 1)))
    # Where it is left early it must be closed, or the session could not run its next statement.
    with session.cursor.stream(text, rows) as reader:
        fields = [_kept_field(reader.schema.field(name), types[name]) for name in kept]
        fields += [field for call in calls for field in _fields(call, table)]
        spool = Spool(pa.schema(fields), session.account.folder / "spill")
        batches: Iterator[pa.RecordBatch] = (b for b in reader if b.num_rows)
        if table and table.call.method.is_partitioned:
            work = partial(_partition, schema=spool.schema, table=table, packages=packages, fixed=_fixed(kept, table))
            batches = _partitions(batches)
        else:
            work = partial(_predicted, schema=spool.schema, calls=calls, packages=packages)
        at_once = 2 if all(p.is_reentrant for p in packages) else 1
        for batch in through(batches, work, at_once=at_once, check=_stopped(session)):
            spool.write(batch)
    return spool.finish()


def _reading(source: Source, kept: dict[str, exp.Expression], calls: list[Call], table: TableCall | None) -> _Reading:
    """The engine's query for the kept columns and, in the types that the methods want, the arguments; and its types."""
    wanted = dict(kept)
    for call in calls:
        wanted |= dict(zip(call.names, call.arguments, strict=True))
    keys: list[str] = []
    if table and table.call.method.is_partitioned:
        keys = [f"{_PARTITION}_{i}" for i in range(len(table.call.partition_by))]
        wanted |= dict(zip(keys, table.call.partition_by, strict=True))
    order = table.call.order_by if table else []
    wanted |= {f"_order_{i}": ordered.this for i, ordered in enumerate(order)}
    text = source.select(wanted)
    types = source.types(text)
    columns: list[exp.Expression] = [_exactly(key, types[key]) for key in kept]
    for call in calls:
        of_arguments = [types[name] for name in call.names]
        call.check_types(of_arguments)
        columns += call.casts(of_arguments)
    query = exp.select(*columns).from_("_rows")
    if table and table.call.method.is_partitioned:
        query = _by_partition(query, keys, order)
    return f"WITH _rows AS NOT MATERIALIZED ({text}) {query.sql(dialect='duckdb')}", types


def _by_partition(query: exp.Select, keys: list[str], order: list[exp.Expression]) -> exp.Select:
    """Number the partitions, and sort the rows by them."""
    number: exp.Expression = exp.Literal.number(1)
    if keys:
        sorting = [exp.Ordered(this=exp.column(key, quoted=True), nulls_first=True) for key in keys]
        number = exp.Window(this=exp.Anonymous(this="dense_rank"), order=exp.Order(expressions=sorting))
    query = query.select(exp.alias_(number, _PARTITION, quoted=True)).order_by(exp.column(_PARTITION, quoted=True))
    for position, ordered in enumerate(order):
        by = ordered.copy()
        by.set("this", exp.column(f"_order_{position}", quoted=True))
        query = query.order_by(by)
    return query


def _exactly(key: str, engine_type: str) -> exp.Expression:
    """A kept column; the engine hands its widest integers over as floats, unless told otherwise."""
    column = exp.column(key, quoted=True)
    if engine_type != "HUGEINT":
        return column
    return exp.alias_(exp.cast(column, exp.DataType.build("DECIMAL(38,0)", "duckdb")), key, quoted=True)


def _kept_field(field: pa.Field, engine_type: str) -> pa.Field:
    """The engine hands JSON over as text; it is to be JSON again."""
    return pa.field(field.name, _JSON) if engine_type == "JSON" else field


def _kept(column: pa.Array, field: pa.Field) -> pa.Array:
    return pa.ExtensionArray.from_storage(_JSON, column) if field.type == _JSON else column


def _fields(call: Call, table: TableCall | None) -> list[pa.Field]:
    types = [arrow_type(kind) for kind in call.method.outputs.values()]
    if table:
        return [pa.field(name, type_) for name, type_ in zip(table.outputs.values(), types, strict=True)]
    if call.method.returns_object:
        return [pa.field(call.column, pa.struct(list(zip(call.method.outputs, types, strict=True))))]
    return [pa.field(call.column, types[0])]


def _stopped(session: Any) -> Callable[[], None]:
    """Raises when the statement has been cancelled, or has had its time."""

    def check() -> None:
        query = getattr(session, "current", None)
        if query is not None and query.stopped:
            raise query.stopped

    return check


# ---- rows in, rows out ----


def _predicted(batch: pa.RecordBatch, schema: pa.Schema, calls: list[Call], packages: list[Package]) -> pa.RecordBatch:
    """A batch's kept columns with the results of all calls."""
    table = pa.Table.from_batches([batch])
    kept = len(schema) - sum(len(_fields_of(c, schema)) for c in calls)
    columns = [_kept(batch.column(field.name), field) for field in list(schema)[:kept]]
    for call, package in zip(calls, packages, strict=True):
        results = _in_python(call.method, partial(_predict, package, call.method, table.select(call.names)))
        if len(_fields_of(call, schema)) == 1 and call.method.returns_object and call.method.kind != "TABLE_FUNCTION":
            results = [pa.StructArray.from_arrays(results, list(call.method.outputs))]
        columns += results
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _fields_of(call: Call, schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name == call.column or name.startswith(f"{call.column}_out_")]


def _predict(package: Package, method: Method, arguments: pa.Table) -> list[pa.Array]:
    """Predict at once, or in parts where the model was logged with a limit."""
    limit = method.max_batch_size or arguments.num_rows
    if arguments.num_rows <= limit:
        return package.predict(method, arguments)
    parts = [package.predict(method, arguments.slice(i, limit)) for i in range(0, arguments.num_rows, limit)]
    return [pa.concat_arrays(column) for column in zip(*parts, strict=True)]


def _partitions(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of one partition at a time; they come sorted by the partition's number."""
    rest: list[pa.RecordBatch] = []
    for batch in batches:
        numbers = batch.column(_PARTITION).to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
        for first, last in pairwise(cuts):
            part = batch.slice(first, last - first)
            if rest and rest[-1].column(_PARTITION)[0] != part.column(_PARTITION)[0]:
                yield _one(rest)
                rest = []
            rest.append(part)
    if rest:
        yield _one(rest)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _fixed(kept: dict[str, exp.Expression], table: TableCall) -> set[str]:
    """The kept columns that all rows of a partition have in common: its own columns."""
    keys = table.call.partition_by
    return {
        key
        for key, column in kept.items()
        if any(isinstance(k, exp.Column) and k.name == column.name and _may_be_one(k, column) for k in keys)
    }


def _may_be_one(key: exp.Expression, column: exp.Expression) -> bool:
    tables = {c.table for c in (key, column) if isinstance(c, exp.Column) and c.table}
    return len(tables) < 2


def _partition(
    batch: pa.RecordBatch, schema: pa.Schema, table: TableCall, packages: list[Package], fixed: set[str]
) -> pa.RecordBatch:
    """What the method makes of a partition; of the source's columns only the partition's own have a value."""
    call = table.call
    arguments = pa.Table.from_batches([batch]).select(call.names)
    predicted: pd.DataFrame = _in_python(call.method, partial(packages[0].run, call.method, arguments))
    results = _in_python(call.method, partial(outputs, call.method, predicted))
    count = len(predicted)
    columns: list[pa.Array] = []
    for field in list(schema)[: len(schema) - len(results)]:
        given = batch.column(field.name)
        column = pa.repeat(given[0], count) if field.name in fixed else pa.nulls(count, given.type)
        columns.append(_kept(column, field))
    return pa.RecordBatch.from_arrays([*columns, *results], schema=schema)


def _in_python(method: Method, run: Callable[[], Any]) -> Any:
    """Report what the model's own code raises as Snowflake does for Python in the warehouse."""
    try:
        return run()
    except SqlError:
        raise
    except Exception as error:
        text = f"Python Interpreter Error:\n{type(error).__name__}: {error}\n in function {method.name}"
        raise SqlError(100357, "P0000", text) from error
