"""COPY INTO, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error, unsupported
from include.sandbox.snowflake.language.grammar import resolve_identifier, statement
from include.sandbox.snowflake.language.options import Reader
from include.sandbox.snowflake.locks import Mode
from include.sandbox.snowflake.objects import refresh
from include.sandbox.snowflake.results import Result
from include.sandbox.snowflake.sql import facts
from include.sandbox.snowflake.sql.history import Work
from include.sandbox.snowflake.staging import files, inferring, loading, stages, unloading  # noqa: F401
from include.sandbox.snowflake.staging.files import identifier
from include.sandbox.snowflake.staging.loading import Column, Load
from include.sandbox.snowflake.staging.unloading import Unload

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session, TableKey


@statement("COPY INTO {copy:rest}")
def copy_into(session: Session, copy: str, params: Any = None) -> Result:
    """Load files of a stage into a table, or unload a table or a query into files of a stage."""
    reader = Reader(copy, params)
    if reader.next.startswith(("@", "'")):
        return _unload(session, reader)
    return _load(session, reader)


def _place(reader: Reader) -> str:
    token = reader.take()
    if token.text == "?":
        return str(reader.bound())
    if not token.text.startswith(("@", "'@", "'snow:")):
        raise unsupported(f"COPY INTO with the location {token.text}")
    return token.text


# ---- into a table --------------------------------------------------------------------------------


def _load(session: Session, reader: Reader) -> Result:
    table = session.qualify(reader.name())
    target, columns = _columns(session, table)
    refresh.refuse_change(session, table, "COPY")
    if reader.next == "(":
        columns = _chosen(columns, reader.in_parentheses()[0])
    reader.expect("FROM")
    select, simple = None, frozenset[int]()
    if reader.next == "(":
        text, values = reader.in_parentheses()
        select, place = _transformation(session, text, values)
        simple = _simple(text)
    else:
        place = _place(reader)
    given = reader.options()
    load = Load(
        session=session,
        table=table,
        target=target,
        columns=columns,
        place=place,
        select=select,
        format=files.stage_format(session, place, given.get("FILE_FORMAT")),
        found=[],
        simple=simple,
        **loading.options(given),
    )
    load.found = loading.find_files(session, place, given)
    return _carry_out(session, load)


def _carry_out(session: Session, load: Load) -> Result:
    if not session.autocommit:
        session.transaction.begin()
    alone = not session.transaction.open
    timeout = float(session.parameters["LOCK_TIMEOUT"])
    result = session.transaction.change(load.table, Mode.INSERT, Work(lambda: loading.run(load)), timeout)
    if load.purge and load.loaded:
        loaded, root = [file.path for file in load.loaded], stages.split_place(session, load.place)[0]
        if alone:
            stages.remove_files(root, loaded)
        else:
            # A transaction may have to make its changes again, for which it needs the files.
            session.transaction.after_commit.append(lambda: stages.remove_files(root, loaded))
    return result


def _columns(session: Session, table: TableKey) -> tuple[str, list[Column]]:
    """The engine's text of a table, and its columns."""
    physical = session.temporary_tables.get(table)
    key = ("temp", "main", physical) if physical else table
    found = session.cursor.query(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        "WHERE (database_name, schema_name, table_name) = (?, ?, ?) ORDER BY column_index",
        list(key),
    ).table.to_pylist()
    if not found:
        raise not_found("Table", ".".join(table))
    target = (str(key[0]), str(key[1]), str(key[2]))
    known = facts.read(session.cursor, target)
    limits = known.text_limits() if known else {}
    columns = [Column(c["column_name"], c["data_type"], c["is_nullable"], limits.get(c["column_name"])) for c in found]
    return ".".join(map(identifier, target)), columns


def _chosen(columns: list[Column], text: str) -> list[Column]:
    known = {column.name: column for column in columns}
    reader, chosen = Reader(text), []
    while not reader.done():
        name = resolve_identifier(reader.take().text)
        if name not in known:
            raise SqlError(904, "42000", f"{COMPILATION}error line 1 at position 0\ninvalid identifier '{name}'")
        chosen.append(known[name])
        if not reader.done():
            reader.expect(",")
    return chosen


def _transformation(session: Session, text: str, values: list[Any]) -> tuple[exp.Select, str]:
    select = execution.prepared_query(session, text, values)
    table = select.find(exp.Table)
    from_ = select.args.get("from_")
    if not isinstance(select, exp.Select) or from_ is None or not files.is_staged(from_.this):
        raise syntax_error("a transformation selects from the files of a stage")
    if any(select.args.get(part) for part in ("joins", "where", "group", "having", "order", "limit", "qualify")):
        raise SqlError(
            2, "0A000", f"{COMPILATION}COPY statement only supports simple SELECT from stage statements for import."
        )
    if table is not None and (table.args.get("format") or table.args.get("pattern")):
        raise unsupported("COPY INTO ... FROM (SELECT ... FROM @stage (FILE_FORMAT => ..., PATTERN => ...))")
    return select, from_.this.this.name


def _simple(text: str) -> frozenset[int]:
    """The numbers of the projections that are a field of the file, cast or not."""
    simple = set()
    for number, projection in enumerate(sqlglot.parse_one(text, read="snowflake").expressions):
        inner = projection
        while isinstance(inner, exp.Alias | exp.Cast | exp.Paren | exp.JSONExtract | exp.Column):
            inner = inner.this
        if isinstance(inner, exp.Parameter):
            simple.add(number)
    return frozenset(simple)


# ---- into a stage --------------------------------------------------------------------------------


def _unload(session: Session, reader: Reader) -> Result:
    place = _place(reader)
    reader.expect("FROM")
    if reader.next == "(":
        query, values = reader.in_parentheses()
    else:
        query, values = f"SELECT * FROM {_quoted(session.qualify(reader.name()))}", []
    partition = None
    if reader.skip("PARTITION", "BY"):
        partition, bound = reader.in_parentheses()
        values = [*bound, *values]
    given = reader.options(bare=("HEADER",))
    unload = Unload(
        session=session,
        place=stages_text(place),
        format=files.stage_format(session, stages_text(place), given.get("FILE_FORMAT")),
        **unloading.options(given),
    )
    if partition is not None:
        query = f'SELECT ({partition})::VARCHAR AS "_partition", _q.* FROM ({query}) AS _q'
    result = execution.run(session, query, tuple(values) or None)
    values_of = None
    if partition is not None:
        values_of = result.table.column(0)
        result = Result(result.table.select(list(range(1, result.table.num_columns))), result.types[1:])
    return unloading.run(unload, result, values_of)


def stages_text(place: str) -> str:
    """A place without its quotes."""
    return place[1:-1].replace("''", "'") if place.startswith("'") else place


def _quoted(table: TableKey) -> str:
    return ".".join(identifier(part) for part in table)
