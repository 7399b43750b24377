"""Refreshing dynamic tables, by hand and before a read that would find one older than its target lag.

A refresh is a transaction of a session of its own, so readers have the content before it or the one after it.
Nobody but a refresh changes a dynamic table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import sqlglot
from sqlglot import exp

from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, translate, unsupported
from include.sandbox.snowflake.fakesnow_seams import upper_case
from include.sandbox.snowflake.objects.dynamic_tables import (
    HISTORY,
    KIND,
    MAX_ERRORS,
    Graph,
    Key,
    now,
    quoted,
    timestamp,
)
from include.sandbox.snowflake.session import Session
from include.sandbox.snowflake.sql.rewrite import identifier_calls, qualify_tables, target_of

if TYPE_CHECKING:
    from include.sandbox.snowflake.objects.catalog import Entry
    from include.sandbox.snowflake.results import Result

Run = Callable[..., "Result"]
KEPT = timedelta(days=7)
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable)
_READS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Copy, *_CHANGES)


# ---- before any statement ------------------------------------------------------------------------


def before(session: Session, expression: exp.Expression, run: Run) -> None:
    """Refuse to change a dynamic table; bring those up to date that a statement reads."""
    known = session.account.refreshes.keys(session.account.catalog)
    if not known or session.maintains:
        return
    target = target_of(expression)
    if target in known:
        _check_target(session, expression, target)
        for new in _renames(session, expression):  # a crash on the way leaves what is needed to bring it to an end
            session.account.catalog.update(KIND, target, renaming=new)
    is_table = isinstance(expression, exp.Create) and str(expression.kind).upper() == "TABLE"
    if is_table or isinstance(expression, _READS):
        read = {(t.catalog, t.db, t.name) for t in expression.find_all(exp.Table) if t.catalog}
        bring_up_to_date(session, read, run)


def refuse_change(session: Session, key: Key, verb: str) -> None:
    """Refuse to change a table that is a dynamic one."""
    if key in session.account.refreshes.keys(session.account.catalog) and session.maintains != key:
        text = f"{COMPILATION}Invalid operation {verb} on the dynamic table '{'.'.join(key)}'."
        raise SqlError(2204, "42601", text)


def _check_target(session: Session, expression: exp.Expression, key: Key) -> None:
    kind = str(expression.args.get("kind")).upper()
    name = ".".join(key)
    if isinstance(expression, _CHANGES):
        refuse_change(session, key, "TRUNCATE" if isinstance(expression, exp.TruncateTable) else expression.key.upper())
    if isinstance(expression, exp.Create) and (expression.args.get("replace") or kind != "TABLE"):
        raise SqlError(1998, "42710", f"{COMPILATION}Object '{name}' already exists as DYNAMIC_TABLE")
    if isinstance(expression, exp.Drop):
        text = f"{COMPILATION}Object found is of type 'DYNAMIC_TABLE', not specified type '{kind}'."
        raise SqlError(2203, "42601", text)
    renames = [isinstance(action, exp.AlterRename) for action in expression.args.get("actions") or []]
    if isinstance(expression, exp.Alter) and not (renames and all(renames)):
        raise unsupported(f"ALTER {kind} of a dynamic table")


def after(session: Session, expression: exp.Expression) -> None:
    """ALTER TABLE ... RENAME TO has renamed a dynamic table: its entry follows."""
    key = target_of(expression)
    if key in session.account.refreshes.keys(session.account.catalog):
        for new in _renames(session, expression):
            session.account.catalog.rename(KIND, key, new)
            session.account.catalog.update(KIND, new, renaming=None)


def _renames(session: Session, expression: exp.Expression) -> list[Key]:
    actions = expression.args.get("actions") or [] if isinstance(expression, exp.Alter) else []
    names = [a.this for a in actions if isinstance(a, exp.AlterRename)]
    return [session.qualify(tuple(part.name for part in name.parts)) for name in names]


def bring_up_to_date(session: Session, read: Iterable[Key], run: Run) -> None:
    """Refresh the dynamic tables among these, or behind the views among these, that are due."""
    wanted = reached(session, read)
    if not wanted:
        return
    asked, everything = now(), graph(session)
    for key in sorted(wanted & everything.entries.keys()):
        if everything.is_due(key, asked):
            _refresh_due(session, everything, key, run, asked)
        definition = session.account.catalog.get(KIND, key).definition
        if not definition["data_timestamp"]:
            text = (
                f"{COMPILATION}Dynamic Table '{'.'.join(key)}' is not initialized. "
                "Please run a manual refresh or wait for a scheduled refresh before querying."
            )
            raise SqlError(2714, "42601", text)
        session.transaction.see(timestamp(definition["refreshed_at"]))


def _refresh_due(session: Session, everything: Graph, key: Key, run: Run, asked: datetime) -> None:
    """A failed refresh leaves the content as it was; the history tells of it, as where a scheduler does it."""
    for one in [*everything.upstream(key), key]:
        try:
            refresh_one(session, one, run, "SCHEDULED", asked, if_due=one == key)
        except SqlError:
            return


# ---- refreshing ----------------------------------------------------------------------------------


def refresh(session: Session, key: Key, run: Run, trigger: str) -> None:
    """Refresh a dynamic table after those that it reads."""
    asked = now()
    for one in [*graph(session).upstream(key), key]:
        refresh_one(session, one, run, trigger, asked)


def refresh_one(session: Session, key: Key, run: Run, trigger: str, asked: datetime, *, if_due: bool = False) -> None:
    """Refresh one table, unless somebody else has since this was asked for."""
    catalog = session.account.catalog
    with session.account.refreshes.one_at_a_time(key):
        entry = catalog.find(KIND, key)
        if entry is None or _is_fresh(entry, asked, trigger) or (if_due and not graph(session).is_due(key, asked)):
            return
        started = now()
        try:
            with maintenance(session, key) as inner:
                counts = _fill(inner, entry, run)
        except Exception as error:
            known = translate(error)
            _write_down_failure(session, entry, trigger, started, known)
            raise known from error
        finished = now().isoformat()
        times = {"data_timestamp": started.isoformat(), "last_attempt": started.isoformat(), "refreshed_at": finished}
        catalog.update(KIND, key, **times, errors=0, rebuild=False)
        write_down(session, entry, trigger, started, counts)


def _is_fresh(entry: Entry, asked: datetime, trigger: str) -> bool:
    names = ("data_timestamp",) if trigger == "MANUAL" else ("data_timestamp", "last_attempt")
    return any(entry.definition[name] and timestamp(entry.definition[name]) >= asked for name in names)


def _fill(inner: Session, entry: Entry, run: Run) -> dict[str, int]:
    """Replace the content by the query's rows of now; returns how many rows went and came."""
    target = quoted(entry.key)
    if entry.definition["rebuild"]:
        run(inner, create_text(entry.key, entry.definition))
        return {"insertedRows": count(inner, entry.key), "copiedRows": 0, "deletedRows": 0}
    inner.transaction.begin()
    try:
        deleted = run(inner, f"DELETE FROM {target}").rowcount
        columns = ", ".join(quoted((name,)) for name in entry.definition["query_columns"])
        inserted = run(inner, f"INSERT INTO {target} SELECT {columns} FROM ({entry.definition['query']}\n)").rowcount
        inner.transaction.commit()
    except BaseException:
        inner.transaction.rollback()
        raise
    return {"insertedRows": inserted or 0, "copiedRows": 0, "deletedRows": deleted or 0}


def create_text(key: Key, definition: dict[str, Any], *, empty: bool = False) -> str:
    """The statement that makes the table, with the rows of now."""
    query = f"SELECT {definition['projections']} FROM ({definition['query']}\n)"
    return f"CREATE OR REPLACE TABLE {quoted(key)} AS {query}{' LIMIT 0' if empty else ''}"


@contextmanager
def maintenance(session: Session, key: Key) -> Iterator[Session]:
    """A session of a dynamic table's own: where its names are looked up, and its content is changed."""
    inner = Session(session.account)
    inner.maintains = key
    inner.use(key[0], key[1])
    session.helper = inner
    try:
        yield inner
    finally:
        session.helper = None
        inner.close()


def _write_down_failure(session: Session, entry: Entry, trigger: str, started: datetime, error: SqlError) -> None:
    catalog = session.account.catalog
    changed: dict[str, Any] = {"last_attempt": started.isoformat()}
    if trigger == "SCHEDULED":
        changed["errors"] = entry.definition["errors"] + 1
        if changed["errors"] >= MAX_ERRORS and not entry.definition["suspended"]:
            changed |= {"suspended": "ERRORS", "suspended_on": now().isoformat()}
    catalog.update(KIND, entry.key, **changed)
    write_down(session, entry, trigger, started, None, error)


def write_down(
    session: Session,
    entry: Entry,
    trigger: str,
    started: datetime,
    counts: dict[str, int] | None,
    error: SqlError | None = None,
) -> None:
    """Put a refresh into the history."""
    event = {
        "key": entry.key,
        "state": "FAILED" if error else "SUCCEEDED",
        "code": f"{error.code:06d}" if error else "SUCCESS",
        "message": error.message if error else None,
        "started": started.isoformat(),
        "finished": now().isoformat(),
        "counts": counts,
        "trigger": trigger,
        "target_lag": entry.definition["target_lag"],
    }
    session.account.catalog.record(HISTORY, event)


# ---- who reads whom ------------------------------------------------------------------------------


def graph(session: Session) -> Graph:
    """All dynamic tables that are complete, and which ones they read."""
    entries = {e.key: e for e in session.account.catalog.entries(KIND) if not e.definition["creating"]}
    sources = {
        key: reached(session, (tuple(source) for source in entry.definition["sources"])) - {key}
        for key, entry in entries.items()
    }
    return Graph(entries, sources)


def sources(inner: Session, query: str) -> list[Key]:
    """The tables and views that a query names, in full."""
    expression = upper_case(identifier_calls(cast(exp.Expression, sqlglot.parse_one(query, read="snowflake")), None))
    qualify_tables(expression, inner)
    return sorted({(t.catalog, t.db, t.name) for t in expression.find_all(exp.Table) if t.catalog})


def reached(session: Session, read: Iterable[Key]) -> set[Key]:
    """The dynamic tables among these tables and views, and behind these views."""
    known = session.account.refreshes.keys(session.account.catalog)
    todo, seen, found = list(read), set(), set()
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        if key in known:
            found.add(key)
        else:
            todo += _read_by_view(session, key)
    return found


def _read_by_view(session: Session, key: Key) -> list[Key]:
    query = "SELECT sql FROM duckdb_views() WHERE NOT internal AND (database_name, schema_name, view_name) = (?, ?, ?)"
    found = session.cursor.query(query, list(key)).table.column("sql").to_pylist()
    if not found:
        return []
    tables = sqlglot.parse_one(found[0], read="duckdb").find_all(exp.Table)
    return [(t.catalog or key[0], t.db or key[1], t.name) for t in tables]


# ---- what there is -------------------------------------------------------------------------------


def find(session: Session, name: str, exists: str | None) -> Entry | None:
    """A dynamic table by its name; None if there is none and that is fine."""
    key = session.qualify(name)
    entry = session.account.catalog.find(KIND, key)
    query = "SELECT count(*) AS n FROM duckdb_columns() WHERE (database_name, schema_name, table_name) = (?, ?, ?)"
    if entry is None and session.cursor.query(query, list(key)).table.to_pylist()[0]["n"]:
        text = f"{COMPILATION}Object found is of type 'TABLE' or 'VIEW', not specified type 'DYNAMIC_TABLE'."
        raise SqlError(2203, "42601", text)
    if entry is None and not exists:
        raise not_found("Dynamic table", ".".join(key))
    return entry


def count(session: Session, key: Key) -> int:
    """The rows of a dynamic table as they are, without a refresh."""
    return int(session.cursor.query(f"SELECT count(*) AS n FROM {quoted(key)}").table.to_pylist()[0]["n"])


def events(session: Session) -> list[dict[str, Any]]:
    """The refreshes that the history tells of, oldest first."""
    oldest = now() - KEPT
    return [event for event in session.account.catalog.history(HISTORY) if timestamp(event["started"]) >= oldest]
