"""COPY INTO a table: which files, what becomes of their rows, and what was loaded before."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, unsupported
from include.sandbox.snowflake.language.options import boolean, invalid_option, invalid_value, number
from include.sandbox.snowflake.results import Result, rows
from include.sandbox.snowflake.sql.tables import Registered
from include.sandbox.snowflake.staging import conversions, files, loads, stages
from include.sandbox.snowflake.staging.csv_files import BadRecord, compression, content, header
from include.sandbox.snowflake.staging.files import StagedFile, identifier, text
from include.sandbox.snowflake.staging.formats import FileFormat

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey

_RESULT = {
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
_ADVICE = (
    "\n  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' or "
    "'CONTINUE' for the ON_ERROR option. For more information on loading options, please run 'info loading_data' "
    "in a SQL client."
)
_SCRATCH = 'temp.main."_copied"'
# Options that change nothing here, with the one value that is taken.
_FIXED = {
    "LOAD_MODE": "FULL_INGEST",
    "LOAD_UNCERTAIN_FILES": "FALSE",
    "TRUNCATECOLUMNS": "FALSE",
    "ENFORCE_LENGTH": "TRUE",
}
_KNOWN = {
    *("FILES", "PATTERN", "FILE_FORMAT", "ON_ERROR", "SIZE_LIMIT", "PURGE", "RETURN_FAILED_ONLY", "FORCE"),
    *("MATCH_BY_COLUMN_NAME", *_FIXED),
}
_REFUSED = {
    "VALIDATION_MODE",
    "INCLUDE_METADATA",
    "STORAGE_INTEGRATION",
    "CREDENTIALS",
    "ENCRYPTION",
    "CLUSTER_AT_INGEST_TIME",
}


@dataclass(frozen=True)
class Column:
    """A column of the table that is loaded."""

    name: str
    type: str
    nullable: bool
    limit: int | None = None  # how long its texts may be

    def checks(self, number: int) -> list[str]:
        """What is wrong with a value of `v<number>` whatever it was made of."""
        found = [] if self.nullable else [f"WHEN v{number} IS NULL THEN {number}"]
        return found if self.limit is None else [*found, f"WHEN length(v{number}) > {self.limit} THEN {number}"]


@dataclass
class Load:
    """A COPY INTO a table, with its options checked."""

    session: Session
    table: TableKey
    target: str  # the engine's text of the table
    columns: list[Column]
    place: str
    select: exp.Select | None
    format: FileFormat
    found: list[tuple[StagedFile, str]]  # with the name that the answer shows
    on_error: str = "ABORT_STATEMENT"
    size_limit: int | None = None
    purge: bool = False
    force: bool = False
    failed_only: bool = False
    match: str = "NONE"
    simple: frozenset[int] = frozenset()  # the projections of a transformation that are no more than a cast
    loaded: list[StagedFile] = field(default_factory=list)


def options(given: dict[str, Any]) -> dict[str, Any]:
    """Check the copy options; what is not honoured is refused."""
    for name, value in given.items():
        if name in _REFUSED:
            raise unsupported(f"COPY INTO ... {name}")
        if name not in _KNOWN:
            raise invalid_option(name)
        if name in _FIXED and str(value).upper() != _FIXED[name]:
            raise unsupported(f"COPY INTO ... {name} = {value}")
    on_error = str(given.get("ON_ERROR", "ABORT_STATEMENT")).upper()
    if not re.fullmatch(r"CONTINUE|ABORT_STATEMENT|SKIP_FILE(_\d+%?)?", on_error):
        raise invalid_value("ON_ERROR", on_error)
    match = str(given.get("MATCH_BY_COLUMN_NAME", "NONE")).upper()
    if match not in {"NONE", "CASE_SENSITIVE", "CASE_INSENSITIVE"}:
        raise invalid_value("MATCH_BY_COLUMN_NAME", match)
    return {
        "on_error": on_error,
        "match": match,
        "size_limit": number("SIZE_LIMIT", given["SIZE_LIMIT"]) if "SIZE_LIMIT" in given else None,
        "purge": boolean("PURGE", given.get("PURGE", "FALSE")),
        "force": boolean("FORCE", given.get("FORCE", "FALSE")),
        "failed_only": boolean("RETURN_FAILED_ONLY", given.get("RETURN_FAILED_ONLY", "FALSE")),
    }


def find_files(session: Session, place: str, given: dict[str, Any]) -> list[tuple[StagedFile, str]]:
    """The files that FILES or PATTERN choose, with the names that the answer shows."""
    root, path, prefix = stages.split_place(session, place)
    if "FILES" in given:
        names = given["FILES"] if isinstance(given["FILES"], list) else [given["FILES"]]
        base = path if not path or path.endswith("/") else f"{path}/"
        found = [StagedFile(root / f"{base}{name}", f"{base}{name}") for name in names]
        for file in found:
            if not file.path.resolve().is_relative_to(root.resolve()) or not file.path.is_file():
                raise SqlError(91016, "22000", f"Remote file '{prefix}{file.name}' was not found.{_ADVICE}")
        if "PATTERN" in given:
            found = [f for f in found if re.fullmatch(str(given["PATTERN"]), f.name)]
    else:
        found = files.staged(root, path, str(given["PATTERN"]) if "PATTERN" in given else None)
    return [(file, prefix + file.name) for file in found]


def run(load: Load) -> Result:
    """Load the files that were not loaded before."""
    load.loaded = []
    records = []
    known = {} if load.force else loads.known(load)
    size = 0
    for file, shown in load.found:
        if known.get(loads.file_key(load, file)) == file.content_key:
            continue
        if load.size_limit is not None and size > load.size_limit:
            break
        size += file.path.stat().st_size
        record = {"file": shown, **_load_file(load, file)}
        records.append(record)
        if record["rows_loaded"] or record["status"] == "LOADED":
            load.loaded.append(file)
            loads.remember(load, file, record)
    if not records:
        return rows([{"status": "Copy executed with 0 files processed."}], ["status"])
    shown_records = [r for r in records if not load.failed_only or r["status"] != "LOADED"]
    result = rows(shown_records, _RESULT)
    result.rowcount = sum(record["rows_loaded"] for record in records)
    return result


def _load_file(load: Load, file: StagedFile) -> dict[str, Any]:
    with Registered(load.session) as registered:
        if load.select is not None:
            return _transformed(load, load.select, file)
        if load.format.type == "CSV":
            return _load_csv(load, registered, file)
        return _load_objects(load, registered, file)


def _done(parsed: int, loaded: int, errors: int = 0, first: SqlError | None = None, **where: Any) -> dict[str, Any]:
    status = "LOADED" if not errors else "PARTIALLY_LOADED" if loaded else "LOAD_FAILED"
    return {
        "status": status,
        "rows_parsed": parsed,
        "rows_loaded": loaded,
        "error_limit": 1 if not errors else parsed,
        "errors_seen": errors,
        "first_error": first.message if first else None,
        **where,
    }


def _insert(load: Load, names: list[str], query: str) -> int:
    listed = ", ".join(identifier(name) for name in names)
    result = load.session.cursor.query(f"INSERT INTO {load.target} ({listed}) {query}")
    return int(result.table.column(0)[0].as_py())


# ---- CSV -----------------------------------------------------------------------------------------


def _load_csv(load: Load, registered: Registered, file: StagedFile) -> dict[str, Any]:
    sources = _csv_sources(load, file)
    strict = load.format["ERROR_ON_COLUMN_COUNT_MISMATCH"] and load.match == "NONE"
    width = len(load.columns) + 1 if load.match == "NONE" else max(sources.values(), default=1)
    bad: list[BadRecord] = []
    relation = files.csv_relation(registered, file, load.format, width, bad)
    wanted = [c for c in load.columns if c.name in sources]
    values = ", ".join(
        f"{conversions.read(identifier(f'${sources[c.name]}'), c.type, load.format)} AS v{i}"
        for i, c in enumerate(wanted)
    )
    checks = [f"WHEN _fields <> {len(load.columns)} THEN -1"] if strict else []
    raw = []
    for i, column in enumerate(wanted):
        name = identifier(f"${sources[column.name]}")
        checks.append(f"WHEN {name} IS NOT NULL AND v{i} IS NULL THEN {i}")
        raw.append(f"WHEN {i} THEN {name}")
        checks += column.checks(i)
    scan = f"SELECT *, {values or 'NULL'} FROM ({relation})"
    row = '"METADATA$FILE_ROW_NUMBER" AS _row'
    case = f"CASE {' '.join(checks) or 'WHEN false THEN 0'} END AS _bad"
    value = f"CASE _bad {' '.join(raw) or 'WHEN NULL THEN NULL'} END AS _value"
    return _settle(load, file, wanted, f"SELECT *, {value} FROM (SELECT *, {row}, {case} FROM ({scan}))", bad)


def _settle(
    load: Load, file: StagedFile, wanted: list[Column], rows_: str, bad: list[BadRecord] | None = None
) -> dict[str, Any]:
    """Insert the rows of a query that are good, as far as ON_ERROR lets it.

    The query has `v0`, `v1`, ... the values, `_bad` the number of the first column that is wrong, `_value` what it is,
    `_row`, `_line` and `_fields`, how many there are.
    """
    bad = bad or []
    query = load.session.cursor.query
    query(f"CREATE OR REPLACE TEMP TABLE {_SCRATCH} AS {rows_}")
    try:
        counted = query(f"SELECT count(*) AS n, count(_bad) AS bad FROM {_SCRATCH}").table.to_pylist()[0]
        errors, parsed = counted["bad"] + len(bad), counted["n"] + len(bad)
        first, where = (None, {}) if not errors else _first_error(load, file, wanted, bad)
        place = where.pop("_where", "")
        if first and load.on_error == "ABORT_STATEMENT":
            raise SqlError(first.code, first.sqlstate, f"{first.message}{place}{_ADVICE}")
        if _skips(load.on_error, errors, parsed):
            return _done(parsed, 0, errors, first, **where)
        columns = ", ".join(f"v{i}" for i in range(len(wanted)))
        chosen = f"SELECT {columns} FROM {_SCRATCH} WHERE _bad IS NULL ORDER BY _row"
        loaded = _insert(load, [c.name for c in wanted], chosen)
        return _done(parsed, loaded, errors, first, **where)
    finally:
        # After a fault in the engine its transaction, and the table with it, is gone anyway.
        with contextlib.suppress(duckdb.Error):
            query(f"DROP TABLE IF EXISTS {_SCRATCH}")


def _csv_sources(load: Load, file: StagedFile) -> dict[str, int]:
    """For each column of the table the position of the file's field."""
    if load.match == "NONE":
        return {c.name: i + 1 for i, c in enumerate(load.columns)}
    if not load.format["PARSE_HEADER"]:
        raise SqlError(
            1008,
            "22023",
            f"{COMPILATION}MATCH_BY_COLUMN_NAME with CSV files needs the file format's PARSE_HEADER = TRUE",
        )
    data = content(file.path, compression(file.path, load.format["COMPRESSION"]))
    fold: Callable[[str], str] = str.upper if load.match == "CASE_INSENSITIVE" else str
    positions = {fold(name): i + 1 for i, name in enumerate(header(data, load.format, file.name))}
    return {c.name: positions[fold(c.name)] for c in load.columns if fold(c.name) in positions}


def _first_error(
    load: Load, file: StagedFile, wanted: list[Column], bad: list[BadRecord]
) -> tuple[SqlError, dict[str, Any]]:
    found = load.session.cursor.query(
        f"SELECT _row, _line, _fields, _bad, _value FROM {_SCRATCH} WHERE _bad IS NOT NULL ORDER BY _row LIMIT 1"
    ).table.to_pylist()
    if bad and (not found or bad[0].line <= found[0]["_line"]):
        place = f"\n  File '{file.name}', line {bad[0].line}\n  Row {bad[0].record}"
        return bad[0].error, {"first_error_line": bad[0].line, "_where": place}
    row = found[0]
    line = f", line {row['_line']}" if row["_line"] else ""
    place = f"\n  File '{file.name}'{line}\n  Row {row['_row']}"
    where: dict[str, Any] = {"first_error_line": row["_line"]}
    if row["_bad"] < 0:
        # More fields than there are columns are counted up to one too many.
        count, columns = row["_fields"], len(load.columns)
        said = f"at least {count}" if count > columns else count
        message = (
            f"Number of columns in file ({said}) does not match that of the corresponding table ({columns}), "
            "use file format option error_on_column_count_mismatch=false to ignore this error"
        )
        return SqlError(100080, "22000", message), {**where, "_where": place}
    column = wanted[row["_bad"]]
    name = f'"{load.table[2]}"["{column.name}":{row["_bad"] + 1}]'
    where |= {"first_error_column_name": name, "_where": f"{place}, column {name}"}
    if row["_value"] is None:
        return SqlError(100072, "22000", f"NULL result in a non-nullable column '{column.name}'"), where
    if column.limit is not None and len(row["_value"]) > column.limit:
        return SqlError(100078, "22000", f"String '{row['_value']}' is too long and would be truncated"), where
    return SqlError(*conversions.wrong_value(column.type, row["_value"])), where


def _skips(on_error: str, errors: int, parsed: int) -> bool:
    """True if a file with so many errors is left out as a whole."""
    if not errors or not on_error.startswith("SKIP_FILE"):
        return False
    limit = on_error.removeprefix("SKIP_FILE").removeprefix("_")
    if limit.endswith("%"):
        return 100 * errors > int(limit[:-1]) * parsed
    return errors >= int(limit or 1)


# ---- JSON, Parquet, transformations --------------------------------------------------------------


def _only_abort(load: Load) -> None:
    if load.on_error != "ABORT_STATEMENT":
        raise unsupported(f"COPY INTO ... ON_ERROR = {load.on_error} with {load.format.type} files as they are")


def _load_objects(load: Load, registered: Registered, file: StagedFile) -> dict[str, Any]:
    """Load files of objects: their fields by name, or each whole into the one column of a semi-structured type."""
    _only_abort(load)
    if load.match == "NONE":
        if [c.type for c in load.columns] != ["JSON"]:
            raise SqlError(
                2019,
                "0A000",
                f"{COMPILATION}{load.format.type} file format can produce one and only one column of type variant, "
                "object, or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option "
                "or copy with transformation.",
            )
        relation = files.relation(registered, [file], load.format, 1)
        count = _insert(load, [load.columns[0].name], f'SELECT "$1" FROM ({relation})')
        return _done(count, count)
    fold: Callable[[str], str] = str.upper if load.match == "CASE_INSENSITIVE" else str
    relation = files.relation(registered, [file], load.format, 1)
    if load.format.type == "PARQUET":
        fields = {fold(name): identifier(f"$1:{name}") for name in files.parquet_fields([file])}
    else:
        keys = load.session.cursor.query(f'SELECT DISTINCT unnest(json_keys("$1")) AS k FROM ({relation})').table
        fields = {fold(key): key for key in keys.column("k").to_pylist()}
    wanted = [c for c in load.columns if fold(c.name) in fields]
    if load.format.type == "PARQUET":
        values = [fields[fold(c.name)] for c in wanted]
    else:
        values = [_json_field(fields[fold(c.name)], c.type) for c in wanted]
    if not wanted:
        return _done(0, 0)
    count = _insert(load, [c.name for c in wanted], f"SELECT {', '.join(values)} FROM ({relation})")
    return _done(count, count)


def _json_field(key: str, type_: str) -> str:
    """A field of a JSON object as a column's value; JSON's null is NULL."""
    path = text('$."' + key.replace('"', '\\"') + '"')
    if type_ == "JSON":
        return f'json_extract("$1", {path})'
    return f'CAST(json_extract_string("$1", {path}) AS {type_})'


def _transformed(load: Load, select: exp.Select, file: StagedFile) -> dict[str, Any]:
    select = select.copy()
    for table in select.find_all(exp.Table):
        if files.is_staged(table):
            table.meta["format"], table.meta["files"] = load.format, [file]
    if len(select.expressions) != len(load.columns):
        raise SqlError(
            2020,
            "21S01",
            f"{COMPILATION}Insert value list does not match column list expecting {len(load.columns)} "
            f"but got {len(select.expressions)}",
        )
    select.set("expressions", [_as_column(e, c) for e, c in zip(select.expressions, load.columns, strict=True)])
    row = exp.alias_(exp.column("METADATA$FILE_ROW_NUMBER", quoted=True), "_row", quoted=True)
    tolerant = load.on_error != "ABORT_STATEMENT"
    if tolerant:
        select = select.select(row)
    with Registered(load.session) as registered:
        files.staged_tables(select, registered, None)
        if tolerant:
            return _settle(load, file, load.columns, _tried(load, select))
        count = _insert(load, [c.name for c in load.columns], load.session.cursor.to_duckdb(select))
    return _done(count, count)


def _tried(load: Load, select: exp.Select) -> str:
    """A transformation that gives NULL for what cannot be cast, and says so in `_bad`."""
    *values, row = select.expressions
    wanted, raw, checks = [row], [], []
    for i, (value, column) in enumerate(zip(values, load.columns, strict=True)):
        if i not in load.simple:
            raise unsupported(f"COPY INTO ... ON_ERROR = {load.on_error} with more than a cast in a transformation")
        inner = value.this if isinstance(value, exp.Alias) else value
        taken = inner.find(exp.JSONExtract) or inner.find(exp.Column) or exp.null()
        cast = exp.cast(inner.copy(), exp.DataType.build(column.type, dialect="duckdb"))
        wanted += [
            exp.alias_(taken.copy(), f"r{i}"),
            exp.alias_(exp.Anonymous(this="TRY", expressions=[cast]), f"v{i}"),
        ]
        raw.append(f"WHEN {i} THEN r{i}::VARCHAR")
        checks.append(f"WHEN v{i} IS NULL AND r{i}::VARCHAR <> 'null' THEN {i}")
        checks += column.checks(i)
    select.set("expressions", wanted)
    rows_ = f"SELECT *, CASE {' '.join(checks)} END AS _bad FROM ({load.session.cursor.to_duckdb(select)})"
    return (
        f"SELECT *, CASE _bad {' '.join(raw)} END AS _value, NULL::BIGINT AS _line, NULL::BIGINT AS _fields "
        f"FROM ({rows_})"
    )


def _as_column(value: exp.Expression, column: Column) -> exp.Expression:
    """A field that is taken out of an object becomes the column's type."""
    inner = value.this if isinstance(value, exp.Alias) else value
    if column.type == "JSON" or not isinstance(inner, exp.JSONExtract | exp.Bracket):
        return value
    return exp.cast(inner.copy(), exp.DataType.build(column.type, dialect="duckdb"))
