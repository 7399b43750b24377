"""Rows in staged files: what `SELECT $1 ... FROM @stage` and COPY read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.sql.macros import HOME
from include.sandbox.snowflake.sql.tables import Registered, source
from include.sandbox.snowflake.staging import csv_files, formats, stages
from include.sandbox.snowflake.staging.csv_files import BadRecord
from include.sandbox.snowflake.staging.formats import FileFormat

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_METADATA = {
    "METADATA$FILENAME": "VARCHAR",
    "METADATA$FILE_ROW_NUMBER": "BIGINT",
    "METADATA$FILE_LAST_MODIFIED": "TIMESTAMP",
    "METADATA$START_SCAN_TIME": "TIMESTAMP WITH TIME ZONE",
}


@dataclass(frozen=True)
class StagedFile:
    """A file and its path within its stage."""

    path: Path
    name: str

    @cached_property
    def content_key(self) -> str:
        """What changes with the file's content."""
        return stages.md5(self.path)


def text(value: str) -> str:
    """A literal of the engine's."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted name of the engine's."""
    return '"' + name.replace('"', '""') + '"'


def staged(root: Path, path: str, pattern: str | None = None) -> list[StagedFile]:
    """The files of a place."""
    return [StagedFile(f, f.relative_to(root).as_posix()) for f in stages.files(root, path, pattern)]


def stage_format(session: Session, place: str, given: Any) -> FileFormat:
    """The format of files: what the statement says, else what their stage says."""
    base = None
    name = place.split("/")[0].removeprefix("@")
    if stages.is_stage(place) and name and name[0] != "~" and "%" not in name:
        definition = stages.definition(session, session.qualify(name))
        base = formats.from_definition(definition["file_format"]) if "file_format" in definition else None
    made = formats.resolve(session, given, base)
    made.check_usable()
    return made


# ---- rows of files as the engine's SQL -----------------------------------------------------------


def _modified(file: StagedFile) -> str:
    return f"TIMESTAMP '{datetime.fromtimestamp(file.path.stat().st_mtime, UTC).replace(tzinfo=None)}'"


def _metadata(file: StagedFile, row: str) -> str:
    values = {
        "METADATA$FILENAME": text(file.name),
        "METADATA$FILE_ROW_NUMBER": row,
        "METADATA$FILE_LAST_MODIFIED": _modified(file),
        "METADATA$START_SCAN_TIME": "now()",
    }
    return ", ".join(f"{value} AS {identifier(name)}" for name, value in values.items())


def _nothing(columns: Iterable[str], type_: str) -> str:
    types = {**dict.fromkeys(columns, type_), **_METADATA}
    return "SELECT " + ", ".join(f"NULL::{t} AS {identifier(n)}" for n, t in types.items()) + " WHERE false"


def csv_relation(
    registered: Registered, file: StagedFile, format_: FileFormat, width: int, bad: list[BadRecord] | None = None
) -> str:
    """The fields `$1` to `$width` of a file's records, with `_fields`, how many there are up to `width`, and `_line`.

    Records that are not well formed are added to `bad`, or refused.
    """
    how = csv_files.compression(file.path, format_["COMPRESSION"])
    data = csv_files.content(file.path, how)
    skip = 1 if format_["PARSE_HEADER"] else format_["SKIP_HEADER"]
    if not data:
        return _nothing([*(f"${i + 1}" for i in range(width)), "_fields", "_line"], "VARCHAR")
    exact = not csv_files.is_plain(data, how, format_)
    if exact:
        parser = csv_files.Parser(format_)
        parser.parse(csv_files.decode(data, format_, file.name), skip)
        if parser.bad and bad is None:
            raise SqlError(100066, "22000", f"{parser.bad[0].error.message}\n  File '{file.name}'")
        if bad is not None:
            bad.extend(parser.bad)
        rows = identifier(registered.add(parser.table(width)).name)
        line = "_line"
    else:
        rows = csv_files.reader(file.path, how, format_, width, skip)
        line = f"row_number() OVER () + {skip}"
    fields = ", ".join(f"{_field(f'c{i}', format_, exact=exact)} AS {identifier(f'${i + 1}')}" for i in range(width))
    count = " + ".join(f"(c{i} IS NOT NULL)::INT" for i in range(width))
    metadata = _metadata(file, "row_number() OVER ()")
    return f"SELECT {fields}, {count} AS _fields, {line} AS _line, {metadata} FROM {rows}"


def _field(column: str, format_: FileFormat, *, exact: bool) -> str:
    if format_["TRIM_SPACE"] and not exact:
        column = f"trim({column}, ' ')"
    if format_["EMPTY_FIELD_AS_NULL"]:
        column = f"nullif({column}, '')"
    if exact:
        column = f"CASE WHEN {column} = '{csv_files.ENCLOSED_EMPTY}' THEN '' ELSE {column} END"
    if nulls := format_["NULL_IF"]:
        column = f"CASE WHEN {column} IN ({', '.join(map(text, nulls))}) THEN NULL ELSE {column} END"
    return column


def json_relation(file: StagedFile, format_: FileFormat) -> str:
    """The values of a JSON file as `$1`."""
    how = csv_files.compression(file.path, format_["COMPRESSION"])
    if how not in {"NONE", "GZIP", "ZSTD"}:
        raise unsupported(f"FILE_FORMAT = (TYPE = JSON COMPRESSION = {how})")
    head = csv_files.content(file.path, how)[:4096].lstrip()
    is_array = format_["STRIP_OUTER_ARRAY"] and head.startswith(b"[")
    if not head:
        return _nothing(["$1"], "JSON")
    read = (
        f"read_json_objects({text(str(file.path))}, format='{'array' if is_array else 'unstructured'}', "
        f"compression='{how.lower()}', maximum_object_size=134217728)"
    )
    return f'SELECT json AS "$1", {_metadata(file, "row_number() OVER ()")} FROM {read}'


def parquet_fields(found: list[StagedFile]) -> dict[str, pa.DataType]:
    """The columns of Parquet files, in their order."""
    fields: dict[str, pa.DataType] = {}
    for file in found:
        try:
            schema = pq.read_schema(file.path)
        except (pa.ArrowInvalid, OSError) as error:
            message = f"Invalid Parquet file '{file.name}': {str(error).splitlines()[0]}"
            raise SqlError(100194, "22000", message) from None
        for field in schema:
            fields.setdefault(field.name, field.type)
    return fields


def parquet_relation(found: list[StagedFile], format_: FileFormat, fields: dict[str, pa.DataType]) -> str:
    """The rows of Parquet files: `$1` the row as an object, `$1:name` its columns, typed."""
    paths = ", ".join(text(str(file.path)) for file in found)
    columns = {name: _parquet_column(name, type_, format_) for name, type_ in fields.items()}
    packed = ", ".join(f"{identifier(name)} := {value}" for name, value in columns.items())
    parts = [f"{value} AS {identifier(f'$1:{name}')}" for name, value in columns.items()]
    parts.append(f'to_json(struct_pack({packed})) AS "$1"' if packed else 'NULL::JSON AS "$1"')
    names = " ".join(f"WHEN {text(str(file.path))} THEN {text(file.name)}" for file in found)
    parts.append(f'CASE "_path" {names} END AS "METADATA$FILENAME"')
    parts.append('"_row" + 1 AS "METADATA$FILE_ROW_NUMBER"')
    times = " ".join(f"WHEN {text(str(file.path))} THEN {_modified(file)}" for file in found)
    parts.append(f'CASE "_path" {times} END AS "METADATA$FILE_LAST_MODIFIED"')
    parts.append('now() AS "METADATA$START_SCAN_TIME"')
    source_ = (
        f"(SELECT * RENAME (filename AS _path, file_row_number AS _row) "
        f"FROM read_parquet([{paths}], union_by_name=true, filename=true, file_row_number=true))"
    )
    return f"SELECT {', '.join(parts)} FROM {source_}"


def _parquet_column(name: str, type_: pa.DataType, format_: FileFormat) -> str:
    column = identifier(name)
    if pa.types.is_timestamp(type_) and not format_["USE_LOGICAL_TYPE"]:
        # Without USE_LOGICAL_TYPE Snowflake reads a timestamp as the bare number that it is stored as.
        return f"epoch_{'ns' if type_.unit == 'ns' else 'us'}({column})"
    if pa.types.is_nested(type_):
        return f"to_json({column})"
    if (pa.types.is_binary(type_) or pa.types.is_large_binary(type_)) and format_["BINARY_AS_TEXT"]:
        return f"decode({column})"
    return column


def relation(registered: Registered, found: list[StagedFile], format_: FileFormat, width: int) -> str:
    """The rows of files of any type, as a query of the engine's."""
    if format_.type == "PARQUET":
        if not found:
            return _nothing(["$1"], "JSON")
        return parquet_relation(found, format_, parquet_fields(found))
    if not found:
        return _nothing([f"${i + 1}" for i in range(width)], "VARCHAR" if format_.type == "CSV" else "JSON")
    if format_.type == "JSON":
        return " UNION ALL ".join(json_relation(file, format_) for file in found)
    return " UNION ALL ".join(f"({csv_relation(registered, file, format_, width)})" for file in found)


# ---- SELECT ... FROM @stage ----------------------------------------------------------------------


def is_staged(table: exp.Expression | None) -> bool:
    """True for a place in a FROM."""
    named = table.this if isinstance(table, exp.Table) else None
    if isinstance(named, exp.Literal) and named.is_string:
        return named.name.startswith(("@", "snow://"))
    return isinstance(named, exp.Var) and named.name.startswith("@")


def _staged_tables(select: exp.Select) -> list[exp.Table]:
    from_ = select.args.get("from_")
    joined = [from_.this if from_ else None, *(join.this for join in select.args.get("joins") or [])]
    return [table for table in joined if isinstance(table, exp.Table) and is_staged(table)]


def name_positions(expression: exp.Expression) -> None:
    """Let `$1` be a column of the files, where a SELECT reads some; elsewhere it is left."""
    for select in list(expression.find_all(exp.Select)):
        if not (tables := _staged_tables(select)):
            continue
        if isinstance(expression, exp.Create) and expression.kind == "VIEW":
            raise unsupported("CREATE VIEW ... FROM @stage")
        if any(isinstance(projection, exp.Star) for projection in select.expressions):
            raise SqlError(1079, "42601", f"{COMPILATION}SELECT with no columns")
        aliases = {table.alias.upper() for table in tables if table.alias}
        for parameter in list(select.find_all(exp.Parameter)):
            if parameter.find_ancestor(exp.Select) is select and isinstance(parameter.this, exp.Literal):
                _name_position(parameter, aliases)
        for column in list(select.find_all(exp.Column)):
            if column.name.upper() in _METADATA and column.find_ancestor(exp.Select) is select:
                column.set("this", exp.to_identifier(column.name.upper(), quoted=True))


def _name_position(parameter: exp.Parameter, aliases: set[str]) -> None:
    column = exp.column(f"${parameter.name}", quoted=True)
    qualified = parameter.parent
    if not isinstance(qualified, exp.Column):
        parameter.replace(column)
    elif qualified.table.upper() in aliases:
        column.set("table", qualified.args["table"].copy())
        qualified.replace(column)


@source
def staged_tables(expression: exp.Expression, registered: Registered, params: Any) -> None:  # noqa: ARG001
    """Put the rows of files in the place of the stages in a FROM."""
    for select in list(expression.find_all(exp.Select)):
        for table in _staged_tables(select):
            _read(registered, select, table)


def _read(registered: Registered, select: exp.Select, table: exp.Table) -> None:
    session = registered.session
    place = table.this.name
    if "format" in table.meta:
        format_, found = table.meta["format"], table.meta["files"]
    else:
        given = table.args.get("format")
        pattern = table.args.get("pattern")
        name = given.name if isinstance(given, exp.Literal) else given.sql("snowflake") if given else None
        format_ = stage_format(session, place, name)
        root, path, _ = stages.split_place(session, place)
        found = staged(root, path, pattern.name if pattern else None)
    columns = [c for c in select.find_all(exp.Column) if c.name.startswith("$") and c.name[1:].isdigit()]
    width = max((int(c.name[1:]) for c in columns), default=1)
    if format_.type == "PARQUET":
        fields = parquet_fields(found)
        for column in columns:
            _take_field(column, fields)
    if format_.type != "CSV" and width > 1:
        raise SqlError(1006, "42601", f"{COMPILATION}invalid column index ${width} for a {format_.type} file")
    rows = exp.Table(this=exp.Var(this=f"({relation(registered, found, format_, width)})"))
    rows.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier("_files", quoted=True)))
    rows.set("joins", table.args.get("joins"))
    table.replace(rows)


def _is_macro(node: exp.Expression | None) -> bool:
    """True for a call of the sandbox's own, as casts are, which looks at the type of what it gets."""
    return isinstance(node, exp.Anonymous) and node.name.upper().startswith(HOME.upper())


def _take_field(column: exp.Column, fields: dict[str, pa.DataType]) -> None:
    """Read `$1:name` as the column of the file that it is."""
    access, name, rest = column.parent, None, []
    if isinstance(access, exp.JSONExtract) and access.this is column:
        parts = access.expression.expressions
        if len(parts) > 1 and isinstance(parts[1], exp.JSONPathKey):
            name, rest = str(parts[1].this), parts[2:]
    elif isinstance(access, exp.Bracket) and access.this is column and len(access.expressions) == 1:
        name = access.expressions[0].name if access.expressions[0].is_string else None
    if access is None or name is None:
        return
    if name not in fields:
        access.replace(exp.null())
        return
    taken: exp.Expression = exp.column(f"$1:{name}", table=column.args.get("table"), quoted=True)
    if rest:
        access.set("this", taken)
        access.expression.set("expressions", [exp.JSONPathRoot(), *rest])
    elif isinstance(access.parent, exp.Cast) or _is_macro(access.parent):
        access.replace(taken)
    else:
        access.replace(exp.Anonymous(this="to_json", expressions=[taken]))
