"""Bring a result's batches, one by one and without a second copy, to the columns that training takes."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from .failure import TrainingFailure
from .job import Job
from .statements import ColumnType

# Name of the week's column among those read: no column of Snowflake can have it.
WEEK = "\0week"
_CATEGORY = pa.dictionary(pa.int32(), pa.string())


def schema(job: Job, label: ColumnType) -> pa.Schema:
    """Columns of a shard, the same for every shard of a table: categories, numbers, the label, the week."""
    kinds = {"categorical": _CATEGORY, "numeric": pa.float64()}
    fields = [pa.field(feature.name, kinds[feature.kind]) for feature in job.ordered_features]
    return pa.schema([*fields, pa.field(job.label, _label_type(label)), pa.field(WEEK, pa.date32())])


def gather(batches: Iterable[pa.Table], wanted: pa.Schema, job: Job) -> pa.Table:
    """Put batches together, in their chunks, with one set of categories a column.

    :raises TrainingFailure: if a number is infinite, or a label NaN or no whole number of 64 bits
    """
    tables = [_convert(batch, wanted, job) for batch in batches if batch.num_rows]
    return pa.concat_tables(tables).unify_dictionaries() if tables else wanted.empty_table()


def _label_type(label: ColumnType) -> pa.DataType:
    if label.name == "FIXED" and not label.scale:
        return pa.int64()
    return {"TEXT": pa.string(), "BOOLEAN": pa.bool_()}.get(label.name, pa.float64())


def _convert(batch: pa.Table, wanted: pa.Schema, job: Job) -> pa.Table:
    columns = [_column(column, field, job) for column, field in zip(batch.columns, wanted, strict=True)]
    return pa.Table.from_arrays(columns, schema=wanted)


def _column(column: pa.ChunkedArray, field: pa.Field, job: Job) -> pa.ChunkedArray:
    if field.type == _CATEGORY:
        return column.cast(pa.string()).dictionary_encode()
    try:
        converted = column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise TrainingFailure(f"column {field.name} of {job.table} holds what is no {field.type}: {error}") from None
    if field.type == pa.float64() and pc.any(pc.is_inf(converted)).as_py():
        raise TrainingFailure(
            f"column {field.name} of {job.table} holds infinite numbers, which no tree can split on; "
            f"put NULL or a finite number in their place"
        )
    if field.name == job.label and field.type == pa.float64() and pc.any(pc.is_nan(converted)).as_py():
        raise TrainingFailure(f"label {field.name} of {job.table} holds NaN; put NULL in its place")
    return converted
