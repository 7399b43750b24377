"""The way of a statement: to one of the sandbox's own functions, or parsed and rewritten to the engine."""

from __future__ import annotations

import logging
import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from include.sandbox.snowflake.errors import (
    canceled,
    session_gone,
    syntax_error,
    translate,
    unsupported,
    wrong_statement_count,
)
from include.sandbox.snowflake.fakesnow_seams import statement_type, upper_case
from include.sandbox.snowflake.language import grammar, pipes
from include.sandbox.snowflake.language.variables import substitute_variables
from include.sandbox.snowflake.locks import Mode
from include.sandbox.snowflake.objects import grants, refresh, tags
from include.sandbox.snowflake.queries import OUT_OF_TURN, Query
from include.sandbox.snowflake.results import DONE, Result, status
from include.sandbox.snowflake.scoring import inference, model_sql
from include.sandbox.snowflake.session import Session
from include.sandbox.snowflake.sql import (
    alterations,
    asof,
    batches,
    definitions,
    describe,
    functions,
    history,
    names,
    rewrite,
    tables,
    views,
)
from include.sandbox.snowflake.staging import files, loads, stages

log = logging.getLogger(__name__)

_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
_CHANGES: dict[type[exp.Expression], Mode] = {
    exp.Insert: Mode.INSERT,
    exp.Update: Mode.CHANGE,
    exp.Delete: Mode.CHANGE,
    exp.Merge: Mode.CHANGE,
    exp.TruncateTable: Mode.CHANGE,
}
_SHOWS = {"SEQUENCES", "USERS", "PROCEDURES"}


def execute(
    session: Session,
    sql: str,
    params: Any = None,
    batch: list[tuple[Any, ...]] | None = None,
    *,
    query: Query | None = None,
    describe_only: bool = False,
) -> Result:
    """Run one statement; whatever goes wrong is raised as an `SqlError`."""
    query = query or Query(session, sql)
    if is_out_of_turn(sql):
        query.is_out_of_turn = True
        return _execute(query, params, batch, describe_only=describe_only)
    session.account.queries.arrive(query)
    with session.busy:
        return _execute(query, params, batch, describe_only=describe_only)


_TELLING = re.compile(r"\(?(?:SHOW|DESC|LIST|LS)\b")  # the grammars of statements that change nothing
_STOPPING = re.compile(r"SYSTEM\$(?:CANCEL|ABORT)|\bABORT\b", re.IGNORECASE)


def is_out_of_turn(sql: str) -> bool:
    """True for a statement that stops others, and so must not wait until they have ended."""
    own = grammar.match(sql) if _STOPPING.search(sql[:1000]) else None
    return own is not None and own[0].run in OUT_OF_TURN


def _execute(query: Query, params: Any, batch: list[tuple[Any, ...]] | None, *, describe_only: bool) -> Result:
    session, account = query.session, query.session.account
    result, known = None, None
    try:
        if session.is_closed:
            raise session_gone()
        account.queries.start(query)
        result = run(session, query.sql, params, batch, describe_only=describe_only)
    except BaseException as error:
        known = translate(error)
        if known.code == canceled().code:
            known = query.stopped or known
        raise known from error
    finally:
        if result is not None:
            result.query_id = query.id
        if not describe_only:
            _remember(session, query.id, result)
        account.queries.finish(query, result, known)
    return result


def _remember(session: Session, query_id: str, result: Result | None) -> None:
    session.first_query_id = session.first_query_id or query_id
    session.query_ids.append(query_id)
    if result is not None:
        try:
            session.account.results.put(result)
        except Exception:
            # What the statement has done is done, and its client is to be told so.
            log.exception("the result of statement %s is not kept", query_id)


def run(
    session: Session,
    sql: str,
    params: Any = None,
    batch: list[tuple[Any, ...]] | None = None,
    *,
    describe_only: bool = False,
) -> Result:
    """Run a statement as a part of the one under way: it leaves no result to scan, and its errors are as they come."""
    if len(links := pipes.links(sql)) > 1:
        return pipes.run(session, links, params, _run_link, describe=describe_only)
    if found := grammar.match(sql):
        if describe_only and not _TELLING.match(found[0].grammar):
            return status(DONE)
        return _run_own(session, *found, params)
    expression = _parse(substitute_variables(definitions.usual_spelling(stages.quoted_urls(sql)), session.variables))
    params = list(params) if isinstance(params, tuple) else params
    expression = upper_case(rewrite.identifier_calls(expression, list(batch[0]) if batch else params))
    pipes.refer(expression, session)
    given_tags = tags.take(session, expression, sql)
    notes = views.take(expression, sql)
    rewrite.check_supported(expression, sql)
    files.name_positions(expression)
    rewrite.natural_order(expression)
    rewrite.column_positions(expression)
    rewrite.name_columns(expression)
    expression = functions.translate_functions(expression, session)
    rewrite.qualify_tables(expression, session)
    names.check(expression, session)
    asof.translate(expression)
    if describe_only:
        return _describe(session, expression, params)
    if tags.stays(session, expression):
        given_tags = notes = None
    refresh.before(session, expression, run)
    if params and inference.has_calls(expression, session):
        expression, params = inference.inline_values(expression, params), None
    result = _dispatch(session, expression.copy() if given_tags is not None or notes else expression, params, batch)
    if given_tags is not None:
        tags.after(session, expression, given_tags)
        refresh.after(session, expression)
    if notes is not None:
        views.after(session, expression, notes)
    return result


def prepared_query(session: Session, sql: str, params: Any = None) -> exp.Expression:
    """A query within a statement of the sandbox's own, parsed and with its names resolved."""
    expression = _parse(substitute_variables(sql, session.variables))
    expression = upper_case(rewrite.identifier_calls(expression, list(params or [])))
    rewrite.check_supported(expression, sql)
    files.name_positions(expression)
    rewrite.column_positions(expression)
    expression = functions.translate_functions(expression, session)
    rewrite.qualify_tables(expression, session)
    return expression


def check_syntax(sql: str) -> None:
    """Refuse a text that is no statement, or one that the sandbox does not know; names are not resolved."""
    if len(links := pipes.links(sql)) > 1:
        for link in links:
            check_syntax(link)
    elif not grammar.match(sql) and isinstance(_parse(definitions.usual_spelling(sql)), exp.Command):
        raise unsupported(grammar.head(sql))


def _run_link(session: Session, sql: str, params: Any, describe_only: bool) -> Result:
    return run(session, sql, params, describe_only=describe_only)


def _run_own(session: Session, own: grammar.Statement, values: dict[str, Any], params: Any) -> Result:
    if own.takes_params:
        values = {**values, "params": params}
    result: Result
    if own.effect is grammar.Effect.DDL:
        session.transaction.commit()
        with session.account.engine.ddl:
            result = own.run(session, **values)
    else:
        result = own.run(session, **values)
    grants.after_own(session, own, values)
    return result


def _describe(session: Session, expression: exp.Expression, params: Any) -> Result:
    """The columns of a query, without running it; other statements have nothing to tell."""
    if not isinstance(expression, _QUERIES):
        return status(DONE)
    for placeholder in list(expression.find_all(exp.Placeholder)):
        placeholder.replace(exp.null())
    with tables.Registered(session, without_rows=True) as registered:
        expression = rewrite.name_columns(expression)
        history.forget_when(expression)
        tables.virtual_tables(expression, registered, params)
        expression = inference.rewrite(expression, registered)
        empty = exp.select("*").from_(expression.subquery("_q")).limit(0)
        return session.transaction.query(lambda: session.cursor.run(empty, None))


def _parse(sql: str) -> exp.Expression:
    sql = model_sql.plain(sql)
    try:
        expressions = [e for e in sqlglot.parse(sql, read="snowflake") if e and not isinstance(e, exp.Semicolon)]
    except SqlglotError as error:
        raise syntax_error(re.sub(r"\x1b\[\d+m", "", str(error))) from None
    if len(expressions) != 1:
        raise wrong_statement_count(len(expressions), 1)
    return model_sql.named(expressions[0])


def _dispatch(session: Session, expression: exp.Expression, params: Any, batch: list[tuple[Any, ...]] | None) -> Result:
    timeout = float(session.parameters["LOCK_TIMEOUT"])
    if mode := _CHANGES.get(type(expression)):
        if isinstance(expression, exp.Insert) and expression.args.get("overwrite"):
            mode = Mode.CHANGE
        session.transaction.recorder.query_id = session.current.id if session.current else ""
        if not session.autocommit:
            session.transaction.begin()
        table = rewrite.target_of(expression)
        skippable = isinstance(expression, exp.TruncateTable) and expression.args.get("exists")
        if skippable and table and not definitions.exists(session, table):
            return status(DONE)
        touched = rewrite.tables_of(expression) if rewrite.is_repeatable(expression) else None
        work = history.Work(
            lambda: _change(session, expression.copy(), params, batch),
            touched,
            counts=mode is Mode.INSERT,
            idle=lambda: None if touched is None or batch else _idle(session, expression, params),
        )
        return session.transaction.change(table, mode, work, timeout)
    if isinstance(expression, (*_QUERIES, exp.Describe)):
        reads = rewrite.tables_of(expression)
        return session.transaction.query(lambda: _query(session, expression, params), reads)
    if isinstance(expression, exp.Show):
        return _show(session, expression)
    if isinstance(expression, exp.Create | exp.Alter | exp.Drop | exp.Comment):
        return _define(session, expression, params, timeout)
    raise unsupported(grammar.head(expression.sql(dialect="snowflake")))


def _query(session: Session, expression: exp.Expression, params: Any) -> Result:
    with tables.Registered(session) as registered, history.one_view(expression, session):
        expression = rewrite.name_columns(expression)
        history.resolve(expression, session)
        tables.virtual_tables(expression, registered, params)
        expression = inference.rewrite(expression, registered)
        return session.cursor.run(expression, _copied(params))


def _change(session: Session, expression: exp.Expression, params: Any, batch: list[tuple[Any, ...]] | None) -> Result:
    if batch:
        return batches.run(session, expression, batch)
    with tables.Registered(session) as registered:
        history.resolve(expression, session)
        tables.virtual_tables(expression, registered, params)
        expression = inference.rewrite(expression, registered)
        if isinstance(expression, exp.TruncateTable):
            expression.set("exists", None)
            loads.forget(session, rewrite.target_of(expression))
        if isinstance(expression, exp.Merge):
            return rewrite.run_merge(session.cursor, expression, params)
        return session.cursor.run(expression, _copied(params))


def _idle(session: Session, expression: exp.Expression, params: Any) -> Result | None:
    """The answer to a DELETE that finds no rows: the engine then has nothing to do, and the table stays as it is."""
    search = rewrite.search_of(expression)
    if search is None or _query(session, search, params).table.num_rows:
        return None
    result = rewrite.count_result("deleted", 0)
    result.type_id = statement_type.DELETE
    return result


def _define(session: Session, expression: exp.Expression, params: Any, timeout: float) -> Result:
    def run() -> Result:
        with tables.Registered(session) as registered:
            if settled := definitions.settled(expression, session) or alterations.own(expression, session):
                return settled
            with session.account.engine.ddl, definitions.recorded(expression, session):
                defined = definitions.definition(expression.copy(), session)
                history.resolve(defined, session)
                tables.virtual_tables(defined, registered, params)
                defined = inference.rewrite(defined, registered)
                tidy = stages.before_definition(session, expression)
                result = session.cursor.run(defined, _copied(params))
            tidy()
            grants.after_definition(session, expression)
            return definitions.after_definition(expression, session, result)

    return session.transaction.alter(rewrite.target_of(expression), run, timeout)


def _show(session: Session, expression: exp.Show) -> Result:
    if expression.name.upper() not in _SHOWS:
        raise unsupported(f"SHOW {expression.name.upper()}")
    result = session.cursor.run(expression.copy(), None)
    return describe.filter_show(result, expression)


def _copied(params: Any) -> Any:
    """Fakesnow takes bound values out of the list as it goes, so it gets a list of its own."""
    return list(params) if isinstance(params, list) else params
