"""What a client asks in one request, run to the body of the answer: one statement or several, with bound values."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from include.sandbox.snowflake import execution
from include.sandbox.snowflake.errors import (
    COMPILATION,
    SqlError,
    statement_not_found,
    translate,
    wrong_statement_count,
)
from include.sandbox.snowflake.fakesnow_seams import from_binding
from include.sandbox.snowflake.language.splitting import count_marks, statements_of
from include.sandbox.snowflake.objects import parameters
from include.sandbox.snowflake.protocol import chunks
from include.sandbox.snowflake.queries import Query
from include.sandbox.snowflake.query_history import redacted
from include.sandbox.snowflake.results import Result, rows

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

log = logging.getLogger(__name__)
Body: TypeAlias = dict[str, Any]
_SEVERAL = 0xA000  # the type of a request of several statements


def query_of(session: Session, body: Body) -> Query:
    """The statement that a request asks for; its own parameters are those of the session that it names."""
    given = {str(name).upper(): value for name, value in (body.get("parameters") or {}).items()}
    known = {name: value for name, value in given.items() if name in parameters.PARAMETERS}
    return Query(session, str(body.get("sqlText") or ""), parameters=known, is_internal=bool(body.get("isInternal")))


def carry_out(query: Query, body: Body) -> bytes:
    """Run a request to its response; there is no other way out than a response."""
    try:
        for name, value in query.parameters.items():
            query.parameters[name] = parameters.find(name).parse(value)
        return answer(query.session, _run(query, body))
    except BaseException as error:
        known = translate(error)
        if query.session.account.queries.find(query.id):  # it has not come as far as to run
            query.session.account.queries.finish(query, None, known)
        text = " ".join(redacted(query.sql).split())[:300]
        log.info("%s [%s]", known, text, exc_info=known.sqlstate == "XX000")
        return failure(known, query.id)


def _run(query: Query, body: Body) -> Result:
    params, batch = _bindings(body.get("bindings") or {})
    describe_only = bool(body.get("describeOnly"))
    parts = statements_of(query.sql)
    if not parts:
        raise SqlError(900, "42601", f"{COMPILATION}Empty SQL statement.")
    wanted = int(float(query.parameter("MULTI_STATEMENT_COUNT")))
    if wanted and len(parts) != wanted:
        raise wrong_statement_count(len(parts), wanted)
    if len(parts) == 1:
        return execution.execute(query.session, query.sql, params, batch, query=query, describe_only=describe_only)
    if batch or isinstance(params, dict):
        raise SqlError(2, "0A000", "Unsupported feature 'bound rows or names in a request of several statements'.")
    return _run_several(query, parts, list(params or ()))


def _run_several(query: Query, parts: list[str], values: list[Any]) -> Result:
    """Run statements one after the other, up to the first that fails; each has a result of its own."""
    session, results = query.session, []
    marks = [count_marks(part) for part in parts]
    if sum(marks) != len(values):
        raise SqlError(
            2049, "42601", f"{COMPILATION}{sum(marks)} bind variables are needed, {len(values)} values are given."
        )
    query.kind = "MULTI_STATEMENT"
    with session.account.queries.group(query) as children:
        for part, count in zip(parts, marks, strict=True):
            own, values = values[:count], values[count:]
            child = Query(session, part, parameters=query.parameters, is_internal=query.is_internal)
            children.append(child)
            query.check()
            results.append(execution.execute(session, part, tuple(own) or None, query=child))
        column = "multiple statement execution"
        done = rows([{column: "Multiple statements executed successfully."}], [column])
        done.query_id, done.type_id = query.id, _SEVERAL
        done.parts = [(result.query_id, result.type_id) for result in results]
        session.account.results.put(done)
    return done


# ---- bound values --------------------------------------------------------------------------------


def _bindings(bindings: Body) -> tuple[Any, list[tuple[Any, ...]] | None]:
    """Bound values as Python's: by position, by name, or rows of them for a batch."""
    if not bindings:
        return None, None
    if not all(key.isdigit() for key in bindings):
        return {name: _bound(b, b["value"]) for name, b in bindings.items()}, None
    ordered = [bindings[key] for key in sorted(bindings, key=int)]
    if any(isinstance(b["value"], list) for b in ordered):
        columns = [[_bound(b, v) for v in b["value"]] for b in ordered]
        return None, list(zip(*columns, strict=True))
    return tuple(_bound(b, b["value"]) for b in ordered), None


def _bound(binding: Body, value: Any) -> Any:
    if value is None:
        return None
    if binding["type"] == "REAL":
        return float(value)
    if binding["type"] == "FIXED":
        return Decimal(value) if "." in str(value) else int(value)
    if binding["type"].startswith("TIMESTAMP_NTZ"):
        return datetime(1970, 1, 1) + timedelta(microseconds=int(value) // 1000)  # noqa: DTZ001
    return from_binding({**binding, "value": value})


# ---- answers -------------------------------------------------------------------------------------


def answer(session: Session, result: Result) -> bytes:
    """The response of a statement that has succeeded."""
    data: Body = {
        "queryId": result.query_id,
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
        "statementTypeId": result.type_id,
    }
    if result.transfer is not None:
        data |= result.transfer
    else:
        shown = parameters.for_clients(session.parameters)
        data |= {"parameters": shown, "rowtype": result.rowtype, **chunks.payload(session, result)}
    if result.parts:
        data["resultIds"] = ",".join(query_id for query_id, _ in result.parts)
        data["resultTypes"] = ",".join(str(type_id) for _, type_id in result.parts)
    return json.dumps({"data": data, "success": True, "code": None, "message": None}).encode()


def earlier(session: Session, query_id: str) -> bytes:
    """The response of a statement of the user's that has ended, of this session or another."""
    account = session.account
    record = account.queries.history.get(query_id)
    if record is None or record.user_name != session.user:
        raise statement_not_found(query_id)
    if record.error_code:
        return failure(
            SqlError(int(record.error_code), record.sqlstate or "42000", record.error_message or ""), query_id
        )
    result = account.results.get(query_id)
    if result is None:
        raise statement_not_found(query_id)
    return answer(session, result)


def state(session: Session, query_id: str) -> list[Body]:
    """What has become of a statement of the user's, as clients that poll are told; nothing of an unknown one."""
    queries = session.account.queries
    if live := queries.find(query_id):
        status = "RUNNING" if live.context else "QUEUED"
        return [{"id": query_id, "status": status}] if live.session.user == session.user else []
    record = queries.history.get(query_id)
    if record is None or record.user_name != session.user:
        return []
    told: Body = {"id": query_id, "status": record.execution_status}
    if record.error_code:
        told |= {"errorCode": record.error_code, "errorMessage": record.error_message}
    return [told]


def failure(error: SqlError, query_id: str | None = None) -> bytes:
    """The response of whatever has failed."""
    code = f"{error.code:06d}"
    data: Body = {"errorCode": code, "sqlState": error.sqlstate}
    if query_id:
        data["queryId"] = query_id
    body = {"data": data, "code": code, "message": error.message, "success": False, "headers": None}
    return json.dumps(body).encode()
