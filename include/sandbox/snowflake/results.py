"""The answer to one statement, and how it is put into Snowflake's JSON and Arrow forms."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from include.sandbox.snowflake.fakesnow_seams import ColumnInfo, describe_as_rowtype, statement_type, to_ipc, to_sf

_ARROW_TO_ENGINE = {pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN", pa.float64(): "DOUBLE"}
CREATED_ON = pa.timestamp("us", tz="UTC")


@dataclass
class Result:
    """Rows with the engine's type names of their columns, or a file transfer for the client to do."""

    table: pa.Table
    types: list[str]
    type_id: int = statement_type.UNKNOWN
    rowcount: int | None = None
    transfer: dict[str, Any] | None = None
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parts: list[tuple[str, int]] = field(default_factory=list)  # query id and type of each of several statements

    @property
    def rowtype(self) -> list[ColumnInfo]:
        """The columns as Snowflake describes them."""
        names = self.table.column_names
        return describe_as_rowtype([(n, t, None, None, None, None) for n, t in zip(names, self.types, strict=True)])

    @property
    def counts_changes(self) -> bool:
        """True for the answer to a change, whose counts of rows clients read from JSON only."""
        return self.type_id in statement_type.DML_TYPE_IDS

    def to_ipc(self, start: int, count: int) -> bytes:
        """Some of the rows as clients read them: an Arrow stream."""
        table = _timestamps_as_structs(self.table.slice(start, count))
        return bytes(memoryview(to_ipc(to_sf(table, self.rowtype))))

    def payload(self) -> dict[str, Any]:
        """The part of the response that carries the rows."""
        if self.counts_changes:
            rows = [[None if v is None else str(v) for v in row.values()] for row in self.table.to_pylist()]
            return {"queryResultFormat": "json", "rowset": rows, "total": len(rows)}
        rows_ = self.table.num_rows
        encoded = b64encode(self.to_ipc(0, rows_)).decode() if rows_ else ""
        return {"queryResultFormat": "arrow", "rowsetBase64": encoded, "total": rows_}


def rows(records: Sequence[dict[str, Any]], columns: dict[str, pa.DataType] | Sequence[str]) -> Result:
    """Make a result of plain records; columns without a type are text."""
    types = columns if isinstance(columns, dict) else dict.fromkeys(columns, pa.string())
    table = pa.Table.from_pylist(list(records), schema=pa.schema(list(types.items())))
    return Result(table, [_engine_type(t) for t in types.values()])


def status(message: str) -> Result:
    """The one row, one column answer of most statements that return no data."""
    return rows([{"status": message}], ["status"])


DONE = "Statement executed successfully."


def dropped(name: str, *, done: bool) -> str:
    """What a DROP IF EXISTS says."""
    return (
        f"{name} successfully dropped." if done else f"Drop statement executed successfully ({name} already dropped)."
    )


_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def _timestamps_as_structs(table: pa.Table) -> pa.Table:
    """Snowflake sends a timestamp as seconds, nanoseconds and (in 1440ths of a day) its zone; NULL stays NULL."""
    for number, field_ in enumerate(table.schema):
        if pa.types.is_timestamp(field_.type):
            column = table.column(number).combine_chunks()
            per_second = _PER_SECOND[field_.type.unit]
            value = column.cast(pa.int64()).fill_null(0).to_numpy()
            parts = {
                "epoch": pa.array(value // per_second, pa.int64()),
                "fraction": pa.array(value % per_second * (1_000_000_000 // per_second), pa.int32()),
            }
            if field_.type.tz:
                parts["timezone"] = pa.array([1440] * len(value), pa.int32())
            structs = pa.StructArray.from_arrays(list(parts.values()), list(parts), mask=column.is_null())
            table = table.set_column(number, field_.name, structs)
    return table


def _engine_type(type_: pa.DataType) -> str:
    if pa.types.is_timestamp(type_):
        return "TIMESTAMP WITH TIME ZONE" if type_.tz else "TIMESTAMP"
    return _ARROW_TO_ENGINE.get(type_, "VARCHAR")
