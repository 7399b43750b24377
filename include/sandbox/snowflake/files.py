"""Rows in staged files: COPY INTO a table and INFER_SCHEMA of Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fakesnow.params import pop_qmark_param
from fakesnow.transforms.options import parse_options
from sqlglot import exp

from include.sandbox.snowflake import stages
from include.sandbox.snowflake.errors import SqlError, not_found, unsupported
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_COPY_COLUMNS = {
    "file": pa.string(),
    "status": pa.string(),
    "rows_parsed": pa.int64(),
    "rows_loaded": pa.int64(),
    "error_limit": pa.int64(),
    "errors_seen": pa.int64(),
    "first_error": pa.string(),
    "first_error_line": pa.int64(),
    "first_error_character": pa.int64(),
    "first_error_column_name": pa.string(),
}
_COPY_OPTIONS = {"FILE_FORMAT", "PURGE", "ON_ERROR", "MATCH_BY_COLUMN_NAME", "FORCE"}
_FORMAT_OPTIONS = {"TYPE", "FORMAT_NAME", "COMPRESSION", "USE_LOGICAL_TYPE", "USE_VECTORIZED_SCANNER", "BINARY_AS_TEXT"}


def is_parquet(session: Session, copy: exp.Copy) -> bool:
    """True for a COPY of Parquet files; the other formats are left to the engine."""
    return str(_file_format(session, _parameter(copy, "FILE_FORMAT")).get("TYPE")).upper() == "PARQUET"


def copy_parquet(session: Session, copy: exp.Copy, params: list[Any] | None) -> Result:
    """Load the Parquet files of a stage into a table."""
    _check_options(copy, params)
    options = _file_format(session, _parameter(copy, "FILE_FORMAT"))
    source = copy.args["files"][0]
    select = source.this if isinstance(source, exp.Subquery) else None
    place = _place(select.args["from_"].this if select else source)
    root, path, prefix = stages.split_place(session, place)
    loaded = []
    for file in stages.files(root, path):
        columns = _selected(select, file, options) if select else _matched(session, copy, file, options)
        insert = exp.Insert(this=_target(copy, columns), expression=exp.select(*columns.values()).from_(_read(file)))
        count = session.cursor.run(insert, None).rowcount
        name = prefix + file.relative_to(root).as_posix()
        loaded.append(
            {"file": name, "status": "LOADED", "rows_parsed": count, "rows_loaded": count}
            | {"error_limit": 1, "errors_seen": 0}
        )
        purge = _parameter(copy, "PURGE")
        if purge is not None and purge.expression.this is True:
            file.unlink()
    if not loaded:
        return rows([{"status": "Copy executed with 0 files processed."}], ["status"])
    result = rows(loaded, _COPY_COLUMNS)
    result.rowcount = sum(entry["rows_loaded"] for entry in loaded)
    return result


@table_function("INFER_SCHEMA")
def infer_schema(session: Session, arguments: Arguments) -> pa.Table:
    """The columns of the Parquet files in a stage, as INFER_SCHEMA lists them."""
    options = _named_format(session, arguments.named["file_format"])
    root, path, prefix = stages.split_place(session, arguments.named["location"])
    found = stages.files(root, path)
    names = ", ".join(prefix + f.relative_to(root).as_posix() for f in found)
    fields = {field.name: field for f in found for field in pq.read_schema(f)}
    records = [
        {
            "COLUMN_NAME": field.name,
            "TYPE": _inferred(field.type, logical=_logical(options)),
            "NULLABLE": True,
            "EXPRESSION": f'$1:"{field.name}"::{_inferred(field.type, logical=_logical(options))}',
            "FILENAMES": names,
            "ORDER_ID": number,
        }
        for number, field in enumerate(fields.values())
    ]
    types = {"NULLABLE": pa.bool_(), "ORDER_ID": pa.int64()}
    names_of_columns = ("COLUMN_NAME", "TYPE", "NULLABLE", "EXPRESSION", "FILENAMES", "ORDER_ID")
    return rows(records, {name: types.get(name, pa.string()) for name in names_of_columns}).table


def _check_options(copy: exp.Copy, params: list[Any] | None) -> None:
    for parameter in copy.args["params"]:
        name = parameter.this.name.upper()
        if name not in _COPY_OPTIONS:
            raise unsupported(f"COPY INTO ... {name}")
        if name == "ON_ERROR":
            value = parameter.expression
            text = pop_qmark_param(params, copy, value) if isinstance(value, exp.Placeholder) else value.name
            if str(text).upper() != "ABORT_STATEMENT":
                raise unsupported(f"COPY INTO ... ON_ERROR = {text}")


def _parameter(copy: exp.Copy, name: str) -> exp.Expression | None:
    return next((p for p in copy.args["params"] if p.this.name.upper() == name), None)


def _file_format(session: Session, parameter: exp.Expression | None) -> dict[str, Any]:
    options = parse_options(parameter.expressions) if parameter else {}
    if name := options.pop("FORMAT_NAME", None):
        options = _named_format(session, name) | options
    return options


def _named_format(session: Session, name: str) -> dict[str, Any]:
    key = session.qualify(name.strip("'"))
    table = "_fs_global._fs_information_schema._fs_file_formats"
    query = f"SELECT options FROM {table} WHERE (database_name, schema_name, name) = (?, ?, ?)"
    found = session.cursor.query(query, list(key)).table.to_pylist()
    if not found:
        raise not_found("File format", ".".join(key))
    options: dict[str, Any] = json.loads(found[0]["options"])
    return options


def _logical(options: dict[str, Any]) -> bool:
    return str(options.get("USE_LOGICAL_TYPE", "FALSE")).upper() == "TRUE"


def _place(source: exp.Expression) -> str:
    named = source.this
    return str(exp.Literal.string(named.this).sql()) if isinstance(named, exp.Literal) else str(named.this)


def _read(file: Path) -> exp.Table:
    return exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[exp.Literal.string(str(file))]))


def _target(copy: exp.Copy, columns: dict[str, exp.Expression]) -> exp.Expression:
    if isinstance(copy.this, exp.Schema):
        return copy.this.copy()
    if all(columns) and _parameter(copy, "MATCH_BY_COLUMN_NAME"):
        return exp.Schema(this=copy.this.copy(), expressions=[exp.to_identifier(c, quoted=True) for c in columns])
    return copy.this.copy()


def _selected(select: exp.Select, file: Path, options: dict[str, Any]) -> dict[str, exp.Expression]:
    """The projections of a COPY's SELECT, with `$1:name` as the file's column."""
    fields = {field.name: field.type for field in pq.read_schema(file)}

    def column(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.JSONExtract):
            return node
        key = next(node.expression.find_all(exp.JSONPathKey)).this
        return _column(key, fields[key], options) if key in fields else exp.null()

    return {str(number): p.transform(column) for number, p in enumerate(select.expressions)}


def _matched(session: Session, copy: exp.Copy, file: Path, options: dict[str, Any]) -> dict[str, exp.Expression]:
    """The table's columns that the file has, for MATCH_BY_COLUMN_NAME."""
    match = _parameter(copy, "MATCH_BY_COLUMN_NAME")
    mode = match.expression.name.upper() if match else "NONE"
    if mode not in {"CASE_SENSITIVE", "CASE_INSENSITIVE"}:
        raise SqlError(
            2019,
            "0A000",
            "SQL compilation error:\nPARQUET file format can produce one and only one column of type variant, "
            "object, or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option "
            "or copy with transformation.",
        )
    table = copy.this.this if isinstance(copy.this, exp.Schema) else copy.this
    names = session.cursor.query(f"SELECT * FROM {table.sql(dialect='duckdb')} LIMIT 0").table.column_names
    fold = str.upper if mode == "CASE_INSENSITIVE" else str
    fields = {fold(field.name): field for field in pq.read_schema(file)}
    return {n: _column(fields[fold(n)].name, fields[fold(n)].type, options) for n in names if fold(n) in fields}


def _column(name: str, type_: pa.DataType, options: dict[str, Any]) -> exp.Expression:
    column = exp.column(name, quoted=True)
    if pa.types.is_timestamp(type_) and not _logical(options):
        # Without USE_LOGICAL_TYPE Snowflake reads a timestamp as the bare number that it is stored as.
        return exp.Anonymous(this=f"epoch_{'ns' if type_.unit == 'ns' else 'us'}", expressions=[column])
    return column


def _inferred(type_: pa.DataType, *, logical: bool) -> str:
    if pa.types.is_timestamp(type_):
        return ("TIMESTAMP_LTZ(9)" if type_.tz else "TIMESTAMP_NTZ(9)") if logical else "NUMBER(38, 0)"
    if pa.types.is_decimal(type_):
        return f"NUMBER({type_.precision}, {type_.scale})"
    for is_kind, name in (
        (pa.types.is_integer, "NUMBER(38, 0)"),
        (pa.types.is_floating, "REAL"),
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME"),
        (pa.types.is_binary, "BINARY"),
        (pa.types.is_nested, "VARIANT"),
    ):
        if is_kind(type_):
            return name
    return "TEXT"
