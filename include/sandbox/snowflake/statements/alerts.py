"""The SQL of alerts, and their history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from include.sandbox.snowflake.automation import alerts, background, schedule
from include.sandbox.snowflake.automation.background import BackgroundSession
from include.sandbox.snowflake.automation.histories import window
from include.sandbox.snowflake.errors import COMPILATION, SqlError, not_found, syntax_error, unsupported
from include.sandbox.snowflake.language import properties, scanner, scripting, shows
from include.sandbox.snowflake.language.grammar import Effect, statement
from include.sandbox.snowflake.objects.catalog import Entry
from include.sandbox.snowflake.results import CREATED_ON, DONE, Result, dropped, rows, status
from include.sandbox.snowflake.sql.constants import constant_function
from include.sandbox.snowflake.sql.tables import Arguments, table_function
from include.sandbox.snowflake.statements import tags  # noqa: F401 (ALTER ... SET TAG is to be found before ours)

if TYPE_CHECKING:
    from include.sandbox.snowflake.session import Session

_PROPERTIES = {"WAREHOUSE": "name", "SCHEDULE": "text", "COMMENT": "text", "CONFIG": "refused"}


# ---- definitions ---------------------------------------------------------------------------------


@statement("CREATE [replace:OR REPLACE] ALERT [absent:IF NOT EXISTS] {name:name} {rest:rest}", Effect.DDL)
def create_alert(session: Session, name: str, rest: str, replace: str | None, absent: str | None) -> Result:
    """Create an alert, suspended: WAREHOUSE, SCHEDULE, COMMENT, IF (EXISTS (query)) THEN a statement or block."""
    key = background.new_key(session, name)
    if clone := _cloned(rest):
        source = _find(session, clone).definition
        definition = {**source, **_new(session)}
    else:
        definition = {**_read(session, rest), **_new(session)}
    made = session.account.catalog.create(
        alerts.KIND, key, definition, replace=bool(replace), if_not_exists=bool(absent)
    )
    return status(f"Alert {key[2]} successfully created." if made else f"{key[2]} already exists, statement succeeded.")


@statement("ALTER ALERT [exists:IF EXISTS] {name:name} {rest:rest}", Effect.DDL)
def alter_alert(session: Session, name: str, rest: str, exists: str | None) -> Result:
    """RESUME or SUSPEND an alert, SET or UNSET its properties, MODIFY its CONDITION or ACTION."""
    catalog = session.account.catalog
    key = session.qualify(name)
    if not catalog.find(alerts.KIND, key) and exists:
        return status(DONE)
    known = _find(session, name).definition
    catalog.update(alerts.KIND, key, **_changed(session, known, rest))
    return status(DONE)


@statement("DROP ALERT [exists:IF EXISTS] {name:name}", Effect.DDL)
def drop_alert(session: Session, name: str, exists: str | None) -> Result:
    """Remove an alert; its history stays."""
    key = session.qualify(name)
    return status(dropped(key[2], done=session.account.catalog.drop(alerts.KIND, key, if_exists=bool(exists))))


@statement("EXECUTE ALERT {name:name}")
def execute_alert(session: Session, name: str) -> Result:
    """Run an alert once, in the background, also a suspended one."""
    entry = _find(session, name)
    alerts.submit(session.account, entry, datetime.now(UTC), by_hand=True)
    return status(DONE)


def _read(session: Session, rest: str) -> dict[str, Any]:
    """What a CREATE says behind the name."""
    found = properties.parse(rest, _PROPERTIES, "ALERT", stops=("IF",))
    condition, action = _condition_and_action(rest[found.end :])
    values = _checked(session, found.values)
    if "schedule" not in values:
        raise unsupported("CREATE ALERT without a SCHEDULE (an alert on new data)")
    scripting.check(condition)
    scripting.check(action)
    return {"warehouse": None, "comment": None, **values, "condition": condition, "action": action}


def _new(session: Session) -> dict[str, Any]:
    return {"id": background.new_id(), "owner": session.role, "state": "suspended", "anchor": None}


def _checked(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    if "SCHEDULE" in values:
        background.check_schedule(values["SCHEDULE"])
    if "WAREHOUSE" in values:
        values["WAREHOUSE"] = background.check_warehouse(session, values["WAREHOUSE"])
    return {name.lower(): value for name, value in values.items()}


def _changed(session: Session, known: dict[str, Any], rest: str) -> dict[str, Any]:
    """What an ALTER changes."""
    found = scanner.tokens(rest)
    words = [token.text.upper() for token in found[:3]]
    if words == ["RESUME"]:
        return {"state": "started", "anchor": background.now()} if known["state"] != "started" else {}
    if words == ["SUSPEND"]:
        return {"state": "suspended"}
    behind = rest[found[0].end :] if found else ""
    if words[:1] == ["SET"]:
        values = _checked(session, properties.parse(behind, _PROPERTIES, "ALERT").values)
        return {**values, "anchor": background.now()} if "schedule" in values else values
    if words[:1] == ["UNSET"]:
        unset = properties.names(behind, {"COMMENT": "text", "WAREHOUSE": "name"}, "ALERT")
        return dict.fromkeys(name.lower() for name in unset)
    if words == ["MODIFY", "CONDITION", "EXISTS"]:
        condition, after = _exists(found[2:], rest)
        if after:
            raise syntax_error(f"unexpected '{after}'.")
        scripting.check(condition)
        return {"condition": condition}
    if words[:2] == ["MODIFY", "ACTION"] and len(found) > 2:
        action = rest[found[1].end :].strip()
        scripting.check(action)
        return {"action": action}
    raise syntax_error(f"unexpected in ALTER ALERT: '{rest}'.")


def _condition_and_action(text: str) -> tuple[str, str]:
    """Take `IF (EXISTS (condition)) THEN action` apart."""
    found = scanner.tokens(text)
    outer = scanner.closing(found, 1) if len(found) > 1 and found[1].text == "(" else None
    if outer is None or not found[2].is_word("EXISTS"):
        raise syntax_error("an alert says IF (EXISTS (<condition>)) THEN <action>.")
    condition, after = _exists(found[2:outer], text[: found[outer].start])
    then = found[outer + 1 : outer + 2]
    if after or not then or not then[0].is_word("THEN") or len(found) == outer + 2:
        raise syntax_error("an alert says IF (EXISTS (<condition>)) THEN <action>.")
    return condition, text[then[0].end :].strip().removesuffix(";").strip()


def _exists(found: list[scanner.Token], text: str) -> tuple[str, str]:
    """The condition in `EXISTS (condition)`, and the text behind it."""
    end = scanner.closing(found, 1) if len(found) > 1 and found[1].text == "(" else None
    if end is None:
        raise syntax_error("EXISTS is followed by a condition in parentheses.")
    condition = text[found[1].end : found[end].start].strip()
    first = next((token for token in scanner.tokens(condition) if token.text != "("), None)
    if first is None or not first.is_word("SELECT", "WITH", "SHOW", "CALL"):
        raise syntax_error("a condition is a SELECT, SHOW or CALL.")
    return condition, text[found[end].end :].strip()


def _cloned(rest: str) -> str | None:
    found = scanner.tokens(rest)
    if not found or not found[0].is_word("CLONE"):
        return None
    if len(found) > 1 and any(t.kind not in {"word", "quoted"} and t.text != "." for t in found[1:]):
        raise syntax_error(f"unexpected behind CLONE: '{rest}'.")
    return rest[found[0].end :].strip()


def _find(session: Session, name: str) -> Entry:
    key = session.qualify(name)
    entry = session.account.catalog.find(alerts.KIND, key)
    if not entry:
        raise not_found("Alert", ".".join(key))
    return entry


# ---- listings ------------------------------------------------------------------------------------

_COLUMNS = {
    "created_on": CREATED_ON,
    **dict.fromkeys(["name", "database_name", "schema_name", "owner", "comment", "warehouse", "schedule"], pa.string()),
    **dict.fromkeys(["state", "condition", "action", "owner_role_type"], pa.string()),
}
_TERSE = ["created_on", "name", "kind", "database_name", "schema_name", "schedule", "state"]


@statement("SHOW [terse:TERSE] ALERTS {options:rest}")
def show_alerts(session: Session, options: str, terse: str | None) -> Result:
    """List alerts: LIKE, IN, STARTS WITH, LIMIT."""
    records = [_row(entry) for entry in shows.listed(session, alerts.KIND, options)]
    if terse:
        columns = {name: _COLUMNS.get(name, pa.string()) for name in _TERSE}
        return rows([{name: record.get(name) for name in columns} for record in records], columns)
    return rows(records, _COLUMNS)


@statement("(DESC|DESCRIBE) ALERT {name:name}")
def describe_alert(session: Session, name: str) -> Result:
    """One alert, as SHOW ALERTS lists it."""
    return rows([_row(_find(session, name))], _COLUMNS)


def _row(entry: Entry) -> dict[str, Any]:
    database, schema, name = entry.key
    known = entry.definition
    return {
        "created_on": entry.created_on,
        "name": name,
        "database_name": database,
        "schema_name": schema,
        "owner": known["owner"],
        "comment": known["comment"],
        "warehouse": known["warehouse"],
        "schedule": known["schedule"],
        "state": known["state"],
        "condition": known["condition"],
        "action": known["action"],
        "owner_role_type": "ROLE",
    }


# ---- history -------------------------------------------------------------------------------------

_HISTORY = {
    **dict.fromkeys(["NAME", "DATABASE_NAME", "SCHEMA_NAME", "ACTION", "ACTION_QUERY_ID"], pa.string()),
    **dict.fromkeys(["CONDITION", "CONDITION_QUERY_ID", "ERROR_CODE", "ERROR_MESSAGE", "STATE"], pa.string()),
    **dict.fromkeys(["SCHEDULED_TIME", "COMPLETED_TIME"], CREATED_ON),
}


@table_function("ALERT_HISTORY")
def alert_history(session: Session, arguments: Arguments) -> pa.Table:
    """The runs of the last seven days, and the next one of each alert that is resumed; the latest first."""
    wanted = window(arguments, "ALERT_HISTORY", "ALERT_NAME")
    coming = [_next_run(entry) for entry in session.account.catalog.entries(alerts.KIND) if entry.definition["anchor"]]
    found = background.runs(session.account, alerts.RUNS) + [run for run in coming if run]
    return rows(wanted.choose(found, _HISTORY), _HISTORY).table


def _next_run(entry: Entry) -> dict[str, Any] | None:
    known = entry.definition
    if known["state"] != "started":
        return None
    following = schedule.listed(known["schedule"], known["anchor"])
    if following is None:
        return None
    database, schema, name = entry.key
    return {
        "name": name,
        "database_name": database,
        "schema_name": schema,
        "condition": known["condition"],
        "action": known["action"],
        "state": "SCHEDULED",
        "scheduled_time": following.isoformat(),
    }


# ---- functions of a running alert ----------------------------------------------------------------


@constant_function("SNOWFLAKE.ALERT.SCHEDULED_TIME")
def scheduled_time(session: Session) -> exp.Expression:
    """The time for which the alert that runs was scheduled."""
    return _timestamp(_context(session)["scheduled"])


@constant_function("SNOWFLAKE.ALERT.LAST_SUCCESSFUL_SCHEDULED_TIME")
def last_successful_scheduled_time(session: Session) -> exp.Expression:
    """The time for which the alert's last run without an error was scheduled; 1970 if there is none."""
    return _timestamp(_context(session)["last_success"] or datetime.fromtimestamp(0, UTC))


@constant_function("SNOWFLAKE.ALERT.GET_CONDITION_QUERY_UUID")
def condition_query_id(session: Session) -> str | None:
    """The query id of the condition, for the action to scan its result."""
    return str(_context(session)["condition_query_id"])


def _context(session: Session) -> dict[str, Any]:
    if isinstance(session, BackgroundSession) and session.run.kind == alerts.RUNS:
        return session.run.context
    raise SqlError(2140, "42601", f"{COMPILATION}This function can only be called from within an alert.")


def _timestamp(value: datetime) -> exp.Expression:
    return exp.cast(exp.Literal.string(value.isoformat()), "TIMESTAMPTZ")
