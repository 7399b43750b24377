"""A mail server and a web server on loopback that keep what they are sent."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Kept = TypeVar("Kept", "Mailbox", "Requests")


@dataclass
class Mailbox:
    """What came by SMTP: who logged in, the envelopes, the mails."""

    port: int = 0
    logins: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)


@dataclass
class Requests:
    """What came by HTTP: path, headers and JSON of each request.

    Paths that begin with /refused get status 500, those with /api an answer of Slack's.
    """

    port: int = 0
    received: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to log in and to send mails."""

    def handle(self) -> None:
        self._say("220 test ESMTP")
        self.envelope: list[str] = []
        for line in self.rfile:
            words = line.decode().strip()
            answer = {"EHLO": self._hello, "AUTH": self._log_in, "RCPT": self._add, "DATA": self._keep}
            self._say(answer.get(words[:4].upper(), lambda _: "250 ok")(words))
            if words.upper() == "QUIT":
                return

    def _hello(self, _: str) -> str:
        return "250-test\r\n250 AUTH PLAIN"

    def _log_in(self, words: str) -> str:
        self.mailbox.logins.append(words.split()[-1])
        return "235 welcome"

    def _add(self, words: str) -> str:
        self.envelope.append(words.split("<")[1].split(">")[0])
        return "250 ok"

    def _keep(self, _: str) -> str:
        self._say("354 go on")
        lines = list(iter(self.rfile.readline, b".\r\n"))
        self.mailbox.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self.mailbox.recipients.append(self.envelope)
        self.envelope = []
        return "250 kept"

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    @property
    def mailbox(self) -> Mailbox:
        return self.server.kept


class WebHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.kept.received.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(500 if self.path.startswith("/refused") else 200)
        self.end_headers()
        self.wfile.write(b'{"ok": true}' if self.path.startswith("/api/") else b"ok")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler), Mailbox()) as mailbox:
        yield mailbox


@contextmanager
def web_server() -> Iterator[Requests]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), WebHandler), Requests()) as requests:
        yield requests


@contextmanager
def serving(server: Any, kept: Kept) -> Iterator[Kept]:
    server.kept = kept
    kept.port = server.server_address[1]
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join()
