"""CSV files as Snowflake reads them: quickly by the engine's reader, and exactly, where that reads otherwise.

Both make a table of texts `c0`, `c1`, ... in which a field that a record lacks is NULL, an empty one is '', and one
that is empty between enclosing characters is `ENCLOSED_EMPTY`.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import zstandard

from include.sandbox.snowflake.errors import SqlError, unsupported

if TYPE_CHECKING:
    from include.sandbox.snowflake.staging.formats import FileFormat

ENCLOSED_EMPTY = "\ue000"
_MAGIC = {b"\x1f\x8b": "GZIP", b"BZh": "BZ2", b"\x28\xb5\x2f\xfd": "ZSTD"}
_SUFFIXES = {".deflate": "DEFLATE", ".raw_deflate": "RAW_DEFLATE", ".br": "BROTLI"}
_BUILT_IN = {"NONE", "GZIP", "ZSTD"}
_CODECS = {"UTF8": "utf-8", "UTF-8": "utf-8", "ISO88591": "latin-1", "LATIN1": "latin-1", "WINDOWS1252": "cp1252"}
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


@dataclass(frozen=True)
class BadRecord:
    """A record that is not well formed: its number, its line, and what is wrong."""

    record: int
    line: int
    error: SqlError


def compression(file: Path, wanted: str) -> str:
    """How a file is compressed; AUTO looks at its first bytes and its name."""
    if wanted != "AUTO":
        return wanted
    with file.open("rb") as opened:
        start = opened.read(4)
    found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    return found or _SUFFIXES.get(file.suffix.lower(), "NONE")


def content(file: Path, how: str) -> bytes:
    """A file's bytes, not compressed any more."""
    raw = file.read_bytes()
    if how == "BROTLI":
        raise unsupported("COMPRESSION = BROTLI")
    try:
        if how == "GZIP":
            return gzip.decompress(raw)
        if how == "BZ2":
            return bz2.decompress(raw)
        if how == "ZSTD":
            with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
                return reader.read()
        if how in {"DEFLATE", "RAW_DEFLATE"}:
            return zlib.decompress(raw, -zlib.MAX_WBITS if how == "RAW_DEFLATE" else zlib.MAX_WBITS)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        message = (
            f"Invalid data encountered during decompression for file: '{file.name}', compression type used: '{how}'"
        )
        raise SqlError(100194, "22000", f"{message}, cause: '{error}'") from None
    return raw


def is_plain(data: bytes, how: str, format_: FileFormat) -> bool:
    """True if the engine's reader makes of a file what Snowflake makes of it."""
    delimiter, enclosure = format_["FIELD_DELIMITER"], format_["FIELD_OPTIONALLY_ENCLOSED_BY"]
    special = [c for c in (format_["ESCAPE"] or format_["ESCAPE_UNENCLOSED_FIELD"], enclosure) if c]
    if (
        how not in _BUILT_IN
        or not delimiter
        or len(delimiter.encode()) > 4
        or format_["RECORD_DELIMITER"] not in {"\n", "\r\n"}
        or format_["ENCODING"] not in {"UTF8", "UTF-8"}
        or format_["REPLACE_INVALID_CHARACTERS"]
        or format_["SKIP_BLANK_LINES"]
        or (enclosure and format_["TRIM_SPACE"])
        or (data.startswith(b"\xef\xbb\xbf") and not format_["SKIP_BYTE_ORDER_MARK"])
        or any(ord(c) > 127 for c in [*special, delimiter[0]])
    ):
        return False
    separator = re.escape(delimiter.encode())
    not_in_field = b"".join(re.escape(c.encode()) for c in [*special, delimiter[0]])
    field = rb"[^%b\r\n]*+" % not_in_field
    if enclosure:
        quote = re.escape(enclosure.encode())
        inside = re.escape((format_["ESCAPE"] or enclosure).encode())
        some = b"++" if format_["EMPTY_FIELD_AS_NULL"] else b"*+"
        field = rb"(?:%b(?:[^%b%b]++|%b%b)%b%b|%b)" % (quote, quote, inside, quote, quote, some, quote, field)
    record = rb"(?![\r\n])%b(?:%b%b)*+(?:\r?\n|\Z)" % (field, separator, field)
    return re.fullmatch(rb"(?:%b)*+" % record, data) is not None


def reader(file: Path, how: str, format_: FileFormat, width: int, skip: int) -> str:
    """The engine's call that reads a plain file."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    quote = _literal(format_["FIELD_OPTIONALLY_ENCLOSED_BY"] or "")
    return (
        f"read_csv({_literal(str(file))}, auto_detect=false, header=false, skip={skip}, "
        f"delim={_literal(format_['FIELD_DELIMITER'])}, quote={quote}, escape={quote}, nullstr='{chr(1)}{chr(2)}', "
        f"null_padding=true, strict_mode=false, parallel=false, max_line_size=134217728, "
        f"compression='{how.lower()}', columns={{{columns}}})"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---- the exact way ----


def decode(data: bytes, format_: FileFormat, name: str) -> str:
    """A file's text."""
    encoding = _CODECS.get(format_["ENCODING"], format_["ENCODING"])
    try:
        text = data.decode(encoding, "replace" if format_["REPLACE_INVALID_CHARACTERS"] else "strict")
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 1].hex()
        raise SqlError(100144, "22000", f"Invalid UTF8 detected in string '0x{bad}'\n  File '{name}'") from None
    return text.removeprefix("\ufeff") if format_["SKIP_BYTE_ORDER_MARK"] else text


class Parser:
    """Splits a text into records and fields by a format's options."""

    def __init__(self, format_: FileFormat) -> None:
        self._format = format_
        self._enclosure: str | None = format_["FIELD_OPTIONALLY_ENCLOSED_BY"]
        self._escape: str | None = format_["ESCAPE"]
        self._outside = self._escape or format_["ESCAPE_UNENCLOSED_FIELD"]
        delimiter, record = format_["FIELD_DELIMITER"], format_["RECORD_DELIMITER"]
        end = r"\r\n|\n|\r" if record in {"\n", "\r\n", "\r"} else re.escape(record) if record else r"(?!)"
        field = re.escape(delimiter) if delimiter else r"(?!)"
        spaces = " *+" if format_["TRIM_SPACE"] else ""
        escaped = re.escape(self._outside) + "." if self._outside else "(?!)"
        bare = rf"(?P<bare>(?:{escaped}|(?!{field}|{end}).)*+)"
        content = bare
        if self._enclosure:
            quote = re.escape(self._enclosure)
            inner = rf"{re.escape(self._escape)}.|" if self._escape else ""
            enclosed = rf"{spaces}{quote}(?P<enclosed>(?:{inner}{quote}{quote}|(?!{quote}).)*+){quote}{spaces}"
            content = rf"(?:{enclosed}(?={field}|{end}|\Z)|{bare})"
        self._field = re.compile(rf"{content}(?:(?P<next>{field})|(?P<end>{end})|\Z)", re.DOTALL)
        self._end = re.compile(rf"{end}|\Z")
        self.records: list[list[str]] = []
        self.lines: list[int] = []
        self.bad: list[BadRecord] = []

    def parse(self, text: str, skip: int) -> None:
        """Split a text; `skip` lines at the beginning are left out."""
        position = 0
        for _ in range(skip):
            position = self._end.search(text, position).end()  # type: ignore[union-attr]
        line = skip + 1
        while position < len(text):
            start = position
            fields, position = self._record(text, position, line)
            if fields is not None and not (fields == [""] and self._format["SKIP_BLANK_LINES"]):
                self.records.append(fields)
                self.lines.append(line)
            line += max(1, text.count("\n", start, position))

    def _record(self, text: str, position: int, line: int) -> tuple[list[str] | None, int]:
        fields: list[str] = []
        while True:
            found = self._field.match(text, position)
            if found is None:  # an escape at the very end
                return self._refuse(text, position, line, "\\")
            bare = found["bare"]
            if bare is None:
                fields.append(self._inside(found["enclosed"]))
            elif self._enclosure and bare.lstrip(" " if self._format["TRIM_SPACE"] else "").startswith(self._enclosure):
                return self._refuse(text, position, line, self._enclosure)
            else:
                fields.append(self._unescape(bare, self._outside))
            position = found.end()
            if found["next"] is None:
                return fields, position

    def _refuse(self, text: str, position: int, line: int, character: str) -> tuple[None, int]:
        delimiter = self._format["FIELD_DELIMITER"]
        message = f"Found character '{character}' instead of field delimiter '{delimiter}'"
        record = len(self.records) + len(self.bad) + 1
        self.bad.append(BadRecord(record, line, SqlError(100066, "22000", message)))
        end = self._end.search(text, position)
        return None, end.end() if end else len(text)

    def _inside(self, text: str) -> str:
        if not text:
            return ENCLOSED_EMPTY
        if self._escape:
            quote = re.escape(str(self._enclosure))
            return re.sub(
                rf"{quote}{quote}|{re.escape(self._escape)}(.)",
                lambda m: _ESCAPED.get(m[1], m[1]) if m[1] else str(self._enclosure),
                text,
                flags=re.DOTALL,
            )
        return text.replace(f"{self._enclosure}{self._enclosure}", str(self._enclosure))

    def _unescape(self, text: str, escape: str | None) -> str:
        text = text.strip(" ") if self._format["TRIM_SPACE"] else text
        if not escape or escape not in text or text in self._format["NULL_IF"]:
            return text
        return re.sub(rf"{re.escape(escape)}(.)", lambda m: _ESCAPED.get(m[1], m[1]), text, flags=re.DOTALL)

    def table(self, width: int) -> pa.Table:
        """The records as columns, with the line of each and the number of its fields."""
        columns = {
            f"c{i}": pa.array([r[i] if i < len(r) else None for r in self.records], pa.string()) for i in range(width)
        }
        columns["_line"] = pa.array(self.lines, pa.int64())
        return pa.table(columns)


def header(data: bytes, format_: FileFormat, name: str) -> list[str]:
    """The fields of the first record."""
    text = decode(data[: 1 << 20], format_, name) if len(data) <= 1 << 20 else decode(data, format_, name)
    parser = Parser(format_)
    fields, _ = parser._record(text, 0, 1)
    return ["" if f == ENCLOSED_EMPTY else f for f in fields or []]
