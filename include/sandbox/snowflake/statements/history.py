"""What has run: QUERY_HISTORY and its kin. And the statements that stop others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.sandbox.snowflake.errors import (
    COMPILATION,
    SqlError,
    invalid_argument_types,
    statement_not_found,
    syntax_error,
)
from include.sandbox.snowflake.language import scanner
from include.sandbox.snowflake.language.grammar import resolve_identifier, statement, unquote
from include.sandbox.snowflake.queries import OUT_OF_TURN
from include.sandbox.snowflake.query_history import KEPT_FOR, Record
from include.sandbox.snowflake.results import DONE, Result, rows, status
from include.sandbox.snowflake.sql import constants
from include.sandbox.snowflake.sql.tables import Arguments, table_function

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_TIME = pa.timestamp("us", tz="UTC")
# What the sandbox does not measure is NULL.
_COLUMNS: dict[str, pa.DataType] = {
    "QUERY_ID": pa.string(),
    "QUERY_TEXT": pa.string(),
    "DATABASE_NAME": pa.string(),
    "SCHEMA_NAME": pa.string(),
    "QUERY_TYPE": pa.string(),
    "SESSION_ID": pa.int64(),
    "USER_NAME": pa.string(),
    "ROLE_NAME": pa.string(),
    "WAREHOUSE_NAME": pa.string(),
    "WAREHOUSE_SIZE": pa.string(),
    "WAREHOUSE_TYPE": pa.string(),
    "CLUSTER_NUMBER": pa.int64(),
    "QUERY_TAG": pa.string(),
    "EXECUTION_STATUS": pa.string(),
    "ERROR_CODE": pa.int64(),
    "ERROR_MESSAGE": pa.string(),
    "START_TIME": _TIME,
    "END_TIME": _TIME,
    "TOTAL_ELAPSED_TIME": pa.int64(),
    "BYTES_SCANNED": pa.int64(),
    "ROWS_PRODUCED": pa.int64(),
    "COMPILATION_TIME": pa.int64(),
    "EXECUTION_TIME": pa.int64(),
    "QUEUED_PROVISIONING_TIME": pa.int64(),
    "QUEUED_REPAIR_TIME": pa.int64(),
    "QUEUED_OVERLOAD_TIME": pa.int64(),
    "TRANSACTION_BLOCKED_TIME": pa.int64(),
    "IS_CLIENT_GENERATED_STATEMENT": pa.bool_(),
}
_COMMON = ["end_time_range_start", "end_time_range_end", "result_limit", "include_client_generated_statement"]


@table_function("QUERY_HISTORY")
def query_history(session: Session, arguments: Arguments) -> pa.Table:
    """The statements of the account."""
    return _history(session, arguments, "QUERY_HISTORY", {})


@table_function("QUERY_HISTORY_BY_SESSION")
def query_history_by_session(session: Session, arguments: Arguments) -> pa.Table:
    """The statements of a session."""
    wanted = arguments.named.pop("session_id", session.id)
    try:
        number = int(wanted)
    except (TypeError, ValueError):
        raise invalid_argument_types("QUERY_HISTORY_BY_SESSION", f"SESSION_ID => {wanted}") from None
    return _history(session, arguments, "QUERY_HISTORY_BY_SESSION", {"session_id": number})


@table_function("QUERY_HISTORY_BY_USER")
def query_history_by_user(session: Session, arguments: Arguments) -> pa.Table:
    """The statements of a user."""
    name = _name(arguments.named.pop("user_name", None)) or session.user
    return _history(session, arguments, "QUERY_HISTORY_BY_USER", {"user_name": name})


@table_function("QUERY_HISTORY_BY_WAREHOUSE")
def query_history_by_warehouse(session: Session, arguments: Arguments) -> pa.Table:
    """The statements that a warehouse ran."""
    name = _name(arguments.named.pop("warehouse_name", None)) or session.warehouse
    return _history(session, arguments, "QUERY_HISTORY_BY_WAREHOUSE", {"warehouse_name": name})


def _name(value: Any) -> str | None:
    return None if value is None else resolve_identifier(str(value))


def _history(session: Session, arguments: Arguments, function: str, conditions: dict[str, Any]) -> pa.Table:
    given = arguments.named
    if arguments.positional or set(given) - set(_COMMON):
        raise invalid_argument_types(function, ", ".join(sorted(set(given) - set(_COMMON))).upper() or "positional")
    start, end = (_microseconds(given.get(name), function) for name in _COMMON[:2])
    limit = given.get("result_limit", 100)
    if not isinstance(limit, int) or not 1 <= limit <= 10_000:
        raise SqlError(1008, "22023", f"{COMPILATION}invalid value [{limit}] for parameter 'RESULT_LIMIT'")
    if not given.get("include_client_generated_statement", False):
        conditions = {**conditions, "is_client_generated_statement": False}
    queries = session.account.queries
    found = [] if end is not None else [r for r in queries.records() if _fits(r, conditions)]
    found.sort(key=lambda record: record.start_time, reverse=True)
    latest = 2**62 if end is None else end
    if len(found) < limit:
        found += queries.history.find(conditions, start or 0, latest, limit - len(found))
    sizes = {entry.key[2]: entry.definition for entry in session.account.warehouses.all()}
    records = [_row(record, sizes.get(str(record.warehouse_name), {})) for record in found[:limit]]
    return rows(records, _COLUMNS).table


def _fits(record: Record, conditions: dict[str, Any]) -> bool:
    return all(getattr(record, name) == value for name, value in conditions.items())


def _microseconds(value: Any, function: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise SqlError(100035, "22007", f"Timestamp '{value}' is not recognized") from None
    if not isinstance(value, datetime):
        raise invalid_argument_types(function, str(value))
    at = value if value.tzinfo else value.replace(tzinfo=UTC)
    if at < datetime.now(UTC) - KEPT_FOR - timedelta(minutes=1):
        raise SqlError(
            91040, "22023", f"Cannot retrieve data from more than {KEPT_FOR.days} days ago for function {function}."
        )
    return round(at.timestamp() * 1_000_000)


def _row(record: Record, warehouse: dict[str, Any]) -> dict[str, Any]:
    values = {name: getattr(record, name.lower(), None) for name in _COLUMNS}
    ended = record.end_time or round(datetime.now(UTC).timestamp() * 1_000_000)
    values |= {
        "ERROR_CODE": int(record.error_code) if record.error_code else None,
        "START_TIME": datetime.fromtimestamp(record.start_time / 1_000_000, UTC),
        "END_TIME": datetime.fromtimestamp(record.end_time / 1_000_000, UTC) if record.end_time else None,
        "TOTAL_ELAPSED_TIME": (ended - record.start_time) // 1000,
        "WAREHOUSE_SIZE": warehouse.get("WAREHOUSE_SIZE"),
        "WAREHOUSE_TYPE": warehouse.get("WAREHOUSE_TYPE"),
    }
    return values


# ---- stopping ------------------------------------------------------------------------------------


def _argument(text: str) -> str:
    """The one constant between parentheses."""
    found = [token for token in scanner.tokens(text) if token.text != ";"]
    if len(found) != 3 or found[0].text != "(" or found[2].text != ")" or found[1].kind not in {"text", "number"}:
        raise syntax_error(f"unexpected '{text}'.")
    return unquote(found[1].text) if found[1].kind == "text" else found[1].text


def _one(column: str, text: str) -> Result:
    return rows([{column: text}], [column])


@statement("(SELECT|CALL) SYSTEM$CANCEL_QUERY {argument:rest}")
def cancel_query(session: Session, argument: str) -> Result:
    """Stop a statement by its id."""
    query_id = _argument(argument)
    queries = session.account.queries
    query = queries.find(query_id)
    if query is None and queries.history.get(query_id) is None:
        raise statement_not_found(query_id)
    if query:
        queries.stop(query)
    text = f"query [{query_id}] terminated." if query else "Identified SQL statement is not currently executing."
    return _one(f"SYSTEM$CANCEL_QUERY{argument}", text)


@statement("(SELECT|CALL) SYSTEM$CANCEL_ALL_QUERIES {argument:rest}")
def cancel_all_queries(session: Session, argument: str) -> Result:
    """Stop the statements of a session by its number."""
    wanted, queries = _argument(argument), session.account.queries
    found = [query for query in queries.all() if str(query.session.id) == wanted and query.context]
    for query in found:
        queries.stop(query)
    text = f"{len(found)} executions identified for cancellation"
    return _one(f"SYSTEM$CANCEL_ALL_QUERIES{argument}", text)


@statement("(SELECT|CALL) SYSTEM$ABORT_SESSION {argument:rest}")
def abort_session(session: Session, argument: str) -> Result:
    """End a session by its number."""
    wanted = _argument(argument)
    found = next((s for s in session.account.sessions if str(s.id) == wanted), None)
    if found is None:
        raise SqlError(390111, "02000", f"Session {wanted} does not exist or not authorized.")
    found.close()
    return _one(f"SYSTEM$ABORT_SESSION{argument}", "Session aborted")


@statement("ALTER SESSION ABORT ALL QUERIES")
def abort_own_queries(session: Session) -> Result:
    """Stop the session's other statements."""
    session.cancel()
    return status(DONE)


OUT_OF_TURN.update({cancel_query, cancel_all_queries, abort_session, abort_own_queries})
_UNITS = {"MILLISECONDS": 0.001, "SECONDS": 1.0, "MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86_400.0}


@statement("(SELECT|CALL) SYSTEM$WAIT {argument:rest}")
def wait(session: Session, argument: str) -> Result:
    """Wait; the statement can be stopped meanwhile."""
    found = [token.text for token in scanner.tokens(argument) if token.text != ";"]
    unit = found[3].strip("'").upper() if len(found) == 5 and found[2] == "," else "SECONDS"
    if len(found) not in {3, 5} or found[0] != "(" or found[-1] != ")" or not found[1].replace(".", "", 1).isdigit():
        raise syntax_error(f"unexpected '{argument}'.")
    if unit not in _UNITS:
        raise SqlError(1008, "22023", f"{COMPILATION}invalid value [{unit}] for function 'SYSTEM$WAIT', parameter 2")
    session.wait(float(found[1]) * _UNITS[unit])
    return _one("SYSTEM$WAIT", f"waited {found[1]} {unit.lower()}")


@constants.constant_function("GETVARIABLE")
def get_variable(session: Session, name: str) -> str | None:
    """A session variable's value as text."""
    variable = session.variables.get(name)
    return variable.text if variable else None
