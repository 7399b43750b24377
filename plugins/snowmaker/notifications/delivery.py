"""Hands a notice to Airflow's own notifiers, each imported only when it has something to send.

A delivery that fails is told in the log and bothers nobody else: neither the task nor the other deliveries.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from snowmaker.notifications.notice import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from snowmaker.notifications.notice import Event, Notice

Service = Literal["smtp", "slack", "http"]
SERVICES: tuple[Service, ...] = get_args(Service)
# Airflow kills the process 20 s after its task has ended ([core] task_success_overtime).
_DELIVERY_SECONDS, _ANSWER_SECONDS = 15.0, 10

log = logging.getLogger(__name__)
# The clients' own lines repeat a webhook's address, and whoever knows it may post there. What went wrong is told here.
_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


@dataclass(frozen=True)
class Destination:
    """Who is told of which events, and how.

    :param to: smtp (mail), slack, or http: the message as JSON by POST to the connection's URL
    :param events: what to tell of
    :param conn_id: Airflow connection with the server, the URL, the token; default: smtp_default, slack_default or
        http_default
    :param sender: the mail's From; default: the connection's
    :param recipients: the mail's To
    :param channel: Slack channel, of a connection with an API token; default: the connection is an incoming webhook
    :raises ValueError: if they contradict each other
    """

    to: Service
    events: tuple[Event, ...]
    conn_id: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    channel: str | None = None

    def __post_init__(self) -> None:
        if self.to not in SERVICES:
            raise ValueError(f"notification to {self.to!r}: it is no service; choose of {', '.join(SERVICES)}")
        unknown = sorted(set(self.events) - set(EVENTS))
        if unknown or not self.events:
            raise ValueError(f"notification to {self.to}: events is {list(self.events)}; choose of {', '.join(EVENTS)}")
        if (self.to == "smtp") != bool(self.recipients):
            raise ValueError(f"notification to {self.to}: mail, and only mail, has recipients; {self.recipients=}")
        if self.sender and self.to != "smtp":
            raise ValueError(f"notification to {self.to}: from ({self.sender}) is of mail only; leave it out")
        if self.channel and self.to != "slack":
            raise ValueError(f"notification to {self.to}: channel ({self.channel}) is of Slack only; leave it out")

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Destination:
        """Read one as a pipeline file says it.

        >>> Destination.of({"to": "smtp", "events": ["breach"], "recipients": ["a@b.c"], "from": "x@y.z"}).sender
        'x@y.z'
        """
        return cls(
            to=content["to"],
            events=tuple(content["events"]),
            conn_id=content.get("conn_id"),
            sender=content.get("from"),
            recipients=tuple(content.get("recipients") or ()),
            channel=content.get("channel"),
        )

    @property
    def connection(self) -> str:
        """The connection's id."""
        return self.conn_id or f"{self.to}_default"

    def __str__(self) -> str:
        return f"{self.to} (connection {self.connection})"


def deliver(notice: Notice, destinations: Iterable[Destination], context: Mapping[str, Any]) -> None:
    """Send a notice to all who have asked for its events, at once; wait for it a quarter of a minute."""
    deadline = time.monotonic() + _DELIVERY_SECONDS
    under_way = {
        destination: Thread(target=_send, args=(notice, destination, context), daemon=True)
        for destination in destinations
        if notice.events & set(destination.events)
    }
    for thread in under_way.values():
        thread.start()
    for destination, thread in under_way.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            log.error("%r is not sent to %s yet: no answer in %.0f s", notice.subject, destination, _DELIVERY_SECONDS)


def _send(notice: Notice, destination: Destination, context: Mapping[str, Any]) -> None:
    try:
        # Not by calling the notifier: that renders the message as a template, and its words are not ours.
        _NOTIFIERS[destination.to](notice, destination).notify(context)
    except ImportError as error:
        log.error("%r is not sent to %s: %s; install the provider", notice.subject, destination, error)
    except Exception as error:
        log.error("%r is not sent to %s: %s", notice.subject, destination, _without_path(error))
    else:
        log.info("Sent %r to %s", notice.subject, destination)


def _mail(notice: Notice, destination: Destination) -> Any:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    return SmtpNotifier(
        to=list(destination.recipients),
        from_email=destination.sender,
        subject=notice.subject,
        html_content=notice.html,
        mime_subtype="alternative",
        smtp_conn_id=destination.connection,
    )


def _slack(notice: Notice, destination: Destination) -> Any:
    from airflow.providers.slack.notifications.slack import SlackNotifier
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    if destination.channel:
        return SlackNotifier(
            slack_conn_id=destination.connection,
            text=notice.slack,
            channel=destination.channel,
            timeout=_ANSWER_SECONDS,
            unfurl_links=False,
        )
    _mask_path_of(destination.connection)
    notifier = SlackWebhookNotifier(
        slack_webhook_conn_id=destination.connection, text=notice.slack, timeout=_ANSWER_SECONDS, unfurl_links=False
    )
    notifier.hook.extra_client_args["logger"] = _silent
    return notifier


def _http(notice: Notice, destination: Destination) -> Any:
    from airflow.providers.http.notifications.http import HttpNotifier

    _mask_path_of(destination.connection)
    notifier = HttpNotifier(
        http_conn_id=destination.connection, json=notice.fields, extra_options={"timeout": _ANSWER_SECONDS}
    )
    notifier.hook._log = _silent  # type: ignore[assignment]
    return notifier


_NOTIFIERS: dict[Service, Callable[[Notice, Destination], Any]] = {"smtp": _mail, "slack": _slack, "http": _http}


def _mask_path_of(connection_id: str) -> None:
    """Keep a webhook's path out of the logs: the clients' errors tell it."""
    from airflow.sdk import BaseHook
    from airflow.sdk.log import mask_secret

    connection = BaseHook.get_connection(connection_id)
    for address in (connection.host, connection.password):
        path = urlsplit(address or "").path.strip("/")
        if "://" in (address or "") and path:
            mask_secret(path)


def _without_path(error: Exception) -> str:
    return re.sub("(https?://[^/ ]+)/[^ ]*", r"\1/…", without_secrets(error))[:300]


def without_secrets(error: BaseException) -> str:
    """Tell an error in a line, with all that Airflow knows to be secret masked."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]

    return " ".join(f"{type(error).__name__}: {redact(str(error))}".split())
