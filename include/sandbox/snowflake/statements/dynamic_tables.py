"""The SQL of dynamic tables; what a refresh is, and when one is due, is in `refresh` and `dynamic_tables`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, already_exists, not_found, syntax_error, unsupported
from include.sandbox.snowflake.execution import run
from include.sandbox.snowflake.language.grammar import Effect, assigned, statement, unquote
from include.sandbox.snowflake.language.variables import substitute_variables
from include.sandbox.snowflake.objects import dynamic_tables, refresh, tags
from include.sandbox.snowflake.objects.dynamic_tables import KIND, Definition, Key, quoted, timestamp
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status

# Its SET TAG comes before the SET of this module, which takes any option.
from include.sandbox.snowflake.statements import tags as tag_statements

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

# ---- CREATE --------------------------------------------------------------------------------------


@statement(
    "CREATE [replace:OR REPLACE] [transient:TRANSIENT] DYNAMIC TABLE [absent:IF NOT EXISTS] {name:name} {rest:rest}"
)
def create_dynamic_table(
    session: Session, name: str, rest: str, replace: str | None, transient: str | None, absent: str | None
) -> Result:
    """Create a dynamic table: columns, TARGET_LAG, WAREHOUSE, REFRESH_MODE, INITIALIZE, CLUSTER BY, COMMENT, TAG."""
    session.transaction.commit()
    key = session.qualify(name)
    given = dynamic_tables.read_definition(substitute_variables(rest, session.variables))
    if not session.account.engine.has_schema(key[0], key[1]):
        raise not_found("Schema", f"{key[0]}.{key[1]}")
    for option in ("WAREHOUSE", "INITIALIZATION_WAREHOUSE"):
        if option in given.options:
            session.account.warehouses.get(given.options[option])
    given_tags: tags.Given = {None: tag_statements.values_of(session, given.tags)} if given.tags else {}
    words = " ".join(word.strip() for word in ("CREATE", replace, transient, "DYNAMIC TABLE", absent) if word)
    with session.account.refreshes.one_at_a_time(key):
        if not _is_free(session, key, bool(replace), bool(absent)):
            return status(f"{key[2]} already exists, statement succeeded.")
        _create(session, key, given, f"{words} {name} {rest}".strip(), transient)
        tags.forget(session, "TABLE", key)
        for column, values in {**given_tags, **_column_tags(session, given)}.items():
            tags.put(session, "TABLE", key, values, column)
    return status(f"Dynamic table {key[2]} successfully created.")


def _is_free(session: Session, key: Key, replace: bool, absent: bool) -> bool:
    """True if the table may be made; False if there is something that may stay."""
    is_dynamic = session.account.catalog.find(KIND, key) is not None
    if not is_dynamic and not tags.columns(session, key):
        return True
    if is_dynamic and replace:
        return True
    if absent:
        return False
    if replace:
        raise SqlError(1998, "42710", f"{COMPILATION}Object '{'.'.join(key)}' already exists as TABLE or VIEW")
    raise already_exists(".".join(key))


def _create(session: Session, key: Key, given: Definition, text: str, transient: str | None) -> None:
    catalog = session.account.catalog
    with refresh.maintenance(session, key) as inner:
        sources = refresh.sources(inner, given.query)
        _refuse_circle(session, key, sources)
        refresh.bring_up_to_date(session, sources, run)
        names, projections = _projections(inner, given)
        started = dynamic_tables.now()
        is_empty = given.options.get("INITIALIZE") == "ON_SCHEDULE"
        definition = {
            "text": text,
            "query": given.query,
            "query_columns": names,
            "projections": projections,
            "rebuild": False,
            "sources": sources,
            "target_lag": given.options["TARGET_LAG"],
            "warehouse": given.options["WAREHOUSE"],
            "initialization_warehouse": given.options.get("INITIALIZATION_WAREHOUSE"),
            "refresh_mode": given.options.get("REFRESH_MODE", "AUTO"),
            "cluster_by": _cluster_by(inner, given.cluster_by, f"SELECT {projections} FROM ({given.query}\n)"),
            "comment": given.options.get("COMMENT"),
            "transient": bool(transient),
            "creating": True,
            "suspended": None,
            "suspended_on": None,
            "renaming": None,
            "errors": 0,
            **dict.fromkeys(("data_timestamp", "last_attempt", "refreshed_at")),
        }
        before = catalog.find(KIND, key)
        if before:  # should this be cut short, the content of the old definition is made anew
            catalog.update(KIND, key, rebuild=True)
        else:
            catalog.create(KIND, key, definition)
        try:
            run(inner, refresh.create_text(key, definition, empty=is_empty))
        except BaseException:
            if before:
                catalog.update(KIND, key, rebuild=False)
            else:
                catalog.drop(KIND, key, if_exists=True)
            raise
        _comment(inner, key, given)
        if not is_empty:
            times = {"data_timestamp": started.isoformat(), "last_attempt": started.isoformat()}
            definition |= {**times, "refreshed_at": dynamic_tables.now().isoformat()}
        catalog.create(KIND, key, {**definition, "creating": False}, replace=True)
        if not is_empty:
            counts = {"insertedRows": refresh.count(session, key), "copiedRows": 0, "deletedRows": 0}
            refresh.write_down(session, catalog.get(KIND, key), "CREATION", started, counts)


def _projections(inner: Session, given: Definition) -> tuple[list[str], str]:
    """The names of the query's columns, and those columns by the table's names and types."""
    names = [str(name) for name in run(inner, given.query, describe_only=True).table.column_names]
    if len({name.upper() for name in names}) != len(names):
        twice = next(name for name in names if sum(n.upper() == name.upper() for n in names) > 1)
        raise SqlError(2025, "42S21", f"{COMPILATION}duplicate column name '{twice}'")
    if given.columns and len(given.columns) != len(names):
        text = f"Invalid column definition list: {len(given.columns)} columns, where the query has {len(names)}"
        raise SqlError(2026, "42601", f"{COMPILATION}{text}")
    columns = given.columns or [exp.to_identifier(name, quoted=True) for name in names]
    parts = []
    for name, column in zip(names, columns, strict=True):
        kind = column.args.get("kind") if isinstance(column, exp.ColumnDef) else None
        value = f"CAST({quoted((name,))} AS {kind.sql('snowflake')})" if kind else quoted((name,))
        parts.append(f"{value} AS {quoted((_column_name(column),))}")
    return names, ", ".join(parts)


def _column_name(column: exp.Expression) -> str:
    identifier = column if isinstance(column, exp.Identifier) else column.this
    return str(identifier.name if identifier.args.get("quoted") else identifier.name.upper())


def _constraints(given: Definition, kind: type[exp.Expression]) -> dict[str, exp.Expression]:
    found = {}
    for column in given.columns:
        for constraint in column.args.get("constraints") or []:
            what = constraint.args.get("kind")
            if isinstance(what, kind):
                found[_column_name(column)] = what
            elif not isinstance(what, exp.CommentColumnConstraint | exp.Tags):
                raise unsupported(f"{constraint.sql('snowflake')} in the columns of a dynamic table")
    return found


def _comment(inner: Session, key: Key, given: Definition) -> None:
    for name, comment in _constraints(given, exp.CommentColumnConstraint).items():
        text = exp.Literal.string(comment.this.name).sql("duckdb")
        inner.cursor.query(f"COMMENT ON COLUMN {quoted((*key, name))} IS {text}")


def _column_tags(session: Session, given: Definition) -> tags.Given:
    return {
        name: tag_statements.values_of(session, ", ".join(p.sql("snowflake") for p in clause.expressions))
        for name, clause in _constraints(given, exp.Tags).items()
    }


def _cluster_by(inner: Session, columns: str | None, select: str) -> str:
    """The clustering key as it is shown; its columns must be there. Here it orders nothing."""
    if columns is None:
        return ""
    run(inner, f"SELECT {columns} FROM ({select})", describe_only=True)
    return f"LINEAR({', '.join(part.strip() for part in columns.split(','))})"


def _refuse_circle(session: Session, key: Key, sources: list[Key]) -> None:
    everything = refresh.graph(session)
    for source in refresh.reached(session, sources):
        if source == key or key in everything.upstream(source):
            raise SqlError(2, "42601", f"{COMPILATION}The dynamic table '{'.'.join(key)}' would read itself.")


# ---- ALTER and DROP ------------------------------------------------------------------------------


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} REFRESH")
def refresh_dynamic_table(session: Session, name: str, exists: str | None) -> Result:
    """Refresh a dynamic table now, after those that it reads; also one that is suspended."""
    session.transaction.commit()
    entry = refresh.find(session, name, exists)
    if entry is None:
        return status(DONE)
    refresh.refresh(session, entry.key, run, "MANUAL")
    at = timestamp(session.account.catalog.get(KIND, entry.key).definition["data_timestamp"])
    last = next(event for event in reversed(refresh.events(session)) if event["key"] == list(entry.key))
    record = {"statistics": json.dumps(last["counts"]), "data_timestamp": at}
    return rows([record], {"statistics": pa.string(), "data_timestamp": CREATED_ON})


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} SUSPEND", Effect.DDL)
def suspend_dynamic_table(session: Session, name: str, exists: str | None) -> Result:
    """Let a dynamic table keep its content, and those that read it."""
    if entry := refresh.find(session, name, exists):
        everything, at = refresh.graph(session), dynamic_tables.now().isoformat()
        for key in (entry.key, *everything.downstream(entry.key)):
            own = key == entry.key
            if own or not everything.entries[key].definition["suspended"]:
                why = "USER" if own else "UPSTREAM"
                session.account.catalog.update(KIND, key, suspended=why, suspended_on=at)
    return status(DONE)


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} RESUME", Effect.DDL)
def resume_dynamic_table(session: Session, name: str, exists: str | None) -> Result:
    """Refresh a dynamic table when it is due again, and those that read it and were not suspended themselves."""
    if entry := refresh.find(session, name, exists):
        everything = refresh.graph(session)
        for key in (entry.key, *everything.downstream(entry.key)):
            if key == entry.key or everything.entries[key].definition["suspended"] == "UPSTREAM":
                session.account.catalog.update(KIND, key, suspended=None, errors=0)
    return status(DONE)


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} RENAME TO {new:name}")
def rename_dynamic_table(session: Session, name: str, exists: str | None, new: str) -> Result:
    """Give a dynamic table another name."""
    if entry := refresh.find(session, name, exists):
        target = session.qualify(new)
        if target[:2] != entry.key[:2]:
            raise unsupported("ALTER DYNAMIC TABLE ... RENAME TO another schema")
        if target != entry.key and (tags.columns(session, target) or session.account.catalog.find(KIND, target)):
            raise already_exists(".".join(target))
        run(session, f"ALTER TABLE {quoted(entry.key)} RENAME TO {quoted(target)}")
    return status(DONE)


_SETTINGS = {"TARGET_LAG", "WAREHOUSE", "INITIALIZATION_WAREHOUSE", "COMMENT"}


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} SET {settings:assignments}", Effect.DDL)
def set_dynamic_table(session: Session, name: str, exists: str | None, settings: str) -> Result:
    """Change TARGET_LAG, WAREHOUSE, INITIALIZATION_WAREHOUSE, COMMENT."""
    given = assigned(settings)
    if given is None or not given.keys() <= _SETTINGS:
        raise unsupported(f"ALTER DYNAMIC TABLE ... SET {settings}")
    for option in ("TARGET_LAG", "COMMENT"):
        if option in given and given[option][0] in "'$":
            given[option] = unquote(given[option])
    checked = dynamic_tables.checked_options(given)
    for option in ("WAREHOUSE", "INITIALIZATION_WAREHOUSE"):
        if option in checked:
            session.account.warehouses.get(checked[option])
    if entry := refresh.find(session, name, exists):
        session.account.catalog.update(KIND, entry.key, **{k.lower(): v for k, v in checked.items()})
    return status(DONE)


@statement(
    "ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} UNSET ([comment:COMMENT]|[warehouse:INITIALIZATION_WAREHOUSE])",
    Effect.DDL,
)
def unset_dynamic_table(
    session: Session, name: str, exists: str | None, comment: str | None, warehouse: str | None
) -> Result:
    """Take the comment or the initialization warehouse away."""
    changed = {"comment": None} if comment else {"initialization_warehouse": None} if warehouse else {}
    if entry := refresh.find(session, name, exists):
        session.account.catalog.update(KIND, entry.key, **changed)
    return status(DONE)


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} CLUSTER BY {columns:rest}", Effect.DDL)
def cluster_dynamic_table(session: Session, name: str, exists: str | None, columns: str) -> Result:
    """Keep a clustering key, to be shown."""
    if not re.fullmatch(r"\s*\(.*\)\s*", columns, re.DOTALL):
        raise syntax_error(f"unexpected '{columns}' after CLUSTER BY")
    if entry := refresh.find(session, name, exists):
        shown = _cluster_by(session, columns.strip()[1:-1], f"SELECT * FROM {quoted(entry.key)}")
        session.account.catalog.update(KIND, entry.key, cluster_by=shown)
    return status(DONE)


@statement("ALTER DYNAMIC TABLE [exists:IF EXISTS] {name:name} DROP CLUSTERING KEY", Effect.DDL)
def uncluster_dynamic_table(session: Session, name: str, exists: str | None) -> Result:
    """Forget a clustering key."""
    if entry := refresh.find(session, name, exists):
        session.account.catalog.update(KIND, entry.key, cluster_by="")
    return status(DONE)


@statement("DROP DYNAMIC TABLE [exists:IF EXISTS] {name:name}")
def drop_dynamic_table(session: Session, name: str, exists: str | None) -> Result:
    """Drop a dynamic table with its content."""
    session.transaction.commit()
    entry = refresh.find(session, name, exists)
    if entry is None:
        return status(dropped(session.qualify(name)[2], done=False))
    with session.account.refreshes.one_at_a_time(entry.key), refresh.maintenance(session, entry.key) as inner:
        run(inner, f"DROP TABLE IF EXISTS {quoted(entry.key)}")
        session.account.catalog.drop(KIND, entry.key, if_exists=True)
    return status(dropped(entry.key[2], done=True))
