"""What an alert is asked to be, checked before anything is sent, and whether one that is there is it already. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from croniter import croniter

from snowmaker.snowflake import alert as alert_sql
from snowmaker.snowflake.identifiers import Identifier, QualifiedName
from snowmaker.snowflake.literals import inlined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snowmaker.snowflake.statement import Statement

_ADDRESS = re.compile(r"[^\s@,;<>\"']+@[^\s@,;<>\"']+")
MOST_RECIPIENTS = 50


@dataclass(frozen=True)
class AlertDefinition:
    """What an alert looks for, when, with which warehouse, and to whom it writes.

    :param condition: what sends the mail; ready ones are in ``snowmaker.snowflake.alert``
    :param warehouse: the warehouse that evaluates the condition
    :param integration: the notification integration (of type EMAIL) that sends the mail
    :param recipients: addresses that the integration may write to
    :param subject: the mail's subject, one line
    :param schedule: cron of five fields, in UTC: as long as the condition holds, each time sends a mail
    :raises ValueError: naming the option, what was found and what is expected

    >>> loans = QualifiedName.parse("ml.loans.mortgage")
    >>> AlertDefinition(
    ...     condition=alert_sql.metric_beyond(loans, "f1", below=0.7), warehouse="compute_wh",
    ...     integration="mail", recipients=("ann@example.com",), subject="Mortgage model", schedule="0 9 * * MON",
    ... ).schedule_text
    'USING CRON 0 9 * * MON UTC'
    """

    condition: alert_sql.Condition
    warehouse: str
    integration: str
    recipients: tuple[str, ...]
    subject: str
    schedule: str = "0 9 * * MON"

    def __post_init__(self) -> None:
        for name in (self.warehouse, self.integration):
            Identifier.parse(name)
        wrong = [address for address in self.recipients if not _ADDRESS.fullmatch(address)]
        if wrong or not 1 <= len(self.recipients) <= MOST_RECIPIENTS:
            found = ", ".join(repr(address) for address in wrong) or f"{len(self.recipients)} of them"
            raise ValueError(f"recipients: found {found}; write 1 to {MOST_RECIPIENTS} addresses like ann@example.com")
        if not self.subject.strip() or "\n" in self.subject or "\r" in self.subject:
            raise ValueError(f"subject is {self.subject!r}; write one line that is not empty")
        if len(self.schedule.split()) != 5 or not croniter.is_valid(self.schedule):
            raise ValueError(
                f"schedule is {self.schedule!r}; write a cron expression of five fields like '0 9 * * MON'"
            )

    @property
    def schedule_text(self) -> str:
        """The schedule as Snowflake takes it."""
        return f"USING CRON {self.schedule} UTC"

    @property
    def action(self) -> str:
        """What the alert does if its condition finds anything."""
        return alert_sql.mail(Identifier.parse(self.integration), self.recipients, self.subject)

    def create(self, alert: QualifiedName) -> Statement:
        """Give the statement that creates or replaces the alert."""
        warehouse = Identifier.parse(self.warehouse)
        return alert_sql.create_alert(
            alert, warehouse=warehouse, schedule=self.schedule_text, condition=self.condition, action=self.action
        )

    def met_by(self, shown: Mapping[str, Any]) -> bool:
        """Tell whether an alert is as asked for already, but for whether it is resumed.

        :param shown: its row of SHOW ALERTS
        """
        wanted = {
            "warehouse": Identifier.parse(self.warehouse).name,
            "schedule": self.schedule_text,
            "condition": inlined(self.condition.select).text,
            "action": self.action,
        }
        return all(_plain(str(shown[name])) == _plain(text.replace("%%", "%")) for name, text in wanted.items())


def _plain(text: str) -> str:
    return " ".join(text.split())
