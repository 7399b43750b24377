"""Alerts: the SQL of conditions over Snowmaker's tables, and of the alert that writes a mail about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowmaker.snowflake import registry, tables
from snowmaker.snowflake.identifiers import literal
from snowmaker.snowflake.literals import inlined, name_literal
from snowmaker.snowflake.predictions import NOT_SHADOW
from snowmaker.snowflake.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snowmaker.snowflake.identifiers import Identifier, QualifiedName

MESSAGE = "MESSAGE"
"""The column of a condition that holds what the mail says, a line a row."""

_WHO = "%s || ', version ' || MODEL_VERSION"


# ---- conditions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Condition:
    """What sends a mail: any row of a SELECT.

    :param select: a SELECT with a text column MESSAGE
    :param reads: those of Snowmaker's own tables that it reads; they are made if they are not there
    """

    select: Statement
    reads: tuple[QualifiedName, ...] = ()


def metric_beyond(
    model: QualifiedName, metric: str, *, below: float | None = None, above: float | None = None
) -> Condition:
    """Give the condition that the champion's newest measured week is worse than a bound, or undefined.

    The champion is the one that the events tell of. Estimates, segments and single classes are not looked at.

    :param model: the model
    :param metric: a metric that the performance check writes, e.g. ``f1``
    :param below: the least value that is good
    :param above: the greatest value that is good; exactly one of the two is given
    """
    if (below is None) == (above is None):
        raise ValueError(f"alert on {metric}: below is {below} and above is {above}; give exactly one of them")
    bound = below if above is None else above
    side, sign = ("below", "<") if above is None else ("above", ">")
    performance = model.sibling(tables.PERFORMANCE)
    select = Statement(
        f"SELECT {_WHO} || %s || COALESCE(ROUND(VALUE, 4)::VARCHAR, 'undefined') || ' in week ' || "
        f"WEEK_START::VARCHAR || %s AS {MESSAGE} FROM {performance} "
        f"WHERE MODEL_NAME = %s AND METRIC = %s AND SEGMENT = '' AND CLASS = '' AND NOT IS_ESTIMATE "
        f"AND MODEL_VERSION = ({_champion(model)}) "
        f"QUALIFY ROW_NUMBER() OVER (ORDER BY WEEK_START DESC, WRITTEN_AT DESC) = 1 "
        f"AND (VALUE IS NULL OR VALUE {sign} %s)",
        (model.quoted, f": {metric} was ", f", {side} {bound:g}", model.quoted, metric, model.quoted, bound),
    )
    return Condition(select, (performance, model.sibling(tables.MODEL_EVENTS)))


def drift_breached(model: QualifiedName) -> Condition:
    """Give the condition that the champion's newest checked week breached a drift threshold."""
    drift = model.sibling(tables.DRIFT)
    newest = (
        f"SELECT MODEL_VERSION, WEEK_START, SEGMENT, FEATURE, METRIC, VALUE, VERDICT "
        f"FROM {drift} WHERE MODEL_NAME = %s AND MODEL_VERSION = ({_champion(model)}) "
        f"QUALIFY RANK() OVER (ORDER BY WEEK_START DESC) = 1"
    )
    select = Statement(
        f"SELECT {_WHO} || ': ' || METRIC || ' of ' || FEATURE || IFF(SEGMENT = '', '', ' where ' || SEGMENT) "
        f"|| ' was ' || COALESCE(ROUND(VALUE, 4)::VARCHAR, 'undefined') || ' in week ' || WEEK_START::VARCHAR "
        f"|| ', a breach' AS {MESSAGE} FROM ({newest}) WHERE VERDICT = 'breach' ORDER BY VALUE DESC LIMIT 20",
        (model.quoted, model.quoted, model.quoted),
    )
    return Condition(select, (drift, model.sibling(tables.MODEL_EVENTS)))


def not_scored(predictions: QualifiedName, model: QualifiedName, days: int) -> Condition:
    """Give the condition that no week has been scored for some days; shadow rows do not count.

    :param predictions: the table of predictions
    :param days: how many days may pass without one
    """
    select = Statement(
        f"SELECT %s || COALESCE(MAX(SCORED_AT)::VARCHAR, 'never') AS {MESSAGE} FROM {predictions} "
        f"WHERE {NOT_SHADOW} AND MODEL_NAME = %s "
        f"HAVING COUNT(*) = 0 OR MAX(SCORED_AT) < DATEADD(day, %s, {tables.NOW})",
        (f"{model.quoted}: no week was scored for {days} days; the newest predictions: ", model.quoted, -days),
    )
    return Condition(select)


def _champion(model: QualifiedName) -> str:
    return (
        f"SELECT MODEL_VERSION FROM {model.sibling(tables.MODEL_EVENTS)} WHERE MODEL_NAME = %s "
        f"AND EVENT IN {registry.CROWNING} ORDER BY SEQUENCE DESC LIMIT 1"
    )


# ---- alerts --------------------------------------------------------------------------------------


def try_condition(condition: Condition) -> Statement:
    """Compile a condition, and check that it has the column with what the mail says."""
    return Statement(f"SELECT {MESSAGE} FROM ({condition.select.text}) LIMIT 0", condition.select.values)


def mail(integration: Identifier, recipients: Sequence[str], subject: str) -> str:
    """Give the action: a mail with the lines that the condition found."""
    return (
        f"CALL SYSTEM$SEND_EMAIL({name_literal(integration)}, {literal(', '.join(recipients))}, {literal(subject)}, "
        f"(SELECT LISTAGG({MESSAGE}, '\\n') FROM TABLE(RESULT_SCAN(SNOWFLAKE.ALERT.GET_CONDITION_QUERY_UUID()))))"
    )


def create_alert(
    alert: QualifiedName, *, warehouse: Identifier, schedule: str, condition: Condition, action: str
) -> Statement:
    """Create an alert, or replace it in one step; it is suspended then."""
    return Statement(
        f"CREATE OR REPLACE ALERT {alert} WAREHOUSE = {warehouse} SCHEDULE = {literal(schedule)} "
        f"IF (EXISTS ({inlined(condition.select).text})) THEN {action}"
    )


def show_alerts(alert: QualifiedName) -> Statement:
    """List the alerts of a schema; the one of this name is among them."""
    return Statement(f"SHOW ALERTS IN SCHEMA {alert.in_schema}")


def change_alert(alert: QualifiedName, change: str) -> Statement:
    """RESUME or SUSPEND an alert."""
    return Statement(f"ALTER ALERT {alert} {change}")


def execute_alert(alert: QualifiedName) -> Statement:
    """Run an alert now, once, also a suspended one."""
    return Statement(f"EXECUTE ALERT {alert}")


def drop_alert(alert: QualifiedName) -> Statement:
    """Drop an alert if it is there."""
    return Statement(f"DROP ALERT IF EXISTS {alert}")


def show_integrations() -> Statement:
    """List the notification integrations that the role may use."""
    return Statement("SHOW NOTIFICATION INTEGRATIONS")


def now() -> Statement:
    """Tell the service's time."""
    return Statement("SELECT CURRENT_TIMESTAMP()::VARCHAR AS NOW")


def ended_runs(alert: QualifiedName, since: str) -> Statement:
    """List an alert's runs that were scheduled for a time or later, and have ended; the newest first."""
    return Statement(
        f"SELECT STATE, ERROR_CODE, ERROR_MESSAGE "
        f"FROM TABLE({alert.database}.INFORMATION_SCHEMA.ALERT_HISTORY(ALERT_NAME => %s)) "
        f"WHERE NAME = %s AND SCHEMA_NAME = %s AND SCHEDULED_TIME >= %s::TIMESTAMP_TZ "
        f"AND STATE NOT IN ('SCHEDULED', 'EXECUTING') ORDER BY SCHEDULED_TIME DESC",
        (alert.object.name, alert.object.name, alert.schema.name, since),
    )
