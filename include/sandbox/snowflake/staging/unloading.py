"""COPY INTO a stage: the rows of a query as files of CSV, JSON or Parquet."""

from __future__ import annotations

import gzip
import uuid
from bz2 import compress as bz2_compress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.language.options import boolean, invalid_option, number
from include.sandbox.snowflake.protocol import transfers
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.sql.tables import Registered
from include.sandbox.snowflake.staging import conversions, stages
from include.sandbox.snowflake.staging.files import identifier, text
from include.sandbox.snowflake.staging.formats import FileFormat

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_ROWS = 20_000  # are turned into bytes at once
_EXTENSIONS = {"GZIP": ".gz", "BZ2": ".bz2", "ZSTD": ".zst"}
_FLAGS = {"OVERWRITE", "SINGLE", "INCLUDE_QUERY_ID", "DETAILED_OUTPUT", "HEADER"}
_REFUSED = {"VALIDATION_MODE", "STORAGE_INTEGRATION", "CREDENTIALS", "ENCRYPTION"}


@dataclass(frozen=True)
class Unload:
    """A COPY INTO a stage, with its options checked."""

    session: Session
    place: str
    format: FileFormat
    header: bool
    overwrite: bool
    single: bool
    query_id: bool
    detailed: bool
    max_file_size: int


@dataclass(frozen=True)
class Written:
    """A file that was made."""

    name: str
    size: int
    rows: int
    plain_size: int


def options(given: dict[str, Any]) -> dict[str, Any]:
    """Check the copy options; what is not honoured is refused."""
    for name in given:
        if name in _REFUSED:
            raise unsupported(f"COPY INTO @stage ... {name}")
        if name not in {*_FLAGS, "MAX_FILE_SIZE", "FILE_FORMAT"}:
            raise invalid_option(name)
    flags = {name: boolean(name, given.get(name, "FALSE")) for name in _FLAGS}
    if flags["SINGLE"] and flags["INCLUDE_QUERY_ID"]:
        raise SqlError(1008, "22023", f"{COMPILATION}SINGLE and INCLUDE_QUERY_ID cannot be TRUE together")
    return {
        "header": flags["HEADER"],
        "overwrite": flags["OVERWRITE"],
        "single": flags["SINGLE"],
        "query_id": flags["INCLUDE_QUERY_ID"],
        "detailed": flags["DETAILED_OUTPUT"],
        "max_file_size": number("MAX_FILE_SIZE", given.get("MAX_FILE_SIZE", "16777216"), 1),
    }


def run(unload: Unload, result: Result, partition: pa.ChunkedArray | None) -> Result:
    """Write a query's rows; with `partition`, a text for each row, into a folder for each of its values."""
    unload.format.check_usable()
    root, path, prefix = stages.split_place(unload.session, unload.place)
    _check_target(unload, root, path, partition is not None)
    written: list[Written] = []
    if partition is None:
        written = _write(unload, result.table, result.types, root, path)
    else:
        for value in sorted(pc.unique(partition).to_pylist(), key=lambda v: (v is None, v)):
            chosen = pc.is_null(partition) if value is None else pc.equal(partition, value)
            folder = "__NULL__" if value is None else value
            if not (root / path / folder).resolve().is_relative_to(root.resolve()):
                raise SqlError(1011, "42601", f"invalid partition path '{folder}'")
            under = f"{path.rstrip('/')}/{folder}/".lstrip("/")
            written += _write(unload, result.table.filter(chosen), result.types, root, under)
    if unload.detailed:
        records = [{"FILE_NAME": prefix + w.name, "FILE_SIZE": w.size, "ROW_COUNT": w.rows} for w in written]
        return rows(records, {"FILE_NAME": pa.string(), "FILE_SIZE": pa.int64(), "ROW_COUNT": pa.int64()})
    totals = {
        "rows_unloaded": sum(w.rows for w in written),
        "input_bytes": sum(w.plain_size for w in written),
        "output_bytes": sum(w.size for w in written),
    }
    return rows([totals], dict.fromkeys(totals, pa.int64()))


def _check_target(unload: Unload, root: Path, path: str, partitioned: bool) -> None:
    if partitioned:
        if unload.single or unload.overwrite:
            raise SqlError(1008, "22023", f"{COMPILATION}PARTITION BY cannot be combined with SINGLE or OVERWRITE")
    elif not unload.overwrite and not unload.query_id and stages.files(root, path):
        raise SqlError(
            1030,
            "22000",
            f"Files already existing at the unload destination: {unload.place}. "
            "Use overwrite option to force unloading.",
        )


def _write(unload: Unload, table: pa.Table, types: list[str], root: Path, path: str) -> list[Written]:
    """Write the files of one folder, each complete before it is seen."""
    if not table.num_rows:
        return []
    incoming = unload.session.account.engine.stages / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    partitioned = path.endswith("/") and unload.query_id
    stem = f"data_{uuid.uuid4()}" if partitioned else "data"
    base = f"{path}{stem}" if not path or path.endswith("/") else path + (f"_{uuid.uuid4()}" if unload.query_id else "")
    written = []
    for number_, (data, count, plain) in enumerate(_contents(unload, table, types)):
        if unload.single and number_:
            raise SqlError(100356, "22000", "The rows do not fit into one file; raise MAX_FILE_SIZE.")
        name = base if unload.single else f"{base}_0_0_{number_}{_extension(unload.format)}"
        partial = incoming / uuid.uuid4().hex
        partial.write_bytes(data)
        transfers.publish(partial, root / name)
        written.append(Written(name, len(data), count, plain))
    return written


def _extension(format_: FileFormat) -> str:
    if format_.type == "PARQUET":
        return ".parquet" if _plain_parquet(format_) else ".snappy.parquet"
    if given := format_["FILE_EXTENSION"]:
        return f".{given.lstrip('.')}"
    return f".{format_.type.lower()}{_EXTENSIONS.get(_compression(format_), '')}"


def _compression(format_: FileFormat) -> str:
    return "GZIP" if format_["COMPRESSION"] == "AUTO" else str(format_["COMPRESSION"])


def _plain_parquet(format_: FileFormat) -> bool:
    return format_["COMPRESSION"] == "NONE" or not format_["SNAPPY_COMPRESSION"]


# ---- what is in the files ------------------------------------------------------------------------


def _contents(unload: Unload, table: pa.Table, types: list[str]) -> Iterator[tuple[bytes, int, int]]:
    """The bytes of each file, with the number of its rows and the size before compression."""
    if unload.format.type == "PARQUET":
        yield from _parquet(unload, table)
        return
    head, texts = _texts(unload, table, types)
    compress = _compressor(_compression(unload.format))
    pieces: list[bytes] = []
    count = packed = plain = 0
    for batch in texts:
        piece = _bytes_of(batch)
        if not pieces and head:
            pieces.append(compress(head))
        pieces.append(compress(piece))
        count, plain, packed = count + len(batch), plain + len(piece), packed + len(pieces[-1])
        if packed >= unload.max_file_size and not unload.single:
            yield b"".join(pieces), count, plain
            pieces, count, packed, plain = [], 0, 0, 0
    if pieces:
        yield b"".join(pieces), count, plain


def _bytes_of(texts: pa.Array) -> bytes:
    """The texts one after the other, which is how they lie in memory."""
    _, offsets, data = texts.cast(pa.large_string()).buffers()
    ends = memoryview(offsets).cast("q")
    return bytes(memoryview(data)[ends[texts.offset] : ends[texts.offset + len(texts)]])


def _compressor(how: str) -> Callable[[bytes], bytes]:
    """Compresses a piece by itself: pieces one after the other are one file again."""
    known: dict[str, Callable[[bytes], bytes]] = {
        "NONE": lambda data: data,
        "GZIP": lambda data: gzip.compress(data, 6, mtime=0),
        "BZ2": bz2_compress,
        "ZSTD": lambda data: zstandard.ZstdCompressor().compress(data),
    }
    if how not in known:
        raise unsupported(f"COPY INTO @stage ... COMPRESSION = {how}")
    return known[how]


def _texts(unload: Unload, table: pa.Table, types: list[str]) -> tuple[bytes, Iterator[pa.Array]]:
    format_, session = unload.format, unload.session
    with Registered(session) as registered:
        name = identifier(registered.add(table).name)
        if format_.type == "JSON":
            if types != ["JSON"]:
                raise SqlError(
                    2019,
                    "0A000",
                    f"{COMPILATION}JSON file format can be used only to unload one column of type variant, "
                    "object, or array.",
                )
            head, line = b"", f"{identifier(table.column_names[0])}::VARCHAR || chr(10)"
        else:
            head, line = _csv_line(unload, table.column_names, types)
        made = session.cursor.query(f"SELECT {line} AS line FROM {name}").table.column("line").combine_chunks()
    chunks = made.chunks if isinstance(made, pa.ChunkedArray) else [made]
    return head, (c.slice(i, _ROWS) for c in chunks for i in range(0, len(c), _ROWS))


def _csv_line(unload: Unload, names: list[str], types: list[str]) -> tuple[bytes, str]:
    """The header of the files, and the engine's text of a record."""
    format_ = unload.format
    if format_["ENCODING"] not in {"UTF8", "UTF-8"}:
        raise unsupported(f"COPY INTO @stage ... ENCODING = {format_['ENCODING']}")
    delimiter, end = format_["FIELD_DELIMITER"] or "", format_["RECORD_DELIMITER"] or ""
    null = text(format_["NULL_IF"][0] if format_["NULL_IF"] else "")
    fields = [
        f"coalesce({_escaped(conversions.write(identifier(n), t, format_), t, format_)}, {null})"
        for n, t in zip(names, types, strict=True)
    ]
    line = f" || {text(delimiter)} || ".join(fields) + f" || {text(end)}"
    if not unload.header:
        return b"", line
    quote = format_["FIELD_OPTIONALLY_ENCLOSED_BY"] or ""
    shown = delimiter.join(quote + (n.replace(quote, quote * 2) if quote else n) + quote for n in names)
    return (shown + end).encode(), line


def _escaped(value: str, type_: str, format_: FileFormat) -> str:
    quote, escape = format_["FIELD_OPTIONALLY_ENCLOSED_BY"], format_["ESCAPE"]
    if type_ not in {"VARCHAR", "JSON", "BLOB"}:
        return value
    if quote:
        if escape:
            value = (
                f"replace(replace({value}, {text(escape)}, {text(escape * 2)}), {text(quote)}, {text(escape + quote)})"
            )
        else:
            value = f"replace({value}, {text(quote)}, {text(quote * 2)})"
        return f"{text(quote)} || {value} || {text(quote)}"
    if escape := escape or format_["ESCAPE_UNENCLOSED_FIELD"]:
        for sign in (escape, format_["FIELD_DELIMITER"], format_["RECORD_DELIMITER"]):
            if sign:
                value = f"replace({value}, {text(sign)}, {text(escape + sign)})"
    return value


def _parquet(unload: Unload, table: pa.Table) -> Iterator[tuple[bytes, int, int]]:
    for field in table.schema:
        if pa.types.is_timestamp(field.type) and field.type.tz:
            raise SqlError(
                100301,
                "0A000",
                "Error encountered when unloading to PARQUET: TIMESTAMP_TZ and LTZ types are not supported for "
                f"unloading to Parquet. value '{field.name}'",
            )
    if unload.format["COMPRESSION"] not in {"AUTO", "SNAPPY", "NONE"}:
        raise unsupported(f"COPY INTO @stage ... COMPRESSION = {unload.format['COMPRESSION']}")
    if not unload.header:
        table = table.rename_columns([f"_COL_{i}" for i in range(table.num_columns)])
    how = "none" if _plain_parquet(unload.format) else "snappy"
    start = 0
    while start < table.num_rows:
        out = BytesIO()
        begun = start
        with pq.ParquetWriter(out, table.schema, compression=how) as writer:
            while start < table.num_rows and (unload.single or out.tell() < unload.max_file_size or start == begun):
                writer.write_table(table.slice(start, 5 * _ROWS))
                start += 5 * _ROWS
        count = min(start, table.num_rows) - begun
        yield out.getvalue(), count, table.slice(begun, count).nbytes
