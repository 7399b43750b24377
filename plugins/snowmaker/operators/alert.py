"""The operator that keeps an alert: Snowflake itself looks by a schedule, and writes a mail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, get_args

from snowmaker.exceptions import InputDataError, WarehouseError
from snowmaker.hooks.own_tables import ensure_table
from snowmaker.hooks.warehouse import StatementError
from snowmaker.operators.base import WarehouseOperator
from snowmaker.snowflake import alert as alert_sql
from snowmaker.snowflake.identifiers import Identifier, QualifiedName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snowmaker.alert_definition import AlertDefinition
    from snowmaker.hooks.warehouse import WarehouseSession

AlertAction = Literal["create", "run", "suspend", "resume", "drop"]
_DONE = {"TRIGGERED", "CONDITION_FALSE"}


class AlertOperator(WarehouseOperator):
    """Create, run, suspend, resume or drop an alert that writes a mail when a condition holds.

    The alert is Snowflake's: it looks by its schedule whether or not Airflow runs. ``create`` leaves an alert that is
    as asked for as it is, replaces another one in one step, and resumes it. ``run`` evaluates it once, now, waits for
    the end, and fails if condition or mail failed. The mail has a line for each row of the condition.

    :param alert_name: the alert, written database.schema.name (templated)
    :param action: what to do (default ``create``)
    :param definition: condition, schedule, warehouse, integration, recipients and subject; for ``create`` only
    :param timeout_seconds: how long ``run`` waits (default 300)
    :return: ``{"alert", "action", "state", "changed"}``; ``state`` is the alert's (``started``, ``suspended``,
        ``dropped``), of a run how it ended (``TRIGGERED``: the mail is sent, ``CONDITION_FALSE``)
    """

    template_fields: Sequence[str] = ("alert_name",)

    def __init__(
        self,
        *,
        alert_name: str,
        action: AlertAction = "create",
        definition: AlertDefinition | None = None,
        timeout_seconds: int = 300,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if action not in get_args(AlertAction):
            raise ValueError(f"action is {action!r}; choose one of {', '.join(get_args(AlertAction))}")
        if (definition is not None) != (action == "create"):
            raise ValueError(
                f"action {action!r} {'needs a' if definition is None else 'takes no'} definition; "
                f"{'give one' if definition is None else 'remove it'}"
            )
        self.alert_name = alert_name
        self.action = action
        self.definition = definition
        self.timeout_seconds = timeout_seconds

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Do what is asked."""
        alert = QualifiedName.parse(self.alert_name)
        with self.hook.session() as session:
            state, changed = self._act(session, alert)
        self.log.info("Alert %s: %s", alert.quoted, state)
        return {"alert": alert.quoted, "action": self.action, "state": state, "changed": changed}

    def _act(self, session: WarehouseSession, alert: QualifiedName) -> tuple[str, bool]:
        if self.definition is not None:
            return "started", self._create(session, alert, self.definition)
        shown = _find(session, alert)
        if self.action == "drop":
            session.execute(alert_sql.drop_alert(alert))
            return "dropped", shown is not None
        if shown is None:
            raise InputDataError(
                f"alert {alert.quoted} does not exist, or the role may not see it; create it first "
                f"(AlertOperator with action='create')"
            )
        if self.action == "run":
            return self._run(session, alert), False
        state, change = ("suspended", "SUSPEND") if self.action == "suspend" else ("started", "RESUME")
        session.execute(alert_sql.change_alert(alert, change))
        return state, shown["state"] != state

    def _create(self, session: WarehouseSession, alert: QualifiedName, definition: AlertDefinition) -> bool:
        self._check(session, alert, definition)
        shown = _find(session, alert)
        if shown is None or not definition.met_by(shown):
            session.execute(definition.create(alert))
        elif shown["state"] == "started":
            return False
        session.execute(alert_sql.change_alert(alert, "RESUME"))
        return True

    def _check(self, session: WarehouseSession, alert: QualifiedName, definition: AlertDefinition) -> None:
        """Find out now what would else fail at night, where nobody looks."""
        integration = Identifier.parse(definition.integration)
        known = {str(row["name"]) for row in session.rows(alert_sql.show_integrations())}
        if integration.name not in known:
            raise InputDataError(
                f"notification integration {integration.name} of alert {alert.quoted} does not exist, or the role may "
                f"not use it; there are: {', '.join(sorted(known)) or 'none'}. Create it (TYPE = EMAIL), or grant "
                f"USAGE on it"
            )
        for table in definition.condition.reads:
            ensure_table(session, table)
        try:
            session.rows(alert_sql.try_condition(definition.condition))
        except StatementError as error:
            raise InputDataError(
                f"the condition of alert {alert.quoted} cannot be evaluated; it must be a SELECT with a column "
                f"{alert_sql.MESSAGE} over tables that exist: {error}"
            ) from None

    def _run(self, session: WarehouseSession, alert: QualifiedName) -> str:
        since = str(session.row(alert_sql.now())["NOW"])
        session.execute(alert_sql.execute_alert(alert))
        deadline, pause = time.monotonic() + self.timeout_seconds, 0.2
        while not (ended := session.rows(alert_sql.ended_runs(alert, since))):
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"alert {alert.quoted} has not run within {self.timeout_seconds} s; look into ALERT_HISTORY, or "
                    f"raise timeout_seconds"
                )
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
        state = str(ended[0]["STATE"])
        if state not in _DONE:
            raise WarehouseError(
                f"alert {alert.quoted} ended as {state} ({ended[0]['ERROR_CODE']}): {ended[0]['ERROR_MESSAGE']}; mend "
                f"its condition, integration or recipients"
            )
        return state


def _find(session: WarehouseSession, alert: QualifiedName) -> dict[str, Any] | None:
    rows = session.rows(alert_sql.show_alerts(alert))
    return next((row for row in rows if row["name"] == alert.object.name), None)
