"""INFER_SCHEMA: the columns of staged files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.results import rows
from include.sandbox.snowflake.sql.tables import Arguments, Registered, table_function
from include.sandbox.snowflake.staging import csv_files, files, stages
from include.sandbox.snowflake.staging.files import StagedFile, identifier
from include.sandbox.snowflake.staging.formats import FileFormat

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_ARGUMENTS = {"location", "file_format", "files", "ignore_case", "max_file_count", "max_records_per_file", "kind"}
_COLUMNS = {
    "COLUMN_NAME": pa.string(),
    "TYPE": pa.string(),
    "NULLABLE": pa.bool_(),
    "EXPRESSION": pa.string(),
    "FILENAMES": pa.string(),
    "ORDER_ID": pa.int64(),
}
_SAMPLE = 100_000


@table_function("INFER_SCHEMA")
def infer_schema(session: Session, arguments: Arguments) -> pa.Table:
    """The columns of the files in a stage: Parquet's own, those that the values of CSV and JSON files allow."""
    named = arguments.named
    if unknown := set(named) - _ARGUMENTS:
        raise SqlError(1044, "42P13", f"{COMPILATION}unknown argument {min(unknown).upper()} of INFER_SCHEMA")
    if "location" not in named or "file_format" not in named:
        raise SqlError(938, "22023", f"{COMPILATION}INFER_SCHEMA needs LOCATION and FILE_FORMAT")
    if str(named.get("kind", "STANDARD")).upper() != "STANDARD":
        raise unsupported(f"INFER_SCHEMA(KIND => '{named['kind']}')")
    place = named["location"]
    format_ = files.stage_format(session, place, named["file_format"])
    root, path, prefix = stages.split_place(session, place)
    found = files.staged(root, path)
    if wanted := named.get("files"):
        wanted = list(wanted.values()) if isinstance(wanted, dict) else [wanted] if isinstance(wanted, str) else wanted
        base = path if not path or path.endswith("/") else f"{path}/"
        names = {f"{base}{name}" for name in wanted}
        found = [file for file in found if file.name in names]
    found = found[: int(named.get("max_file_count") or len(found))]
    if not found:
        return rows([], _COLUMNS).table
    columns = _infer(session, found, format_, int(named.get("max_records_per_file") or _SAMPLE))
    if str(named.get("ignore_case", "false")).lower() == "true":
        columns = [(name.upper(), type_, expression) for name, type_, expression in columns]
    records = [
        {
            "COLUMN_NAME": name,
            "TYPE": type_,
            "NULLABLE": True,
            "EXPRESSION": expression,
            "FILENAMES": ", ".join(prefix + file.name for file in found),
            "ORDER_ID": number,
        }
        for number, (name, type_, expression) in enumerate(columns)
    ]
    return rows(records, _COLUMNS).table


def _infer(session: Session, found: list[StagedFile], format_: FileFormat, limit: int) -> list[tuple[str, str, str]]:
    """Name, type and expression of each column."""
    if format_.type == "PARQUET":
        logical = bool(format_["USE_LOGICAL_TYPE"])
        types = {n: parquet_type(t, logical=logical) for n, t in files.parquet_fields(found).items()}
        return [
            (name, type_, f'$1:"{name}"::{type_}' if '"' in name or not name.isidentifier() else f"$1:{name}::{type_}")
            for name, type_ in types.items()
        ]
    with Registered(session) as registered:
        if format_.type == "CSV":
            return _infer_csv(registered, found, format_, limit)
        return _infer_json(registered, found, format_, limit)


def _infer_csv(
    registered: Registered, found: list[StagedFile], format_: FileFormat, limit: int
) -> list[tuple[str, str, str]]:
    first = found[0]
    data = csv_files.content(first.path, csv_files.compression(first.path, format_["COMPRESSION"]))
    names = csv_files.header(data, format_, first.name)
    width = len(names)
    if not format_["PARSE_HEADER"]:
        names = [f"c{i + 1}" for i in range(width)]
    sample = " UNION ALL ".join(
        f"(SELECT * FROM ({files.csv_relation(registered, file, format_, width)}) LIMIT {limit})" for file in found
    )
    columns = [identifier(f"${i + 1}") for i in range(width)]
    types = _types(registered.session, sample, columns)
    return [(n, t, f"${i + 1}::{t}") for i, (n, t) in enumerate(zip(names, types, strict=True))]


def _infer_json(
    registered: Registered, found: list[StagedFile], format_: FileFormat, limit: int
) -> list[tuple[str, str, str]]:
    sample = " UNION ALL ".join(
        f"(SELECT * FROM ({files.relation(registered, [file], format_, 1)}) LIMIT {limit})" for file in found
    )
    query = registered.session.cursor.query
    keys = query(
        f'SELECT k, min(position) AS p FROM (SELECT unnest(json_keys("$1")) AS k, '
        f'generate_subscripts(json_keys("$1"), 1) AS position FROM ({sample})) GROUP BY k ORDER BY k'
    ).table.column("k")
    names = [str(key) for key in keys.to_pylist()]
    if not names:
        return []
    paths = {name: files.text('$."' + name.replace('"', '\\"') + '"') for name in names}
    kinds = query(
        "SELECT "
        + ", ".join(f"bool_or(json_type(\"$1\", {paths[n]}) IN ('OBJECT', 'ARRAY')) AS {identifier(n)}" for n in names)
        + ", "
        + ", ".join(f'list(DISTINCT json_type("$1", {paths[n]})) AS {identifier("t " + n)}' for n in names)
        + f" FROM ({sample})"
    ).table.to_pylist()[0]
    values = ", ".join(f'json_extract_string("$1", {paths[n]}) AS {identifier(n)}' for n in names)
    types = _types(registered.session, f"SELECT {values} FROM ({sample})", [identifier(n) for n in names])
    result = []
    for name, type_ in zip(names, types, strict=True):
        seen = set(kinds[f"t {name}"] or []) - {"NULL", None}
        if seen & {"OBJECT", "ARRAY"}:
            type_ = "OBJECT" if seen == {"OBJECT"} else "ARRAY" if seen == {"ARRAY"} else "VARIANT"  # noqa: PLW2901
        elif "VARCHAR" in seen and not type_.startswith(("DATE", "TIME")):
            type_ = "TEXT"  # noqa: PLW2901
        shown = name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'"{name}"'
        result.append((name, type_, f"$1:{shown}::{type_}"))
    return result


def _types(session: Session, sample: str, columns: list[str]) -> list[str]:
    """The narrowest type of Snowflake's that all the texts of a column are values of."""
    parts = []
    for column in columns:

        def every(condition: str, column: str = column) -> str:
            return f"coalesce(bool_and({condition}) FILTER ({column} IS NOT NULL), false)"

        whole = f"regexp_full_match({column}, '[+-]?\\d{{1,38}}')"
        decimal = f"regexp_full_match({column}, '[+-]?\\d*\\.?\\d+') AND length({column}) <= 38"
        stamp = f"regexp_full_match({column}, {_STAMP}) AND TRY_CAST({column} AS TIMESTAMP) IS NOT NULL"
        parts.append(
            f"{{'whole': {every(whole)}, 'decimal': {every(decimal)}, "
            f"'real': {every(f'TRY_CAST({column} AS DOUBLE) IS NOT NULL')}, "
            f"'digits': max(length(regexp_replace(split_part({column}, '.', 1), '[+-]', ''))), "
            f"'scale': max(length(split_part({column}, '.', 2))), "
            f"'boolean': {every(f'lower({column}) IN ({_BOOLEANS})')}, "
            f"'date': {every(f'regexp_full_match({column}, {_DATE}) AND TRY_CAST({column} AS DATE) IS NOT NULL')}, "
            f"'time': {every(f'regexp_full_match({column}, {_TIME}) AND TRY_CAST({column} AS TIME) IS NOT NULL')}, "
            f"'stamp': {every(stamp)}}}"
        )
    if not parts:
        return []
    facts = session.cursor.query(f"SELECT [{', '.join(parts)}] AS facts FROM ({sample})").table.to_pylist()[0]["facts"]
    return [_type(fact) for fact in facts]


_BOOLEANS = "'true', 'false'"
_DATE = "'\\d{4}-\\d{2}-\\d{2}'"
_TIME = "'\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?'"
_STAMP = "'\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?'"


def _type(fact: dict[str, Any]) -> str:
    if fact["whole"]:
        return f"NUMBER({fact['digits']}, 0)"
    if fact["decimal"] and fact["digits"] + fact["scale"] <= 38:
        return f"NUMBER({fact['digits'] + fact['scale']}, {fact['scale']})"
    for kind, name in (("real", "REAL"), ("boolean", "BOOLEAN"), ("date", "DATE"), ("time", "TIME")):
        if fact[kind]:
            return name
    return "TIMESTAMP_NTZ" if fact["stamp"] else "TEXT"


def parquet_type(type_: pa.DataType, *, logical: bool) -> str:
    """Snowflake's type of a Parquet column."""
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
