"""A model's features between arrow columns and the pandas values that its code sees.

The types are those that Snowflake's generated handler gives a model: pandas' nullable ones where the signature says so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

# A feature's type in the package's signature: what it is called in the engine, and what comes out as.
ENGINE_TYPES = {"FLOAT": "DOUBLE", "DOUBLE": "DOUBLE", "BOOL": "BOOLEAN", "STRING": "VARCHAR", "BYTES": "BLOB"}
ENGINE_TYPES |= {f"{sign}INT{size}": "BIGINT" for sign in ("", "U") for size in (8, 16, 32, 64)}
ENGINE_TYPES |= {"TIMESTAMP_NTZ": "TIMESTAMP", "ARRAY": "JSON", "OBJECT": "JSON"}
_ARROW_TYPES = {
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    "JSON": pa.json_(),
}


def arrow_type(feature_type: str) -> pa.DataType:
    """The arrow type of a feature's values."""
    return _ARROW_TYPES[ENGINE_TYPES[feature_type]]


def to_frame(columns: Sequence[pa.ChunkedArray], features: Sequence[Any], kinds: Sequence[str]) -> pd.DataFrame:
    """The rows as a model's code gets them; `kinds` are the types of `ENGINE_TYPES`."""
    return pd.DataFrame(
        {f.name: _to_pandas(c, f.as_dtype(), k) for c, f, k in zip(columns, features, kinds, strict=True)}, copy=False
    )


def _to_pandas(column: pa.ChunkedArray, dtype: Any, kind: str) -> Any:
    """One column; the types that most models have go without a detour over Python's objects."""
    if ENGINE_TYPES[kind] == "JSON":
        values = [None if text is None else json.loads(text) for text in column.to_pylist()]
        return pd.Series(values, dtype=object)
    if isinstance(dtype, pd.Float64Dtype):
        numbers = _numpy(column)
        return pd.arrays.FloatingArray(numbers, np.isnan(numbers))
    if isinstance(dtype, pd.Int64Dtype):
        missing = column.is_null().to_numpy()
        return pd.arrays.IntegerArray(_writable(column.fill_null(0).to_numpy()), missing)
    if isinstance(dtype, pd.BooleanDtype):
        missing = column.is_null().to_numpy()
        return pd.arrays.BooleanArray(_numpy(column.fill_null(False)), missing)
    if isinstance(dtype, pd.StringDtype) and dtype.storage == "python":
        return pd.arrays.StringArray(_texts(column))
    return column.to_pandas().astype(dtype)


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    return _writable(column.to_numpy())


def _writable(values: np.ndarray) -> np.ndarray:
    """A model may change what it is given; arrow's memory it may not."""
    return values if values.flags.writeable else values.copy()


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    """Texts as objects: equal ones are one object, which saves most of the time in columns of categories."""
    encoded = column.combine_chunks().dictionary_encode()
    distinct = np.empty(len(encoded.dictionary) + 1, dtype=object)
    distinct[:-1] = encoded.dictionary.to_pylist()
    distinct[-1] = pd.NA
    return distinct[encoded.indices.fill_null(len(distinct) - 1).to_numpy()]


def to_arrow(values: pd.Series, kind: str) -> pa.Array:
    """A column of what the model gave; NaN is NULL, as the handler makes it."""
    type_ = arrow_type(kind)
    if ENGINE_TYPES[kind] == "JSON":
        texts = [None if _is_missing(v) else json.dumps(v, default=_plain) for v in values]
        return pa.ExtensionArray.from_storage(type_, pa.array(texts, pa.string()))
    made = pa.array(values, from_pandas=True) if values.dtype != object else pa.array(values, type_, from_pandas=True)
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    return made if made.type == type_ else made.cast(type_)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _plain(value: Any) -> Any:
    """What JSON has no word for: numpy's arrays and numbers."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
